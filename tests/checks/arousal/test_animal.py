import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks.arousal.animal import Animal, Thresholds
from tenmin.checks.arousal.features import Features
from tests.checks.arousal.mice import RULES

STILL = {"speed": 0.0, "motion": 0.0, "pupil": 0.45, "delta": 0.0}


def play(*parts):
    """Ticks of parts of (seconds, features beside the still ones); None takes one away."""
    animal, out, t = Animal(RULES), [], 0
    for seconds, changes in parts:
        values = {k: v for k, v in {**STILL, **changes}.items() if v is not None}
        for _ in range(round(seconds * 10)):
            t += 1
            out.append(animal.step(t / 10, Features(**values)))
    return out


def onset(ticks, state):
    """Seconds at which a state is first told; None for never."""
    return next((tick.t for tick in ticks if tick.state == state), None)


def test_a_still_animal_is_in_quiet_wake():
    assert {tick.state for tick in play((10, {}))} == {3}


@pytest.mark.parametrize(
    ("changes", "state", "dwell_s"),
    [({"speed": 3.0, "motion": 5.0}, 5, 0.3), ({"motion": 3.0}, 4, 0.5)],
)
def test_a_state_is_taken_after_its_dwell(changes, state, dwell_s):
    assert onset(play((10, {}), (5, changes)), state) == pytest.approx(10 + dwell_s)


def test_quiet_wake_comes_back_after_a_second():
    ticks = play((10, {}), (5, {"motion": 3.0}), (5, {}))
    assert onset(ticks[150:], 3) == pytest.approx(16.0)


def test_drowsiness_needs_five_seconds():
    assert onset(play((10, {}), (10, {"delta": 3.0, "pupil": 0.1})), 2) == pytest.approx(15.0)


def test_drowsiness_needs_three_seconds_of_stillness_before():
    sleepy = {"delta": 3.0, "pupil": 0.1}
    ticks = play((10, {}), (5, {"motion": 3.0, **sleepy}), (15, sleepy))
    assert onset(ticks, 2) == pytest.approx(15 + 3 + 5, abs=0.11)


def test_speed_between_its_thresholds_changes_nothing():
    running = {"speed": 3.0, "motion": 5.0}
    between = {"speed": 1.5}
    before = play((10, {}), (5, between))[-1].state
    after = play((10, {}), (5, running), (5, between))[-1].state
    assert (before, after) == (3, 5)


def test_a_short_twitch_changes_nothing():
    assert onset(play((10, {}), (0.4, {"motion": 3.0}), (5, {})), 4) is None


@pytest.mark.parametrize(
    ("gone", "instead", "bits"),
    [(("motion",), {"pupil": 0.7}, 11), (("motion", "pupil"), {"emg": 5.0}, 25)],
)
def test_without_a_face_the_pupil_and_then_the_muscle_tell_activity(gone, instead, bits):
    missing = dict.fromkeys(gone)
    ticks = play((10, missing), (5, {**missing, **instead}))
    assert (ticks[-1].state, ticks[-1].modalities) == (4, bits)


def test_drowsiness_with_muscle_at_the_floor_is_sleep_after_half_a_minute():
    sleepy = {"delta": 3.0, "pupil": 0.1, "emg": -2.0}
    assert onset(play((10, {"emg": 0.0}), (60, sleepy)), 1) == pytest.approx(40.0, abs=0.11)


def test_drowsiness_with_some_muscle_is_no_sleep():
    sleepy = {"delta": 3.0, "pupil": 0.1, "emg": -0.4}
    assert onset(play((10, {"emg": 0.0}), (60, sleepy)), 1) is None


def test_a_state_that_cannot_be_told_any_more_is_left_at_once():
    ticks = play((10, {}), (5, {"speed": 9.0, "motion": 5.0}), (1, {"speed": None, "motion": 5.0}))
    assert [tick.state for tick in ticks[149:151]] == [5, 4]


def test_without_any_feature_nothing_is_known():
    ticks = play((5, dict.fromkeys(STILL)))
    assert {(tick.state, tick.confidence, tick.modalities) for tick in ticks} == {(0, 0.0, 0)}


def test_close_to_all_thresholds_nothing_is_known():
    near = {"speed": 1.98, "motion": 1.45, "pupil": 0.405, "delta": 2.45}
    assert play((10, near))[-1].state == 0


def test_confidence_falls_with_the_modalities():
    full = play((10, {}))[-1].confidence
    assert play((10, {"motion": None, "pupil": None}))[-1].confidence == pytest.approx(0.82 * full)


def test_while_a_change_is_pending_the_confidence_is_lower():
    ticks = play((10, {}), (4, {"delta": 3.0, "pupil": 0.1}))
    assert ticks[-1].state == 3
    assert ticks[-1].confidence < 0.7 * ticks[99].confidence


def test_estimated_thresholds_replace_those_of_the_simulator():
    animal = Animal(RULES, Thresholds(6.0, 1.25, 2.0, 0.4, 0.12))
    ticks = [animal.step(k / 10, Features(**{**STILL, "motion": 5.0})) for k in range(1, 50)]
    assert onset(ticks, 4) is None


VALUES = st.one_of(st.none(), st.floats(-5, 15))
NEEDS = {5: 1, 4: 2 | 4 | 16, 2: 8 | 2, 1: 4 | 16}


@given(
    st.lists(
        st.tuples(
            st.integers(1, 80), st.fixed_dictionaries(dict.fromkeys([*STILL, "emg"], VALUES))
        ),
        max_size=12,
    )
)
def test_a_state_that_cannot_be_told_is_never_told(parts):
    ticks = play(*((n / 10, changes) for n, changes in parts))
    assert all(tick.modalities & NEEDS.get(tick.state, -1) or not tick.state for tick in ticks)
