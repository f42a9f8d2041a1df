"""An isolated driver that crashes or hangs, alone with who listens to it; and in `tenmin check`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenmin.isolation import Isolated, RemoteFlow
from tenmin.source import DeviceConfig
from tenmin.system import FileLock
from tests.soak.drivers import ENTRY_POINTS
from tests.system.conftest import Bench, until
from tests.system.rigs import write_rig
from tests.system.strangers import install

pytestmark = [pytest.mark.timeout(90), pytest.mark.xdist_group("isolated drivers")]


class Board:
    """The frail board, read by a process of its own into a folder of a test.

    Attributes
    ----------
    lines : list of dict
        What would stand in the journal's log.
    """

    def __init__(self, folder: Path, **keys: Any) -> None:
        self.folder, self.lines = folder, list[dict[str, Any]]()
        self.orders = folder / "orders"
        table = {"name": "board", "driver": "frail", "isolate": True, "primary": True, **keys}
        self.tables = [{"orders": str(self.orders), **table}]
        (folder / "rings").mkdir()
        config = DeviceConfig(name="board", primary=True)
        self.flow = RemoteFlow(config, folder / "rings", self.lines.append)
        self.listener = Isolated([self.flow], self.tables, folder, False)

    def fail(self, how: str) -> None:
        """Give the order and wait until it is obeyed."""
        part = self.folder / "orders.part"
        part.write_text(how)
        part.replace(self.orders)
        until(lambda: not self.orders.exists(), 20.0)

    def delivers(self) -> None:
        """Wait until samples come that were taken from now on."""
        now = time.monotonic_ns()
        until(lambda: (self.flow.newest_ns or 0) > now, 40.0)

    def reason(self) -> str:
        """Wait until it is lost; what the operator is told of it."""
        return until(lambda: next((one["reason"] for one in self.lines if "reason" in one), ""), 40)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Board]]:
    """Boards of one test."""
    (path,) = install(tmp_path / "site", "frail_board", ENTRY_POINTS).values()
    monkeypatch.setenv("PYTHONPATH", path)
    made: list[Board] = []

    def make(**keys: Any) -> Board:
        made.append(Board(tmp_path, **keys))
        return made[-1]

    yield make
    for one in made:
        one.listener.halt()
        if one.listener.is_alive():
            one.listener.join(20.0)
        one.flow.close()


def test_a_crash_is_told_by_its_signal_and_not_as_a_matter_of_cables(board) -> None:
    probe = board()
    probe.listener.start()
    probe.delivers()
    probe.fail("segfault")

    reason = probe.reason()
    assert "board crashed" in reason
    assert "signal 11, SIGSEGV" in reason
    assert "cable" not in reason
    probe.delivers()


def test_a_read_that_never_returns_is_told_and_its_process_started_again(board) -> None:
    probe = board()
    probe.listener.start()
    probe.delivers()
    probe.fail("block")

    assert "has not returned from one read for 6 s" in probe.reason()
    probe.delivers()
    assert probe.listener.deaths == 1


def test_a_hang_with_the_interpreters_lock_does_not_outlive_the_acquirer(board) -> None:
    probe = board()
    spec = probe.listener._spec()
    child = subprocess.Popen(
        [sys.executable, "-m", "tenmin.isolation", str(spec)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        until(lambda: (probe.folder / "rings" / "board.ring").exists(), 40.0)
        probe.fail("block with the lock")
        _, words = child.communicate(timeout=30.0)  # closes its standard input, as a death does
    finally:
        child.kill()

    assert child.returncode == 1
    assert b"frail_board.py" in words
    assert FileLock(probe.folder / "rings" / "board.writer").acquire()


def test_a_driver_that_crashes_when_it_is_made_harms_nobody_else(board) -> None:
    probe = board(crashes="made")
    probe.listener.start()

    assert "signal 11, SIGSEGV" in probe.reason()
    assert probe.listener.fatal is None
    assert "SIGSEGV" in probe.flow.error


def test_a_driver_that_cannot_be_made_ends_the_block_with_its_exception(board) -> None:
    probe = board(whole=False)
    probe.listener.start()

    fatal = until(lambda: probe.listener.fatal, 40.0)
    assert "KeyError('calibration')" in fatal.message
    assert "rig.toml" in fatal.remedy


def test_who_cannot_listen_says_so_and_tries_again(board) -> None:
    probe = board()
    way = probe.folder / "isolated-board.log"
    way.mkdir()
    probe.listener.start()

    assert "IsADirectoryError" in probe.reason()
    way.rmdir()
    probe.delivers()


@pytest.mark.parametrize("call", ["made", "start"])
def test_check_outlives_an_isolated_driver_that_crashes(
    bench: Bench, tmp_path: Path, call: str
) -> None:
    bench.env.update(install(tmp_path / "site", "frail_board", ENTRY_POINTS))
    device = {"name": "board", "driver": "frail", "isolate": True, "primary": True}
    rig = write_rig(tmp_path / "rig.toml", [{**device, "crashes": call}])

    ended = bench.run("check", str(rig), "--json", "--out", str(tmp_path))

    assert ended.code == 3
    (found,) = [one for one in json.loads(ended.out)["checks"] if one["check"] == "device board"]
    assert "signal 11, SIGSEGV" in found["message"]
    assert "frail_board.py" in ended.err


def test_check_hears_an_isolated_driver_that_is_well(bench: Bench, tmp_path: Path) -> None:
    bench.env.update(install(tmp_path / "site", "frail_board", ENTRY_POINTS))
    device = {"name": "board", "driver": "frail", "isolate": True, "primary": True}
    rig = write_rig(tmp_path / "rig.toml", [device])

    ended = bench.run("check", str(rig), "--json", "--out", str(tmp_path))

    (found,) = [one for one in ended.json["checks"] if one["check"] == "device board"]
    assert found["ok"]
    assert found["message"] == "1 channel, 500 Hz"
