"""The journal of a block: what the recorder thread writes, so that any kill loses nothing.

The format is described for strangers in ``docs/explanation/journal.md``; `tenmin.recorder.reader`
reads it. Samples are written as they come; a record of the index follows its bytes, so that a
record vouches for them; data are synced at least every `SYNC_S`, those of all streams side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from google_crc32c import extend

from tenmin.errors import DiskError, DiskFull, JournalDamaged
from tenmin.recorder.files import (
    JsonLog,
    Open,
    disk_errors,
    open_raw,
    read_log,
    write_block,
    write_json,
)
from tenmin.recorder.growing import Growing
from tenmin.recorder.records import RECORD, Last, Received, are_whole, packed, read_records
from tenmin.stream import Stream

__all__ = [
    "JournalWriter",
    "JsonLog",
    "StreamJournal",
    "commit_all",
    "read_log",
    "write_block",
    "write_json",
]

SYNC_S = 0.25  # design.md 1: at most 0.5 s may be lost when everything dies at once
RESERVE_S = 10.0  # of data for which disk space is asked in advance
RESERVE_BYTES = (1 << 16, 1 << 26)


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
        self._synced_s = self._committed_s = -math.inf
        self._dirty = False
        kept, n_records = _whole_part(folder, stream, self._row) if resume else (0, None)
        if n_records:
            self._take_over(read_records(folder / f"{stream.name}.idx")[:n_records])
        keep = n_records is not None
        step = int(np.clip(self._row * stream.rate_hz * RESERVE_S, *RESERVE_BYTES))

        def grow(suffix: str, step: int, size: int) -> Growing:
            return Growing(folder / (stream.name + suffix), step, opener, size if keep else None)

        self._bin = grow(".bin", step, kept * self._row)
        self._time = grow(".time", RESERVE_BYTES[0], kept * 8) if stream.timed else None
        self._idx = grow(".idx", RESERVE_BYTES[0], (n_records or 0) * RECORD.itemsize)
        self._files = [file for file in (self._bin, self._time, self._idx) if file is not None]

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
        self.append_all(samples, device_time, [Received(len(samples), index, host_ns, flags, seq)])

    def append_all(
        self,
        samples: np.ndarray,
        device_time: np.ndarray | None,
        runs: Sequence[Received],
        intact: Callable[[], bool] | None = None,
    ) -> bool:
        """Write runs that lie one behind the other in memory: one write, a record for each.

        Parameters
        ----------
        samples : ndarray, (n_samples, n_channels)
            Of all runs; may be overwritten after the call.
        device_time : ndarray, (n_samples,), float64, or None
            Required where the stream is timed.
        runs : sequence of Received
            What their records tell, in order; their `n` together are all samples.
        intact : callable, optional
            Asked when everything has been read: whether nobody has written to it meanwhile. If
            somebody has, nothing of it stays in the journal.

        Returns
        -------
        bool
            What `intact` has answered.

        Raises
        ------
        DiskFull, DiskError
            The samples are not in the journal; everything before is.
        """
        if not len(samples):
            return True
        timed = self._time is not None
        if timed and (device_time is None or len(device_time) != len(samples)):
            raise JournalDamaged(f"{self.stream.name} is timed: each sample needs its time.")
        rows = np.ascontiguousarray(samples, self._dtype).reshape(-1).view(np.uint8)
        times = np.ascontiguousarray(device_time, "<f8") if timed else None
        last, packets = self.last, []
        at, offset = 0, self.samples
        for n, index, host_ns, flags, seq in runs:
            crc, first = extend(0, rows[at * self._row : (at + n) * self._row]), math.nan
            if times is not None:
                crc, first = extend(crc, times[at : at + n]), float(times[at])
            last = Last(offset + at, n, flags, index, first, host_ns, seq)
            packets.append(packed(last, crc))
            at += n
        self._write(rows, times)
        if intact is not None and not intact():
            self._cut(offset)
            return False
        self._note_gaps(runs)
        self._pending += b"".join(packets)
        self.last, self._dirty = last, True
        return True

    def _write(self, rows: np.ndarray, times: np.ndarray | None) -> None:
        """Write samples and times, or neither."""
        before = self._bin.size
        self._bin.write(rows.data)
        if self._time is not None and times is not None:
            try:
                self._time.write(times.view(np.uint8).data)
            except (DiskFull, DiskError):
                self._bin.cut(before)  # both files stay in step
                raise

    def _cut(self, samples: int) -> None:
        self._bin.cut(samples * self._row)
        if self._time is not None:
            self._time.cut(samples * 8)

    def _note_gaps(self, runs: Sequence[Received]) -> None:
        end = None if self.last is None else self.last.index + self.last.n
        if self.first_index is None:
            self.first_index = runs[0].index
        for run in runs:
            if end is not None and run.index > end:
                self._gaps.append((end, run.index - end))
            end = run.index + run.n

    def is_due(self, now_s: float) -> bool:
        """Whether a `commit` at `now_s` has to sync: the next one would be too late."""
        rhythm_s = now_s - self._committed_s
        return self._dirty and now_s + rhythm_s - self._synced_s > SYNC_S

    def commit(self, now_s: float) -> None:
        """Write the records of what was appended; sync so that it is done every `SYNC_S`.

        Parameters
        ----------
        now_s : float
            Monotonic seconds.

        Raises
        ------
        DiskFull, DiskError
            Records that found no room are written by the next call.
        """
        commit_all([self], now_s)

    def begin_commit(self, now_s: float) -> list[Growing]:
        """Write the records of what was appended; the files that now have to be synced."""
        due = self.is_due(now_s)
        self._committed_s = now_s
        self.write_records()
        return self._files if due else []

    def end_commit(self, now_s: float) -> None:
        """Note that the files are synced with what they held at `now_s`."""
        self._synced_s, self._dirty = now_s, False

    def write_records(self) -> None:
        """Write the records of what was appended, without a sync."""
        if self._pending:
            self._idx.write(memoryview(bytes(self._pending)))
            self._pending.clear()

    def sync(self) -> None:
        """Write all records and wait until everything is on the disk."""
        self._synced_s = self._committed_s = -math.inf
        self._dirty = True
        self.commit(0.0)

    def close(self) -> None:
        """Commit, sync and close; may be called twice."""
        try:
            self.write_records()
        finally:
            for file in self._files:
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


def commit_all(
    journals: Iterable[StreamJournal], now_s: float, pool: Executor | None = None
) -> None:
    """Commit every stream; the files of all that are due are synced side by side.

    Parameters
    ----------
    journals : iterable of StreamJournal
        Nobody else uses them meanwhile.
    now_s : float
        Monotonic seconds.
    pool : Executor, optional
        Threads, which wait for the disk without the interpreter's lock; without it the files are
        synced one after the other.

    Raises
    ------
    DiskFull, DiskError
        The first failure, when all that could be committed is.
    """
    due: dict[StreamJournal, list[Growing]] = {}
    failed: list[DiskFull | DiskError] = []
    for journal in journals:
        try:
            due[journal] = journal.begin_commit(now_s)
        except (DiskFull, DiskError) as error:
            failed.append(error)
    files = [file for waiting in due.values() for file in waiting]
    answers = dict(zip(files, (pool.map if pool else map)(_sync, files)))
    for journal, waiting in due.items():
        if waiting and not any(answers[file] for file in waiting):
            journal.end_commit(now_s)
    failed += [error for error in answers.values() if error is not None]
    if failed:
        raise failed[0]


def _sync(file: Growing) -> DiskFull | DiskError | None:
    try:
        file.sync()
    except (DiskFull, DiskError) as error:
        return error
    return None


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
