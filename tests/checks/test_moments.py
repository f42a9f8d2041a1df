import numpy as np
import pytest
from hypothesis import given

from tenmin.checks._kernels import (
    comoments,
    extremes,
    longest_runs,
    merge_moments,
    moments,
    page_hinkley,
    smooth,
)
from tests.checks.cuts import CUTS, N, noise, pieces


def fed_moments(samples, lengths):
    n, mean, m2 = 0, np.zeros(samples.shape[1]), np.zeros(samples.shape[1])
    for piece in pieces(samples, lengths):
        n = moments(piece, n, mean, m2)
    return n, mean, m2


def test_variance_is_numpys_even_on_a_large_offset():
    samples = noise() + 1e5
    n, mean, m2 = fed_moments(samples, [N])
    assert n == N
    np.testing.assert_allclose(mean, samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(m2 / n, samples.var(axis=0), rtol=1e-9)


@given(CUTS)
def test_moments_are_the_same_to_the_bit_over_any_cut(lengths):
    samples = noise()
    whole, cut = fed_moments(samples, [N]), fed_moments(samples, lengths)
    assert [np.array_equal(a, b) for a, b in zip(whole, cut, strict=True)] == [True] * 3


@pytest.mark.parametrize("cut", [0, 1, 7, 333, N])
def test_merged_moments_are_those_of_the_whole(cut):
    samples = noise()
    n, mean, m2 = fed_moments(samples[:cut], [N])
    n = merge_moments(n, mean, m2, *fed_moments(samples[cut:], [N]))
    whole = fed_moments(samples, [N])
    assert n == whole[0]
    np.testing.assert_allclose(mean, whole[1], rtol=1e-12)
    np.testing.assert_allclose(m2, whole[2], rtol=1e-9)


def test_nan_spoils_the_moments_of_its_own_channel_only():
    samples = noise()
    clean = fed_moments(samples, [N])[2]
    samples[7, 2] = np.nan
    spoilt = fed_moments(samples, [N])[2]
    assert np.isnan(spoilt).tolist() == [False, False, True, False, False]
    assert np.array_equal(np.delete(spoilt, 2), np.delete(clean, 2))


def test_doubled_samples_have_four_times_the_variance():
    samples = noise()
    once, twice = fed_moments(samples, [N])[2], fed_moments(2 * samples, [N])[2]
    assert np.array_equal(twice, 4 * once)


@given(CUTS)
def test_extremes_are_numpys_over_any_cut(lengths):
    samples = noise()
    low, high = np.full(5, np.inf), np.full(5, -np.inf)
    for piece in pieces(samples, lengths):
        extremes(piece, low, high)
    assert low.tolist() == samples.min(axis=0).tolist()
    assert high.tolist() == samples.max(axis=0).tolist()


def test_nan_is_no_extreme():
    low, high = np.full(1, np.inf), np.full(1, -np.inf)
    extremes(np.array([[np.nan], [2.0], [np.nan]]), low, high)
    assert (low[0], high[0]) == (2.0, 2.0)


def by_hand(channel, last):
    longest = run = 0
    for x in channel:
        run = run + 1 if x == last else 0
        longest, last = max(longest, run), x
    return longest


@given(CUTS)
def test_the_longest_run_is_the_one_counted_by_hand_over_any_cut(lengths):
    samples = np.random.default_rng(1).integers(0, 3, (N, 4)).astype(np.int16)
    last, run, longest = np.zeros(4, np.int16), np.zeros(4, np.int64), np.zeros(4, np.int64)
    for piece in pieces(samples, lengths):
        longest_runs(piece, last, run, longest)
    assert longest.tolist() == [by_hand(channel, 0) for channel in samples.T]


@given(CUTS)
def test_smoothing_is_scipys_filter_over_any_cut(lengths):
    signal = pytest.importorskip("scipy.signal")
    samples, a = noise(), 1 - np.exp(-1 / 50)
    mean, variance = samples[0].copy(), np.zeros(5)
    for piece in pieces(samples[1:], lengths):
        smooth(piece, a, mean, variance)
    start = samples[0] * (1 - a)
    expected, _ = signal.lfilter([a], [1, a - 1], samples[1:], axis=0, zi=start[None])
    np.testing.assert_allclose(mean, expected[-1], rtol=1e-10)


def test_the_smoothed_variance_of_white_noise_is_its_variance():
    samples = np.random.default_rng(2).normal(0, 3, (200_000, 1))
    mean, variance = np.zeros(1), np.zeros(1)
    smooth(samples, 1e-3, mean, variance)
    assert variance[0] == pytest.approx(9.0, rel=0.15)


def test_a_slow_ramp_raises_the_alarm_and_steady_noise_does_not():
    samples = np.random.default_rng(3).normal(size=(5000, 2))
    samples[:, 1] += np.linspace(0, 5, 5000)
    g, alarms = np.zeros(2), np.zeros(2, np.int64)
    page_hinkley(samples, 0.0, 0.5, 20.0, g, alarms)
    assert alarms[0] == 0
    assert alarms[1] > 0


@given(CUTS)
def test_correlations_of_pairs_are_numpys_over_any_cut(lengths):
    samples = noise()
    samples[:, 3] = 0.6 * samples[:, 0] + 0.8 * samples[:, 3]
    left, right = np.array([0, 1]), np.array([3, 2])
    sums = np.zeros((2, 5))
    shift = samples[0].copy()
    for piece in pieces(samples, lengths):
        comoments(piece, shift, left, right, sums)
    x, y, xx, yy, xy = sums.T
    r = (xy - x * y / N) / np.sqrt((xx - x * x / N) * (yy - y * y / N))
    expected = np.corrcoef(samples.T)
    np.testing.assert_allclose(r, [expected[0, 3], expected[1, 2]], rtol=1e-9)
