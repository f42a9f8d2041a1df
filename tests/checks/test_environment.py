import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.checks.environment import (
    BodyMotion,
    Light,
    Sound,
    Temperature,
    channel_of,
    motion_energy,
)
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared, Unit
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import OK, UNKNOWN, WARN
from tests.checks.cuts import pieces
from tests.checks.seconds import second_of

P = shipped()
ROOM = Stream("room", ("lux", "sound", "temperature"), 1.0, "n/a", kind="environment")
BARE = Stream("room", ("humidity",), 1.0, "n/a", kind="environment")


def room(n=300, lux=20.0, sound=40.0, temperature=22.0):
    return np.column_stack([np.full(n, lux), np.full(n, sound), np.full(n, temperature)])


def feed(check, values, at=0, lengths=(1,)):
    for part in pieces(values, list(lengths)):
        check.feed(Piece(at, at, part, None, 0, 0))
        at += len(part)
    return check


def values_of(kind, values):
    """The value of each second's tick."""
    check = kind(ROOM, P)
    return [feed(check, values[k : k + 1], k).verdict(float(k)).value for k in range(len(values))]


@pytest.mark.parametrize("kind", [Light, Sound, Temperature])
def test_without_a_sensor_it_is_unknown(kind):
    check = feed(kind(BARE, P), np.full((300, 1), 50.0))
    assert check.verdict(0.0).level == UNKNOWN


@pytest.mark.parametrize("kind", [Light, Sound, Temperature])
def test_before_anything_came_it_is_unknown(kind):
    assert kind(ROOM, P).verdict(0.0).level == UNKNOWN


def test_a_step_of_the_light_is_told_at_once_and_for_its_five_seconds():
    values = room(30)
    values[12:, 0] = 23.0
    found = values_of(Light, values)
    on = [k for k, v in enumerate(found) if v is not None and v > 10]
    assert on == [12, 13, 14, 15, 16]


def test_the_change_of_light_is_that_of_the_brute_force_search():
    lux = 20 + np.cumsum(np.random.default_rng(0).normal(0, 0.5, 60))
    values = room(60)
    values[:, 0] = lux
    for k, found in enumerate(values_of(Light, values)[1:], 1):
        before = lux[max(0, k - 5) : k]
        assert found == pytest.approx(100 * np.abs(lux[k] / before - 1).max(), rel=1e-12)


@pytest.mark.parametrize(("to_lux", "level"), [(21.5, OK), (22.5, WARN), (17.5, WARN)])
def test_light_is_judged_by_a_tenth(to_lux, level):
    values = room(20)
    values[10:, 0] = to_lux
    assert feed(Light(ROOM, P), values).verdict(0.0).level == level


def test_slow_dusk_is_no_change_of_light():
    values = room(600)
    values[:, 0] = 20 * np.exp(-np.arange(600) / 600)
    assert feed(Light(ROOM, P), values).verdict(0.0).level == OK


def test_noise_of_a_sensor_in_darkness_is_no_change_of_light():
    values = room(60)
    values[:, 0] = np.random.default_rng(0).uniform(0, 0.005, 60)
    assert feed(Light(ROOM, P), values).verdict(0.0).level == OK


def test_light_without_news_since_the_last_tick_is_unknown():
    check = feed(Light(ROOM, P), room(20))
    assert [check.verdict(t).level for t in (0.0, 1.0)] == [OK, UNKNOWN]


def settled(seconds=60, sound=40.0):
    check = feed(Sound(ROOM, P), room(seconds, sound=sound))
    check.restart()
    return check


@pytest.mark.parametrize(("db", "level"), [(54.0, OK), (56.0, WARN)])
def test_sound_is_held_against_the_mean_of_the_settling(db, level):
    check = feed(settled(), room(5, sound=db), at=60)
    verdict = check.verdict(0.0)
    assert (verdict.level, verdict.value) == (level, pytest.approx(db - 40.0))


def test_sound_is_unknown_while_settling():
    assert feed(Sound(ROOM, P), room(60)).verdict(0.0).level == UNKNOWN


def test_sound_after_a_settling_too_short_is_unknown():
    assert feed(settled(5), room(5), at=5).verdict(0.0).level == UNKNOWN


