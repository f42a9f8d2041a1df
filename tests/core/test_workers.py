"""What an engine and its workers know of each other: who still lives, whose file counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenmin import parent
from tenmin.errors import DiskError, DiskFull
from tenmin.eventlog import EventLog
from tenmin.filing import Filing
from tenmin.parent import Parent
from tenmin.system import FileLock


class NoCrew:
    """A crew in which nobody runs; remembers who was asked for."""

    def __init__(self) -> None:
        self.started: list[tuple[str, ...]] = []

    def of(self, role: str) -> list[object]:
        return []

    def start(self, role: str, module: str, *arguments: str) -> None:
        self.started.append(arguments)


@pytest.fixture
def dot(tmp_path: Path) -> Path:
    folder = tmp_path / "a.dot"
    folder.mkdir()
    (folder / "block.json").write_text("{}")
    return folder


def _made(dot: Path, reason: str) -> Path:
    (dot / "result.json").write_text(json.dumps({"reason": reason, "nwb": "a.nwb"}))
    nwb = dot.parent / "a.nwb"
    nwb.write_text("samples")
    return nwb


def test_a_file_of_a_whole_journal_counts(dot: Path) -> None:
    filing = Filing(dot, NoCrew())
    _made(dot, "complete")

    filing.ended("", closed=False)

    assert filing.done


def test_a_file_made_while_an_acquirer_was_only_being_replaced_does_not_count(dot: Path) -> None:
    filing = Filing(dot, NoCrew())
    nwb = _made(dot, "unfinished")

    filing.ended("", closed=False)

    assert not filing.done
    assert not nwb.exists()
    assert not (dot / "result.json").exists()


def test_a_file_of_a_journal_that_nobody_will_close_counts(dot: Path) -> None:
    filing = Filing(dot, NoCrew())
    _made(dot, "unfinished")

    filing.ended("", closed=True)

    assert filing.done


def test_a_running_journal_is_followed_and_a_closed_one_is_tried_three_times(dot: Path) -> None:
    crew = NoCrew()
    filing = Filing(dot, crew)

    filing.step(ended=False, closed=False)
    for _ in range(5):
        filing.step(ended=True, closed=True)

    assert crew.started == [(str(dot), "--follow"), *[(str(dot),)] * 3]
    assert filing.given_up


def test_an_engine_lives_while_it_holds_its_lock(tmp_path: Path) -> None:
    parent.announce(tmp_path, "ipc://workers", "first")
    with FileLock(tmp_path / "engine.lock"):
        assert not Parent(tmp_path).gone
    assert Parent(tmp_path).gone


def test_the_next_engine_is_another_one_even_if_it_takes_the_lock_at_once(tmp_path: Path) -> None:
    parent.announce(tmp_path, "ipc://workers", "first")
    with FileLock(tmp_path / "engine.lock"):
        mine = Parent(tmp_path)
        parent.announce(tmp_path, "ipc://workers", "second")
        assert mine.gone
        parent.announce(tmp_path, "ipc://workers", "first")
        assert mine.gone  # once gone, always gone


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_does_not_end_the_thread_that_logs(tmp_path: Path) -> None:
    path = tmp_path / "acquirer.jsonl"
    path.symlink_to("/dev/full")
    log = EventLog()
    log.open(path)

    log({"t": "clock"})
    with pytest.raises(DiskFull):
        log.write({"t": "end"})  # behind the one before

    assert isinstance(log.failure, DiskFull)
    with pytest.raises(DiskError):
        log.close()
