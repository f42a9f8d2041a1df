"""One stream on its way from its ring into the journal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tenmin.recorder.journal import StreamJournal
from tenmin.recorder.records import Received
from tenmin.ring import Piece, Reader
from tenmin.sources import Flow

BLOCK_BYTES = 1 << 20  # written at once: large enough for the disk, and the caches still hold it
RECORD_S = 0.01  # chunks shorter than this share a record; one flipped byte costs a record


class Tape:
    """One stream on its way to the journal: reader, file, and what has been counted."""

    def __init__(self, flow: Flow, dot: Path, resume: bool) -> None:
        assert flow.ring is not None and flow.stream is not None
        self.flow = flow
        self.journal = StreamJournal(dot, flow.stream, resume=resume)
        self.samples = self.missing = 0
        self.gaps: list[tuple[int, int]] = []
        self.n_gaps = 0
        self.first: int | None = None
        self.next_index: int | None = None
        last = self.journal.last if resume else None
        self.reader: Reader = flow.ring.reader(None if last is None else last.seq + last.n)
        if last is not None:
            self.samples, self.next_index = last.offset + last.n, last.index + last.n
            self.first = self.journal.first_index
            self._recount()
        # Read is not written: pieces that were read wait here while the disk is slow.
        self._done = self.reader.position
        self._block = max(1, BLOCK_BYTES // flow.stream.bytes_per_sample)
        # Arrivals are the only times of an irregular stream without others: each keeps its own.
        shares = flow.stream.is_regular or flow.stream.timed
        self._shared = int(RECORD_S * flow.stream.rate_hz) if shares else 0

    def _recount(self) -> None:
        for index, n in self.journal.gaps():
            self._jump(index, n)

    def _jump(self, index: int, n: int) -> None:
        self.n_gaps += 1
        self.missing += n
        self.gaps.append((index, n))

    def take(self, stop: int | None) -> int:
        """Move what is new to the journal, up to device index `stop`; return how much came."""
        before = self.samples
        for pieces in self._blocks(self._new(stop)):
            self._write(pieces)
        self._done = self.reader.position
        return self.samples - before

    def _new(self, stop: int | None) -> list[Piece]:
        pieces = self.reader.read()
        if stop is None:
            return pieces
        return [_first(piece, stop - piece.index) for piece in pieces if piece.index < stop]

    def _blocks(self, pieces: list[Piece]) -> Iterator[list[Piece]]:
        """Pieces that lie one behind the other in the ring's memory."""
        block: list[Piece] = []
        room = end = 0
        for piece in pieces:
            n = len(piece.samples)
            if block and (piece.seq != end or n > room):
                yield block
                block = []
            if not block:
                assert self.flow.ring is not None
                room = min(max(n, self._block), self.flow.ring.room(piece.seq))
            block.append(piece)
            room, end = room - n, piece.seq + n
        if block:
            yield block

    def _write(self, pieces: list[Piece]) -> None:
        """Write a block straight out of the ring.

        What its writer overwrites meanwhile is taken back, before a record vouches for it; the
        younger pieces are tried again.
        """
        ring, last = self.flow.ring, pieces[-1]
        assert ring is not None
        end = last.seq + len(last.samples)
        while pieces:
            samples, times = ring.rows(pieces[0].seq, end - pieces[0].seq)
            intact = partial(self.reader.valid, pieces[0])
            if self.journal.append_all(samples, times, self._runs(pieces), intact):
                self._count(pieces)
                return
            pieces = [piece for piece in pieces[1:] if self.reader.valid(piece)]

    def _runs(self, pieces: list[Piece]) -> list[Received]:
        """What the records tell; short chunks that follow each other without a step share one."""
        runs: list[Received] = []
        for piece in pieces:
            n = len(piece.samples)
            if runs and not piece.flags and runs[-1].n + n <= self._shared:
                had = runs[-1]
                if piece.index == had.index + had.n:
                    runs[-1] = Received(had.n + n, had.index, piece.host_ns, had.flags, had.seq)
                    continue
            runs.append(Received(n, piece.index, piece.host_ns, piece.flags, piece.seq))
        return runs

    def _count(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if self.next_index is not None and piece.index > self.next_index:
                self._jump(self.next_index, piece.index - self.next_index)
            self.next_index = piece.index + len(piece.samples)
            self.samples += len(piece.samples)
        if self.first is None:
            self.first = pieces[0].index
        self._done = pieces[-1].seq + len(pieces[-1].samples)

    def numbers(self) -> dict[str, Any]:
        """Counters for telemetry: what is on its way to the disk or there."""
        return {
            "samples": self.samples,
            "bytes": self.samples * self.row_bytes,
            "missing": self.missing,
            "n_gaps": self.n_gaps,
            "gaps": [list(gap) for gap in self.gaps[-20:]],
            "fill": self.fill,
            "overrun": self.reader.lost_samples,
        }

    @property
    def fill(self) -> float:
        """Share of the ring that waits to be written, 0–1; another thread may ask."""
        assert self.flow.ring is not None
        return (self.flow.ring.written - self._done) / self.flow.ring.capacity

    @property
    def came(self) -> int:
        """Sequence number of the next sample that its source will put into the ring."""
        assert self.flow.ring is not None
        return self.flow.ring.written

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample in the journal, with its device time."""
        assert self.flow.stream is not None
        return self.flow.stream.bytes_per_sample + (8 if self.flow.stream.timed else 0)

    @property
    def done(self) -> int:
        """Sequence number in the ring behind what has been written; another thread may ask."""
        return self._done


def _first(piece: Piece, n: int) -> Piece:
    """A piece without what comes after its first `n` samples."""
    times = None if piece.device_time is None else piece.device_time[:n]
    return piece._replace(samples=piece.samples[:n], device_time=times)
