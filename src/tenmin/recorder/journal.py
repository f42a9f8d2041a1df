"""The journal of a block: what the recorder thread writes, so that any kill loses nothing.

The format is described for strangers in ``docs/explanation/journal.md``; `tenmin.recorder.reader`
reads it. Samples are written as they come; a record of the index follows its bytes, so that a
record vouches for them; data are synced at least every `SYNC_S`.
"""

from __future__ import annotations

import errno
import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from google_crc32c import extend, value

from tenmin import system
from tenmin.errors import DiskError, DiskFull, JournalDamaged
from tenmin.stream import Stream

FORMAT = 1
SYNC_S = 0.25  # design.md 1: at most 0.5 s may be lost when everything dies at once
RECORD = np.dtype(
    [
        ("offset", "<u8"),  # sample number in .bin of its first sample
        ("n", "<u4"),
        ("flags", "<u4"),
        ("index", "<i8"),  # device index of its first sample
        ("device_time", "<f8"),
        ("host_ns", "<i8"),
        ("seq", "<u8"),  # sequence number in the ring
        ("crc", "<u4"),  # of its bytes in .bin, continued over those in .time
        ("record_crc", "<u4"),  # of the 52 bytes before
        ("zero", "<u8"),
    ]
)
VOUCHED = 52  # bytes of a record that its own checksum covers
RESERVE_S = 10.0  # of data for which disk space is asked in advance
RESERVE_BYTES = (1 << 16, 1 << 26)
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))

Open = Callable[[Path, str], BinaryIO]


class Last(NamedTuple):
    """The last whole record of a stream: where a resumed journal goes on."""

    offset: int
    n: int
    flags: int
    index: int
    device_time: float
    host_ns: int
    seq: int


def open_raw(path: Path, mode: str) -> BinaryIO:
    """A file without a buffer of its own: what is written survives this process."""
    return open(path, mode, buffering=0)  # type: ignore[return-value]


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into `DiskFull` or `DiskError`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(f"The disk of {path} is full.") from error
        raise DiskError(f"{path}: {error.strerror or error}.") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that it is there whole or not at all, and on the disk.

    Raises
    ------
    DiskFull, DiskError
        The file as it was before is untouched.
    """
    part = path.with_name(path.name + ".part")
    with disk_errors(path):
        with open(part, "wb") as file:
            file.write(json.dumps(plain(content), indent=1, ensure_ascii=False).encode())
            file.flush()
            system.sync(file.fileno())
        system.replace(part, path)


def write_block(folder: Path, block: Mapping[str, Any]) -> None:
    """Write ``block.json``: everything that was decided before the first sample."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "block.json", {"format": FORMAT, **block})


def plain(content: Any) -> Any:
    """The same in types of JSON: numpy scalars unwrapped, what is not finite as null."""
    if isinstance(content, Mapping):
        return {str(key): plain(item) for key, item in content.items()}
    if isinstance(content, np.ndarray):
        return plain(content.tolist())
    if isinstance(content, list | tuple | set | frozenset):
        return [plain(item) for item in content]
    if isinstance(content, np.generic):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if content is None or isinstance(content, str | int | float):
        return content
    return str(content)


class JsonLog:
    """An append-only file of JSON objects, one a line, each written by one call.

    Opening an existing one goes on behind its last whole line; a torn line is cut off.
    It may be used by several threads.
    """

    def __init__(self, path: Path, opener: Open = open_raw) -> None:
        self.path = path
        self._lock = threading.Lock()
        with disk_errors(path):
            if path.exists():
                _cut_torn_line(path)
            self._file = opener(path, "ab")

    def write(self, line: Mapping[str, Any], *, sync: bool = False) -> None:
        """Append one object.

        Raises
        ------
        DiskFull, DiskError
            The lines before are kept, and no part of this one.
        """
        text = json.dumps(plain(line), ensure_ascii=False, separators=(",", ":"))
        with self._lock, disk_errors(self.path):
            _write_all(self._file, memoryview(text.encode("utf-8", "replace") + b"\n"))
            if sync:
                system.sync(self._file.fileno())

    def sync(self) -> None:
        """Wait until every line is on the disk."""
        with self._lock, disk_errors(self.path):
            system.sync(self._file.fileno())

    def close(self) -> None:
        """Sync and close; may be called twice."""
        with self._lock:
            if not self._file.closed:
                try:
                    with disk_errors(self.path):
                        system.sync(self._file.fileno())
                finally:
                    self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """All lines of a log; those that are no JSON object (torn by a kill) are left out."""
    return read_lines(path)[0]


