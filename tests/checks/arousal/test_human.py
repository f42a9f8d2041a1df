import dataclasses

import pytest

from tenmin.checks.arousal.features import Features
from tenmin.checks.arousal.human import (
    CLOSED,
    OPEN,
    Human,
    Personal,
    finish,
    joined,
    majority,
    microsleeps,
    personal,
)
from tests.checks.arousal.mice import RULES

OWN = Personal(0.2, 0.02, 0.3, 0.03, 10.0, 0.4, 65.0)
AWAKE = {
    "theta_fraction": 0.2,
    "delta_fraction": 0.3,
    "alpha_fraction": 0.4,
    "alpha_power": 10.0,
    "blink_rate": 15.0,
    "blink_s": 0.2,
    "sem": 0.0,
    "heart_rate": 65.0,
    "muscle": 0.0,
    "spindle": 0.0,
}


def play(*parts, eyes=OPEN, own=OWN):
    human, ticks, t = Human(RULES, own, eyes), [], 0
    for seconds, changes in parts:
        values = {k: v for k, v in {**AWAKE, **changes}.items() if v is not None}
        for _ in range(seconds * 10):
            t += 1
            ticks.append(human.step(t / 10, Features(**values)))
    return ticks, human


def last(*parts, **kwargs):
    return play(*parts, **kwargs)[0][-1].state


def test_a_person_awake_with_eyes_open_is_in_quiet_wake():
    assert last((30, {})) == 3


SIGNS = {
    "sem": {"sem": 1.0},
    "alpha": {"alpha_power": 25.0},
    "theta": {"theta_fraction": 0.26},
    "blink": {"blink_s": 0.4},
    "heart": {"heart_rate": 58.0},
}


@pytest.mark.parametrize(("one", "other"), [(a, b) for a in SIGNS for b in SIGNS if a < b])
def test_any_two_signs_are_drowsiness(one, other):
    assert last((30, {}), (14, {**SIGNS[one], **SIGNS[other]})) == 2


@pytest.mark.parametrize("sign", SIGNS)
def test_one_sign_alone_is_not(sign):
    assert last((30, {}), (30, SIGNS[sign])) != 2


@pytest.mark.parametrize("change", [SIGNS["theta"], SIGNS["sem"], {"blink_rate": 0.0}])
def test_what_breaks_the_rule_of_quiet_wake_alone_is_unknown(change):
    assert last((30, {}), (30, change)) == 0


def test_alpha_counts_after_five_seconds():
    both = {**SIGNS["alpha"], **SIGNS["blink"]}
    _, human = play((30, {}), (10, both))
    told = [epoch.state for epoch in human.epochs[-10:]]
    assert told == [3] * 4 + [2] * 6


def test_with_eyes_closed_alpha_that_falls_is_the_sign():
    sleepy = {"alpha_fraction": 0.15, **SIGNS["sem"]}
    closed = {"blink_rate": 0.0}
    assert last((30, closed), (14, {**closed, **sleepy}), eyes=CLOSED) == 2
    assert last((30, closed), eyes=CLOSED) == 3


def test_muscle_in_a_third_of_ten_seconds_is_active_wake():
    human, told = Human(RULES, OWN), []
    for k in range(300):
        moving = float(k >= 100 and k % 10 < 4)
        told.append(human.step((k + 1) / 10, Features(**{**AWAKE, "muscle": moving})).state)
    assert (told[99], told[-1]) == (3, 4)


def test_drowsiness_with_theta_is_sleep_after_fifteen_seconds():
    deep = {**SIGNS["sem"], "theta_fraction": 0.5, "alpha_fraction": 0.1}
    _, human = play((30, {}), (30, deep))
    told = [epoch.state for epoch in human.epochs[-30:]]
    assert told == [2] * 14 + [1] * 16


def test_a_spindle_over_slow_waves_is_sleep():
    assert last((30, {}), (20, {"spindle": 1.0, "delta_fraction": 0.8})) == 1


def test_a_spindle_over_alpha_is_not():
    assert last((30, {}), (20, {"spindle": 1.0})) == 3


SLOW = {"delta_fraction": 0.85, "alpha_fraction": 0.07}


def test_slow_waves_that_last_are_sleep_whatever_the_signs():
    _, human = play((30, {}), (30, {**SLOW, "blink_rate": 0.0}))
    told = [epoch.state for epoch in human.epochs[-30:]]
    assert told == [0] * 14 + [1] * 16


def test_slow_waves_with_blinks_are_drift_and_unknown():
    assert last((30, {}), (40, SLOW)) == 0


def test_somebody_who_sleeps_from_the_start_is_never_said_to_be_awake():
    asleep = Personal(0.2, 0.02, 0.85, 0.03, 10.0, 0.07, 65.0)
    assert 3 not in {tick.state for tick in play((60, SLOW), own=asleep)[0]}


def test_without_own_levels_nobody_is_said_to_be_awake():
    assert last((60, {}), own=Personal()) == 0


def test_without_an_eeg_nothing_is_known():
    gone = dict.fromkeys(("theta_fraction", "delta_fraction", "alpha_fraction", "alpha_power"))
    assert {tick.state for tick in play((30, gone))[0]} == {0}


def test_a_change_needs_a_majority_of_ten_seconds_and_five_more():
    ticks, _ = play((30, {}), (30, {**SIGNS["sem"], **SIGNS["blink"]}))
    onset = next(tick.t for tick in ticks if tick.state == 2)
    assert 39.0 <= onset <= 41.0


def test_the_final_track_puts_the_change_where_it_was():
    ticks, human = play((30, {}), (30, {**SIGNS["sem"], **SIGNS["blink"]}))
    onset = next(tick.t for tick in finish(ticks, human.epochs, RULES) if tick.state == 2)
    assert onset == pytest.approx(30.0, abs=1.1)


def test_of_two_states_as_frequent_the_latest_is_taken():
    assert majority([3, 3, 2, 2]) == 2


def test_short_stays_join_what_was_before():
    assert joined([3] * 6 + [2] * 3 + [3] * 6, 5) == [3] * 15


def test_own_levels_are_those_of_the_settling():
    found = personal([Features(theta_fraction=x, alpha_power=7.0) for x in (0.1, 0.3)], RULES)
    assert dataclasses.astuple(found)[:2] == pytest.approx((0.2, 0.1))
    assert found.alpha_power == 7.0


@pytest.mark.parametrize(("seconds", "n"), [(2, 0), (5, 1), (20, 0)])
def test_a_microsleep_lasts_three_to_fifteen_seconds(seconds, n):
    awake = Features(theta_epoch=0.2, alpha_epoch=0.4, eyes_shut=0.0)
    asleep = Features(theta_epoch=0.5, alpha_epoch=0.1, eyes_shut=1.0)
    rows = [awake] * 50 + [asleep] * (seconds * 10) + [awake] * 50
    found = microsleeps([0.1 * (k + 1) for k in range(len(rows))], rows, RULES)
    assert len(found) == n
    assert all(b - a == pytest.approx(seconds) for a, b in found)
