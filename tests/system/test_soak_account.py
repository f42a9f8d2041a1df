"""The harness itself: it sees every sample that a file lacks and nobody counts."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenmin_simulators.options import SimOptions
from tenmin_simulators.timing import SampleClock

from tests.soak import __main__ as soak
from tests.soak import report
from tests.soak.accounts import Stream, account, rows_of
from tests.soak.both import both
from tests.soak.faults import BlockFault
from tests.soak.long import OURS, Found
from tests.soak.truths import Marked, Sent, Span, Texts, markers

RATE_HZ, PLANNED_S, FIRST = 1000.0, 2.0, 70_000
ROWS = rows_of("lsl", SimOptions(channels=2, seed=3))
N = round(RATE_HZ * PLANNED_S)


def recorded(
    folder: Path,
    *,
    without: slice,
    told: list[tuple[int, int]],
    changed: int | None = None,
    planned_s: float | None = PLANNED_S,
    truth: Sent | None = None,
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
    truths = {} if truth is None else {"simulated": truth}
    (stream,) = account(path, [said], ROWS, planned_s, "simulated", truths)
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


def test_a_trailing_gap_that_is_longer_than_what_was_lost_is_uncounted(tmp_path: Path) -> None:
    stream = recorded(tmp_path, without=slice(N - 40, N), told=[(FIRST + N - 40, 47)])

    assert (stream.sent, stream.uncounted) == (N, 7)


def test_a_gap_beyond_all_that_the_simulator_took_is_uncounted(tmp_path: Path) -> None:
    told = [(FIRST + N, 40)]
    truth = Sent(FIRST + N, 0.0, SampleClock(RATE_HZ))

    stream = recorded(tmp_path, without=slice(0, 0), told=told, planned_s=None, truth=truth)

    assert (stream.sent, stream.uncounted) == (N, 40)


MARKS = Texts(tuple(f"marker {k}" for k in range(10)), tuple(float(k) for k in range(10)))
SPAN = Span(1.5, 7.5, 0.3)


def marked(*numbers: int, span: Span = SPAN) -> Marked:
    """The account of a file with these markers."""
    return markers([f"marker {k}" for k in numbers], MARKS, span)


def test_all_markers_of_a_block_and_some_before_it_are_as_sent() -> None:
    assert marked(1, *range(2, 8)) == Marked(7, 0, 0)


@pytest.mark.parametrize("absent", range(2, 8))
def test_a_marker_that_is_absent_was_sent(absent: int) -> None:
    assert marked(*(k for k in range(2, 8) if k != absent)) == Marked(6, 0, 0)


def test_a_marker_that_is_absent_in_a_hole_counts_as_missing() -> None:
    span = replace(SPAN, holes=((3.9, 4.1),))

    assert marked(2, 3, 5, 6, 7, span=span) == Marked(6, 1, 0)


@pytest.mark.parametrize("more", [11, 7, 2])
def test_a_marker_that_was_not_sent_then_is_wrong(more: int) -> None:
    assert marked(*range(2, 8), more).wrong == 1


def test_two_faults_in_one_block_happen_one_after_the_other() -> None:
    done: list[str] = []

    def fault(name: str, holes: int) -> BlockFault:
        return BlockFault(name, name, lambda s, c: done.append(name) or name, most_holes=holes)

    made = both(fault("a", 0), fault("b", 1))

    assert made.inject(None, random.Random(0)) == "a, then b"
    assert (done, made.name, made.most_holes) == (["a", "b"], "a+b", 1)


@pytest.mark.parametrize("words", [("--times", "0"), ("--limit", "0"), ("--jobs", "-1")])
def test_a_soak_of_nothing_is_refused(words: tuple[str, str]) -> None:
    args = [sys.executable, "-m", "tests.soak", "--no-page", "--fault", "kill:watcher", *words]

    ended = subprocess.run(args, capture_output=True, text=True, cwd=Path(__file__).parents[2])

    assert ended.returncode == 2
    assert "at least 1" in ended.stderr or "more than 0" in ended.stderr


def test_a_soak_of_which_every_run_is_skipped_fails_and_writes_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "FOUND", tmp_path / "soak.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "soak.md")
    skipped = BlockFault("a", "a", lambda s, c: "", skip=lambda: "no such disk here")
    monkeypatch.setattr(soak, "all_faults", lambda: {"a": skipped})
    monkeypatch.setattr(sys, "argv", ["soak", "--times", "2"])

    assert soak.main() == 1
    assert list(tmp_path.iterdir()) == []


def test_five_per_cent_more_memory_is_flat_and_the_simulators_is_not_judged() -> None:
    flat = dict.fromkeys(OURS, (40.0, 42.0)) | {"simulator": (100.0, 200.0)}

    assert Found(1.0, 1.0, 0, flat, []).held
    assert Found(1.0, 1.0, 0, flat | {"engine": (40.0, 42.1)}, []).grown == ["engine"]


def test_a_process_that_is_gone_at_the_end_is_not_flat() -> None:
    assert Found(1.0, 1.0, 0, dict.fromkeys(OURS[1:], (40.0, 40.0)), []).grown == [OURS[0]]


def test_rows_beyond_the_planned_end_were_sent(tmp_path: Path) -> None:
    planned_s = PLANNED_S - 0.1

    stream = recorded(tmp_path, without=slice(0, 0), told=[], planned_s=planned_s)

    assert (stream.sent, stream.uncounted) == (N, 0)


def test_the_page_names_no_folder_of_the_computer():
    words = (
        "TimeoutExpired(['/opt/lab/bin/python', '-m', 'tenmin'], 60) samples/s in /tmp/x/rig.toml"
    )
    told = report.short(words)
    assert told == "TimeoutExpired(['python', '-m', 'tenmin'], 60) samples/s in rig.toml"
