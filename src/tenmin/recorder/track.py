"""One stream on its way from the journal into its datasets, checked and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tenmin.errors import DiskError
from tenmin.recorder.chunks import ArrayWriter, ChunkWriter
from tenmin.recorder.reader import Batch, StreamReader
from tenmin.recorder.records import RECORD
from tenmin.stream import Stream

ARRIVAL_S = 1.0  # one arrival a second is kept, for a clock without points of its own


@dataclass(frozen=True, slots=True)
class Segment:
    """Samples whose device indices follow each other: row in the file, first index, how many."""

    row: int
    index: int
    n: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Device indices that are not there, and the flags of the run after them."""

    index: int
    n: int
    flags: int


Writer = ChunkWriter | ArrayWriter


class Track:
    """One numeric stream: journal in, datasets out.

    Parameters
    ----------
    reader : StreamReader
        The journal's side.
    samples, times, counter : ChunkWriter or ArrayWriter
        The file's side; `times` of timed streams, `counter` of those that number their samples.

    Attributes
    ----------
    segments : list of Segment
        Where the device index is continuous.
    holes : list of Hole
        What is missing between them.
    damaged : list of (int, int)
        Index and length of what was written and is not in the file: records whose samples fail
        their checksum, and samples whose record fails its own.
    unplaced : int
        Missing samples of a stream of which not one is left.
    arrivals : list of (int, int)
        Device index and host time (ns) of the last sample of a run, about one a second.
    ends : list of (int, int, int)
        Row, length and checksum of the first and the last record.
    """

    def __init__(
        self,
        reader: StreamReader,
        samples: Writer,
        times: Writer | None = None,
        counter: Writer | None = None,
    ) -> None:
        self.reader = reader
        self.samples, self.times, self.counter = samples, times, counter
        self.segments: list[Segment] = []
        self.holes: list[Hole] = []
        self.damaged: list[tuple[int, int]] = []
        self.unplaced = 0
        self._next: tuple[int, int] | None = None  # row and index after the last whole record
        self.arrivals: list[tuple[int, int]] = []
        self.ends: list[tuple[int, int, int]] = []
        self._new = self._good = np.zeros(0, RECORD)  # not yet judged; not yet all in the file
        self._rows_taken = 0  # of good records
        self._begun = 0  # rows of the first good one that are
        self._last_arrival: tuple[int, int] | None = None
        self._receipts: list[tuple[int, int]] = []  # of a stream without any other time

    @property
    def stream(self) -> Stream:
        """Its description."""
        return self.reader.stream

    @property
    def n(self) -> int:
        """Good samples so far, whether or not they are in the file yet."""
        return self._rows_taken

    @property
    def first_index(self) -> int:
        """Device index of the first sample."""
        return self.segments[0].index

    @property
    def end_index(self) -> int:
        """Device index after the last sample."""
        return self.segments[-1].index + self.segments[-1].n

    @property
    def missing(self) -> int:
        """How many samples are missing between the first and the last."""
        return sum(hole.n for hole in self.holes) + self.unplaced

    @property
    def reached_index(self) -> int:
        """Device index after the last sample that was written, damaged ones included."""
        return max(self.end_index, self.holes[-1].index + self.holes[-1].n if self.holes else 0)

    def advance(self) -> bool:
        """Put what is new in the journal into the file, band by band; whether there was anything.

        What is read waits for the file, not in memory: of an unfinished band, only the records
        are kept.

        Raises
        ------
        DiskError
            The file holds other bytes than the journal.
        """
        grown = self._poll()
        rows = self.samples.band_rows
        while self._ready + int(self._new["n"].sum()) >= rows:
            self._write(rows)
        return grown

    def _poll(self) -> bool:
        records = self.reader.poll()
        self._new = np.concatenate([self._new, records[records["n"] > 0]])
        return len(records) > 0

    @property
    def settled(self) -> int:
        """Good samples in the file whose records nobody will read again in the journal."""
        return self.samples.rows - self._begun

    @property
    def _ready(self) -> int:
        """Good rows that are not in the file."""
        return int(self._good["n"].sum()) - self._begun

    def _write(self, n: int) -> None:
        """Write the next `n` rows; where records turn out damaged, they only leave those waiting.

        The times and numbers of the rows are gathered on the first pass over the samples.
        """
        times = np.empty(n if self.times is not None else 0)
        if not self.samples.write(n, lambda: self._rows(n, times)):
            return
        if self.times is not None:
            self.times.write(n, lambda: [times])
        if self.counter is not None:
            numbers = _numbers(self._good, self._begun, n)
            self.counter.write(n, lambda: [numbers])
        ends = np.cumsum(self._good["n"], dtype=np.int64)
        done = int(np.searchsorted(ends, self._begun + n, "right"))
        self._begun += n - (int(ends[done - 1]) if done else 0)
        self._good = self._good[done:]

    def _rows(self, n: int, times: np.ndarray) -> Iterator[np.ndarray]:
        """The next `n` rows in pieces, their times into `times`; fewer where there are no more."""
        at = -self._begun
        for batch in self._batches(n):
            first, stop = max(0, -at), min(len(batch.samples), n - at)
            if first < stop:
                if batch.device_time is not None:
                    times[at + first : at + stop] = batch.device_time[first:stop]
                yield batch.samples[first:stop]
            at += len(batch.samples)

    def _batches(self, n: int) -> Iterator[Batch]:
        """Batches until there are `n` good rows: those judged before, then new ones."""
        for batch in self.reader.batches(_until(self._good, self._begun + n)):
            if not batch.right.all():
                raise DiskError(
                    f"The journal of {self.stream.name} reads back other samples than before.",
                    remedy="Check the disk, then run `tenmin recover DIR`; the journal is kept.",
                )
            yield batch
        while self._ready < n and len(self._new):
            fresh = _until(self._new, n - self._ready)
            self._new = self._new[len(fresh) :]
            for batch in self.reader.batches(fresh):
                self._judge(batch)
                yield batch

    def _judge(self, batch: Batch) -> None:
        """Account for records that were read for the first time."""
        for record, is_right in zip(batch.records, batch.right, strict=True):
            self._note_unrecorded(record)
            if is_right:
                self._take(record)
            else:
                self.damaged.append((int(record["index"]), int(record["n"])))
        self._good = np.concatenate([self._good, batch.records[batch.right]])

    def _note_unrecorded(self, record: np.void) -> None:
        """See whether a record before this one is missing: each begins where the last ended."""
        row, index, n = int(record["offset"]), int(record["index"]), int(record["n"])
        next_row, next_index = self._next or (0, index - row)
        if row > next_row:
            self.damaged.append((next_index, index - next_index))
        self._next = row + n, index + n

    def _take(self, record: np.void) -> None:
        index, n = int(record["index"]), int(record["n"])
        self._place(index, n, int(record["flags"]))
        end = self._rows_taken, n, int(record["crc"])
        self.ends = [*self.ends[:1], end]
        self._rows_taken += n
        self._note_arrival(index + n - 1, n, int(record["host_ns"]))

    def _place(self, index: int, n: int, flags: int) -> None:
        row = self._rows_taken
        if self.segments:
            last = self.segments[-1]
            step = index - (last.index + last.n)
            if step == 0:
                self.segments[-1] = Segment(last.row, last.index, last.n + n)
                return
            self.holes.append(Hole(last.index + last.n, step, flags))
        elif self.damaged:  # the first record is
            first = self.damaged[0][0]
            self.holes.append(Hole(first, index - first, flags))
        self.segments.append(Segment(row, index, n))

    def _note_arrival(self, index: int, n: int, host_ns: int) -> None:
        self._last_arrival = index, host_ns
        if not self.stream.is_regular and not self.stream.timed:
            self._receipts.append((n, host_ns))
        if not self.arrivals or host_ns - self.arrivals[-1][1] >= ARRIVAL_S * 1e9:
            self.arrivals.append(self._last_arrival)

    def finish(self, written: int = 0, gaps: Sequence[tuple[int, int]] = ()) -> None:
        """Write the unfinished chunks, and check the rest against the journal.

        Parameters
        ----------
        written : int
            Samples that the journal held when it was closed, as its log says; 0 if it does not.
        gaps : sequence of (int, int)
            First index and length of what was missing between them, as its log says.
        """
        self._poll()
        while len(self._new) or self._ready:
            self._write(min(self.samples.band_rows, self._ready + int(self._new["n"].sum())))
        self._count_end(written, gaps)
        if self._last_arrival is not None and self.arrivals[-1] != self._last_arrival:
            self.arrivals.append(self._last_arrival)

    def _count_end(self, written: int, gaps: Sequence[tuple[int, int]]) -> None:
        """Count what stands after the last good record: damaged, or without a whole record."""
        if self._next is None:
            self.unplaced = written + sum(n for _, n in gaps) if written else 0
            return
        row, index = self._next
        if written > row:
            end = index + written - row
            for at, n in gaps:
                end += n if index <= at < end else 0
            self.damaged.append((index, end - index))
        last, n = self.damaged[-1] if self.damaged else (0, 0)
        if not self.segments:
            self.unplaced = last + n - self.damaged[0][0]
        elif last + n > self.end_index:
            self.holes.append(Hole(self.end_index, last + n - self.end_index, 0))

    def stamps(self) -> np.ndarray | None:
        """Device time of each sample; host seconds of arrival where nothing else is known."""
        if self.times is not None:
            return self.times.dataset[:]
        if self.stream.is_regular:
            return None
        n = [n for n, _ in self._receipts]
        return np.repeat(np.array([ns for _, ns in self._receipts]) * 1e-9, n)

    def index(self) -> np.ndarray:
        """Device index of each sample."""
        return np.concatenate(
            [np.arange(s.index, s.index + s.n, dtype=np.int64) for s in self.segments]
        )

    def count_between(self, first: int, stop: int) -> int:
        """How many samples have a device index in [first, stop)."""
        return sum(max(0, min(stop, s.index + s.n) - max(first, s.index)) for s in self.segments)


def _until(records: np.ndarray, n: int) -> np.ndarray:
    """The first of these records that hold `n` samples together, or all of them."""
    ends = np.cumsum(records["n"], dtype=np.int64)
    return records[: int(np.searchsorted(ends, n, "left")) + 1]


def _numbers(records: np.ndarray, begun: int, n: int) -> np.ndarray:
    """Device indices of the `n` samples after the first `begun` ones of these records."""
    chosen = _until(records, begun + n)
    firsts = chosen["index"] - (np.cumsum(chosen["n"], dtype=np.int64) - chosen["n"])
    return np.repeat(firsts, chosen["n"])[begun : begun + n] + np.arange(begun, begun + n)
