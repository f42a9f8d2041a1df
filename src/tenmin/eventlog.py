"""The append-only log of one process, shared by its threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from tenmin.errors import RigError
from tenmin.recorder.journal import JsonLog


class EventLog:
    """JSON lines in one file, written by any thread; silent until it is opened.

    Attributes
    ----------
    failure : RigError or None
        The first line that a source's thread could not write. It must not end that thread; the
        recorder's takes it up.
    """

    def __init__(self) -> None:
        self.failure: RigError | None = None
        self._file: JsonLog | None = None
        self._lock = threading.Lock()

    def open(self, path: Path) -> None:
        """Start writing to `path`."""
        with self._lock:
            if self._file is None:
                self._file = JsonLog(path)

    def __call__(self, line: dict[str, Any]) -> None:
        """Write one line; what comes before SETTLE is not kept."""
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(line)
            except RigError as error:
                self.failure = self.failure or error

    def write(self, line: dict[str, Any], sync: bool = False) -> None:
        """Write one line, and wait until it is on the disk if `sync`."""
        with self._lock:
            if self._file is not None:
                self._file.write(line, sync=sync)

    def close(self) -> None:
        """End the log."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
