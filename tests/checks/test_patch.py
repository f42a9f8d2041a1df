import numpy as np
import pytest
from hypothesis import given, settings
from scipy import signal

from tenmin.checks.membrane import Membrane
from tenmin.checks.parameters import shipped
from tenmin.checks.patch import (
    Access,
    Leak,
    PatchNoise,
    Potential,
    Resting,
    entered,
    recording_noise,
)
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared, Unit
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN
from tests.checks.cuts import CUTS, pieces
from tests.checks.seconds import second_of

P = shipped()
RATE = 20_000.0
VOLTAGE = Stream("cell", ("Vm",), RATE, "volts", scale=1e-6, dtype="float64", kind="patch")
CURRENT = Stream("cell", ("Im",), RATE, "amperes", dtype="float64", kind="patch")


def levels(check, rs, rin=500.0):
    return {v.check: v.level for v in check.take(Membrane(rs, rin, 33.0, 320.0))}


def test_before_a_test_pulse_access_is_unknown():
    assert {v.level for v in Access("cell", P).verdicts(0.0)} == {UNKNOWN}


def test_the_first_test_says_nothing_of_a_change():
    assert levels(Access("cell", P), 10.0) == {
        "access": OK,
        "access_low": OK,
        "access_ratio": OK,
        "access_change": UNKNOWN,
    }


@pytest.mark.parametrize(
    ("rs", "rin", "check"),
    [(20.5, 500.0, "access"), (0.9, 500.0, "access_low"), (16.0, 100.0, "access_ratio")],
)
def test_each_limit_of_access_fails_alone(rs, rin, check):
    found = levels(Access("cell", P), rs, rin)
    assert [name for name, level in found.items() if level == FAIL] == [check]


@pytest.mark.parametrize(("rs", "level"), [(11.9, OK), (12.1, WARN), (7.9, WARN), (13.1, FAIL)])
def test_a_change_of_access_is_held_against_the_first_test(rs, level):
    check = Access("cell", P)
    levels(check, 10.0)
    assert levels(check, rs)["access_change"] == level


def test_a_change_is_told_with_its_sign():
    check = Access("cell", P)
    levels(check, 10.0)
    assert check.take(Membrane(8.0, 500.0, 33.0, 320.0))[-1].value == pytest.approx(-20.0)


def test_a_test_that_could_not_be_fitted_leaves_all_unknown():
    check = Access("cell", P)
    levels(check, 10.0)
    assert {v.level for v in check.take(None)} == {UNKNOWN}


def test_a_ramp_of_access_is_flagged_at_the_next_test():
    check = Access("cell", P)
    flagged = [levels(check, 10.0 + 5.0 * k / 61)["access_change"] for k in range(61)]
    assert flagged.index(WARN) == 25
    assert flagged.index(FAIL) == 37


@pytest.mark.parametrize(
    ("fact", "value", "level"),
    [
        ("patch.seal_GOhm", 2.5, OK),
        ("patch.seal_GOhm", 0.8, FAIL),
        ("own.electrode_offset_pA", -150.0, OK),
        ("own.electrode_offset_pA", -250.0, FAIL),
        ("patch.offset_after_withdrawal_mV", -9.0, OK),
        ("patch.offset_after_withdrawal_mV", -12.0, FAIL),
    ],
)
def test_what_was_typed_in_is_judged_and_the_rest_unknown(fact, value, level):
    told = [(v.level, v.value) for v in entered("cell", P, {fact: value})]
    assert sorted(told, key=str) == sorted([(level, value)] + [(UNKNOWN, None)] * 2, key=str)


def shared():
    return Shared(Setting(), Spectra())


def values_of(kind, stream, values, numbers=None):
    """Values of seconds in which each channel has the given constant value; t0 is told once."""
    formula = kind(stream, P[kind.name], shared())
    found = []
    for k, value in enumerate(values):
        if numbers is not None and k and numbers[k] <= numbers[k - 1]:
            formula.anchor()
        row = np.atleast_1d(np.asarray(value, float))
        noise = np.random.default_rng(k).normal(0, 1e-3, (100, len(row)))
        number = k if numbers is None else numbers[k]
        found.append(formula.measure(second_of(row * (1 + noise), 100.0, number)).values)
    return np.array(found)


def test_the_leak_is_the_median_current_of_ten_seconds():
    found = values_of(Leak, CURRENT, [-80e-12] * 9 + [-5e-9])
    assert np.isnan(found[:9]).all()
    assert found[9][0] == pytest.approx(80.0, rel=1e-3)


def test_a_potential_has_no_leak():
    assert np.isnan(values_of(Leak, VOLTAGE, [-70e3] * 12)).all()


def test_a_current_has_no_resting_potential():
    assert np.isnan(values_of(Resting, CURRENT, [-80e-12] * 22)).all()


def test_resting_drift_is_against_the_first_ten_seconds():
    found = values_of(Resting, VOLTAGE, [-70e3] * 10 + [-66e3] * 10)
    assert found[9][0] == 0.0
    assert found[19][0] == pytest.approx(4.0, abs=0.02)


