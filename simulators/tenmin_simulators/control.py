"""How a simulator is told things: lines on stdin, signals, and locks that others hold."""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

UNLOCKED_S = 5.0  # how long it outlives the last holder of a lock
UNCLAIMED_S = 60.0  # how long it waits for the first one
LOCK_BYTE = 1 << 30  # where a lock stands on Windows, past any text in the file


class Control:
    """Commands that came on stdin, as JSON objects, one a line.

    The end of stdin ends nothing: who started the simulator may have died.
    """

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.stopped = threading.Event()

    def listen(self) -> None:
        """Begin to read stdin and to heed SIGTERM and SIGINT."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
                if hasattr(signal, name):
                    signal.signal(getattr(signal, name), lambda *_: self.stopped.set())

    def commands(self) -> list[dict[str, Any]]:
        """What has come since the last call; a line that is no command gives its complaint."""
        found: list[dict[str, Any]] = []
        while not self._lines.empty():
            line = self._lines.get()
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if not isinstance(message, dict):
                message = {"complaint": f"not a JSON object: {line[:200]!r}"}
            found.append(message)
        return found

    def _read(self) -> None:
        # os.read, not sys.stdin: a daemon thread inside it would hold its lock at exit
        rest = b""
        while True:
            try:
                data = os.read(0, 65536)
            except OSError:
                return
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.strip():
                    self._lines.put(line)


def say(message: dict[str, Any]) -> None:
    """One JSON object as a line on stdout; silence when nobody reads it any more."""
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        # The reader is gone. Point stdout elsewhere, or the flush at exit would fail too.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


class Locks:
    """Whether anybody still holds one of these lock files.

    Parameters
    ----------
    paths : sequence of Path
        Advisory locks; none at all counts as held for ever.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._free_since = time.monotonic()
        self._patience = UNCLAIMED_S

    def abandoned(self) -> bool:
        """Whether nobody has held any of them for so long that the simulator should end."""
        if not self._paths:
            return False
        now = time.monotonic()
        if any(held(path) for path in self._paths):
            self._free_since, self._patience = now, UNLOCKED_S
        return now - self._free_since > self._patience


def held(path: Path) -> bool:
    """Whether another process holds the advisory lock of a file."""
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    try:
        if os.name == "posix":
            fcntl = importlib.import_module("fcntl")
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        else:
            msvcrt = importlib.import_module("msvcrt")
            os.lseek(fd, LOCK_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            os.lseek(fd, LOCK_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
