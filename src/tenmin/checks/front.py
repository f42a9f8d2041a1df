"""From pieces of the ring to seconds: the one pass over every sample of an electrical stream.

A slow stream is kept at its own rate, in microvolts. A fast one goes through the kernels while it
is in the cache, and only its decimated form is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tenmin.checks import _kernels, coefficients
from tenmin.checks._kernels.probe import ABOVE, CLIPPED, CROSSED, LONGEST, N_COUNTS, RUN, STEPS
from tenmin.checks.grid import BINS_PER_S, Grid
from tenmin.checks.second import Scaling, Second, empty_bins
from tenmin.checks.tail import PIECE_EVERY, Tail
from tenmin.ring import Piece
from tenmin.stream import Stream

FAST_HZ = 5000.0  # above it a stream is decimated for all but its spikes
SLOW_HZ = 1000.0  # about the rate that it is decimated to
N_BINS, BIN_UV = 8192, 0.05  # of the histograms above 300 Hz: one count or more, +- 200 microvolts
SETTLE_S = 0.1  # three time constants of the slowest filter of the fast path, and of the decimation
SPIKE_SIGMAS = -5.0  # science.md B.2 Q14a
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Limits:
    """What the kernels count by.

    Attributes
    ----------
    saturation_share : float
        Of the converter's range; science.md B.2 Q02.
    slew_uv : float
        A step from one sample to the next beyond this is one, microvolts.
    """

    saturation_share: float = 0.96
    slew_uv: float = 300.0


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
        self._raw = RawState.new(stream, limits, self.scaling)
        self._slow: Decimated | Direct = (
            Decimated(stream, self.scaling) if self.fast else Direct(stream, self.scaling)
        )
        self._spikes = Spikes(stream, self.scaling) if self.fast else None
        self._tail = Tail(stream, self.scaling)
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
        self._tail.restart()
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
        self._tail.take(samples)
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
        sigma, rms, crossings, beyond = (
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
            rms=rms,
            crossings=crossings,
            beyond=beyond,
            piece=self._tail.microvolts() if second.number % PIECE_EVERY == 0 else self._tail.none,
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


@dataclass
class RawState:
    """State of `watch_raw` over one bin, and the runs that go on over many."""

    last: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    range_low: float
    range_high: float
    slew: np.ndarray

    @classmethod
    def new(cls, stream: Stream, limits: Limits, scaling: Scaling) -> RawState:
        """The state before the first sample."""
        dtype = np.dtype(stream.dtype)
        c = stream.n_channels
        first, last = _ends(dtype)
        low, high = (-np.inf, np.inf) if stream.range_counts is None else stream.range_counts
        share = limits.saturation_share
        return cls(
            last=np.zeros(c, dtype),
            low=np.full(c, last, dtype),
            high=np.full(c, first, dtype),
            counts=np.zeros((N_COUNTS, c), np.int32),
            range_low=share * low,
            range_high=share * high,
            slew=np.abs(limits.slew_uv / scaling.factor).astype(np.float32),
        )

    def restart(self, row: np.ndarray) -> None:
        """Nothing is known of what came before `row`: it is no step and repeats nothing."""
        self.last[:] = row
        self.counts[RUN] = 0

    def take(self, samples: np.ndarray) -> None:
        """Watch samples of one bin."""
        _kernels.watch_raw(
            samples,
            self.last,
            self.low,
            self.high,
            self.counts,
            self.range_low,
            self.range_high,
            self.slew,
        )

    def give(self, bins: dict[str, np.ndarray], slot: int) -> None:
        """Tell what was found in a bin, and begin the next."""
        found = self.low <= self.high  # not in a channel of which only NaN came
        bins["low"][slot] = np.where(found, self.low, np.nan)
        bins["high"][slot] = np.where(found, self.high, np.nan)
        bins["clipped"][slot] = self.counts[CLIPPED]
        bins["longest"][slot] = self.counts[LONGEST]
        bins["steps"][slot] = self.counts[STEPS]
        self.clear()

    def clear(self) -> None:
        """Begin a bin."""
        first, last = _ends(self.low.dtype)
        self.low[:], self.high[:] = last, first
        self.counts[[CLIPPED, LONGEST, STEPS]] = 0


class Direct:
    """A slow stream as it came, in microvolts."""

    def __init__(self, stream: Stream, scaling: Scaling) -> None:
        self.rate_hz, self.scaling = stream.rate_hz, scaling
        self._parts: list[np.ndarray] = []
        self._nothing = np.empty((0, stream.n_channels))

    def restart(self, row: np.ndarray) -> None:
        """Nothing is kept over a gap."""

    def take(self, samples: np.ndarray) -> None:
        """Keep a copy."""
        self._parts.append(samples * self.scaling.factor + self.scaling.offset)

    def collect(self) -> np.ndarray:
        """All since the last time, (m, n_channels)."""
        parts, self._parts = self._parts, []
        return np.concatenate(parts) if parts else self._nothing


class Decimated:
    """A fast stream at about 1 kHz: a triangular window to 3 kHz, then a sharp filter by three."""

    def __init__(self, stream: Stream, scaling: Scaling) -> None:
        c = stream.n_channels
        self.factor = max(1, round(stream.rate_hz / (3.0 * SLOW_HZ)))
        self.rate_hz = stream.rate_hz / (3.0 * self.factor)
        self.scaling = scaling
        self._taps = coefficients.third_band()
        self._sums = np.zeros((2, c))
        self._phase = self._fed = 0
        self._history = np.zeros((len(self._taps), c))
        self._parts: list[np.ndarray] = []

    def restart(self, row: np.ndarray) -> None:
        """Go on as if `row` had been there for ever."""
        value = row.astype(np.float64)
        k = self.factor
        weight_down = sum(k - p for p in range(self._phase))
        weight_up = sum(range(self._phase))
        self._sums[0] = value * (weight_down + k * (k - 1) / 2)
        self._sums[1] = value * weight_up
        self._history[:] = value

    def take(self, samples: np.ndarray) -> None:
        """Decimate; the state goes on."""
        n = len(samples)
        middle = np.empty((n // self.factor + 1, samples.shape[1]))
        self._phase, filled = _kernels.triangle(
            samples, self.factor, self._phase, self._sums[0], self._sums[1], middle
        )
        out = np.empty((filled // 3 + 1, samples.shape[1]))
        self._fed, kept = _kernels.decimate(
            middle[:filled], self._taps, self._history, self._fed, 3, out
        )
        self._parts.append(out[:kept])

    def collect(self) -> np.ndarray:
        """All since the last time, (m, n_channels), microvolts."""
        parts, self._parts = self._parts, []
        if not parts:
            return np.empty((0, self._sums.shape[1]))
        return np.concatenate(parts) * self.scaling.factor + self.scaling.offset


class Spikes:
    """What lies above 300 Hz: robust SD, root mean square, crossings."""

    def __init__(self, stream: Stream, scaling: Scaling) -> None:
        c = stream.n_channels
        self.scaling = scaling
        self._sections = coefficients.spike_band(stream.rate_hz).astype(np.float32)
        self._state = np.zeros((3, c), np.float32)
        self._threshold = np.full(c, -np.inf, np.float32)
        self._counts = np.zeros((N_COUNTS, c), np.int32)
        self._squares, self._beyond = np.zeros(c), np.zeros(c)
        self._histogram = np.zeros((N_BINS, c), np.uint32)
        self._base = np.full(c, -N_BINS // 2, np.int64)
        fine = BIN_UV / float(np.abs(scaling.factor).min())
        self._width = max(1.0, fine) if np.dtype(stream.dtype).kind in "iu" else fine
        self._n = 0

    def restart(self, row: np.ndarray) -> None:
        """Go on as if `row` had been there for ever: a high-pass then gives zero."""
        unit = coefficients.spike_band_settled(self._sections)
        self._state[:] = unit[:, None] * row.astype(np.float32)
        self._counts[ABOVE] = 0

    def take(self, samples: np.ndarray) -> None:
        """Filter and count; the state goes on."""
        self._n += len(samples)
        _kernels.watch_spikes(
            samples,
            self._sections,
            self._state,
            self._threshold,
            self._counts,
            self._squares,
            self._beyond,
            self._width,
            self._histogram,
        )

    def collect(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Robust SD, root mean square, crossings, what lay beyond, since the last time.

        All but the crossings are in microvolts.
        """
        median, mad = np.empty_like(self._squares), np.empty_like(self._squares)
        _kernels.quantiles(self._histogram, self._base, 0.5, median)
        _kernels.spread(self._histogram, self._base, median, mad)
        factor = np.abs(self.scaling.factor)
        sigma = MAD_TO_SIGMA * mad * self._width
        spoilt = ~np.isfinite(self._squares)
        sigma[spoilt] = np.nan
        rms = np.sqrt(self._squares / self._n) if self._n else np.full_like(sigma, np.nan)
        crossings, beyond = self._counts[CROSSED].astype(np.int64), self._beyond * factor
        self._threshold[:] = np.where(sigma > 0, SPIKE_SIGMAS * sigma, -np.inf)
        self._state[:, spoilt] = 0.0  # one NaN would stay in the filter for ever
        self._histogram[:] = 0
        self._squares[:] = self._beyond[:] = 0.0
        self._counts[CROSSED] = 0
        self._n = 0
        return sigma * factor, rms * factor, crossings, beyond


def _nothing(stream: Stream) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    unknown = np.full(stream.n_channels, np.nan)
    return unknown, unknown.copy(), np.zeros(stream.n_channels, np.int64), np.empty(0)


def _ends(dtype: np.dtype) -> tuple[float, float]:
    if dtype.kind == "f":
        return -np.inf, np.inf
    ends = np.iinfo(dtype)
    return ends.min, ends.max
