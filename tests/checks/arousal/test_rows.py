from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks.arousal.rows import columns, occupancy, rows
from tenmin.checks.arousal.states import Tick


def track(states, t0=0.0, modalities=15):
    return [Tick(t0 + (k + 1) * 0.1, s, s / 10, modalities) for k, s in enumerate(states)]


STATES = st.lists(st.integers(0, 8), min_size=1, max_size=300)


@given(STATES, st.floats(0, 1e5), st.integers(0, 50))
def test_rows_cover_the_window_without_overlap_or_hole(states, t0, unseen):
    end = t0 + (len(states) + unseen) * 0.1
    found = rows(track(states, t0), t0, end, "1")
    assert (found[0].start_time, found[-1].stop_time) == (t0, end)
    assert all(a.stop_time == b.start_time and a.state != b.state for a, b in pairwise(found))


@given(STATES)
def test_rows_hold_every_tick_once(states):
    found = rows(track(states), 0.0, len(states) * 0.1, "1")
    back = [row.state for row in found for _ in range(round((row.stop_time - row.start_time) * 10))]
    assert back == states


def test_a_window_that_no_tick_saw_is_unknown():
    (row,) = rows([], 3.0, 5.0, "1")
    assert (row.label, row.coarse, row.confidence, row.modalities) == ("unknown", "unknown", 0.0, 0)


def test_a_row_tells_its_state_and_mean_confidence():
    ticks = [Tick(0.1, 5, 0.5, 13), Tick(0.2, 5, 1.0, 13), Tick(0.3, 3, 1.0, 13)]
    row = rows(ticks, 0.0, 0.3, "7")[0]
    assert (row.label, row.coarse, row.confidence, row.ruleset_version) == (
        "locomotion",
        "active",
        0.75,
        "7",
    )


def test_the_bits_of_a_row_are_those_of_most_of_it():
    ticks = [Tick(0.1, 3, 1, 15), Tick(0.2, 3, 1, 11), Tick(0.3, 3, 1, 11)]
    assert rows(ticks, 0.0, 0.3, "1")[0].modalities == 11


def test_from_the_brain_alone_there_is_low_and_not_low():
    assert [r.coarse for r in rows(track([2, 3], modalities=8), 0.0, 0.2, "1")] == [
        "low",
        "not_low",
    ]


def test_masked_bins_are_counted_by_row():
    masked = np.array([True, False, True, True])
    found = rows(track([3, 3, 4, 4]), 0.0, 0.4, "1", masked)
    assert [row.n_masked_bins for row in found] == [1, 2]


def test_times_are_kept_in_double_precision():
    table = columns(rows(track([3, 4]), 7200.0 + 1e-7, 7200.2 + 1e-7, "1"))
    assert (table["start_time"].dtype, table["state"].dtype) == (np.float64, np.int64)


def test_occupancy_is_the_share_of_the_time():
    found = rows(track([3, 3, 3, 5]), 0.0, 0.4, "1")
    assert occupancy(found) == pytest.approx({"quiet_wake": 0.75, "locomotion": 0.25})
