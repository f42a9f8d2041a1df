import numpy as np
import pytest

from tenmin.checks.lattice import POP
from tenmin.checks.parameters import shipped
from tenmin.checks.pops import Pop
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN
from tests.checks.formulas import fed, formula, gap, smooth_noise
from tests.checks.seconds import second_of
from tests.checks.signals import bank_of, eeg, noise, unit_of, verdict_of
from tests.checks.test_amplitude import probe

W = 100


def sigma_of(x):
    return 1.4826 * np.median(np.abs(x - np.median(x)))


def recent(values, k):
    return np.median(values[max(0, k - 9) : k + 1]) if k >= 2 else np.inf


def expected_events(x):
    """Of one channel: each sample judged when the 100 ms after it have come."""
    seconds = x[: len(x) // 1000 * 1000].reshape(-1, 1000)
    sigmas, changes = [sigma_of(s) for s in seconds], [sigma_of(np.diff(s)) for s in seconds]
    found, free = [], 0
    for i in range(W, len(x) - W):
        k = (i + W) // 1000
        if i < free or abs(x[i] - x[i - 1]) <= 20 * recent(changes, k):
            continue
        if abs(np.median(x[i : i + W]) - np.median(x[i - W : i])) > 10 * recent(sigmas, k):
            found.append(i)
            free = i + W
    return found


def stepped(at, sigmas, channel=2, seconds=12, sd=10.0):
    signal = smooth_noise(seconds, sd=sd)
    size = sigmas * np.median([sigma_of(s) for s in signal[:, channel].reshape(-1, 1000)])
    signal[at:, channel] += size
    return signal


def test_a_step_of_twelve_sigma_is_an_event_and_one_of_eight_is_none():
    signal = stepped(6400, 12.0) + stepped(9300, 8.0) - smooth_noise()
    check = formula(Pop)
    fed(check, signal)
    assert [(e.index, e.channel) for e in check.events] == [(6400, 2)]


def test_the_events_are_those_of_a_batch_over_the_whole_signal():
    rng = np.random.default_rng(5)
    signal = smooth_noise(20)
    for at in rng.integers(3000, 19_500, 12):
        signal[at:, rng.integers(8)] += rng.choice([-1, 1]) * rng.uniform(40, 200)
    signal[5999:, 0] += 200.0  # its 100 ms reach into the next second
    signal[7000:, 1] += 200.0
    check = formula(Pop)
    fed(check, signal)
    for c in range(8):
        assert [e.index for e in check.events if e.channel == c] == expected_events(signal[:, c])
    assert len(check.events) >= 5


def test_a_pop_carries_the_bit_in_its_bin_and_channel():
    bits = bank_of(stepped(6420, 15.0)).lattice.bits()
    assert np.argwhere(bits & POP).tolist() == [[64, 2]]


def test_a_pop_at_the_end_of_a_second_carries_the_bit_there():
    bits = bank_of(stepped(6970, 15.0)).lattice.bits()
    assert np.argwhere(bits & POP).tolist() == [[69, 2]]


def test_one_pop_is_a_warning_and_four_fail():
    once = unit_of(bank_of(stepped(6400, 15.0)), "pop")
    signal = smooth_noise(20)
    for at, step in zip((5400, 8400, 11_400, 14_400), (150, -150, 150, -150), strict=True):
        signal[at:, 2] += step
    often = unit_of(bank_of(signal), "pop")
    assert once.codes.tolist() == [0, 0, 2, 0, 0, 0, 0, 0]
    assert (often.values[2], often.codes[2]) == (4.0, 3)


def test_a_pop_is_forgotten_after_a_minute():
    check = formula(Pop)
    values = [m.values[2] for m in fed(check, stepped(6400, 15.0, seconds=70))]
    assert np.flatnonzero(np.array(values) > 0).tolist() == list(range(6, 66))


def test_white_noise_holds_no_pop():
    assert verdict_of(bank_of(noise()), "pop").level == OK


def test_a_spike_that_returns_is_no_pop():
    signal = smooth_noise()
    signal[6400:6430, 2] += 300.0
    assert verdict_of(bank_of(signal), "pop").level == OK


def test_a_channel_that_turns_to_loud_noise_is_unknown_and_no_pop():
    signal = smooth_noise()
    signal[6000:, 2] += np.random.default_rng(3).normal(0, 200, 6000)
    check = formula(Pop)
    values = [m.values[2] for m in fed(check, signal)]
    assert np.isnan(values[6])
    assert len(check.events) == 0


def test_pops_are_unknown_before_three_seconds():
    assert verdict_of(bank_of(smooth_noise(2)), "pop").level == UNKNOWN


def test_a_second_with_a_gap_is_unknown():
    check = formula(Pop)
    fed(check, smooth_noise(5))
    assert np.isnan(check.measure(gap(5)).values).all()


def test_a_jump_over_a_hole_in_the_seconds_is_no_pop():
    check = formula(Pop)
    fed(check, smooth_noise(5))
    later = fed(check, smooth_noise(3) + 500.0, first=7)
    assert not np.any([m.values for m in later])


def test_nan_in_one_channel_leaves_the_others_as_they_are():
    signal = stepped(6400, 15.0)
    clean = np.array([m.values for m in fed(formula(Pop), signal)])
    signal[6100, 5] = np.nan
    found = np.array([m.values for m in fed(formula(Pop), signal)])
    assert np.isnan(found[6]).tolist() == [c == 5 for c in range(8)]
    np.testing.assert_array_equal(np.delete(found, 5, 1), np.delete(clean, 5, 1))


@pytest.mark.parametrize(("gain", "offset"), [(2.0, 0.0), (1.0, 1e4)])
def test_gain_and_offset_change_no_event(gain, offset):
    signal = stepped(6400, 12.0)
    plain, changed = formula(Pop), formula(Pop)
    fed(plain, signal)
    fed(changed, gain * signal + offset)
    assert [(e.index, e.channel) for e in changed.events] == [
        (e.index, e.channel) for e in plain.events
    ]


def test_events_are_counted_from_t0():
    check = formula(Pop)
    fed(check, stepped(6400, 15.0))
    check.anchor()
    assert not np.any([m.values for m in fed(check, smooth_noise(3))])


def test_a_pop_of_a_fast_stream_is_found_in_its_decimated_form():
    signal = np.random.default_rng(0).normal(0, 5, (6 * 6000, 8))
    signal += 20 * np.sin(2 * np.pi * 3 * np.arange(len(signal)) / 6000)[:, None]
    signal[24_600:, 3] += 1000.0
    bank = bank_of(signal, probe())
    index, channel = next((e.index, e.channel) for e in unit_of(bank, "pop").formula.events)
    assert channel == 3
    assert abs(index - 24_600) < 60


def test_a_stream_of_few_codes_is_judged_by_the_size_of_a_code():
    signal = np.zeros((6000, 8))
    signal[4400:, 2] = 50.0
    verdict = verdict_of(bank_of(signal, eeg(8)), "pop")
    assert verdict.level in (WARN, FAIL)


def test_a_step_in_every_channel_is_looked_for_in_parts():
    stream = eeg(100)
    check = Pop(stream, shipped()["pop"], Shared(Setting(), Spectra()))
    signal = noise(6, n_channels=100)
    signal[4500:] += 1000.0
    parts = []
    for k, samples in enumerate(signal.reshape(6, 1000, 100)):
        second = second_of(samples, 1000.0, number=k)
        parts.append(len(list(check.parts(second))))
        check.measure(second)
    assert parts[4] == parts[3] + 4  # 32 channels each
    assert {(e.index - 4500, e.channel) for e in check.events} == {(0, c) for c in range(100)}
