import numpy as np
import pytest

from tenmin.checks.robust import robust_range, robust_sigma, robust_z


def test_the_robust_sd_of_noise_is_its_sd():
    samples = np.random.default_rng(0).normal(7, 20, (100_000, 2))
    np.testing.assert_allclose(robust_sigma(samples), 20.0, rtol=0.015)
    np.testing.assert_allclose(robust_range(samples), 20.0, rtol=0.015)


@pytest.mark.parametrize("statistic", [robust_sigma, robust_range])
def test_nan_stays_in_its_channel(statistic):
    samples = np.random.default_rng(1).normal(size=(100, 3))
    clean = statistic(samples)
    samples[5, 1] = np.nan
    found = statistic(samples)
    assert np.isnan(found).tolist() == [False, True, False]
    assert np.array_equal(np.delete(found, 1), np.delete(clean, 1))


@pytest.mark.parametrize("statistic", [robust_sigma, robust_range])
def test_nothing_has_no_spread(statistic):
    assert np.isnan(statistic(np.empty((0, 2)))).all()


def test_one_value_ten_times_the_others_stands_out():
    values = np.array([9.0, 10.0, 11.0, 10.5, 9.5, 100.0])
    assert np.argmax(robust_z(values)) == 5
    assert robust_z(values)[5] > 50


def test_nan_is_left_out_of_the_others_z():
    values = np.array([9.0, 10.0, 11.0, np.nan])
    assert np.array_equal(robust_z(values)[:3], robust_z(values[:3]))
    assert np.isnan(robust_z(values)[3])


def test_among_equals_the_odd_one_is_infinitely_far():
    assert robust_z(np.array([1.0, 1.0, 1.0, 2.0])).tolist() == [0.0, 0.0, 0.0, np.inf]


@pytest.mark.parametrize("n", [1, 2, 999, 1000])
def test_both_are_numpys_median_and_percentiles(n):
    samples = np.random.default_rng(2).normal(1e5, 3, (n, 4))
    mad = np.median(np.abs(samples - np.median(samples, axis=0)), axis=0)
    low, high = np.percentile(samples, (25, 75), axis=0)
    np.testing.assert_allclose(robust_sigma(samples), 1.4826 * mad, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(robust_range(samples), 0.7413 * (high - low), rtol=1e-6, atol=1e-9)
