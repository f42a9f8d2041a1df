"""Reading a journal, whole or while it grows; nothing in it is trusted without its checksum."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.errors import JournalDamaged
from tenmin.recorder.files import BLOCK, COPY, disk_errors, read_block, read_lines
from tenmin.recorder.records import RECORD, are_whole, checksum, read_records
from tenmin.stream import Stream

NOTHING = "Nothing can be made of it; keep the folder and report this."
BATCH_BYTES = 8 << 20  # read at once, so that memory stays flat


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one record, as they were received.

    Attributes
    ----------
    record : numpy.void
        Its record, with the fields of `RECORD`.
    samples : ndarray, (n_samples, n_channels)
        Raw counts; a view that the next `StreamReader.runs` step overwrites.
    device_time : ndarray, (n_samples,), float64, or None
        Device times of a timed stream.
    is_right : bool
        Whether the checksum of the record fits these bytes.
    """

    record: np.void
    samples: np.ndarray
    device_time: np.ndarray | None
    is_right: bool


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

    def runs(self, records: np.ndarray) -> Iterator[Run]:
        """Samples and times of these records, in order, each checked."""
        if not len(records):
            return
        with disk_errors(self._path), open(self._file(".bin"), "rb") as data:
            for first, last in self._batches(records):
                yield from self._read(data, records[first:last])

    def _batches(self, records: np.ndarray) -> Iterator[tuple[int, int]]:
        """Slices of records that follow each other in the file and fit into `BATCH_BYTES`."""
        ends = records["offset"] + records["n"]
        first = 0
        for i in range(1, len(records) + 1):
            if (
                i == len(records)
                or records["offset"][i] != ends[i - 1]
                or int(ends[i] - records["offset"][first]) * self._row > BATCH_BYTES
            ):
                yield first, i
                first = i

    def _read(self, data: Any, records: np.ndarray) -> Iterator[Run]:
        begin = int(records["offset"][0])
        n = int(records["offset"][-1] + records["n"][-1]) - begin
        samples = _read_array(data, begin, n, self._dtype, self.stream.n_channels)
        times = None
        if self.stream.timed:
            with open(self._file(".time"), "rb") as file:
                times = _read_array(file, begin, n, np.dtype("<f8"), 1)[:, 0]
        for record in records:
            at = slice(int(record["offset"]) - begin, int(record["offset"] + record["n"]) - begin)
            piece = samples[at]
            when = None if times is None else times[at]
            right = len(piece) == record["n"] and (when is None or len(when) == record["n"])
            right = right and checksum(piece, when) == record["crc"]
            yield Run(record, piece, when, right)


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
        for run in reader.runs(reader.poll()):
            if run.is_right:
                first = int(run.record["index"])
                index.append(np.arange(first, first + len(run.samples)))
                samples.append(run.samples.copy())
                if run.device_time is not None:
                    times.append(run.device_time.copy())
        stream = self.streams[name]
        if not samples:
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


def _read_array(file: Any, begin: int, n: int, dtype: np.dtype, columns: int) -> np.ndarray:
    """Rows of a raw file; fewer where it ends early."""
    row = dtype.itemsize * columns
    file.seek(begin * row, os.SEEK_SET)
    data = file.read(n * row)
    whole = len(data) // row * row
    return np.frombuffer(data[:whole], dtype).reshape(-1, columns)


__all__ = ["RECORD", "JournalReader", "Run", "StreamReader"]
