import numpy as np
import pytest
from hypothesis import given, settings
from scipy import signal

from tenmin.checks.blinks import Blinks, Eye, Eyes, FewBlinks
from tenmin.checks.front import Front, Limits
from tenmin.checks.lattice import EYE
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared, Unit
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import OK, UNKNOWN, WARN
from tests.checks.cuts import CUTS, pieces

P = shipped()
RATE = 250.0
NAMES = ("Fp1", "Fp2", "Cz", "O1", "O2")
OPEN = {"dot.condition": "EO_fix"}


def stream(names=NAMES, **fields):
    given_ = {"unit": "volts", "scale": 1e-6, "dtype": "float64", "kind": "eeg"}
    return Stream("eeg", names, RATE, **given_ | fields)


def background(seconds, seed=0, sd=10.0):
    """Noise below 30 Hz with a slow part, microvolts."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    low = signal.butter(1, 8.0, fs=RATE, output="sos")
    noise = signal.sosfilt(low, rng.normal(0, 1, (n, len(NAMES))), axis=0)
    return sd * noise / noise.std(axis=0)


def blink_times(seconds, per_min=15.0, seed=0):
    """Onsets at least 0.8 s apart, from the third second on."""
    rng = np.random.default_rng(seed)
    steps = 0.8 + rng.exponential(60.0 / per_min - 0.8, int(seconds))
    onsets = 3.0 + np.cumsum(steps)
    return onsets[onsets < seconds - 2.0]


def with_blinks(signal_uv, onsets, seed=0, sizes=(120.0, 300.0), lengths=(0.2, 0.4)):
    """Hann-shaped blinks over the front, a tenth of them behind."""
    rng, out = np.random.default_rng(seed), signal_uv.copy()
    for onset in onsets:
        shape = np.hanning(int(rng.uniform(*lengths) * RATE)) * rng.uniform(*sizes)
        at = int(onset * RATE)
        out[at : at + len(shape)] += shape[:, None] * np.array([1.0, 1.0, 0.3, 0.1, 0.1])
    return out


def seconds_of(signal_uv, of=None, lengths=(50,)):
    front, at = Front(of or stream(), Limits(), origin=0), 0
    for part in pieces(signal_uv, list(lengths)):
        yield from front.feed(Piece(at, at, np.ascontiguousarray(part), None, 0, 0))
        at += len(part)


def eye_of(signal_uv, **more):
    eye = Eye(stream(), P["blinks"])
    for second in seconds_of(signal_uv, **more):
        eye.watch(second)
    return eye


def matched(onsets, truth, within_s=0.3):
    """F1 of onsets against true ones."""
    left, hits = list(truth), 0
    for onset in onsets:
        near = [t for t in left if abs(onset - t) <= within_s]
        if near:
            hits += 1
            left.remove(min(near, key=lambda t: abs(onset - t)))
    return 2 * hits / (len(onsets) + len(truth))


@pytest.mark.parametrize("seed", [1, 2])
def test_150_blinks_are_found_as_truth_has_them(seed):
    truth = blink_times(600, seed=seed)
    eye = eye_of(with_blinks(background(602, seed), truth, seed))
    assert len(truth) > 120
    assert matched([b.onset_s for b in eye.blinks], truth) >= 0.95


def test_blinks_are_those_that_find_peaks_finds_in_the_trace_filtered_both_ways():
    truth = blink_times(600, seed=3)
    uv = with_blinks(background(602, 3), truth, 3)
    band = signal.butter(2, (0.5, 10.0), "band", fs=RATE, output="sos")
    trace = signal.sosfiltfilt(band, uv[:, :2].mean(axis=1))
    peaks, _ = signal.find_peaks(trace, height=75.0, distance=int(0.4 * RATE))
    found = [b.onset_s + b.duration_s / 2 for b in eye_of(uv).blinks]
    assert matched(found, peaks / RATE) >= 0.98


def test_a_background_without_blinks_has_none():
    assert eye_of(background(300)).blinks == []


def test_the_swing_after_a_large_blink_is_no_second_one():
    uv = with_blinks(background(10), [5.0], sizes=(400, 401))
    assert len(eye_of(uv).blinks) == 1


def test_two_blinks_half_a_second_apart_are_two():
    uv = with_blinks(background(10), [5.0, 5.6], sizes=(250, 251), lengths=(0.25, 0.26))
    assert len(eye_of(uv).blinks) == 2


def test_a_spike_shorter_than_50_ms_is_no_blink():
    uv = background(10)
    uv[1250:1255, :2] += 300.0
    assert eye_of(uv).blinks == []


def test_a_closure_longer_than_half_a_second_is_told_apart():
    uv = with_blinks(background(10, sd=3.0), [5.0], sizes=(900, 901), lengths=(1.5, 1.51))
    assert [b.closure for b in eye_of(uv).blinks] == [True]


def test_a_vertical_eog_is_preferred():
    of = stream(("VEOG", "Fp1", "Fp2", "O1", "O2"))
    eye = Eye(of, P["blinks"])
    uv = background(10)
    uv[:, 0] = with_blinks(background(10), [5.0], sizes=(250, 251))[:, 0]
    for second in seconds_of(uv, of):
        eye.watch(second)
    assert len(eye.blinks) == 1


@given(CUTS)
@settings(max_examples=8)
def test_any_cut_finds_the_same_blinks(lengths):
    uv = with_blinks(background(12), [3.9, 6.0, 9.3])
    assert eye_of(uv, lengths=lengths).blinks == eye_of(uv).blinks


def test_an_offset_of_the_electrodes_changes_no_blink():
    uv = with_blinks(background(12), [3.9, 6.0, 9.3])
    near, far = eye_of(uv).blinks, eye_of(uv + 20_000.0).blinks
    assert [b.onset_s for b in far] == [b.onset_s for b in near]


def test_a_spoilt_sample_behind_changes_no_blink():
    uv = with_blinks(background(12), [3.9, 6.0, 9.3])
    spoilt = uv.copy()
    spoilt[1500, 3] = np.nan
    assert eye_of(spoilt).blinks == eye_of(uv).blinks


def verdict_of(kind, signal_uv, facts=OPEN, of=None):
    of = of or stream()
    parameters = P[kind.name]
    unit = Unit(kind(of, parameters, Shared(Setting(None, facts), Spectra())), of, parameters)
    bits = [unit.step(second) for second in seconds_of(signal_uv, of)]
    return unit.verdict(), np.concatenate(bits)


@pytest.mark.parametrize(
    ("per_min", "many", "few"), [(15.0, OK, OK), (50.0, WARN, OK), (0.1, OK, WARN)]
)
def test_the_rate_of_blinks_is_judged_with_eyes_open(per_min, many, few):
    uv = with_blinks(background(122), blink_times(122, per_min, 5), sizes=(200, 300))
    got = verdict_of(Blinks, uv)[0].level, verdict_of(FewBlinks, uv)[0].level
    assert got == (many, few)


def test_the_rate_is_that_of_the_last_minute():
    uv = with_blinks(background(91), np.arange(62.5, 90, 2.5), sizes=(200, 300))
    assert verdict_of(Blinks, uv)[0].value == pytest.approx(11.0)


@pytest.mark.parametrize("facts", [{}, {"dot.condition": "EC"}])
def test_unless_eyes_are_to_be_open_the_rate_is_unknown(facts):
    assert verdict_of(Blinks, background(70), facts)[0].level == UNKNOWN


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [(None, 3), ("EO_fix", 3), ("EC", 1), ("headfixed_taskfree", 0)],
)
def test_each_condition_has_the_checks_that_apply(condition, kinds):
    setting = Setting(None, {"dot.condition": condition} if condition else {})
    fits = [kind.fit(stream(), P[kind.name], setting) for kind in (Blinks, FewBlinks, Eyes)]
    assert sum(fit is not None for fit in fits) == kinds


def test_blinks_of_the_settling_do_not_count_in_the_block():
    uv = with_blinks(background(70), np.arange(4.0, 60.0, 4.0), sizes=(200, 300))
    blinks = FewBlinks(stream(), P["few_blinks"], Shared(Setting(None, OPEN), Spectra()))
    values = []
    for second in seconds_of(uv):
        if second.number == 65:
            blinks.anchor()
        values.append(blinks.measure(second).values[0])
    assert values[64] > 10
    assert np.isnan(values[65])


def test_in_the_first_minute_the_rate_is_unknown():
    assert verdict_of(FewBlinks, background(50))[0].level == UNKNOWN


def test_without_a_channel_near_the_eyes_it_is_unknown():
    of = stream(("C3", "C4", "Cz", "O1", "O2"))
    assert verdict_of(FewBlinks, background(70), of=of)[0].level == UNKNOWN


def test_bins_of_a_blink_are_marked_near_the_eyes_alone():
    uv = with_blinks(background(10), [5.0], sizes=(300, 301), lengths=(0.3, 0.31))
    marked = np.argwhere(verdict_of(Blinks, uv)[1] & EYE)
    assert set(marked[:, 1]) == {0, 1}
    assert {51, 52} <= set(marked[:, 0]) <= set(range(50, 60))


def alpha(closed, seconds=120, size=20.0):
    """Background with blinks and weak alpha; none of the one and much of the other while closed."""
    onsets = [t for t in np.arange(3.0, seconds - 2, 4.0) if not closed[0] <= t < closed[1]]
    uv = with_blinks(background(seconds, sd=8.0), onsets)
    t = np.arange(len(uv)) / RATE
    shut = (t >= closed[0]) & (t < closed[1])
    uv[:, 3:] += (np.where(shut, size, 2.0) * np.sin(2 * np.pi * 10 * t))[:, None]
    return uv


def eyes_over(signal_uv, facts=OPEN, of=None, calibrate=(5, 35)):
    """The level of each second, and the check."""
    of = of or stream()
    eyes = Eyes(of, P["eyes"], Shared(Setting(None, facts), Spectra()))
    unit = Unit(eyes, of, P["eyes"])
    found = []
    for second in seconds_of(signal_uv, of):
        if second.number == calibrate[0]:
            eyes.begin_calibration()
        if second.number == calibrate[1]:
            eyes.end_calibration()
        unit.step(second)
        found.append(unit.verdict().level)
    return found, eyes


def test_eyes_closed_for_25_s_are_told_within_thirty():
    found, _ = eyes_over(alpha((60.0, 85.0)))
    first = found.index(WARN)
    assert 60 <= first + 1 <= 90


def test_eyes_that_stay_open_are_ok():
    found, _ = eyes_over(alpha((500.0, 500.0)))
    assert set(found[40:]) == {OK}


def test_strong_alpha_between_blinks_is_no_closed_eye():
    uv = alpha((60.0, 120.0))
    uv = with_blinks(uv, np.arange(62.0, 118.0, 5.0))
    assert WARN not in eyes_over(uv)[0]


def test_eyes_without_a_calibration_are_unknown():
    assert set(eyes_over(alpha((60.0, 85.0)), calibrate=(0, 5))[0]) == {UNKNOWN}


def test_an_earlier_calibration_is_taken_from_the_facts():
    facts = OPEN | {"own.eyes_open_alpha_uv2": 10.0}
    assert eyes_over(background(3), facts)[1].level == 10.0


def test_eyes_are_unknown_without_posterior_channels():
    of = stream(("Fp1", "Fp2", "Cz", "C3", "C4"))
    assert set(eyes_over(alpha((60.0, 85.0)), of=of)[0]) == {UNKNOWN}


def test_twice_the_gain_changes_no_ratio():
    uv = background(40, sd=5.0)
    found = []
    for gain in (1.0, 2.0):
        eyes = eyes_over(gain * uv)[1]
        found.append(np.mean(eyes._powers) / eyes.level)
    assert found[1] == pytest.approx(found[0], rel=1e-9)