def read_lines(path: Path, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of a log from byte `start` on, and the byte where the next one begins."""
    if not path.exists():
        return [], start
    with disk_errors(path), open(path, "rb") as file:
        file.seek(start)
        data = file.read()
    whole = data.rfind(b"\n") + 1
    lines = []
    for raw in data[:whole].split(b"\n"):
        try:
            line = json.loads(raw)
        except ValueError:  # an empty line, or one that a kill or a power cut left torn
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines, start + whole


def _cut_torn_line(path: Path) -> None:
    with open(path, "r+b") as file:
        end = keep = file.seek(0, 2)
        step = 4096
        while keep > 0:
            begin = max(0, keep - step)
            file.seek(begin)
            newline = file.read(keep - begin).rfind(b"\n")
            if newline >= 0:
                keep = begin + newline + 1
                break
            keep = begin
        if keep < end:
            file.truncate(keep)


def _write_all(file: BinaryIO, data: memoryview) -> None:
    """Write all bytes, or none: a half-written piece is cut off again."""
    start, done = file.tell(), 0
    try:
        while done < len(data):
            done += file.write(data[done:])
    except OSError:
        if done:
            file.seek(start)
            file.truncate(start)
        raise


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
        with disk_errors(self.path):
            _write_all(self._file, data)
        self.size += len(data)

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
        records = records[_are_whole(records)]
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
        crc = extend(0, data.reshape(-1))
        self._bin.write(memoryview(data.reshape(-1).view(np.uint8)))
        first = math.nan
        if self._time is not None:
            if device_time is None or len(device_time) != len(samples):
                raise JournalDamaged(f"{self.stream.name} is timed: each sample needs its time.")
            times = np.ascontiguousarray(device_time, "<f8")
            crc, first = extend(crc, times), float(times[0])
            try:
                self._time.write(memoryview(times.view(np.uint8)))
            except (DiskFull, DiskError):
                self._forget(data.nbytes)
                raise
        record = Last(offset, len(samples), flags, index, first, host_ns, seq)
        if self.last is None:
            self.first_index = index
        elif index > (end := self.last.index + self.last.n):
            self._gaps.append((end, index - end))
        self._pending += _packed(record, crc)
        self.last, self._dirty = record, True

    def _forget(self, n_bytes: int) -> None:
        """Take back samples whose times found no room, so that both files stay in step."""
        self._bin.size -= n_bytes
        with disk_errors(self._bin.path):
            self._bin._file.seek(self._bin.size)
            self._bin._file.truncate(self._bin.size)

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


def _packed(record: Last, crc: int) -> bytes:
    row = np.zeros((), RECORD)
    for name, item in zip(Last._fields, record):
        row[name] = item
    row["crc"] = crc
    row["record_crc"] = value(row.tobytes()[:VOUCHED])
    return row.tobytes()


def read_records(path: Path, start: int = 0) -> np.ndarray:
    """Whole records of an index file from record `start` on, not yet checked."""
    if not path.exists():
        return np.zeros(0, RECORD)
    with disk_errors(path), open(path, "rb") as file:
        file.seek(start * RECORD.itemsize)
        data = file.read()
    return np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], RECORD)


def _are_whole(records: np.ndarray) -> np.ndarray:
    """Which records' own checksums are right."""
    data = records.tobytes()
    size = RECORD.itemsize
    found = [value(data[at : at + VOUCHED]) for at in range(0, len(data), size)]
    return np.array(found, np.uint32) == records["record_crc"]


def checksum(samples: np.ndarray, device_time: np.ndarray | None) -> int:
    """CRC-32C of a record's samples, continued over its device times."""
    crc = extend(0, np.ascontiguousarray(samples).reshape(-1))
    return crc if device_time is None else extend(crc, np.ascontiguousarray(device_time))


def _whole_part(folder: Path, stream: Stream, row: int) -> tuple[int, int | None]:
    """Samples and records up to the last record that is whole and whose data are right."""
    path = folder / stream.name
    if not path.with_name(path.name + ".idx").exists():
        return 0, None
    records = read_records(path.with_name(path.name + ".idx"))
    whole = _are_whole(records)
    with open(path.with_name(path.name + ".bin"), "rb") as data:
        times = open(path.with_name(path.name + ".time"), "rb") if stream.timed else None
        try:
            for i in np.flatnonzero(whole)[::-1]:
                offset, n = int(records["offset"][i]), int(records["n"][i])
                if _bytes_crc(data, times, offset, n, row) == records["crc"][i]:
                    return offset + n, int(i) + 1
        finally:
            if times is not None:
                times.close()
    return 0, 0


def _bytes_crc(data: Any, times: Any, offset: int, n: int, row: int) -> int | None:
    crc = 0
    for file, width in ((data, row), (times, 8)):
        if file is not None:
            file.seek(offset * width)
            read = file.read(n * width)
            if len(read) < n * width:
                return None
            crc = extend(crc, read)
    return crc