@pytest.mark.parametrize(("after_mv", "level"), [(-68.0, OK), (-66.0, WARN), (-60.0, FAIL)])
def test_a_drift_of_the_resting_potential_is_judged(after_mv, level):
    unit = Unit(Resting(VOLTAGE, P["resting"], shared()), VOLTAGE, P["resting"])
    for k in range(24):
        mv = -70.0 if k < 10 else after_mv
        wobble = np.random.default_rng(k).normal(0, 10.0, (100, 1))
        unit.step(second_of(mv * 1e3 + wobble, 100.0, k))
    assert unit.verdict().level == level


def test_spikes_do_not_move_the_resting_potential():
    formula = Resting(VOLTAGE, P["resting"], shared())
    for k in range(20):
        samples = np.full((1000, 1), -70e3)
        samples[:: 100 if k > 9 else 1001] = 30e3
        value = formula.measure(second_of(samples, 1000.0, k)).values[0]
    assert value == 0.0


def test_the_resting_potential_is_taken_anew_at_t0():
    numbers = [*range(15), *range(-5, 15)]
    found = values_of(Resting, VOLTAGE, [-70e3] * 15 + [-60e3] * 20, numbers)
    assert np.isnan(found[15:29]).all()
    assert found[-1][0] == pytest.approx(0.0, abs=0.02)


def test_resting_drift_of_one_channel_is_unknown_alone_where_it_is_nan():
    stream = Stream("cell", ("a", "b"), RATE, "volts", kind="patch")
    found = values_of(Resting, stream, [(-70e3, np.nan)] * 12)
    assert np.isnan(found[-1]).tolist() == [False, True]


def hiss(sd_mv, seconds=4, seed=0):
    """White noise of a potential, mV."""
    return np.random.default_rng(seed).normal(0, sd_mv, int(seconds * RATE))


def test_fast_noise_is_the_rms_of_the_band():
    voltage = hiss(0.1)
    band = signal.butter(4, (1e3, 5e3), "band", fs=RATE, output="sos")
    rms = signal.sosfilt(band, voltage).std()
    assert recording_noise(voltage, RATE, P)[0] == pytest.approx(rms, rel=5e-3)


def test_slow_noise_is_the_rms_of_half_a_second():
    assert recording_noise(-70.0 + hiss(0.1), RATE, P)[1] == pytest.approx(0.1, rel=0.01)


def test_a_slow_rate_leaves_the_fast_noise_unknown():
    fast, slow = recording_noise(hiss(0.1), 8000.0, P)
    assert np.isnan(fast)
    assert slow == pytest.approx(0.1, rel=0.05)


def test_nothing_recorded_has_no_noise():
    assert np.isnan(recording_noise(np.empty(0), RATE, P)).all()


def test_twice_the_signal_is_twice_the_noise():
    one, two = (recording_noise(gain * hiss(0.1), RATE, P) for gain in (1.0, 2.0))
    assert np.array(two) == pytest.approx(2 * np.array(one), rel=1e-9)


def noise_of(voltage_mv, name, stream=VOLTAGE, lengths=(333,)):
    check, at = PatchNoise(stream, P[name]), 0
    for part in pieces(voltage_mv.reshape(len(voltage_mv), -1) * 1e3, list(lengths)):
        check.feed(Piece(at, at, part, None, 0, 0))
        at += len(part)
    return [check.verdict(t) for t in range(3)][-1]


@pytest.mark.parametrize(("sd_mv", "level"), [(0.09, OK), (0.15, FAIL)])
def test_fast_noise_of_a_stream_is_judged(sd_mv, level):
    assert noise_of(hiss(sd_mv), "patch_noise_fast").level == level


def test_slow_noise_of_a_stream_is_judged():
    slow = np.sin(np.arange(80_000) / RATE * 2 * np.pi * 4)
    assert noise_of(slow, "patch_noise_slow").level == FAIL


def test_a_spike_a_second_is_no_noise():
    voltage = hiss(0.05)
    voltage[::20_000] += 80.0
    assert noise_of(voltage, "patch_noise_fast").level == OK


def test_the_noise_of_a_current_is_unknown():
    assert noise_of(hiss(0.1), "patch_noise_fast", CURRENT).level == UNKNOWN


@given(CUTS)
@settings(max_examples=10)
def test_any_cut_gives_the_same_noise(lengths):
    voltage = hiss(0.1, seconds=0.8)
    for name in ("patch_noise_fast", "patch_noise_slow"):
        whole = noise_of(voltage, name, lengths=(16_000,))
        assert noise_of(voltage, name, lengths=lengths) == whole


def test_noise_after_a_gap_begins_with_a_settled_filter():
    check = PatchNoise(VOLTAGE, P["patch_noise_fast"])
    for index, level in ((0, -70e3), (50_000, 30e3)):
        check.feed(Piece(index, index, np.full((4000, 1), level), None, 0, 0))
    assert check.verdict(0.0).value == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("mv", "level"), [(-70.0, OK), (-35.0, FAIL)])
def test_a_depolarised_cell_fails(mv, level):
    unit = Unit(
        Potential(VOLTAGE, P["resting_potential"], shared()), VOLTAGE, P["resting_potential"]
    )
    unit.step(second_of(np.full((1000, 1), mv * 1e3), 1000.0, number=0))
    assert unit.verdict().level == level
