import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks._kernels import histogram, quantiles, smooth_spread, spread
from tests.checks.cuts import CUTS, pieces

N_BINS = 64


def counted(codes, lengths=(1000,), base=-32):
    counts = np.zeros((N_BINS, codes.shape[1]), np.uint32)
    bases = np.full(codes.shape[1], base, np.int64)
    for piece in pieces(codes, list(lengths)):
        histogram(piece, bases, counts)
    return counts, bases


def robust(codes, **kwargs):
    counts, bases = counted(codes, **kwargs)
    median, mad = np.empty(codes.shape[1]), np.empty(codes.shape[1])
    quantiles(counts, bases, 0.5, median)
    spread(counts, bases, median, mad)
    return median, mad


def by_sorting(channel):
    channel = np.sort(channel.astype(int))
    median = channel[(len(channel) - 1) // 2]
    return median, np.sort(np.abs(channel - median))[(len(channel) - 1) // 2]


@given(st.lists(st.integers(-31, 30), min_size=1, max_size=200))
def test_median_and_mad_are_those_of_sorting(values):
    codes = np.array(values, np.int16).reshape(-1, 1)
    median, mad = robust(codes)
    assert (median[0], mad[0]) == by_sorting(codes[:, 0]) or np.isnan(mad[0])
    assert median[0] == by_sorting(codes[:, 0])[0]


@given(CUTS)
def test_counts_are_the_same_over_any_cut(lengths):
    codes = np.random.default_rng(0).integers(-20, 20, (1200, 4)).astype(np.int16)
    assert np.array_equal(counted(codes)[0], counted(codes, lengths)[0])


def test_mad_of_noise_is_that_of_sorting_in_every_channel():
    codes = np.rint(np.random.default_rng(1).normal(3, 5, (5001, 6))).astype(np.int16)
    median, mad = robust(codes)
    expected = np.array([by_sorting(channel) for channel in codes.T])
    assert np.array_equal(np.stack([median, mad], axis=1), expected)


@pytest.mark.parametrize("code", [-1000, 1000])
def test_what_lies_outside_of_all_bins_has_no_median(code):
    median, mad = robust(np.full((10, 1), code, np.int16))
    assert np.isnan([median[0], mad[0]]).all()


def test_a_few_samples_outside_do_not_disturb_the_median():
    codes = np.zeros((101, 1), np.int16)
    codes[:20] = 30_000
    assert robust(codes)[0][0] == 0.0


def test_a_channel_without_samples_has_no_median():
    counts, bases = counted(np.zeros((0, 2), np.int16))
    median = np.empty(2)
    quantiles(counts, bases, 0.5, median)
    assert np.isnan(median).all()


@pytest.mark.parametrize("q", [0.05, 0.25, 0.5, 0.75, 0.95])
def test_a_quantile_is_the_sample_of_its_rank(q):
    codes = np.random.default_rng(2).integers(-20, 20, (777, 3)).astype(np.int16)
    counts, bases = counted(codes)
    out = np.empty(3)
    quantiles(counts, bases, q, out)
    assert out.tolist() == np.sort(codes, axis=0)[int(q * 776)].tolist()


def smooth(values, width):
    """Spread of values by a histogram of a width, and by sorting."""
    counts = np.zeros((256, values.shape[1]), np.uint16)
    bins = np.clip(np.floor(values / width) + 128, 0, 255).astype(int)
    for row in bins:
        counts[row, np.arange(values.shape[1])] += 1
    found = np.empty(values.shape[1])
    smooth_spread(counts, found)
    sorted_mad = np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return found * width, sorted_mad


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_spread_inside_of_bins_is_that_of_sorting_within_half_a_percent(width):
    values = np.random.default_rng(3).normal(0.3, 7.0, (30_000, 5))
    found, expected = smooth(values, width)
    np.testing.assert_allclose(found, expected, rtol=0.005)


def test_half_of_all_in_one_bin_is_no_spread():
    values = np.random.default_rng(4).normal(0, 0.2, (1000, 2))
    assert smooth(values + 0.5, 1.0)[0].tolist() == [0.0, 0.0]


def test_a_spread_that_reaches_what_was_outside_is_not_known():
    assert np.isnan(smooth(np.random.default_rng(5).normal(0, 200.0, (1000, 2)), 1.0)[0]).all()
