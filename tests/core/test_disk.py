"""How long a disk lasts, and who fills it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tenmin.disk import IMMINENT_S, SPAN_S, WINDOW_S, Room, minutes
from tenmin.marks import Marks

GB = 1_000_000_000
RATES = st.integers(0, 2 * GB)
LOOKS = st.lists(
    st.tuples(st.floats(0.1, 5.0), st.integers(0, 10**13), st.integers(0, 10**13)), max_size=80
)


def filled(
    ours: int, others: int, free: int = 10**15, seconds: int = 20, began_s: float = 0.0
) -> Room:
    """A disk after `seconds` of looks, to which we and others write so many bytes per second."""
    room = Room()
    for second in range(seconds + 1):
        gone = (ours + others) * second
        room = room.seen(began_s + second, free - gone, ours * second, 0.0)
    return room


@given(RATES, RATES)
def test_the_time_left_is_the_free_space_over_all_that_is_written(ours: int, others: int) -> None:
    room = filled(ours, others)

    if ours + others == 0:
        assert room.left_s is None
    else:
        assert room.left_s == pytest.approx(room.free_bytes / (ours + others))


@given(RATES, RATES)
def test_what_is_not_ours_is_told_apart(ours: int, others: int) -> None:
    assert filled(ours, others).foreign_bytes_per_s == pytest.approx(others, abs=1)


@given(RATES, RATES, st.integers(1, GB))
def test_another_program_only_shortens_the_time(ours: int, others: int, more: int) -> None:
    assume(ours + others)
    before, after = filled(ours, others), filled(ours, others + more)

    assert before.left_s is not None
    assert after.left_s is not None
    assert after.left_s < before.left_s


@given(RATES, st.floats(0, 1e6))
def test_only_differences_of_time_count(others: int, began_s: float) -> None:
    shifted = filled(1000, others, began_s=began_s)

    assert shifted.left_s == pytest.approx(filled(1000, others).left_s)


@given(LOOKS, st.floats(0, 1e9), st.floats(0, 1e6))
def test_no_looks_make_nonsense(looks: list, expected: float, remaining_s: float) -> None:
    room, now_s = Room(), 0.0
    for pause_s, free, ours in looks:
        now_s += pause_s
        room = room.seen(now_s, free, ours, expected)
        assert room.left_s is None or room.left_s >= 0
        assert room.foreign_bytes_per_s >= 0
        assert room.marks.span_s < WINDOW_S + 5.0
        assert room.verdict(remaining_s).level in ("OK", "WARN", "FAIL")
        assert len(room.marks.points) <= WINDOW_S / 0.1 + 2


def test_until_enough_is_seen_the_expected_rate_counts() -> None:
    room = Room().seen(0.0, 1000, 0, 10.0).seen(SPAN_S - 1, 900, 100, 10.0)

    assert room.left_s == 90.0
    assert room.foreign_bytes_per_s == 0.0


def test_a_disk_that_is_being_emptied_lasts() -> None:
    assert filled(0, -1000).left_s is None
    assert filled(1000, -400).foreign_bytes_per_s == 0.0


@pytest.mark.parametrize(
    ("remaining_s", "free", "level"),
    [(100.0, 100 * GB, "OK"), (101.0, 100 * GB, "WARN"), (61.0, 59 * GB, "FAIL")],
)
def test_a_block_that_no_longer_fits_is_warned_of(
    remaining_s: float, free: int, level: str
) -> None:
    room = Room().seen(0.0, free + 20 * GB, 0, 0.0).seen(20.0, free, 4 * GB, 0.0)
    verdict = room.verdict(remaining_s, since_s=7.0)

    assert verdict.level == level
    assert (verdict.value, verdict.limit, verdict.onset_s) == (free / GB, remaining_s, 7.0)
    assert ("another program writes 800 MB/s to this disk" in verdict.action) == (level != "OK")


def test_a_block_that_ends_before_the_disk_is_full_is_fine() -> None:
    room = Room().seen(0.0, 100 * GB, 0, GB)

    assert room.left_s == 100.0
    assert room.level(IMMINENT_S - 1) == "OK"


def test_nothing_seen_is_not_called_fine() -> None:
    assert Room().level(600.0) == "UNKNOWN"


def test_a_look_that_is_not_later_is_passed_over() -> None:
    marks = Marks(10.0).seen(1.0, 5.0).seen(1.0, 50.0).seen(0.5, 7.0)

    assert marks.points == ((1.0, 5.0),)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45.0, "45 s"), (720.0, "12 min"), (4 * 3600.0, "4 h")]
)
def test_times_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert minutes(seconds) == text
