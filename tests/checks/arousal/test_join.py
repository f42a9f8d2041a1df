import numpy as np
import pytest

from tenmin.checks.arousal.binning import Values
from tenmin.checks.arousal.join import Joiner


def joiner(**kwargs):
    return Joiner(10.0, {"belt": ("speed",), "eye": ("motion", "pupil_size")}, **kwargs)


def values(first, *rows):
    return Values(first, np.array(rows, float))


def test_a_tick_waits_for_all_streams():
    j = joiner()
    j.put("belt", values(0, [1.0], [2.0]))
    before = list(j.take(10.2))
    j.put("eye", values(0, [3.0, 4.0]))
    (t, f), *rest = j.take(10.2)
    assert (before, rest) == ([], [])
    assert (t, f.speed, f.motion, f.pupil_size) == (pytest.approx(10.1), 1.0, 3.0, 4.0)


def test_a_stalled_stream_is_waited_for_half_a_second():
    j = joiner()
    j.put("belt", values(0, [1.0]))
    assert list(j.take(10.59)) == []
    ((_, f),) = j.take(10.6)
    assert (f.speed, np.isnan(f.motion)) == (1.0, True)


def test_what_comes_too_late_is_counted():
    j = joiner()
    j.put("belt", values(0, [1.0], [1.0]))
    assert len(list(j.take(10.7))) == 2
    j.put("eye", values(0, [3.0, 4.0], [3.0, 4.0], [3.0, 4.0]))
    assert j.late == 2


def test_of_two_sources_the_one_that_knows_is_taken():
    j = Joiner(0.0, {"one": ("heart_rate",), "other": ("heart_rate",)})
    j.put("one", values(0, [60.0]))
    j.put("other", values(0, [np.nan]))
    assert [f.heart_rate for _, f in j.take(0.0)] == [60.0]


def test_silence_of_all_gives_ticks_of_nothing():
    j = joiner()
    j.put("belt", values(0, [1.0]))
    assert len(list(j.take(12.0))) == 15
