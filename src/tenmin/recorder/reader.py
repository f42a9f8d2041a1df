"""Reading a journal, whole or while it grows; nothing in it is trusted without its checksum."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from google_crc32c import extend

from tenmin.errors import JournalDamaged
from tenmin.recorder.files import BLOCK, COPY, disk_errors, read_block, read_lines
from tenmin.recorder.records import RECORD, are_whole, checksum, read_records
from tenmin.stream import Stream

NOTHING = "Nothing can be made of it; keep the folder and report this."
BATCH_BYTES = 2 << 20  # read at once, into memory that all streams share


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of records that follow each other, or of a part of one that is long.

    Attributes
    ----------
    records : ndarray, (n_records,), RECORD
        The records that begin in it.
    right : ndarray, (n_records,), bool
        Whether their checksums fit their samples and times.
    samples : ndarray, (n_samples, n_channels)
        Raw counts of the right ones; the next batch, of any stream, overwrites them.
    device_time : ndarray, (n_samples,), float64, or None
        Device times of a timed stream.
    """

    records: np.ndarray
    right: np.ndarray
    samples: np.ndarray
    device_time: np.ndarray | None


class StreamReader:
    """One stream of a journal.

    Attributes
    ----------
    stream : Stream
        Its description.
    position : int
        Records read so far.
    broken : list of int
        Positions of records whose own checksum is wrong: their samples cannot be placed.
    missing : tuple of str
        Names of files that must have been there and are not: nothing of the stream can be read.
    """

    def __init__(self, folder: Path, stream: Stream) -> None:
        self.stream = stream
        self.position = 0
        self.broken: list[int] = []
        self.missing: tuple[str, ...] = ()
        self._path = folder / stream.name
        self._dtype = np.dtype(stream.dtype).newbyteorder("<")
        self._row = stream.n_channels * self._dtype.itemsize

    def _file(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def poll(self) -> np.ndarray:
        """Records that came since the last call, in order.

        What follows the last whole record is left for later: it may still be being written.
        Where a file is missing, there are none.
        """
        records = read_records(self._file(".idx"), self.position)
        self.missing = self._find_missing(len(records) > 0)
        if self.missing:
            return records[:0]
        whole = are_whole(records)
        records, whole = records[: _last(whole)], whole[: _last(whole)]
        self.broken += (self.position + np.flatnonzero(~whole)).tolist()
        self.position += len(records)
        return records[whole]

    def _find_missing(self, recorded: bool) -> tuple[str, ...]:
        """Samples and times are written before the record that tells of them."""
        data, index = self._file(".bin"), self._file(".idx")
        if not recorded:
            lost = data.is_file() and data.stat().st_size > 0 and not index.exists()
            return (index.name,) if lost else ()
        needed = [data, self._file(".time")] if self.stream.timed else [data]
        return tuple(path.name for path in needed if not path.is_file())

    def batches(self, records: np.ndarray) -> Iterator[Batch]:
        """Samples and times of these records, in order, each record checked."""
        if not len(records):
            return
        with ExitStack() as files, disk_errors(self._path):
            data = files.enter_context(open(self._file(".bin"), "rb", buffering=0))
            times = None
            if self.stream.timed:
                times = files.enter_context(open(self._file(".time"), "rb", buffering=0))
            for chosen in self._together(records):
                begin = int(chosen["offset"][0])
                n = int(chosen["offset"][-1] + chosen["n"][-1]) - begin
                if n <= self._most:
                    yield self._batch(chosen, *self._read(data, times, begin, n))
                else:
                    yield from self._parts(data, times, chosen)

    @property
    def _most(self) -> int:
        """Samples of a batch."""
        return max(1, BATCH_BYTES // self._row)

    def _together(self, records: np.ndarray) -> Iterator[np.ndarray]:
        """Records that follow each other in the file and fit into a batch; a long one alone."""
        ends = records["offset"] + records["n"]
        breaks = np.flatnonzero(records["offset"][1:] != ends[:-1]) + 1
        for first, last in pairwise([0, *breaks.tolist(), len(records)]):
            while first < last:
                limit = records["offset"][first] + np.uint64(self._most)
                stop = first + max(1, int(np.searchsorted(ends[first:last], limit, "right")))
                yield records[first:stop]
                first = stop

    def _read(
        self, data: Any, times: Any, begin: int, n: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Rows of the raw files; fewer where one ends early."""
        samples = _read_array("samples", data, begin, n, self._dtype, self.stream.n_channels)
        if times is None:
            return samples, None
        when = _read_times(times, begin, n)
        both = min(len(samples), len(when))
        return samples[:both], when[:both]

    @staticmethod
    def _batch(records: np.ndarray, samples: np.ndarray, times: np.ndarray | None) -> Batch:
        starts = (records["offset"] - records["offset"][0]).tolist()
        right = np.zeros(len(records), bool)
        pieces = [slice(at, at + n) for at, n in zip(starts, records["n"].tolist(), strict=True)]
        for k, (at, crc) in enumerate(zip(pieces, records["crc"].tolist(), strict=True)):
            if at.stop <= len(samples):
                right[k] = checksum(samples[at], None if times is None else times[at]) == crc
        if not right.all():
            kept = [at for at, is_right in zip(pieces, right, strict=True) if is_right]
            samples = np.concatenate([samples[:0], *(samples[at] for at in kept)])
            if times is not None:
                times = np.concatenate([times[:0], *(times[at] for at in kept)])
        return Batch(records, right, samples, times)

    def _parts(self, data: Any, times: Any, records: np.ndarray) -> Iterator[Batch]:
        """A record longer than a batch: checked first, then read once more."""
        begin, n = int(records["offset"][0]), int(records["n"][0])
        parts = [(at, min(self._most, n - at)) for at in range(0, n, self._most)]
        crc, found = 0, []
        for at, m in parts:
            rows, _ = self._read(data, None, begin + at, m)
            crc = extend(crc, rows.reshape(-1))
            found.append(len(rows))
        for at, m in parts if times is not None else ():
            stamps = _read_times(times, begin + at, m)
            crc = extend(crc, stamps)
            found.append(len(stamps))
        whole = sum(found) == n * (1 if times is None else 2)
        right = np.array([whole and crc == int(records["crc"][0])])
        for at, m in parts if right[0] else [(0, 0)]:
            samples, when = self._read(data, times, begin + at, m)
            yield Batch(records[:0] if at else records, right[:0] if at else right, samples, when)


class JournalReader:
    """A whole journal.

    Parameters
    ----------
    folder : Path
        The ``.dot`` folder.

    Raises
    ------
    JournalDamaged
        There is no ``block.json`` whose checksum is right, and no such copy of it.

    Attributes
    ----------
    block : dict
        What was decided before the first sample.
    told_by : str
        The file that tells it: ``block.json``, or its copy.
    streams : dict of str to Stream
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / BLOCK
        found = read_block(folder)
        if found is None:
            raise _no_block(folder)
        self.block, self.told_by = found
        try:
            self.streams = {
                name: Stream.from_dict(told) for name, told in self.block.get("streams", {}).items()
            }
        except (AttributeError, TypeError, ValueError) as error:  # JSON, of another shape
            raise JournalDamaged(
                f"{path} does not describe the streams of a block: {error}.", remedy=NOTHING
            ) from error

    def log(self, name: str = "acquirer.jsonl") -> list[dict[str, Any]]:
        """All whole lines of a log."""
        return read_lines(self.folder / name)[0]

    def open(self, name: str) -> StreamReader:
        """A reader of one numeric stream, from its beginning."""
        return StreamReader(self.folder, self.streams[name])

    def read(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """All good samples of one stream at once; for tests and short journals.

        Returns
        -------
        index : ndarray, (n_samples,), int64
        samples : ndarray, (n_samples, n_channels)
        device_time : ndarray, (n_samples,), float64, or None
        """
        reader = self.open(name)
        index, samples, times = [], [], []
        for batch in reader.batches(reader.poll()):
            for record in batch.records[batch.right]:
                first = int(record["index"])
                index.append(np.arange(first, first + int(record["n"])))
            samples.append(batch.samples.copy())
            if batch.device_time is not None:
                times.append(batch.device_time.copy())
        stream = self.streams[name]
        if not index:
            empty = np.zeros((0, stream.n_channels), stream.dtype)
            return np.zeros(0, np.int64), empty, np.zeros(0) if stream.timed else None
        when = np.concatenate(times) if times else None
        return np.concatenate(index), np.concatenate(samples), when


def _no_block(folder: Path) -> JournalDamaged:
    if (folder / BLOCK).exists() or (folder / COPY).exists():
        return JournalDamaged(
            f"The checksum of {folder / BLOCK} is wrong, or it is cut short, and so is its copy "
            f"{COPY}.",
            remedy=NOTHING,
        )
    return JournalDamaged(
        f"{folder} holds no {BLOCK}: nothing was recorded, or it is no journal.",
        remedy="Name the folder that ends in .dot.",
    )


def _last(whole: np.ndarray) -> int:
    found = np.flatnonzero(whole)
    return int(found[-1]) + 1 if len(found) else 0


_shared = threading.local()


def _read_times(file: Any, begin: int, n: int) -> np.ndarray:
    return _read_array("times", file, begin, n, np.dtype("<f8"), 1)[:, 0]


def _read_array(
    what: str, file: Any, begin: int, n: int, dtype: np.dtype, columns: int
) -> np.ndarray:
    """Rows of a raw file; fewer where it ends early. The next call for `what` overwrites them."""
    row = dtype.itemsize * columns
    held: bytearray | None = getattr(_shared, what, None)
    if held is None or len(held) < n * row:
        held = bytearray(n * row)
        setattr(_shared, what, held)
    into, done = memoryview(held)[: n * row], 0
    file.seek(begin * row)
    while done < len(into) and (more := file.readinto(into[done:])):
        done += more
    return np.frombuffer(into[: done // row * row], dtype).reshape(-1, columns)


__all__ = ["RECORD", "Batch", "JournalReader", "StreamReader"]
