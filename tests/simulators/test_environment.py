"""The simulated room: what changes, when, and by how much."""

import numpy as np
import pytest
from tenmin_simulators.environment import Surroundings


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_room_that_nobody_touches_keeps_still():
    lux, sound, temperature = Surroundings(rng()).samples(0, 3600).T
    assert lux.std() / lux.mean() == pytest.approx(0.01, rel=0.1)
    assert sound.std() == pytest.approx(0.7, rel=0.1)
    assert temperature.std() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "column", "amount"), [("lux", 0, -50.0), ("sound", 1, 25.0), ("warm", 2, 1.0)]
)
def test_a_step_changes_its_own_column_by_its_own_amount(kind, column, amount):
    calm, stepped = Surroundings(rng()), Surroundings(rng())
    stepped.change(kind, 100.0, amount, sound_s=5.0)
    before, after = calm.samples(0, 1000), stepped.samples(0, 1000)
    others = [c for c in range(3) if c != column]
    np.testing.assert_array_equal(before[:, others], after[:, others])
    np.testing.assert_array_equal(before[:100], after[:100])
    change = after[:, column] - before[:, column]
    expected = {"lux": -0.5 * before[101, 0], "sound": 25.0, "warm": 1.0 / 600.0}[kind]
    assert change[101] == pytest.approx(expected)
    assert change[900] == pytest.approx(
        {"lux": -0.5 * before[900, 0], "sound": 0.0, "warm": 1.0}[kind]
    )


def test_scattered_steps_are_one_of_each_kind_in_order():
    events = Surroundings(rng()).scatter(rng(1), 600.0)
    assert sorted(e.type for e in events) == ["lux", "sound", "warm"]
    assert [e.onset_s for e in events] == sorted(e.onset_s for e in events)


@pytest.mark.parametrize("cut", [1, 7, 63, 65, 333])
def test_samples_are_the_same_whatever_the_cuts(cut):
    room = Surroundings(rng(2))
    room.scatter(rng(3), 600.0)
    whole = room.samples(0, 600)
    pieces = [room.samples(k, min(cut, 600 - k)) for k in range(0, 600, cut)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_seed_fixes_the_samples_and_another_one_changes_them():
    one, same, other = (Surroundings(rng(s)).samples(0, 60) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
