"""The append-only log of one process, shared by its threads."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import Any

from tenmin.errors import RigError
from tenmin.recorder.journal import JsonLog


class EventLog:
    """JSON lines in one file, from any thread; silent until it is opened.

    A thread of its own writes them: who reads a device must never wait for a disk.

    Attributes
    ----------
    failure : RigError or None
        Why the first line that nobody waited for could not be written. It must not end the
        thread of a source; the recorder's takes it up.
    """

    def __init__(self) -> None:
        self.failure: RigError | None = None
        self._file: JsonLog | None = None
        self._lock = threading.Lock()  # of the file, which may be held as long as a disk is slow
        self._waiting: deque[tuple[dict[str, Any], bool]] = deque()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, path: Path) -> None:
        """Start writing to `path`."""
        with self._lock:
            if self._file is None:
                self._file = JsonLog(path)
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def __call__(self, line: dict[str, Any], sync: bool = False) -> None:
        """Let one line be written, at once; what comes before SETTLE is not kept."""
        if self._file is not None:
            self._waiting.append((line, sync))
            self._due.set()

    def write(self, line: dict[str, Any], sync: bool = False) -> None:
        """Write one line behind those that wait; it is on the disk when this returns if `sync`."""
        with self._lock:
            if self._file is not None:
                self._drain(self._file)
                self._file.write(line, sync=sync)

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            with self._lock:
                if self._file is None:
                    return
                self._drain(self._file)

    def _drain(self, file: JsonLog) -> None:
        while self._waiting:
            line, sync = self._waiting.popleft()
            try:
                file.write(line, sync=sync)
            except RigError as error:
                self.failure = self.failure or error

    def close(self) -> None:
        """Write what waits, and end the log."""
        try:
            with self._lock:
                if self._file is None:
                    return
                file, self._file = self._file, None
                self._drain(file)
                file.close()
        finally:
            self._due.set()
            if self._thread is not None:
                self._thread.join()