def test_a_bang_between_two_ticks_is_not_missed():
    values = room(10)
    values[4, 1] = 80.0
    assert feed(settled(), values, at=60).verdict(0.0).value == pytest.approx(40.0)


def test_the_drift_of_temperature_is_that_of_a_polyfit():
    values = room(900)
    values[:, 2] += np.cumsum(np.random.default_rng(0).normal(0, 0.01, 900))
    slope = np.polyfit(np.arange(601.0), values[-601:, 2], 1)[0]
    found = feed(Temperature(ROOM, P), values).verdict(0.0).value
    assert found == pytest.approx(600 * slope, rel=1e-6)


@pytest.mark.parametrize(("per_ten_minutes", "level"), [(0.4, OK), (0.6, WARN), (-0.6, WARN)])
def test_a_drift_of_temperature_is_judged(per_ten_minutes, level):
    values = room(300)
    values[:, 2] += per_ten_minutes * np.arange(300) / 600
    check = feed(Temperature(ROOM, P), values)
    assert [check.verdict(t).level for t in range(3)][-1] == level


def test_the_first_two_minutes_tell_no_drift():
    assert feed(Temperature(ROOM, P), room(110)).verdict(0.0).level == UNKNOWN


def test_an_offset_of_the_sensor_is_no_drift():
    warm = feed(Temperature(ROOM, P), room(300, temperature=37.0)).verdict(0.0)
    assert warm.value == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", [Light, Temperature])
@given(lengths=st.lists(st.integers(1, 99), min_size=1, max_size=5))
@settings(max_examples=10)
def test_any_cut_gives_the_same_verdict(kind, lengths):
    values = room(300) * (1 + np.random.default_rng(0).normal(0, 0.01, (300, 3)))
    whole = feed(kind(ROOM, P), values, lengths=(300,)).verdict(0.0)
    assert feed(kind(ROOM, P), values, lengths=lengths).verdict(0.0) == whole


def test_a_reading_that_is_nan_is_left_out():
    values = room(300)
    values[150, 2] = np.nan
    assert feed(Temperature(ROOM, P), values).verdict(0.0).level == OK


def test_readings_at_any_time_carry_their_own():
    """An irregular stream of 0.5 degrees in ten minutes."""
    stream = Stream("room", ("temperature",), 0.0, "n/a", kind="environment", timed=True)
    times = np.cumsum(np.random.default_rng(0).uniform(1, 20, 100))
    check = Temperature(stream, P)
    check.feed(Piece(0, 0, (22 + 0.5 * times / 600)[:, None], times, 0, 0))
    assert check.verdict(0.0).value == pytest.approx(0.5, rel=1e-6)


IMU = Stream("collar", ("acc_x", "acc_y", "acc_z", "gyro"), 100.0, "n/a")


def motion_of(samples, stream=IMU):
    unit = Unit(
        BodyMotion(stream, P["body_motion"], Shared(Setting(), Spectra())),
        stream,
        P["body_motion"],
    )
    unit.step(second_of(samples, 100.0))
    return unit.verdict()


def test_the_motion_of_the_body_is_the_spread_of_its_acceleration():
    samples = np.random.default_rng(0).normal([0, 0, 9.8, 0], [1, 2, 2, 9], (100, 4))
    verdict = motion_of(samples)
    expected = np.sqrt(samples[:, :3].var(axis=0).sum())
    assert (verdict.level, verdict.value) == (OK, pytest.approx(expected))


def test_without_an_accelerometer_motion_is_unknown():
    assert motion_of(np.zeros((100, 4)), BARE).level == UNKNOWN


def test_motion_energy_is_the_mean_change_within_the_mask():
    one, two = np.random.default_rng(0).integers(0, 256, (2, 20, 30)).astype(np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[5:10] = True
    expected = np.abs(one.astype(int) - two)[5:10].mean()
    assert motion_energy(one, two, mask) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "unit", "words", "found"),
    [
        ("feedback", "n/a", ("sound", "db"), None),
        ("mic", "dBA", ("sound", "db"), 0),
        ("flight", "n/a", ("lux", "light"), None),
        ("room_temp", "n/a", ("temp",), 0),
        ("t1", "degrees Celsius", ("temp", "celsius"), 0),
    ],
)
def test_a_sensor_is_known_by_whole_words(name, unit, words, found):
    assert channel_of(Stream("room", (name,), 1.0, unit, kind="environment"), words) == found
