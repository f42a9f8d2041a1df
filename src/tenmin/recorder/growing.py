"""A file that only grows, as the journal's do."""

from __future__ import annotations

from pathlib import Path

from tenmin import system
from tenmin.recorder.files import Open, disk_error, disk_errors, write_all

START_BYTES = 1 << 18  # so many are sent on their way to the disk, long before they are synced


class Growing:
    """A file that grows at its end, with disk space asked for in advance where granted.

    Parameters
    ----------
    path : Path
        The file.
    step : int
        Bytes to ask for in advance.
    opener : callable
        Opens it.
    keep : int or None
        How much of an existing file is kept; None begins anew.

    Attributes
    ----------
    size : int
        Bytes that were written.
    """

    def __init__(self, path: Path, step: int, opener: Open, keep: int | None) -> None:
        self.path, self._step = path, step
        with disk_errors(path):
            self._file = opener(path, "w+b" if keep is None else "r+b")
            self.size = keep or 0
            self._file.truncate(self.size)
            self._file.seek(self.size)
        self._reserved = self._started = self.size
        self._may_reserve = True

    def write(self, data: memoryview) -> None:
        """Append these bytes, or none of them."""
        if self._may_reserve and self.size + len(data) > self._reserved:
            self._reserved = self.size + len(data) + self._step
            self._may_reserve = system.preallocate(self._file.fileno(), self._reserved)
        try:
            write_all(self._file, data, self.size)
        except OSError as error:
            raise disk_error(self.path, error) from error
        self.size += len(data)
        if self.size - self._started >= START_BYTES:
            system.start_writing(self._file.fileno(), self._started, self.size - self._started)
            self._started = self.size

    def cut(self, size: int) -> None:
        """Take back what was written behind byte `size`."""
        with disk_errors(self.path):
            self._file.seek(size)
            self._file.truncate(size)
        self.size, self._started = size, min(size, self._started)
        self._reserved = min(size, self._reserved)  # a cut gives back what was reserved

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        with disk_errors(self.path):
            system.sync(self._file.fileno())

    def close(self) -> None:
        """Give back what was reserved, sync and close; may be called twice."""
        if self._file.closed:
            return
        try:
            with disk_errors(self.path):
                self._file.truncate(self.size)
                system.sync(self._file.fileno())
        finally:
            self._file.close()
