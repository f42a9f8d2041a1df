"""What the settling says of an animal, whatever it did meanwhile."""

import numpy as np
import pytest

from tenmin.checks.arousal.calibration import calibrate
from tenmin.checks.arousal.features import Features
from tests.checks.arousal.mice import RULES, mouse, ticks_of

QUIET = {"speed": 0.1, "motion": 1.0, "delta": 3.5, "pupil": 0.4}
ACTIVE = {**QUIET, "motion": 1.5, "delta": 3.3, "pupil": 0.6}
RUNNING = {**ACTIVE, "speed": 12.0, "motion": 1.7, "pupil": 0.8}
ASLEEP = {**QUIET, "delta": 4.1, "pupil": 0.2}
SPREAD = {"speed": 0.0, "motion": 0.03, "delta": 0.05, "pupil": 0.02}


def ticks(*parts, without=()):
    """Ticks of (seconds, levels), ten a second, with normal spreads about the levels."""
    rng = np.random.default_rng(1)
    return [
        Features(
            pupil_rate=0.0,
            **{
                name: level + SPREAD[name] * rng.standard_normal()
                for name, level in levels.items()
                if name not in without
            },
        )
        for seconds, levels in parts
        for _ in range(round(seconds * 10))
    ]


def border_of(found, name):
    """A threshold in the unit of the feature."""
    its = getattr(found, name)
    return its.mode + getattr(found.thresholds, name) * its.sigma


@pytest.mark.parametrize(
    "parts",
    [
        [(300, QUIET), (60, ACTIVE), (60, RUNNING), (80, ASLEEP)],
        [(90, QUIET), (60, ACTIVE), (350, RUNNING), (40, ASLEEP)],
        [(60, QUIET), (10, ACTIVE), (20, RUNNING), (400, ASLEEP)],
    ],
    ids=["quiet", "running", "asleep"],
)
def test_the_levels_are_those_of_quiet_wake_whatever_prevails(parts):
    found = calibrate(ticks(*parts), RULES)
    assert found.motion.mode == pytest.approx(1.0, abs=0.05)
    assert found.delta.mode == pytest.approx(3.5, abs=0.05)
    assert found.thresholds.pupil_centre == pytest.approx(0.4, abs=0.02)
    assert 1.15 < border_of(found, "motion") < 1.4
    assert border_of(found, "delta") == pytest.approx(3.8, abs=0.05)
    assert found.notes == ()


def test_without_a_brain_the_larger_of_two_pupils_is_the_waking_one():
    parts = (60, QUIET), (30, RUNNING), (300, ASLEEP)
    found = calibrate(ticks(*parts, without=("delta",)), RULES)
    assert found.thresholds.pupil_centre == pytest.approx(0.4, abs=0.02)


def test_without_running_or_twitching_the_threshold_is_the_rigs_default_and_says_so():
    found = calibrate(ticks((200, QUIET)), RULES)
    assert found.thresholds.motion == RULES["motion"]["rig_unit"]
    assert [note.split(":")[0] for note in found.notes] == ["motion", "delta"]


def test_running_alone_shows_where_moving_begins():
    found = calibrate(ticks((200, QUIET), (60, RUNNING)), RULES)
    assert border_of(found, "motion") == pytest.approx(1.35, abs=0.05)


def test_active_and_quiet_are_not_taken_for_quiet_and_asleep():
    found = calibrate(ticks((200, ACTIVE), (200, QUIET)), RULES)
    assert found.delta.mode == pytest.approx(3.5, abs=0.05)
    least = RULES["delta"]["least_log"]
    assert border_of(found, "delta") == pytest.approx(found.delta.mode + least)


def test_a_very_even_brain_does_not_make_small_changes_sleep():
    even = [
        Features(speed=0.0, delta=3.5 + 1e-3 * x)
        for x in np.random.default_rng(1).standard_normal(2000)
    ]
    assert border_of(calibrate(even, RULES), "delta") == pytest.approx(3.7, abs=0.01)


def test_an_animal_that_never_rests_has_the_shipped_pupil_and_says_so():
    found = calibrate(ticks((300, RUNNING)), RULES)
    own = RULES["pupil"]
    assert (found.thresholds.pupil_centre, found.thresholds.pupil) == (own["centre"], own["unit"])
    assert any(note.startswith("pupil") for note in found.notes)


def test_without_values_there_is_no_scale_and_the_thresholds_are_the_shipped_ones():
    found = calibrate([], RULES)
    assert (found.motion, found.delta, found.emg, found.notes) == (None, None, None, ())
    assert found.thresholds.pupil_centre == RULES["pupil"]["centre"]


def test_a_feature_without_scale_is_not_known():
    assert np.isnan(calibrate([], RULES).apply(Features(motion=3.0)).motion)


def test_the_simulated_mouse_is_measured_from_its_quiet_wake():
    _, columns = mouse(1)
    names = ("speed", "motion", "pupil", "delta")
    rows = [
        Features(**{n: getattr(f, n) for n in names}, pupil_rate=0.0)
        for f in ticks_of(columns, names)[1]
    ]
    found = calibrate(rows, RULES)
    assert (found.motion.mode, found.delta.mode) == pytest.approx((0.0, 0.0), abs=0.3)
    assert 0.8 < border_of(found, "motion") < 3.0
    assert found.thresholds.pupil_centre == pytest.approx(0.40, abs=0.05)
