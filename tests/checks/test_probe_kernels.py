import numpy as np
import pytest
from hypothesis import given

from tenmin.checks._kernels import triangle, watch_raw, watch_spikes
from tenmin.checks._kernels.probe import CLIPPED, CROSSED, LONGEST, N_COUNTS, STEPS
from tests.checks.cuts import CUTS, pieces

signal = pytest.importorskip("scipy.signal")
N, C, BASE, N_BINS = 3000, 6, -512, 1024
SECTIONS = signal.butter(3, 300.0, "high", fs=30_000.0, output="sos")


def counts_of(seed=0):
    rng = np.random.default_rng(seed)
    return np.rint(rng.normal(200, 10, (N, C))).astype(np.int16)


def watched(samples, lengths=(N,), slew=1e9):
    last, low, high = samples[0].copy(), samples[0].copy(), samples[0].copy()
    counts = np.zeros((N_COUNTS, C), np.int32)
    limits = np.full(C, slew, np.float32)
    for piece in pieces(samples[1:], list(lengths)):
        watch_raw(piece, last, low, high, counts, -1000.0, 230.0, limits)
    return low, high, counts


def spikes(samples, lengths=(N,), threshold=-30.0, beyond=None):
    state = np.zeros((3, C), np.float32)
    beyond = np.zeros(C) if beyond is None else beyond
    counts, squares = np.zeros((N_COUNTS, C), np.int32), np.zeros(C)
    histogram = np.zeros((N_BINS, C), np.uint32)
    limits = np.full(C, threshold, np.float32)
    third = SECTIONS.astype(np.float32)
    for piece in pieces(samples, list(lengths)):
        watch_spikes(piece, third, state, limits, counts, squares, beyond, 1.0, histogram)
    return counts, squares, histogram


@given(CUTS)
def test_raw_counts_are_watched_the_same_over_any_cut(lengths):
    samples = counts_of()
    whole, cut = watched(samples), watched(samples, lengths)
    assert [np.array_equal(a, b) for a, b in zip(whole, cut, strict=True)] == [True] * 3


def test_extremes_are_numpys():
    samples = counts_of()
    low, high, _ = watched(samples)
    assert low.tolist() == samples.min(axis=0).tolist()
    assert high.tolist() == samples.max(axis=0).tolist()


def test_clipped_samples_are_those_at_or_beyond_the_range():
    samples = counts_of()
    assert watched(samples)[2][CLIPPED].tolist() == (samples[1:] >= 230).sum(axis=0).tolist()


def test_a_stuck_channel_has_a_run_as_long_as_it_is_stuck():
    samples = counts_of()
    samples[100:400, 2] = 17
    assert watched(samples)[2][LONGEST][2] == 299


def test_steps_are_the_differences_beyond_the_limit():
    samples = counts_of()
    samples[500:, 1] += 300
    steps = watched(samples, slew=150.0)[2][STEPS]
    assert (
        steps.tolist() == (np.abs(np.diff(samples.astype(int), axis=0)) > 150).sum(axis=0).tolist()
    )


@given(CUTS)
def test_spikes_are_watched_the_same_over_any_cut(lengths):
    samples = counts_of()
    whole, cut = spikes(samples), spikes(samples, lengths)
    assert [np.array_equal(a, b) for a, b in zip(whole, cut, strict=True)] == [True] * 3


def test_the_high_passed_squares_are_scipys_in_float64():
    samples = counts_of()
    expected = (signal.sosfilt(SECTIONS, samples.astype(float), axis=0) ** 2).sum(axis=0)
    np.testing.assert_allclose(spikes(samples)[1], expected, rtol=1e-4)


def test_the_histogram_is_that_of_the_high_passed_counts():
    samples = counts_of()
    high = signal.sosfilt(SECTIONS, samples.astype(float), axis=0)
    histogram = spikes(samples)[2]
    expected = [np.sort(channel)[(N - 1) // 2] for channel in high.T]
    found = [np.repeat(np.arange(N_BINS) + BASE, h)[(N - 1) // 2] for h in histogram.T]
    np.testing.assert_allclose(found, expected, atol=1.0)


def test_crossings_are_counted_once_however_long_they_last():
    samples = np.zeros((N, C), np.int16)
    for at in (500, 1000, 1500):
        samples[at : at + 4, 4] = -200
    samples[2000, 1] = -200
    assert spikes(samples, threshold=-90.0)[0][CROSSED].tolist() == [0, 1, 0, 0, 3, 0]


def test_what_lies_beyond_the_threshold_is_summed():
    samples, beyond = counts_of(), np.zeros(C)
    spikes(samples, threshold=-30.0, beyond=beyond)
    high = signal.sosfilt(SECTIONS, samples.astype(float), axis=0)
    np.testing.assert_allclose(beyond, -(high * (high < -30.0)).sum(axis=0), rtol=1e-2)


def test_nan_lands_in_its_own_channel_and_in_no_memory_of_others():
    samples = counts_of().astype(np.float32)
    clean = spikes(samples)
    samples[10, 3] = np.nan
    _, squares, histogram = spikes(samples)
    assert np.isnan(squares).tolist() == [False, False, False, True, False, False]
    assert np.array_equal(np.delete(histogram, 3, 1), np.delete(clean[2], 3, 1))
    assert histogram[:, 3].sum() == N


@given(CUTS)
def test_the_triangle_is_a_convolution_of_which_every_kth_sample_is_kept(lengths):
    samples, k = counts_of(), 10
    falling, rising, out, phase, parts = np.zeros(C), np.zeros(C), np.empty((N, C)), 0, []
    for piece in pieces(samples, lengths):
        phase, n = triangle(piece, k, phase, falling, rising, out)
        parts.append(out[:n].copy())
    taps = np.convolve(np.ones(k), np.ones(k)) / k**2
    expected = signal.lfilter(taps, 1.0, samples.astype(float), axis=0)[k - 1 :: k]
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-9)
