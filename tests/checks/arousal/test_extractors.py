"""Each feature against the formula of science.md C.2, written with numpy and scipy."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.checks.arousal.binning import Held
from tenmin.checks.arousal.body import Motion, Muscle, Speed, motion_energy
from tenmin.checks.arousal.brain import Brain, region
from tenmin.checks.arousal.eyes import Eyes
from tenmin.checks.arousal.field import Field, FieldMuscle, mean_correlation
from tenmin.checks.arousal.heart import Heart
from tenmin.checks.arousal.pupil import Pupil, bridged, settled_pupil
from tenmin.checks.arousal.suppression import Suppression
from tests.checks.arousal.mice import RULES, smoothed

RATE = 250.0
LABELS = ("Fp1", "Fz", "Cz", "Oz", "F7", "F8")


def noise(n, c=1, seed=0, sd=1.0):
    return np.random.default_rng(seed).normal(0, sd, (n, c))


def times_of(n, rate=RATE, start=0.0):
    return start + np.arange(n) / rate


def fed(extractor, times, samples, cut=None):
    """All values, one column per name."""
    step = cut or len(times)
    parts = [
        extractor.feed(times[i : i + step], samples[i : i + step])
        for i in range(0, len(times), step)
    ]
    return np.concatenate([part.values for part in parts])


def pink(n, c, seed=0):
    x = np.fft.rfft(noise(n, c, seed), axis=0)
    f = np.arange(1, len(x))
    x[1:] /= f[:, None] ** 0.75
    x[0] = 0
    y = np.fft.irfft(x, n, axis=0)
    return 20 * y / y.std()


MAKERS = {
    "speed": (lambda: Speed(0.0, RULES), lambda n: np.cumsum(noise(n) ** 2, axis=0) * 1e-4),
    "motion": (lambda: Motion(0.0, RULES), lambda n: noise(n, 2) ** 2),
    "pupil": (lambda: Pupil(0.0, RULES), lambda n: 2 + 0.02 * noise(n)),
    "muscle": (lambda: Muscle(0.0, RULES, RATE), lambda n: noise(n)),
    "field": (lambda: Field(0.0, RULES, RATE), lambda n: pink(n, 3)),
    "field_muscle": (lambda: FieldMuscle(0.0, RULES, RATE * 8), lambda n: noise(n, 3)),
    "heart": (lambda: Heart(0.0, RULES, RATE, True), lambda n: noise(n)),
    "brain": (lambda: Brain(0.0, RULES, RATE, LABELS), lambda n: pink(n, 6)),
    "eyes": (lambda: Eyes(0.0, RULES, RATE, 1, True), lambda n: 90 * noise(n, 3)),
    "suppression": (lambda: Suppression(0.0, RULES, RATE), lambda n: 10 * noise(n, 3)),
    "held": (lambda: Held(0.0, ("activity",)), lambda n: noise(n)),
}


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=6)
@given(cuts=st.lists(st.integers(1, 333), min_size=1, max_size=6))
def test_any_cut_gives_the_same_features(name, cuts):
    make, samples_of = MAKERS[name]
    samples = samples_of(2000)
    times = times_of(2000, RATE * 8 if name == "field_muscle" else RATE)
    pieces, at, turn = [], 0, 0
    extractor = make()
    while at < len(times):
        n = cuts[turn % len(cuts)]
        pieces.append(extractor.feed(times[at : at + n], samples[at : at + n]).values)
        at, turn = at + n, turn + 1
    np.testing.assert_array_equal(np.concatenate(pieces), fed(make(), times, samples))


def test_a_bin_without_samples_is_given_as_unknown():
    times = np.r_[times_of(100), times_of(100, start=5.0)]
    found = fed(Speed(0.0, RULES), times, np.zeros((200, 1)))
    assert len(found) == 53
    assert np.isnan(found[5:50]).all()


def test_speed_is_that_of_the_belt_in_centimetres_per_second():
    t = times_of(5000, 1000.0)
    assert fed(Speed(0.0, RULES), t, -0.05 * t[:, None])[20:, 0] == pytest.approx(5.0)


def test_speed_follows_with_a_lag_of_three_tenths():
    t = times_of(4000, 1000.0)
    v = np.where(t < 2, 0.0, 0.1)
    found = fed(Speed(0.0, RULES, is_position=False), t, v[:, None])[:, 0]
    np.testing.assert_allclose(found, smoothed(np.r_[np.zeros(20), np.full(19, 10.0)], 0.3))


def test_an_encoder_that_sends_at_movement_only_stands_still_in_silence():
    t = np.array([0.0, 0.05, 0.1, 0.15, 3.0])
    found = fed(Speed(0.0, RULES, is_event=True), t, np.c_[[0.0, 0.01, 0.02, 0.03, 0.04]])[:, 0]
    assert found[-1] < 0.01


def test_motion_is_the_log_of_one_plus_the_energy():
    t = times_of(600, 60.0)
    assert fed(Motion(0.0, RULES), t, np.full((600, 1), 3.0))[:, 0] == pytest.approx(np.log(4.0))


def test_motion_energy_is_the_mean_absolute_change():
    a, b = np.array([[1, 2], [3, 4]], np.uint8), np.array([[2, 0], [3, 4]], np.uint8)
    assert motion_energy(a, b) == 0.75


def test_muscle_is_the_log_of_the_robust_sd_of_its_band():
    x = noise(20_000, 1, sd=10.0)
    found = fed(Muscle(0.0, RULES, 1000.0), times_of(20_000, 1000.0), x)
    band = scipy.signal.butter(2, (20, 200), "band", fs=1000.0, output="sos")
    y = scipy.signal.sosfilt(band, x, axis=0)
    expected = np.log10(scipy.stats.median_abs_deviation(y, scale="normal", axis=None))
    assert np.nanmedian(found) == pytest.approx(expected, abs=0.02)


def test_delta_and_theta_ratios_are_those_of_welch():
    x, t = pink(25_000, 5), times_of(25_000)
    found = fed(Field(0.0, RULES, RATE), t, x)
    f, p = scipy.signal.welch(x[-2 * 250 - 250 : -250], RATE, "hann", 500, axis=0)

    def band(low, high, how):
        return how(p[(f >= low) & (f <= high)], axis=0)

    theta = np.median(band(5, 10, np.sum) / band(2, 20, np.sum))
    delta = np.log10(band(1, 4, np.mean) / band(30, 80, np.mean))
    assert found[-1, 1] == pytest.approx(theta, rel=1e-9)
    assert found[-1, 0] == pytest.approx(np.median(delta), abs=0.3)  # smoothed over 2 s


def test_the_slope_of_coloured_noise_is_its_exponent():
    found = fed(Field(0.0, RULES, RATE), times_of(25_000), pink(25_000, 16))
    assert np.nanmean(found[400:, 2]) == pytest.approx(-1.5, abs=0.1)


def test_delta_is_known_once_two_seconds_are_whole():
    found = fed(Field(0.0, RULES, RATE), times_of(1000), pink(1000, 2))[:, 0]
    assert np.isnan(found[:19]).all()
    assert np.isfinite(found[19:]).all()


def test_a_gap_makes_delta_unknown_until_two_seconds_are_whole_again():
    t = times_of(2500)
    keep = (t < 4.2) | (t >= 4.6)
    found = fed(Field(0.0, RULES, RATE), t[keep], pink(2500, 2)[keep])[:, 0]
    assert np.isnan(found[49:69]).all()
    assert np.isfinite(found[69:]).all()


def test_a_bad_channel_does_not_reach_the_median_of_the_others():
    x = pink(5000, 3)
    y = np.c_[x, np.full(5000, np.nan)]
    one, other = (fed(Field(0.0, RULES, RATE), times_of(5000), z) for z in (x, y))
    np.testing.assert_array_equal(one, other)


def test_gain_changes_no_ratio():
    x = pink(5000, 3)
    one, other = (fed(Field(0.0, RULES, RATE), times_of(5000), z) for z in (x, 2 * x))
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_the_mean_correlation_is_that_of_all_pairs():
    x = noise(500, 4) + noise(500, 1, seed=1)
    pairs = np.corrcoef(x.T)[np.triu_indices(4, 1)]
    assert mean_correlation(x) == pytest.approx(pairs.mean())


def test_shared_fast_noise_shows_as_muscle_in_the_field():
    n, t = 5000, times_of(5000, 2500.0)
    alone = fed(FieldMuscle(0.0, RULES, 2500.0), t, noise(n, 4))[-1, 0]
    shared = fed(FieldMuscle(0.0, RULES, 2500.0), t, noise(n, 4) + 2 * noise(n, 1, 1))[-1, 0]
    assert (alone < 0.1, shared > 0.6) == (True, True)


def test_a_slow_stream_cannot_tell_muscle_from_the_field():
    found = fed(FieldMuscle(0.0, RULES, 1000.0), times_of(2000, 1000.0), noise(2000, 4))
    assert np.isnan(found).all()


@pytest.mark.parametrize(("rate_bpm", "is_human"), [(64.0, True), (480.0, False)])
def test_the_heart_beats_at_its_rate(rate_bpm, is_human):
    fs, rng = 500.0, np.random.default_rng(2)
    beats = np.cumsum(60 / rate_bpm * (1 + 0.03 * rng.standard_normal(1000)))
    beats = beats[beats < 80]
    t = times_of(40_000, fs)
    x = noise(40_000, 1, sd=20.0)[:, 0]
    for beat in beats:
        near = np.abs(t - beat) < 0.1
        x[near] += 1000 * np.exp(-0.5 * ((t[near] - beat) / 0.01) ** 2)
    found = fed(Heart(0.0, RULES, fs, is_human), t, x[:, None])[-1]
    rr = np.diff(beats[beats > 20])
    assert found[0] == pytest.approx(60 / rr.mean(), rel=0.01)
    if is_human:
        assert found[1] == pytest.approx(np.sqrt(np.mean(np.diff(rr) ** 2)), rel=0.15)


def test_blinks_are_counted_with_their_duration():
    fs, n = 250.0, 20_000
    t, x = times_of(n, fs), noise(n, 1, sd=5.0)[:, 0]
    for at in np.arange(2.0, 79.0, 4.0):
        x += 200 * np.exp(-0.5 * ((t - at) / 0.06) ** 2)
    found = fed(Eyes(0.0, RULES, fs, 1, False), t, x[:, None])[-1]
    assert found[0] == pytest.approx(15.0, abs=1.0)
    assert 0.05 <= found[1] <= 0.3


def test_slow_eye_movements_are_seen_after_two_seconds():
    t = times_of(10_000)
    wave = np.where(t > 20, 200.0, 0.0) * np.sin(2 * np.pi * 0.3 * t)
    x = np.c_[np.zeros(len(t)), wave, -wave]
    found = fed(Eyes(0.0, RULES, RATE, 1, True), t, x)[:, 4]
    assert not found[:200].any()
    assert found[260:].all()


def test_the_fractions_come_from_their_regions():
    t = times_of(5000)
    x = pink(5000, 6) * 0.1
    x[:, 3] += 30 * np.sin(2 * np.pi * 10 * t)  # Oz
    x[:, 1] += 30 * np.sin(2 * np.pi * 5.5 * t)  # Fz
    x[:, 2] += 30 * np.sin(2 * np.pi * 2 * t)  # Cz
    found = fed(Brain(0.0, RULES, RATE, LABELS), t, x)[-1]
    assert found[0] > 0.95
    assert found[2] > 0.95
    assert found[3] == pytest.approx(450.0, rel=0.05)  # the power of the sine


def test_regions_follow_the_names():
    labels = ("Fp1", "F3", "C3", "P3", "O1", "O2", "PO3")
    assert [region(labels, name) for name in ("occipital", "frontal", "central")] == [
        (4, 5, 6),
        (1,),
        (2,),
    ]


def test_without_names_all_channels_count():
    assert region(("ch1", "ch2"), "occipital") == (0, 1)


def test_a_spindle_is_seen_in_its_second():
    t = times_of(5000)
    x = pink(5000, 6)
    burst = 60 * np.sin(2 * np.pi * 13 * t) * np.exp(-0.5 * ((t - 10.2) / 0.25) ** 2)
    found = fed(Brain(0.0, RULES, RATE, LABELS), t, x + burst[:, None])[:, 6]
    seen = np.flatnonzero(found > 0) / 10
    assert len(seen)
    assert 10 < seen[0] < 12


def test_suppression_is_the_recursion_of_the_local_variance():
    t = times_of(25_000)
    x = np.where(t % 10 < 4, noise(25_000, 1)[:, 0], 3 * pink(25_000, 1, 1)[:, 0])
    found = fed(Suppression(0.0, RULES, RATE), t, x[:, None])[:, 0]
    band = scipy.signal.butter(2, (0.5, 30), "band", fs=RATE, output="sos")
    y, _ = scipy.signal.sosfilt(band, x, zi=scipy.signal.sosfilt_zi(band) * x[0])
    a = 1 - 0.9534 ** (200 / RATE)
    mean, variance, told = y[0], 4 * 1.75 * 25.0, []
    for k, value in enumerate(y):
        variance = (1 - a) * (variance + a * (value - mean) ** 2)
        mean += a * (value - mean)
        if (k + 1) % 25 == 0:
            told.append(float(variance < 1.75 * 25.0))
    assert found.tolist() == told[: len(found)]
    assert 0.3 < np.mean(told) < 0.4  # the variance needs half a second to fall


def blinking(likelihood=True):
    """10 s at 60 Hz, diameter 2 with a blink at 5.0-5.2 s."""
    t = times_of(600, 60.0)
    shut = (t >= 5.0) & (t < 5.2)
    d = np.where(shut, 0.5, 2.0) + 0.001 * noise(600)[:, 0]
    return t, shut, np.c_[d, np.where(shut, 0.3, 1.0)] if likelihood else d[:, None]


@pytest.mark.parametrize("likelihood", [True, False])
def test_a_blink_and_what_follows_it_is_no_pupil(likelihood):
    t, _, x = blinking(likelihood)
    size = fed(Pupil(0.0, RULES), t, x)[:, 0]
    assert np.isnan(size[50:53]).all()
    assert np.nanmin(size) > 1.9
    assert np.isfinite(size[55:]).all()


def test_a_short_hole_is_bridged_by_a_line_and_a_long_one_is_not():
    x = np.r_[0.0, np.full(9, np.nan), 10.0, np.full(12, np.nan), 0.0]
    found = bridged(x, 1.0)
    np.testing.assert_allclose(found[:11], np.arange(11.0))
    assert np.isnan(found[11:-1]).all()


def test_the_pupil_lies_between_its_quantiles():
    sizes = np.linspace(1.0, 2.0, 1001)
    p, _ = settled_pupil(sizes, RULES)
    low, high = np.quantile(sizes, (0.05, 0.95))
    np.testing.assert_allclose(p, smoothed((sizes - low) / (high - low), 0.5), rtol=1e-9)


def test_a_pupil_of_one_size_tells_nothing():
    p, rate = settled_pupil(2 + 0.01 * noise(1000)[:, 0], RULES)
    assert np.isnan(p).all()
    assert np.isnan(rate).all()


def test_a_field_at_a_high_rate_has_the_features_of_its_decimated_form():
    x = pink(4 * 30_000, 3) + noise(4 * 30_000, 3, seed=1)
    slow = scipy.signal.resample_poly(x, 1, 30, axis=0)
    one = fed(Field(0.0, RULES, 30_000.0), times_of(len(x), 30_000.0), x, 777)[-1]
    other = fed(Field(0.0, RULES, 1000.0), times_of(len(slow), 1000.0), slow)[-1]
    delta, theta, share = 0, 1, 3
    assert one[delta] == pytest.approx(other[delta], abs=0.02)
    assert one[[theta, share]] == pytest.approx(other[[theta, share]], abs=0.01)
