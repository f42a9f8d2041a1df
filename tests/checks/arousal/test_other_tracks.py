"""Anaesthesia and networks in vitro."""

import pytest

from tenmin.checks.arousal.features import Features
from tenmin.checks.arousal.levels import Scale
from tenmin.checks.arousal.network import Network
from tenmin.checks.arousal.suppression import Anaesthetised
from tests.checks.arousal.mice import RULES


def play(tracker, *parts):
    told, t = [], 0
    for n, values in parts:
        for _ in range(n):
            t += 1
            told.append(tracker.step(t / 10, Features(**values)))
    return told


STILL = {"speed": 0.0, "motion": 0.0}


@pytest.mark.parametrize("pattern", [{"suppression_ratio": 0.3}, {"delta_fraction": 0.8}])
def test_the_pattern_of_anaesthesia_is_told_after_its_dwell(pattern):
    told = play(Anaesthetised(RULES), (100, {**STILL, **pattern}))
    assert [told[48].state, told[55].state] == [0, 6]


def test_an_anaesthetised_animal_without_the_pattern_is_unknown_not_awake():
    told = play(Anaesthetised(RULES), (100, {**STILL, "delta_fraction": 0.2}))
    assert {tick.state for tick in told} == {0}


def test_an_anaesthetised_animal_that_moves_is_awake():
    pattern = {"delta_fraction": 0.8}
    told = play(Anaesthetised(RULES), (100, {**STILL, **pattern}), (20, {"motion": 5.0, **pattern}))
    assert told[-1].state == 4


def test_without_a_brain_there_is_no_pattern():
    assert play(Anaesthetised(RULES), (100, STILL))[-1].state == 0


def test_a_burst_of_the_network_is_told_and_ends():
    network = Network(RULES, Scale(5.0, 3.0))
    told = play(network, (20, {"activity": 5.0}), (5, {"activity": 200.0}), (20, {"activity": 5.0}))
    assert [tick.state for tick in told[18:22]] == [7, 7, 8, 8]
    assert told[-1].state == 7


def test_a_few_crossings_are_no_burst():
    told = play(Network(RULES, Scale(0.0, 1.0)), (20, {"activity": 0.0}), (20, {"activity": 8.0}))
    assert {tick.state for tick in told} == {7}


def test_a_network_is_unknown_until_it_has_settled_and_where_nothing_came():
    assert {t.state for t in play(Network(RULES), (5, {"activity": 5.0}))} == {0}
    assert {t.state for t in play(Network(RULES, Scale(5.0, 3.0)), (5, {}))} == {0}
