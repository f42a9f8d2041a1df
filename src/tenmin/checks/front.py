"""From pieces of the ring to seconds: the one pass over every sample of an electrical stream.

A slow stream is kept at its own rate, in microvolts. A fast one goes through the kernels while it
is in the cache, and only its decimated form is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tenmin.checks.grid import BINS_PER_S, Grid
from tenmin.checks.passes import Decimated, Direct, Limits, RawState, Spikes
from tenmin.checks.second import Scaling, Second, empty_bins
from tenmin.checks.tail import PIECE_EVERY, Tail
from tenmin.ring import Piece
from tenmin.stream import Stream

FAST_HZ = 5000.0  # above it a stream is decimated for all but its spikes
SETTLE_S = 0.1  # three time constants of the slowest filter of the fast path, and of the decimation


class Front:
    """The pass over one stream.

    Parameters
    ----------
    stream : Stream
        Electrical and regular.
    limits : Limits
    origin : int, optional
        Index at which second 0 begins; by default that of the first sample.
    """

    def __init__(self, stream: Stream, limits: Limits, origin: int | None = None) -> None:
        self.stream, self.limits = stream, limits
        self.fast = stream.rate_hz >= FAST_HZ
        self.scaling = Scaling.of(stream)
        self.grid = None if origin is None else Grid(stream.rate_hz, origin)
        self._raw = RawState.new(stream, limits)
        self._slow: Decimated | Direct = (
            Decimated(stream, self.scaling) if self.fast else Direct(stream, self.scaling)
        )
        self._spikes = Spikes(stream, self.scaling) if self.fast else None
        self._tail = Tail(stream)
        self._next: int | None = None
        self._settled_at = 0  # index from which the filters can be trusted
        self._open: _Open | None = None
        self._slot = 0
        self._skipped = 0  # samples before the next piece that exist and were not seen
        self.dropped: set[int] = set()  # seconds that are not judged for it

    def skipped(self, n: int) -> None:
        """The `n` samples before the next piece were not seen: their seconds are left out."""
        self._skipped += n

    def spoilt(self) -> None:
        """What came last may have been torn: the second that it belongs to is left out."""
        if self._open is not None:
            self.dropped.add(self._open.number)

    def anchor(self, origin: int) -> None:
        """Count seconds from index `origin` from now on; the second begun is given up."""
        self.grid = Grid(self.stream.rate_hz, origin)
        self.dropped.clear()
        self._begin_second()

    def feed(self, piece: Piece) -> Iterator[Second]:
        """Take the next piece; yield every second that it completes."""
        n = len(piece.samples)
        if n == 0:
            return
        if self.grid is None:
            self.grid = Grid(self.stream.rate_hz, piece.index)
        if self._next is None or piece.index != self._next or self._skipped:
            self._jump(piece)
        self._next = piece.index + n
        for number, start, stop in self.grid.split(piece.index, n):
            second, slot = divmod(number, BINS_PER_S)
            if self._open is not None and self._open.number != second:
                closed = self._close()
                if closed.number not in self.dropped:
                    yield closed
            if self._open is None:
                self._open = _Open.new(second, self.stream.n_channels)
            elif slot != self._slot:
                self._raw.give(self._open.bins, self._slot)
            self._slot = slot
            self._take(self._open, slot, piece.index + start, piece.samples[start:stop])

    def _jump(self, piece: Piece) -> None:
        """Samples are missing before this piece, or it is the first."""
        row = piece.samples[0]
        self._raw.restart(row)
        self._slow.restart(row)
        if self._spikes is not None:
            self._spikes.restart(row)
        if self._next is None:
            return
        self._settled_at = piece.index + int(SETTLE_S * self.stream.rate_hz)
        if self._skipped:
            self._skipped = 0
            assert self.grid is not None
            first = self.grid.number(self._next) // BINS_PER_S
            last = self.grid.number(self._settled_at) // BINS_PER_S
            self.dropped.update(range(first, last + 1))

    def _take(self, second: _Open, slot: int, index: int, samples: np.ndarray) -> None:
        self._raw.take(samples)
        self._slow.take(samples)
        if second.number % PIECE_EVERY == 0:
            assert self.grid is not None
            stop = self.grid.edge((second.number + 1) * BINS_PER_S)
            self._tail.take(samples, index - (stop - self._tail.n))
        if self._spikes is not None:
            self._spikes.take(samples)
        second.n += len(samples)
        second.came[slot] += len(samples)
        if index < self._settled_at:
            second.gaps[slot] = True

    def _begin_second(self) -> None:
        self._open = None
        self._raw.clear()
        self._slow.collect()
        if self._spikes is not None:
            self._spikes.collect()

    def _close(self) -> Second:
        second, grid = self._open, self.grid
        assert second is not None and grid is not None
        self._raw.give(second.bins, self._slot)
        first = second.number * BINS_PER_S
        due = np.diff([grid.edge(first + k) for k in range(BINS_PER_S + 1)])
        short = due - second.came
        sigma, crossings, beyond = (
            self._spikes.collect() if self._spikes is not None else _nothing(self.stream)
        )
        samples = self._slow.collect()
        self._open = None
        return Second(
            number=second.number,
            index=grid.edge(first),
            n=second.n,
            missing=int(short.sum()),
            gaps=second.gaps | (short > 0),
            samples=samples,
            rate_hz=self._slow.rate_hz,
            sigma=sigma,
            crossings=crossings,
            beyond=beyond,
            piece=self._tail.rows()[: None if second.number % PIECE_EVERY == 0 else 0],
            **second.bins,
        )


@dataclass
class _Open:
    """The second that is being filled."""

    number: int
    bins: dict[str, np.ndarray]
    n: int = 0
    came: np.ndarray = field(default_factory=lambda: np.zeros(BINS_PER_S, np.int64))
    gaps: np.ndarray = field(default_factory=lambda: np.zeros(BINS_PER_S, bool))

    @classmethod
    def new(cls, number: int, n_channels: int) -> _Open:
        return cls(number, empty_bins(n_channels))


def _nothing(stream: Stream) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    c = stream.n_channels
    return np.full(c, np.nan), np.zeros(c, np.int64), np.empty(0)


__all__ = ["FAST_HZ", "Front", "Limits"]
