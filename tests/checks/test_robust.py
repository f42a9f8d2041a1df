import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tenmin.checks.robust import Ranked, Window, robust_sigma, robust_z


def test_the_robust_sd_of_noise_is_its_sd():
    samples = np.random.default_rng(0).normal(7, 20, (100_000, 2))
    np.testing.assert_allclose(robust_sigma(samples), 20.0, rtol=0.015)


def test_nan_stays_in_its_channel():
    samples = np.random.default_rng(1).normal(size=(100, 3))
    clean = robust_sigma(samples)
    samples[5, 1] = np.nan
    found = robust_sigma(samples)
    assert np.isnan(found).tolist() == [False, True, False]
    assert np.array_equal(np.delete(found, 1), np.delete(clean, 1))


def test_nothing_has_no_spread():
    assert np.isnan(robust_sigma(np.empty((0, 2)))).all()


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


def mad_of(samples):
    return 1.4826 * np.median(np.abs(samples - np.median(samples, axis=0)), axis=0)


def range_of(samples):
    low, high = np.percentile(samples, (25, 75), axis=0)
    return 0.7413 * (high - low)


def window_of(seconds, n=10, least=1, counts=None, first=0):
    """A window that took these seconds, each (n_samples, n_channels); None: none came."""
    window = Window(n, least)
    for k, samples in enumerate(seconds):
        if samples is not None:
            counted = np.ones(samples.shape[1], bool) if counts is None else counts[k]
            window.add(first + k, Ranked.of(samples), counted)
    return window


def spread_of(window):
    return np.array([window.sigma(), window.range()])


def expected(seconds):
    samples = np.concatenate(seconds)
    return np.array([mad_of(samples), range_of(samples)])


def walk(seconds=14, n=200, n_channels=3, seed=0):
    """Seconds of a random walk far from zero."""
    steps = np.random.default_rng(seed).normal(size=(seconds * n, n_channels))
    return np.split(1e5 + 0.2 * np.cumsum(steps, axis=0), seconds)


@pytest.mark.parametrize("n", [1, 2, 999, 1000])
def test_the_robust_sd_is_numpys(n):
    samples = np.random.default_rng(2).normal(1e5, 3, (n, 4))
    np.testing.assert_allclose(robust_sigma(samples), mad_of(samples), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n", [99, 100])
def test_spreads_of_the_last_seconds_are_numpys(n):
    seconds = walk(n=n)
    found = spread_of(window_of(seconds))
    np.testing.assert_allclose(found, expected(seconds[-10:]), rtol=1e-6)


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 9), st.just(1)),
                  elements=st.integers(-4, 4)),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_spreads_of_many_equal_samples_are_numpys(samples):
    found = spread_of(window_of(list(samples)))
    np.testing.assert_allclose(found, expected(list(samples[-10:])), rtol=1e-6, atol=1e-6)


def test_seconds_that_do_not_count_are_left_out_of_their_channel_alone():
    seconds = walk()
    counts = np.ones((14, 3), bool)
    counts[[6, 7, 11], 1] = False
    found = spread_of(window_of(seconds, counts=counts))
    kept = [seconds[k] for k in range(4, 14)]
    np.testing.assert_allclose(found[:, [0, 2]], expected(kept)[:, [0, 2]], rtol=1e-6)
    kept = [seconds[k] for k in (4, 5, 8, 9, 10, 12, 13)]
    np.testing.assert_allclose(found[:, 1], expected(kept)[:, 1], rtol=1e-6)


def test_a_second_may_be_forgotten_in_one_channel():
    seconds = walk()
    window = window_of(seconds)
    window.forget(9, np.array([False, False, True]))
    kept = [seconds[k] for k in range(4, 14) if k != 9]
    np.testing.assert_allclose(spread_of(window)[:, 2], expected(kept)[:, 2], rtol=1e-6)


def test_seconds_that_never_came_are_no_part_of_the_last_ten():
    seconds = walk()
    seconds[8] = seconds[9] = None
    kept = [seconds[k] for k in (4, 5, 6, 7, 10, 11, 12, 13)]
    np.testing.assert_allclose(spread_of(window_of(seconds)), expected(kept), rtol=1e-6)


def test_seconds_may_differ_in_length():
    seconds = [part[: 200 - (k % 3)] for k, part in enumerate(walk())]
    np.testing.assert_allclose(spread_of(window_of(seconds)), expected(seconds[-10:]), rtol=1e-6)


def test_seconds_counted_anew_begin_a_window():
    window = window_of(walk())
    again = walk(3, seed=1)
    for k, samples in enumerate(again):
        window.add(k, Ranked.of(samples), np.ones(3, bool))
    np.testing.assert_allclose(spread_of(window), expected(again), rtol=1e-6)


def test_too_few_seconds_tell_nothing():
    assert np.isnan(spread_of(window_of(walk(4), least=5))).all()


def test_a_second_with_nan_is_left_out_of_its_channel():
    seconds = walk()
    seconds[12] = seconds[12].copy()
    seconds[12][7, 0] = np.nan
    found = spread_of(window_of(seconds))
    kept = [seconds[k] for k in range(4, 14) if k != 12]
    np.testing.assert_allclose(found[:, 0], expected(kept)[:, 0], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], expected(seconds[4:])[:, 1:], rtol=1e-6)
