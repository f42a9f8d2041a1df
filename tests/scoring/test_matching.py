"""Events against truth: pairs, counts, agreement; oracles by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.matching import (
    Counts,
    Interval,
    balanced_accuracy,
    calibration_bins,
    calibration_error,
    confusion,
    f1,
    joined,
    kappa,
    latencies,
    match,
    precision,
    recall,
    runs,
)

TRUTH = [Interval(1.0, 2.0), Interval(5.0, 6.0)]
EVENTS = st.lists(
    st.tuples(st.floats(0, 50), st.floats(0.1, 5)).map(lambda e: Interval(e[0], e[0] + e[1])),
    max_size=8,
)


def test_an_onset_within_the_tolerance_is_a_hit():
    found = match(TRUTH, [Interval(1.4, 1.8), Interval(4.6, 5.1)], 0.5)
    assert (found.hits, found.missed, found.false) == (2, 0, 0)


def test_an_overlap_whose_onset_is_too_late_is_missed_and_false():
    found = match(TRUTH, [Interval(1.6, 2.0)], 0.5)
    assert (found.hits, found.missed, found.false) == (0, 2, 1)


def test_a_near_onset_without_overlap_is_no_hit():
    assert match([Interval(1.0, 1.2)], [Interval(1.4, 1.6)], 0.5).hits == 0


def test_an_event_found_twice_is_one_hit_and_one_false_alarm():
    found = match(TRUTH, [Interval(1.0, 1.4), Interval(1.2, 2.0)], 0.5)
    assert (found.hits, found.missed, found.false) == (1, 1, 1)


@given(EVENTS, EVENTS)
def test_every_event_is_counted_once(truth, found):
    counts = match(truth, found, 1.0)
    assert counts.hits + counts.missed == len(truth)
    assert counts.hits + counts.false == len(found)


@given(EVENTS)
def test_what_is_the_same_matches_wholly(truth):
    assert match(truth, list(truth), 0.0) == Counts(len(truth), 0, 0)


def test_rates_are_those_of_the_textbook():
    counts = Counts(8, 2, 4)
    assert precision(counts) == pytest.approx(8 / 12)
    assert recall(counts) == pytest.approx(0.8)
    assert f1(counts) == pytest.approx(2 * (8 / 12) * 0.8 / (8 / 12 + 0.8))


def test_nothing_there_and_nothing_found_has_no_rate():
    assert np.isnan(f1(Counts()))


def test_runs_give_their_edges_and_join_over_short_holes():
    on = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1], bool)
    assert runs(on, 0.5) == [Interval(0.5, 1.5), Interval(2.0, 2.5), Interval(4.0, 4.5)]
    assert runs(on, 0.5, join_s=0.5) == [Interval(0.5, 2.5), Interval(4.0, 4.5)]


def test_an_interval_inside_of_another_joins_it():
    assert joined([Interval(0.0, 5.0), Interval(1.0, 2.0)], 0.0) == [Interval(0.0, 5.0)]


def test_a_latency_runs_to_the_first_raised_tick():
    ticks = np.arange(1.0, 11.0)
    raised = np.isin(ticks, (3.0, 4.0))
    assert latencies([Interval(1.5, 5.0)], raised, ticks) == [1.5]


def test_an_event_that_never_raised_has_an_infinite_latency():
    ticks = np.arange(1.0, 31.0)
    assert latencies([Interval(1.5, 2.0)], ticks == 20.0, ticks) == [np.inf]


def test_kappa_is_that_of_a_worked_example():
    """Two raters of 50 cases: 20 yes-yes, 5, 10, 15 no-no; Cohen's kappa 0.4."""
    assert kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_kappa_of_one_class_is_unknown():
    assert np.isnan(kappa(confusion(np.ones(9, int), np.ones(9, int), 3)))


def test_chance_has_a_kappa_near_zero():
    rng = np.random.default_rng(0)
    table = confusion(rng.integers(0, 3, 20_000), rng.integers(0, 3, 20_000), 3)
    assert abs(kappa(table)) < 0.02


def test_balanced_accuracy_weighs_classes_alike():
    truth, found = np.array([0] * 90 + [1] * 10), np.array([0] * 100)
    assert balanced_accuracy(confusion(truth, found, 2)) == pytest.approx(0.5)


def test_confidence_that_comes_true_has_no_calibration_error():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0, 1, 50_000)
    bins = calibration_bins(sure, (rng.random(50_000) < sure).astype(float))
    assert calibration_error(bins) < 0.02


def test_false_confidence_is_a_calibration_error():
    bins = calibration_bins(np.full(100, 0.95), np.zeros(100))
    assert calibration_error(bins) == pytest.approx(0.95)


def test_each_bin_of_confidence_counts_by_what_lies_in_it():
    bins = calibration_bins(np.array([0.5, 0.5, 1.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0]))
    assert calibration_error(bins) == pytest.approx((2 * 0.0 + 2 * 0.5) / 4)
