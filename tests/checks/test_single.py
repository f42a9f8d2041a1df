import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.checks.single import Single, times_of, worst_of
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

CAMERA = Stream("camera", ("mean",), 60.0, "n/a", timed=True)


def test_nothing_judged_yet_is_unknown():
    assert Single("camera", shipped()["brightness"]).verdict().level == UNKNOWN


def test_a_level_waits_for_its_second_tick():
    single = Single("camera", shipped()["brightness"])
    assert [single.step(15.0).level for _ in range(2)] == [OK, WARN]


def test_nan_is_unknown_and_has_no_value():
    verdict = Single("camera", shipped()["brightness"]).step(np.nan, 3.0)
    assert (verdict.level, verdict.value) == (UNKNOWN, None)


def test_what_is_told_may_have_a_sign():
    assert Single("camera", shipped()["rate"]).step(5.0, -5.0).value == -5.0


def test_an_action_stands_only_where_something_is_wrong():
    single = Single("cell", shipped()["access"])
    assert single.step(10.0).action == ""
    assert single.step(25.0).action == shipped()["access"].action


def test_the_worst_verdict_speaks_under_the_common_name():
    verdicts = [Verdict("a", "s", OK), Verdict("b", "s", FAIL, 2.0), Verdict("c", "s", UNKNOWN)]
    assert worst_of("all", verdicts) == Verdict("all", "s", FAIL, 2.0)


def test_device_times_are_preferred_to_the_index():
    times = np.array([3.0, 3.5])
    piece = Piece(0, 600, np.zeros((2, 1)), times, 0, 0)
    assert times_of(CAMERA, piece).tolist() == [3.0, 3.5]


def test_without_device_times_the_index_gives_the_time():
    piece = Piece(0, 600, np.zeros((2, 1)), None, 0, 0)
    assert times_of(CAMERA, piece).tolist() == [10.0, 601 / 60]
