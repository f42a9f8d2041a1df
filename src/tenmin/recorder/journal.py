"""The journal of a block: what the recorder thread writes, so that any kill loses nothing.

The format is described for strangers in ``docs/explanation/journal.md``; `tenmin.recorder.reader`
reads it. Samples are written as they come; a record of the index follows its bytes, so that a
record vouches for them; data are synced at least every `SYNC_S`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from google_crc32c import extend

from tenmin import system
from tenmin.errors import DiskError, DiskFull, JournalDamaged
from tenmin.recorder.files import (
    JsonLog,
    Open,
    disk_error,
    disk_errors,
    open_raw,
    read_log,
    write_all,
    write_block,
    write_json,
)
from tenmin.recorder.records import RECORD, Last, are_whole, packed, read_records
from tenmin.stream import Stream

__all__ = ["JournalWriter", "JsonLog", "StreamJournal", "read_log", "write_block", "write_json"]

SYNC_S = 0.25  # design.md 1: at most 0.5 s may be lost when everything dies at once
RESERVE_S = 10.0  # of data for which disk space is asked in advance
RESERVE_BYTES = (1 << 16, 1 << 26)


class _Growing:
    """A file that grows at its end, with disk space asked for in advance where granted."""

    def __init__(self, path: Path, step: int, opener: Open, keep: int | None) -> None:
        self.path, self._step = path, step
        with disk_errors(path):
            self._file = opener(path, "w+b" if keep is None else "r+b")
            self.size = keep or 0
            self._file.truncate(self.size)
            self._file.seek(self.size)
        self._reserved = self.size
        self._may_reserve = True

    def write(self, data: memoryview) -> None:
        if self._may_reserve and self.size + len(data) > self._reserved:
            self._reserved = self.size + len(data) + self._step
            self._may_reserve = system.preallocate(self._file.fileno(), self._reserved)
        try:
            write_all(self._file, data, self.size)
        except OSError as error:
            raise disk_error(self.path, error) from error
        self.size += len(data)

    def cut(self, size: int) -> None:
        with disk_errors(self.path):
            self._file.seek(size)
            self._file.truncate(size)
        self.size = size

    def sync(self) -> None:
        with disk_errors(self.path):
            system.sync(self._file.fileno())

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            with disk_errors(self.path):
                self._file.truncate(self.size)  # gives back what was reserved
                system.sync(self._file.fileno())
        finally:
            self._file.close()


class StreamJournal:
    """One stream's samples, device times and index on the disk.

    Parameters
    ----------
    folder : Path
        The journal.
    stream : Stream
        A numeric stream; texts of marker streams are lines of ``acquirer.jsonl``.
    resume : bool
        Go on behind the last whole record of an earlier writer, whose tail is cut off;
        else begin anew.
    opener : callable
        Opens the files; a test may give one that fails.

    Attributes
    ----------
    last : Last or None
        The last record that is whole on disk or was appended since.
    first_index : int or None
        Device index of the first sample.
    """

    def __init__(
        self, folder: Path, stream: Stream, *, resume: bool = False, opener: Open = open_raw
    ) -> None:
        if stream.is_marker:
            raise JournalDamaged(f"{stream.name} delivers texts, which belong into the log.")
        self.stream = stream
        self.last: Last | None = None
        self.first_index: int | None = None
        self._gaps: list[tuple[int, int]] = []
        self._dtype = np.dtype(stream.dtype).newbyteorder("<")
        self._row = stream.n_channels * self._dtype.itemsize
        self._pending = bytearray()
        self._synced_s = -math.inf
        self._dirty = False
        kept, n_records = _whole_part(folder, stream, self._row) if resume else (0, None)
        if n_records:
            self._take_over(read_records(folder / f"{stream.name}.idx")[:n_records])
        keep = n_records is not None
        step = int(np.clip(self._row * stream.rate_hz * RESERVE_S, *RESERVE_BYTES))

        def grow(suffix: str, step: int, size: int) -> _Growing:
            return _Growing(folder / (stream.name + suffix), step, opener, size if keep else None)

        self._bin = grow(".bin", step, kept * self._row)
        self._time = grow(".time", RESERVE_BYTES[0], kept * 8) if stream.timed else None
        self._idx = grow(".idx", RESERVE_BYTES[0], (n_records or 0) * RECORD.itemsize)

    def _take_over(self, records: np.ndarray) -> None:
        records = records[are_whole(records)]
        self.first_index = int(records["index"][0])
        ends = records["index"] + records["n"]
        jumps = records["index"][1:] - ends[:-1]
        for i in np.flatnonzero(jumps > 0):
            self._gaps.append((int(ends[i]), int(jumps[i])))
        self.last = Last(*(records[-1][name].item() for name in Last._fields))

    @property
    def samples(self) -> int:
        """How many samples the journal holds."""
        return 0 if self.last is None else self.last.offset + self.last.n

    def gaps(self) -> list[tuple[int, int]]:
        """Jumps of the device index so far: first missing index, and how many."""
        return list(self._gaps)

    def append(
        self,
        index: int,
        samples: np.ndarray,
        device_time: np.ndarray | None,
        host_ns: int,
        flags: int = 0,
        seq: int = 0,
    ) -> None:
        """Write one run of samples; `commit` writes its record.

        Parameters
        ----------
        index : int
            Device index of the first sample.
        samples : ndarray, (n_samples, n_channels)
            As delivered; may be overwritten after the call.
        device_time : ndarray, (n_samples,), float64, or None
            Required where the stream is timed.
        host_ns : int
            Arrival, monotonic nanoseconds.
        flags : int
            What is true of the step before it: 1 gap, 2 estimated, 4 reconnect, 8 restart.
        seq : int
            Sequence number in the ring.

        Raises
        ------
        DiskFull, DiskError
            The samples are not in the journal; everything before is.
        """
        if not len(samples):
            return
        data = np.ascontiguousarray(samples, self._dtype)
        offset = self.samples
        flat = data.reshape(-1)
        crc = extend(0, flat)
        self._bin.write(flat.view(np.uint8).data)
        first = math.nan
        if self._time is not None:
            if device_time is None or len(device_time) != len(samples):
                raise JournalDamaged(f"{self.stream.name} is timed: each sample needs its time.")
            times = np.ascontiguousarray(device_time, "<f8")
            crc, first = extend(crc, times), float(times[0])
            try:
                self._time.write(times.view(np.uint8).data)
            except (DiskFull, DiskError):
                self._bin.cut(self._bin.size - data.nbytes)  # both files stay in step
                raise
        record = Last(offset, len(samples), flags, index, first, host_ns, seq)
        if self.last is None:
            self.first_index = index
        elif index > (end := self.last.index + self.last.n):
            self._gaps.append((end, index - end))
        self._pending += packed(record, crc)
        self.last, self._dirty = record, True

    def commit(self, now_s: float) -> None:
        """Write the records of what was appended; sync when the last time is `SYNC_S` ago.

        Parameters
        ----------
        now_s : float
            Monotonic seconds.

        Raises
        ------
        DiskFull, DiskError
            Records that found no room are written by the next call.
        """
        due = self._dirty and now_s - self._synced_s >= SYNC_S
        if due:
            self._bin.sync()
            if self._time is not None:
                self._time.sync()
        if self._pending:
            self._idx.write(memoryview(bytes(self._pending)))
            self._pending.clear()
        if due:
            self._idx.sync()
            self._synced_s, self._dirty = now_s, False

    def sync(self) -> None:
        """Write all records and wait until everything is on the disk."""
        self._synced_s, self._dirty = -math.inf, True
        self.commit(0.0)

    def close(self) -> None:
        """Commit, sync and close; may be called twice."""
        files = [self._bin, self._idx] if self._time is None else [self._bin, self._time, self._idx]
        try:
            if self._pending:
                self.commit(-math.inf)
        finally:
            for file in files:
                file.close()


class JournalWriter:
    """The whole journal of one block: ``block.json``, the log and the streams.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.log = JsonLog(folder / "acquirer.jsonl")
        self.streams: dict[str, StreamJournal] = {}

    def write_block(self, block: Mapping[str, Any]) -> None:
        """Write ``block.json``; on the disk when this returns."""
        write_block(self.folder, block)

    def add(self, stream: Stream, *, resume: bool = False) -> StreamJournal:
        """Open the files of one stream."""
        journal = StreamJournal(self.folder, stream, resume=resume)
        self.streams[stream.name] = journal
        return journal

    def commit(self, now_s: float) -> None:
        """Commit every stream."""
        for journal in self.streams.values():
            journal.commit(now_s)

    def close(self) -> None:
        """Close all files."""
        for journal in self.streams.values():
            journal.close()
        self.log.close()


def _whole_part(folder: Path, stream: Stream, row: int) -> tuple[int, int | None]:
    """Samples and records up to the last record that is whole and whose data are right."""
    path = folder / stream.name
    if not path.with_name(path.name + ".idx").exists():
        return 0, None
    records = read_records(path.with_name(path.name + ".idx"))
    whole = are_whole(records)
    with disk_errors(path), ExitStack() as opened:
        files = [(opened.enter_context(open(path.with_name(path.name + ".bin"), "rb")), row)]
        if stream.timed:
            files.append((opened.enter_context(open(path.with_name(path.name + ".time"), "rb")), 8))
        for i in np.flatnonzero(whole)[::-1]:
            offset, n = int(records["offset"][i]), int(records["n"][i])
            if _bytes_crc(files, offset, n) == records["crc"][i]:
                return offset + n, int(i) + 1
    return 0, 0


def _bytes_crc(files: list[tuple[Any, int]], offset: int, n: int) -> int | None:
    crc = 0
    for file, width in files:
        file.seek(offset * width)
        read = file.read(n * width)
        if len(read) < n * width:
            return None
        crc = extend(crc, read)
    return crc
