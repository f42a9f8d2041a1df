from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks.frames import FrameDrops, FrameTriggers, missing_by_counter, missing_by_interval
from tenmin.checks.parameters import shipped
from tenmin.counter import Indexer
from tenmin.ring import Piece
from tenmin.stream import FRAME_CHANNELS, FRAME_FLAGS, Chunk, Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN
from tests.checks.cuts import CUTS, pieces

P = shipped()
FPS = 60.0
CAMERA = Stream("camera", ("mean",), FPS, "n/a", counter=True)
CLOCK = Stream(
    "frames", FRAME_CHANNELS, 0.0, "n/a", dtype="int64", kind="frames", timed=True,
    facts={"nominal_rate_hz": "60"},
)  # fmt: skip


def rows_of(n, first=0, missed=0, flag=0):
    """A piece of a frame clock: n frames, the first with frames missing before it."""
    rows = np.zeros((n, len(FRAME_CHANNELS)), np.int64)
    rows[:, 0] = np.arange(first, first + n) + 1
    rows[0, 3:] = missed, flag
    times = (np.arange(first, first + n) + missed) / FPS
    return Piece(first, first, rows, times, 0, 0)


def frames(index, n):
    return Piece(index, index, np.zeros((n, 1)), None, 0, 0)


def drops(stream, *pieces):
    check = FrameDrops(stream, P)
    for each in pieces:
        check.feed(each)
    return check


def test_a_counter_shows_every_missing_frame():
    counter = np.delete(np.arange(100, 300), [5, *range(50, 55)])
    assert missing_by_counter(counter) == 6


@pytest.mark.parametrize("lost", [[5], list(range(50, 55)), [5, 9, 100, 101]])
def test_intervals_show_where_frames_are_missing(lost):
    times = np.arange(200) / FPS + np.random.default_rng(0).uniform(-0.1, 0.1, 200) / FPS
    keep = np.delete(np.arange(200), lost)
    expected = np.diff(keep) - 1
    assert missing_by_interval(times[keep]).tolist() == expected.tolist()


def test_a_single_frame_has_no_interval():
    assert len(missing_by_interval(np.array([1.0]))) == 0


def test_jittering_stamps_show_every_lost_frame_and_no_other():
    """Truth: 30 losses of one to five frames; SD of the jitter a tenth of the period."""
    rng = np.random.default_rng(3)
    at = np.sort(rng.choice(np.arange(200, 12000, 60), 30, replace=False))
    lost = np.concatenate([np.arange(a, a + rng.integers(1, 6)) for a in at])
    keep = np.delete(np.arange(12200), lost)
    stamps = keep / FPS + rng.normal(0, 0.1 / FPS, len(keep))
    stream = Stream("camera", ("mean",), FPS, "n/a", timed=True)
    indexer, check = Indexer(stream), FrameDrops(stream, P)
    for part in np.array_split(np.arange(len(keep)), 900):
        chunk = Chunk(np.zeros((len(part), 1)), None, stamps[part], int(stamps[part[-1]] * 1e9))
        for run in indexer.place(chunk):
            check.feed(Piece(0, run.index, run.samples, run.device_time, 0, 0))
    assert check.count.missing == len(lost)


@pytest.mark.parametrize(
    ("stream", "parts"),
    [
        (CAMERA, [frames(0, 500), frames(505, 500)]),
        (CLOCK, [rows_of(500), rows_of(500, 500, missed=5, flag=FRAME_FLAGS["missed"])]),
    ],
)
def test_a_camera_and_a_frame_clock_count_alike(stream, parts):
    count = drops(stream, *parts).count
    assert (count.n, count.missing) == (1000, 5)


def test_without_a_frame_it_is_unknown():
    assert drops(CLOCK).verdict(0.0).level == UNKNOWN


def test_a_camera_without_counter_and_times_is_unknown():
    blind = Stream("camera", ("mean",), FPS, "n/a")
    assert drops(blind, frames(0, 500)).verdict(0.0).level == UNKNOWN


