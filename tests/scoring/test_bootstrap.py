"""Intervals over seeds, against scipy's bootstrap and against coverage."""

import numpy as np
import pytest
from scipy import stats

from tests.scoring.bootstrap import estimate
from tests.scoring.matching import Counts, f1
from tests.scoring.score import Row, Scored, latency, of_counts, score


def mean(outcomes):
    return float(np.mean(outcomes))


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(1).normal(5, 2, 40)
    ours = estimate(values.tolist(), mean)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.08)
    assert ours.high == pytest.approx(theirs.high, abs=0.08)


def test_the_interval_holds_the_truth_about_19_times_in_20():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(120):
        found = estimate(rng.normal(0, 1, 30).tolist(), mean, n_draws=200)
        held += found.low <= 0 <= found.high
    assert 0.87 <= held / 120 <= 0.99


def test_the_same_outcomes_give_the_same_interval():
    values = [1.0, 2.0, 5.0, 7.0]
    assert estimate(values, mean) == estimate(values, mean)


def test_a_row_passes_by_the_unfavourable_limit_alone():
    row = Row("task", "mean", mean, at_least=4.9)
    found = score(row, np.random.default_rng(1).normal(5.2, 2, 40).tolist())
    assert found.estimate is not None
    assert found.estimate.value > 4.9 > found.estimate.low
    assert found.passed is False


def test_an_exact_row_fails_by_one_seed():
    row = Row("task", "wrong", lambda o: float(max(o)), at_most=0.0, exact=True)
    assert score(row, [0, 0, 0]).passed is True
    assert score(row, [0, 1, 0]).passed is False


def test_a_row_without_a_check_neither_passes_nor_fails():
    row = Row("task", "F1", of_counts("x", f1), at_least=0.9)
    assert Scored(row, None, why="no check").passed is None


def test_a_row_without_a_single_event_does_not_pass():
    row = Row("task", "F1", of_counts("x", f1), at_least=0.9)
    assert score(row, [{"x": Counts()}] * 3).passed is False


def test_an_event_never_raised_makes_the_worst_latency_infinite():
    outcomes = [{"x": Counts(2, 0, 0, (1.0, np.inf))}]
    assert latency("x", 0.5)(outcomes) == np.inf
    assert latency("x", 0.0)(outcomes) == 1.0


def test_known_limits_widen_the_interval():
    row = Row("task", "rate", mean, at_most=0.1, limits=lambda outcomes: (0.0, 0.3))
    found = score(row, [0.0, 0.0, 0.0])
    assert found.estimate is not None
    assert found.estimate.high == 0.3
    assert found.passed is False
