import numpy as np
import pytest
from hypothesis import given

from tenmin.checks._kernels import high_pass, triangle, watch_raw, watch_spikes
from tenmin.checks._kernels.probe import CLIPPED, CROSSED, LONGEST
from tests.checks.cuts import CUTS, pieces

signal = pytest.importorskip("scipy.signal")
N, C, BASE, N_BINS = 3000, 6, -512, 1024
SECTIONS = signal.butter(3, 300.0, "high", fs=30_000.0, output="sos")


def counts_of(seed=0):
    rng = np.random.default_rng(seed)
    return np.rint(rng.normal(200, 10, (N, C))).astype(np.int16)


def watched(samples, lengths=(N,)):
    last, low, high = samples[0].copy(), samples[0].copy(), samples[0].copy()
    counts, ends = np.zeros((3, C), np.int16), np.array([-1000, 229], samples.dtype)
    for piece in pieces(samples[1:], list(lengths)):
        watch_raw(piece, last, low, high, counts, *ends)
    return low, high, counts


def spikes(samples, lengths=(N,), threshold=-30.0, beyond=None):
    state = np.zeros((3, C), np.float32)
    beyond = np.zeros(C, np.float32) if beyond is None else beyond
    counts, histogram = np.zeros((2, C), np.int32), np.zeros((N_BINS, C), np.uint16)
    limits = np.full(C, threshold, np.float32)
    third, width = SECTIONS.astype(np.float32), np.float32(1.0)
    for piece in pieces(samples, list(lengths)):
        watch_spikes(piece, third, state, limits, counts, beyond, width, histogram)
    return counts, beyond, histogram


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


@given(CUTS)
def test_spikes_are_watched_the_same_over_any_cut(lengths):
    samples = counts_of()
    whole, cut = spikes(samples), spikes(samples, lengths)
    assert [np.array_equal(a, b) for a, b in zip(whole, cut, strict=True)] == [True] * 3


def test_the_high_pass_is_scipys_in_float64():
    samples, out = counts_of(), np.empty((N, C), np.float32)
    high_pass(samples, SECTIONS.astype(np.float32), np.zeros((3, C), np.float32), out)
    expected = signal.sosfilt(SECTIONS, samples.astype(float), axis=0)
    error = np.sqrt(np.mean((out - expected)[300:] ** 2) / np.mean(expected[300:] ** 2))
    assert error < 4e-6


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
    samples, beyond = counts_of(), np.zeros(C, np.float32)
    spikes(samples, threshold=-30.0, beyond=beyond)
    high = signal.sosfilt(SECTIONS, samples.astype(float), axis=0)
    np.testing.assert_allclose(beyond, -(high * (high < -30.0)).sum(axis=0), rtol=1e-2)


def test_nan_lands_in_its_own_channel_and_in_no_memory_of_others():
    samples = counts_of().astype(np.float32)
    clean = spikes(samples)
    samples[10, 3] = np.nan
    counts, _, histogram = spikes(samples)
    assert np.array_equal(np.delete(histogram, 3, 1), np.delete(clean[2], 3, 1))
    assert np.array_equal(np.delete(counts, 3, 1), np.delete(clean[0], 3, 1))
    assert histogram[:, 3].sum() == N


@given(CUTS)
def test_the_triangle_is_a_convolution_of_which_every_kth_sample_is_kept(lengths):
    samples, k = counts_of(), 10
    (sums, out), phase, parts = (np.zeros((n, C), np.int32) for n in (3, N)), 0, []
    for piece in pieces(samples, lengths):
        phase, n = triangle(piece, k, phase, sums, out)
        parts.append(out[:n].copy())
    taps = np.convolve(np.ones(k), np.ones(k))
    expected = signal.lfilter(taps, 1.0, samples.astype(float), axis=0)[k - 1 :: k]
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-9)