@pytest.mark.parametrize(
    ("missing", "level"), [(0, OK), (7, OK), (8, WARN), (36, WARN), (37, FAIL)]
)
def test_lost_frames_are_held_against_the_block(missing, level):
    check = drops(CAMERA, frames(0, 500), frames(500 + missing, 500))
    assert check.verdict(0.0).level == level


def test_after_a_long_recording_the_share_is_of_what_came():
    check = drops(CAMERA, frames(0, 99_900), frames(100_000, 1))
    assert check.verdict(0.0).value == pytest.approx(100 / 100_001)


def test_frames_lost_before_the_block_are_forgotten():
    check = drops(CAMERA, frames(0, 500), frames(600, 1))
    check.restart()
    check.feed(frames(601, 10))
    assert check.verdict(0.0).level == OK


def test_a_frame_clock_of_unknown_rate_goes_by_its_own_times():
    check = drops(replace(CLOCK, facts={}), rows_of(601))
    assert check.count.rate_hz == pytest.approx(FPS)


@given(CUTS)
def test_any_cut_of_the_frames_counts_the_same(lengths):
    rows = rows_of(600).samples
    rows[300, 3] = 4
    check = FrameDrops(CLOCK, P)
    at = 0
    for part in pieces(rows, lengths):
        check.feed(Piece(at, at, part, at / FPS + np.arange(len(part)) / FPS, 0, 0))
        at += len(part)
    assert (check.count.n, check.count.missing) == (600, 4)


def balance_of(*steps, imaging=False):
    """Levels tick by tick of (frames, triggers) that came in each second."""
    check = FrameTriggers(CAMERA, CLOCK, P, imaging=imaging)
    levels, n, m = [], 0, 0
    for second, (of_camera, of_clock) in enumerate(steps):
        if of_camera:
            check.feed(frames(n, of_camera))
        if of_clock:
            check.feed_triggers(rows_of(of_clock, m))
        n, m = n + of_camera, m + of_clock
        levels.append(check.verdict(float(second)))
    return levels


def test_a_balance_is_unknown_before_anything_came():
    assert balance_of((0, 0), (0, 0))[-1].level == UNKNOWN


def test_frames_that_arrive_late_are_not_missing():
    verdicts = balance_of((50, 60), (60, 60), (60, 60), (70, 60), (0, 0))
    assert {v.level for v in verdicts[1:]} == {OK}


@pytest.mark.parametrize(
    ("frames_", "level"), [(120, OK), (119, WARN), (116, WARN), (115, FAIL), (125, FAIL)]
)
def test_once_both_are_silent_the_balance_is_exact(frames_, level):
    verdict = balance_of((60, 60), (frames_ - 60, 60), (0, 0), (0, 0))[-1]
    assert (verdict.level, verdict.value) == (level, abs(120 - frames_))


def test_of_imaging_any_difference_is_a_warning():
    verdict = balance_of((60, 60), (52, 60), (0, 0), (0, 0), imaging=True)[-1]
    assert (verdict.check, verdict.level) == ("imaging_triggers", WARN)


def test_a_camera_that_stands_still_while_triggers_come_fails():
    assert balance_of((60, 60), (0, 60), (0, 60), (0, 60))[-1].level == FAIL


def test_a_balance_of_lost_events_is_unknown():
    check = FrameTriggers(CAMERA, CLOCK, P)
    check.feed(frames(0, 60))
    check.feed_triggers(rows_of(60, flag=FRAME_FLAGS["lost"]))
    assert [check.verdict(t).level for t in (0.0, 1.0)][-1] == UNKNOWN


@given(st.integers(0, 300))
def test_equal_numbers_always_balance(n):
    levels = balance_of((n, n), (n, n), (0, 0))
    assert levels[-1].level == (OK if n else UNKNOWN)
