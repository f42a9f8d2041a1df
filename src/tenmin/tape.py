"""One stream on its way from its ring into the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tenmin.recorder.journal import StreamJournal
from tenmin.ring import Piece, Reader
from tenmin.sources import Flow


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
        self._scratch = np.empty((0, flow.stream.n_channels), flow.stream.dtype)

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
        for piece in self.reader.read():
            n = len(piece.samples) if stop is None else min(len(piece.samples), stop - piece.index)
            if n > 0:
                self._append(piece, n)
        self._done = self.reader.position
        return self.samples - before

    def _append(self, piece: Piece, n: int) -> None:
        # The copy is checked before it is written: a torn piece must never reach the disk.
        if len(self._scratch) < n:
            self._scratch = np.empty((n, piece.samples.shape[1]), piece.samples.dtype)
        samples = self._scratch[:n]
        np.copyto(samples, piece.samples[:n])
        times = None if piece.device_time is None else piece.device_time[:n].copy()
        if not self.reader.valid(piece):
            return  # overwritten meanwhile: the next record's index shows it as a gap
        if self.next_index is not None and piece.index > self.next_index:
            self._jump(self.next_index, piece.index - self.next_index)
        self.journal.append(piece.index, samples, times, piece.host_ns, piece.flags, piece.seq)
        if self.first is None:
            self.first = piece.index
        self.next_index = piece.index + n
        self.samples += n
        self._done = piece.seq + n

    def numbers(self) -> dict[str, Any]:
        """Counters for telemetry: what is on its way to the disk or there."""
        stream = self.flow.stream
        assert stream is not None
        return {
            "samples": self.samples,
            "bytes": self.samples * (stream.bytes_per_sample + (8 if stream.timed else 0)),
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
    def done(self) -> int:
        """Sequence number in the ring behind what has been written; another thread may ask."""
        return self._done
