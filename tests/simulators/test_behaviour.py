"""The simulated animal: its states, and what they drive."""

from itertools import pairwise

import numpy as np
import pytest
from tenmin_simulators import signals
from tenmin_simulators.behaviour import LEAST_S, MEAN_S


@pytest.fixture(scope="module")
def animal():
    return signals.behave(np.random.default_rng(0), 7200.0)


def test_states_cover_the_time_without_overlap_or_hole(animal):
    assert animal.states[0].onset_s == 0.0
    assert animal.states[-1].offset_s == 7200.0
    for one, following in zip(animal.states, animal.states[1:]):
        assert one.offset_s == following.onset_s
        assert one.code != following.code


def test_stays_last_as_long_as_the_specification_says():
    found = {code: [] for code in MEAN_S}
    for seed in range(10):
        for stay in signals.states(np.random.default_rng(seed), 7200.0)[:-1]:
            found[stay.code].append(stay.offset_s - stay.onset_s)
    for code, stays in found.items():
        assert min(stays) >= LEAST_S[code] - 0.11
        assert np.mean(stays) == pytest.approx(MEAN_S[code], rel=0.15)


def test_the_animal_runs_only_in_locomotion(animal):
    assert np.median(animal.speed_cm_s[animal.code == 5]) > 5.0
    assert np.max(animal.speed_cm_s[animal.code != 5]) < 1.0


def test_the_pupil_follows_the_state_by_a_second_and_a_half(animal):
    drive = (animal.code >= 4).astype(float)
    lags = np.arange(0, 60)
    onset = np.flatnonzero(np.diff(drive) > 0) + 1
    onset = onset[(onset > 100) & (onset < len(drive) - 100)]
    rise = np.mean([animal.pupil[k : k + 60] - animal.pupil[k - 1] for k in onset], axis=0)
    first = lags[rise >= 0.63 * rise[:20].max()][0] * 0.1
    assert 0.5 <= first <= 2.5


def test_sleepiness_has_small_pupils_and_strong_delta(animal):
    drowsy, active = animal.code == 2, animal.code == 4
    assert np.median(animal.pupil[drowsy]) < 0.3 < np.median(animal.pupil[active])
    assert np.median(animal.delta[drowsy]) > 1.25 > np.median(animal.delta[active])


def test_the_way_is_the_integral_of_the_speed(animal):
    np.testing.assert_allclose(np.diff(animal.position_cm), animal.speed_cm_s[:-1] * 0.1, atol=1e-9)


def test_after_its_time_the_animal_begins_anew_and_its_way_goes_on(animal):
    assert animal.at("pupil", [7200.0 + 33.3])[0] == pytest.approx(animal.at("pupil", [33.3])[0])
    around = animal.at("position_cm", np.linspace(7199.0, 7201.0, 50))
    assert np.all(np.diff(around) >= 0)
    assert np.diff(around).max() < 5.0


def test_states_until_a_time_end_there(animal):
    found = animal.states_until(100.0)
    assert found[-1][1] == 100.0
    assert all(onset < 100.0 for onset, _, _ in found)


@pytest.mark.parametrize("code", [2, 3, 4, 5])
def test_a_forced_state_holds_for_its_time_and_no_longer(code):
    free, forced = (signals.behave(np.random.default_rng(1), 600.0) for _ in range(2))
    forced.force(100.03, 150.0, code)
    assert np.all(forced.code[1002:1502] == code)
    np.testing.assert_array_equal(forced.code[:1002], free.code[:1002])
    np.testing.assert_array_equal(forced.code[1502:], free.code[1502:])


def test_features_of_a_forced_state_are_as_if_it_had_come_by_itself():
    animal = signals.behave(np.random.default_rng(1), 600.0)
    animal.force(100.0, 200.0, 2)
    inside = slice(1200, 1950)
    assert np.median(animal.pupil[inside]) == pytest.approx(0.18, abs=0.03)
    assert np.median(animal.delta[inside]) == pytest.approx(2.5, abs=0.2)
    animal.force(300.0, 400.0, 5)
    assert np.median(animal.speed_cm_s[3050:3950]) == pytest.approx(12.0, rel=0.1)


def test_forcing_a_state_changes_nothing_before_and_little_long_after():
    free, forced = (signals.behave(np.random.default_rng(2), 600.0) for _ in range(2))
    forced.force(100.0, 120.0, 5)
    for name in ("speed_cm_s", "pupil", "motion", "delta", "emg"):
        early, late = np.linspace(0, 100, 3001), np.linspace(160, 590, 999)
        np.testing.assert_array_equal(forced.at(name, early), free.at(name, early))
        np.testing.assert_allclose(forced.at(name, late), free.at(name, late), atol=1e-6)
    np.testing.assert_allclose(np.diff(forced.position_cm), forced.speed_cm_s[:-1] * 0.1, atol=1e-9)


def test_states_still_cover_the_time_after_some_were_forced():
    animal = signals.behave(np.random.default_rng(3), 600.0)
    for onset, length, code in ((50.0, 3.0, 4), (50.5, 100.0, 2), (590.0, 60.0, 5)):
        animal.force(onset, onset + length, code)
    assert animal.states[0].onset_s == 0.0
    assert animal.states[-1].offset_s == 600.0
    for one, following in pairwise(animal.states):
        assert one.offset_s == following.onset_s
        assert one.code != following.code
    for stay in animal.states:
        middle = animal.code[round(stay.onset_s * 10) : round(stay.offset_s * 10)]
        assert np.all(middle == stay.code)
