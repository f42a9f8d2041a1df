"""The harness itself: it sees every sample that a file lacks and nobody counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenmin_simulators.options import SimOptions

from tests.soak.accounts import Stream, account, rows_of

RATE_HZ, PLANNED_S, FIRST = 1000.0, 2.0, 70_000
ROWS = rows_of("lsl", SimOptions(channels=2, seed=3))
N = round(RATE_HZ * PLANNED_S)


def recorded(
    folder: Path, *, without: slice, told: list[tuple[int, int]], changed: int | None = None
) -> Stream:
    """The account of a file of two seconds without these rows, of which the program tells that."""
    kept = np.delete(np.arange(FIRST, FIRST + N), without)
    samples = np.concatenate([ROWS["simulated"](int(i), 1).copy() for i in kept])
    if changed is not None:
        samples[changed, 0] += 1
    path = folder / "a.nwb"
    with h5py.File(path, "w") as file:
        file["acquisition/simulated/data"] = samples
        file["acquisition/simulated_counter/data"] = kept
    missing = sum(n for _, n in told)
    said: dict[str, Any] = {"name": "simulated", "rate_hz": RATE_HZ, "samples": len(kept)}
    said |= {"missing_samples": missing, "gaps": told}
    (stream,) = account(path, [said], ROWS, PLANNED_S, "simulated")
    return stream


def test_a_whole_file_has_nothing_uncounted(tmp_path: Path) -> None:
    stream = recorded(tmp_path, without=slice(0, 0), told=[])

    assert (stream.sent, stream.recorded, stream.uncounted) == (N, N, 0)


def test_a_hole_that_is_told_is_counted(tmp_path: Path) -> None:
    stream = recorded(tmp_path, without=slice(100, 140), told=[(FIRST + 100, 40)])

    assert (stream.missing, stream.uncounted) == (40, 0)


@pytest.mark.parametrize("without", [slice(0, 7), slice(100, 107), slice(N - 7, N)])
def test_rows_that_nobody_tells_of_are_uncounted(tmp_path: Path, without: slice) -> None:
    assert recorded(tmp_path, without=without, told=[]).uncounted == 7


def test_one_changed_value_is_uncounted(tmp_path: Path) -> None:
    assert recorded(tmp_path, without=slice(0, 0), told=[], changed=1234).uncounted == 1


def test_more_told_than_is_missing_is_no_better(tmp_path: Path) -> None:
    stream = recorded(tmp_path, without=slice(100, 140), told=[(FIRST + 100, 41)])

    assert stream.uncounted == 1


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**4))
def test_every_difference_between_sent_and_told_is_uncounted(
    sent: int, recorded: int, missing: int
) -> None:
    stream = Stream("a", RATE_HZ, sent, recorded, missing)

    assert (stream.uncounted == 0) == (sent == recorded + missing)
