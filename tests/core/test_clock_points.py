"""Clock points: what of each second goes into the fit."""

import numpy as np
import pytest

from tenmin.clock import EarliestPerSecond, SecondBins, fit

PPM = 37.0


def _points(bins, x, y):
    made = [bins.add(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    return np.array([p[:2] for p in made if p is not None]).T


def _arrivals(seed, seconds=60):
    """Chunks of 10 ms on a clock 37 ppm fast, delayed by a loaded machine: often, never early."""
    rng = np.random.default_rng(seed)
    x = np.arange(0, seconds, 0.01)
    slow = 4e-3 * np.abs(np.sin(2 * np.pi * x / 23))  # load that comes and goes
    delay = rng.exponential(2e-3, len(x)) + slow * rng.random(len(x))
    return x, 1000.0 + x / (1 + PPM * 1e-6) + delay


@pytest.mark.parametrize("seed", range(5))
def test_the_least_delay_of_each_second_finds_the_drift_of_arrivals(seed):
    line = fit(*_points(EarliestPerSecond(), *_arrivals(seed)))

    assert abs(-line.ppm - PPM) < 3


def test_the_least_delayed_point_of_a_second_is_kept_as_it_came():
    bins = EarliestPerSecond()
    for x, y in ((0.1, 5.30), (0.2, 5.25), (0.3, 5.50)):
        assert bins.add(x, y) is None

    assert bins.add(1.0, 6.1) == (0.2, 5.25, 3)


def test_the_mean_of_a_second_is_kept_where_stamps_are_trusted():
    bins = SecondBins()
    for x, y in ((0.1, 5.1), (0.3, 5.3)):
        bins.add(x, y)

    assert bins.add(1.0, 6.0) == pytest.approx((0.2, 5.2, 2))
