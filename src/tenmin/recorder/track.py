"""One stream on its way from the journal into its datasets, checked and counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from google_crc32c import extend

from tenmin.errors import DiskError
from tenmin.recorder.chunks import ArrayWriter, ChunkWriter
from tenmin.recorder.reader import Run, StreamReader
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


class Verifier:
    """Compares what stands in the file with the checksums of the journal, record by record.

    A band of samples is unpacked once, into memory that all streams share; so a record that
    crosses its end is begun with it and gone on with when the next band is in the file.
    """

    def __init__(self, samples: Writer, times: Writer | None) -> None:
        self._samples, self._times = samples, times
        self._waiting: deque[tuple[int, int, int]] = deque()
        self._read = 0  # rows of samples that went into checksums
        self._crc = 0  # of the samples so far of the first record that waits
        self._timeless: deque[tuple[int, int, int, int]] = deque()  # with their samples' checksum
        self._band: tuple[int, np.ndarray] | None = None  # of times
        self.checked = 0

    def expect(self, row: int, n: int, crc: int) -> None:
        """Note the checksum of rows that were handed to the writers."""
        self._waiting.append((row, n, crc))

    def check(self) -> None:
        """Check every record whose rows are in the file.

        Raises
        ------
        DiskError
            The file holds other bytes than the journal.
        """
        rows = self._samples.band_rows
        while self._waiting and self._read < self._samples.written:
            first = self._read // rows * rows
            self._check_band(first, self._samples.read_band(first))
        while self._times is not None and self._timeless:
            row, n, expected, crc = self._timeless[0]
            if row + n > self._times.written:
                return
            self._timeless.popleft()
            self._compare(row, n, self._with_times(self._times, crc, row, row + n), expected)

    def _check_band(self, first: int, band: np.ndarray) -> None:
        end = first + len(band)
        while self._waiting and self._read < end:
            row, n, expected = self._waiting[0]
            last = min(end, row + n)
            self._crc = extend(self._crc, band[self._read - first : last - first].reshape(-1))
            self._read = last
            if last == row + n:
                self._waiting.popleft()
                crc, self._crc = self._crc, 0
                if self._times is None:
                    self._compare(row, n, crc, expected)
                else:
                    self._timeless.append((row, n, expected, crc))

    def _with_times(self, times: Writer, crc: int, begin: int, end: int) -> int:
        while begin < end:
            first = begin // times.band_rows * times.band_rows
            if self._band is None or self._band[0] != first:
                self._band = first, times.read_band(first)
            last = min(end, first + times.band_rows)
            crc = extend(crc, self._band[1][begin - first : last - first].reshape(-1))
            begin = last
        return crc

    def _compare(self, row: int, n: int, crc: int, expected: int) -> None:
        if crc != expected:
            name = getattr(self._samples.dataset, "name", "A table")
            raise DiskError(
                f"{name} reads back other samples than the journal holds, from row {row} on.",
                remedy="Check the disk, then run `tenmin recover` with another --out.",
            )
        self.checked += n

    @property
    def done(self) -> bool:
        """Whether nothing is left to be checked."""
        return not self._waiting and not self._timeless


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
        self.verifier = Verifier(self.samples, self.times)
        self.segments: list[Segment] = []
        self.holes: list[Hole] = []
        self.damaged: list[tuple[int, int]] = []
        self.unplaced = 0
        self._next: tuple[int, int] | None = None  # row and index after the last whole record
        self.arrivals: list[tuple[int, int]] = []
        self.ends: list[tuple[int, int, int]] = []
        self._last_arrival: tuple[int, int] | None = None
        self._receipts: list[tuple[int, int]] = []  # of a stream without any other time

    @property
    def stream(self) -> Stream:
        """Its description."""
        return self.reader.stream

    @property
    def n(self) -> int:
        """Samples so far."""
        return self.samples.rows

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
        """Take what is new in the journal; whether there was anything."""
        records = self.reader.poll()
        for run in self.reader.runs(records):
            self._note_unrecorded(run.record)
            if run.is_right:
                self._take(run)
            else:
                self.damaged.append((int(run.record["index"]), int(run.record["n"])))
            self.verifier.check()
        return len(records) > 0

    def _note_unrecorded(self, record: np.void) -> None:
        """See whether a record before this one is missing: each begins where the last ended."""
        row, index, n = int(record["offset"]), int(record["index"]), int(record["n"])
        next_row, next_index = self._next or (0, index - row)
        if row > next_row:
            self.damaged.append((next_index, index - next_index))
        self._next = row + n, index + n

    def _take(self, run: Run) -> None:
        index, n = int(run.record["index"]), len(run.samples)
        self._place(index, n, int(run.record["flags"]))
        record = self.samples.rows, n, int(run.record["crc"])
        self.verifier.expect(*record)
        self.ends = [*self.ends[:1], record]
        self._note_arrival(index + n - 1, n, int(run.record["host_ns"]))
        rows = run.samples
        self.samples.append(rows[:, 0] if self.samples.dataset.ndim == 1 else rows)
        if self.times is not None and run.device_time is not None:
            self.times.append(run.device_time)
        if self.counter is not None:
            self.counter.append(np.arange(index, index + n, dtype=np.int64))

    def _place(self, index: int, n: int, flags: int) -> None:
        row = self.samples.rows
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
        self._count_end(written, gaps)
        for writer in (self.samples, self.times, self.counter):
            if writer is not None:
                writer.finish()
        self.verifier.check()
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
