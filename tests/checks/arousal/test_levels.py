import numpy as np
import pytest

from tenmin.checks.arousal.levels import (
    border,
    half_sample_mode,
    middle_scale,
    scale,
    two_modes,
)


def normal(mean, sd, n, seed=0):
    return np.random.default_rng(seed).normal(mean, sd, n)


def test_the_mode_is_not_moved_by_what_lies_above():
    values = np.r_[normal(3.0, 1.0, 6000), normal(20.0, 5.0, 3000, 1)]
    assert half_sample_mode(values) == pytest.approx(3.0, abs=0.5)


def test_the_spread_is_that_of_the_half_below_the_mode():
    values = np.r_[normal(3.0, 1.0, 6000), normal(20.0, 5.0, 3000, 1)]
    assert scale(values).sigma == pytest.approx(1.0, abs=0.35)


def test_values_that_do_not_differ_have_no_scale():
    assert scale(np.ones(100)) is None


def test_ashmans_d_of_two_normal_modes_is_that_of_the_formula():
    found = two_modes(np.r_[normal(0, 1, 5000), normal(10, 2, 5000, 1)])
    assert found.ashman_d == pytest.approx(np.sqrt(2) * 10 / np.sqrt(5), rel=0.05)
    assert found.middle == pytest.approx(5.0, abs=0.2)


@pytest.mark.parametrize(("share", "there"), [(0.01, False), (0.2, True)])
def test_a_few_values_are_no_mode(share, there):
    n = 10_000
    values = np.r_[normal(0, 1, n - int(share * n)), normal(20, 1, int(share * n), 1)]
    assert (border(values, 2.0, 0.05, 1.0) is not None) == there


@pytest.mark.parametrize("seed", range(5))
def test_one_normal_mode_is_not_taken_for_two(seed):
    assert two_modes(normal(0, 1, 3000, seed)).ashman_d < 2.0


def test_the_fitted_shares_are_those_of_the_modes():
    found = two_modes(np.r_[normal(0, 1, 9000), normal(8, 2, 1000, 1)])
    assert found.share == pytest.approx(0.1, abs=0.01)
    assert (found.low, found.high) == pytest.approx((0.0, 8.0), abs=0.2)


def test_a_scale_by_the_middle_is_median_and_robust_sd():
    found = middle_scale(normal(3.0, 2.0, 20_000))
    assert (found.mode, found.sigma) == pytest.approx((3.0, 2.0), rel=0.03)
