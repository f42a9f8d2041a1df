"""What the pass over every sample carries from piece to piece, kernel by kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tenmin.checks import _kernels, coefficients
from tenmin.checks._kernels.probe import ABOVE, CLIPPED, CROSSED, LONGEST, MOST, RUN, sum_dtype
from tenmin.checks.second import Scaling
from tenmin.stream import Stream

SLOW_HZ = 1000.0  # about the rate that it is decimated to
N_BINS, BIN_UV = 2048, 0.5  # of the histograms above 300 Hz: half a count or more
FULL_HZ = 60_000.0  # up to it a second's samples can be counted in 16 bits
SPIKE_SIGMAS = -5.0  # science.md B.2 Q14a
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Limits:
    """What the kernels count by.

    Attributes
    ----------
    saturation_share : float
        Of the converter's range; science.md B.2 Q02.
    """

    saturation_share: float = 0.96


@dataclass
class RawState:
    """State of `watch_raw` over one bin, and the runs that go on over many."""

    last: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    range_low: np.generic
    range_high: np.generic

    @classmethod
    def new(cls, stream: Stream, limits: Limits) -> RawState:
        """The state before the first sample."""
        dtype = np.dtype(stream.dtype)
        c = stream.n_channels
        first, last = _ends(dtype)
        low, high = (-np.inf, np.inf) if stream.range_counts is None else stream.range_counts
        share = limits.saturation_share
        range_low, range_high = _between(share * low, share * high, dtype)
        return cls(
            last=np.zeros(c, dtype),
            low=np.full(c, last, dtype),
            high=np.full(c, first, dtype),
            counts=np.zeros((3, c), np.int16),
            range_low=range_low,
            range_high=range_high,
        )

    def restart(self, row: np.ndarray) -> None:
        """Nothing is known of what came before `row`: it is no step and repeats nothing."""
        self.last[:] = row
        self.counts[RUN] = 0

    def take(self, samples: np.ndarray) -> None:
        """Watch samples of one bin."""
        for at in range(0, len(samples), MOST):
            _kernels.watch_raw(
                samples[at : at + MOST],
                self.last,
                self.low,
                self.high,
                self.counts,
                self.range_low,
                self.range_high,
            )

    def give(self, bins: dict[str, np.ndarray], slot: int) -> None:
        """Tell what was found in a bin, and begin the next."""
        found = self.low <= self.high  # not in a channel of which only NaN came
        bins["low"][slot] = np.where(found, self.low, np.nan)
        bins["high"][slot] = np.where(found, self.high, np.nan)
        bins["clipped"][slot] = self.counts[CLIPPED]
        bins["longest"][slot] = self.counts[LONGEST]
        self.clear()

    def clear(self) -> None:
        """Begin a bin."""
        first, last = _ends(self.low.dtype)
        self.low[:], self.high[:] = last, first
        self.counts[[CLIPPED, LONGEST]] = 0


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
        self._taps = coefficients.third_band() / self.factor**2
        dtype = sum_dtype(np.dtype(stream.dtype))
        self._sums: np.ndarray = np.zeros((3, c), dtype)
        self._phase = self._fed = 0
        self._history: np.ndarray = np.zeros((len(self._taps), c), dtype)
        self._middle: np.ndarray = np.empty((0, c), dtype)
        self._out = np.empty((0, c))
        self._kept = 0

    def restart(self, row: np.ndarray) -> None:
        """Go on as if `row` had been there for ever."""
        k, p = self.factor, self._phase
        weights = p, p * (p + 1) // 2, k * (k - 1) // 2
        value = row.astype(self._sums.dtype)
        self._sums[:] = np.multiply.outer(np.array(weights, value.dtype), value)
        self._history[:] = k * k * value

    def take(self, samples: np.ndarray) -> None:
        """Decimate; the state goes on."""
        n = len(samples) // self.factor + 1
        if len(self._middle) < n:
            self._middle = np.empty((n, samples.shape[1]), self._sums.dtype)
        self._phase, filled = _kernels.triangle(
            samples, self.factor, self._phase, self._sums, self._middle
        )
        room = self._room(filled // 3 + 1)
        self._fed, kept = _kernels.decimate(
            self._middle[:filled], self._taps, self._history, self._fed, 3, room
        )
        self._kept += kept

    def _room(self, n: int) -> np.ndarray:
        """Where the next `n` rows go; those of a second lie together."""
        c = self._sums.shape[1]
        if self._kept == 0:
            self._out = np.empty((int(self.rate_hz) + 8, c))
        if self._kept + n > len(self._out):
            self._out = np.concatenate([self._out[: self._kept], np.empty((n, c))])
        return self._out[self._kept :]

    def collect(self) -> np.ndarray:
        """All since the last time, (m, n_channels), microvolts."""
        found, self._out, self._kept = self._out[: self._kept], self._out[:0], 0
        found *= self.scaling.factor
        if self.scaling.offset:
            found += self.scaling.offset
        return found


class Spikes:
    """What lies above 300 Hz: robust SD, crossings."""

    def __init__(self, stream: Stream, scaling: Scaling) -> None:
        c = stream.n_channels
        self.scaling = scaling
        self._sections = coefficients.spike_band(stream.rate_hz).astype(np.float32)
        self._state = np.zeros((3, c), np.float32)
        self._threshold = np.full(c, -np.inf, np.float32)
        self._counts = np.zeros((2, c), np.int32)
        self._beyond = np.zeros(c, np.float32)
        counted = np.uint16 if stream.rate_hz <= FULL_HZ else np.uint32
        self._histogram = np.zeros((N_BINS, c), counted)
        fine = BIN_UV / float(np.abs(scaling.factor).min())
        self._width = max(0.5, fine) if np.dtype(stream.dtype).kind in "iu" else fine
        self._per_count = np.float32(1.0 / self._width)

    def restart(self, row: np.ndarray) -> None:
        """Go on as if `row` had been there for ever: a high-pass then gives zero."""
        unit = coefficients.spike_band_settled(self._sections)
        self._state[:] = unit[:, None] * row.astype(np.float32)
        self._counts[ABOVE] = 0

    def take(self, samples: np.ndarray) -> None:
        """Filter and count; the state goes on."""
        _kernels.watch_spikes(
            samples,
            self._sections,
            self._state,
            self._threshold,
            self._counts,
            self._beyond,
            self._per_count,
            self._histogram,
        )

    def collect(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Robust SD, crossings, sum of what lay beyond, since the last time.

        The crossings are a number, all else is in microvolts.
        """
        mad = np.empty(len(self._beyond))
        _kernels.smooth_spread(self._histogram, mad)
        factor = np.abs(self.scaling.factor)
        sigma = MAD_TO_SIGMA * mad * self._width
        spoilt = ~np.isfinite(self._state).all(axis=0)
        sigma[spoilt] = np.nan
        crossings, beyond = self._counts[CROSSED].astype(np.int64), self._beyond * factor
        self._threshold[:] = np.where(sigma > 0, SPIKE_SIGMAS * sigma, -np.inf)
        self._state[:, spoilt] = 0.0  # one NaN would stay in the filter for ever
        self._histogram[:] = 0
        self._beyond[:] = 0.0
        self._counts[CROSSED] = 0
        return sigma * factor, crossings, beyond


def _ends(dtype: np.dtype) -> tuple[float, float]:
    if dtype.kind == "f":
        return -np.inf, np.inf
    ends = np.iinfo(dtype)
    return ends.min, ends.max


def _between(low: float, high: float, dtype: np.dtype) -> tuple[np.generic, np.generic]:
    """The least and the greatest value of a dtype that lies between, both ends left out."""
    if dtype.kind == "f":
        least, most = dtype.type(low), dtype.type(high)
        least = least if float(least) <= low else np.nextafter(least, -dtype.type(np.inf))
        most = most if float(most) >= high else np.nextafter(most, dtype.type(np.inf))
        inward = dtype.type(np.inf)
        return np.nextafter(least, inward), np.nextafter(most, -inward)
    first, last = _ends(dtype)
    least = first if low < first else math.floor(low) + 1
    most = last if high > last else math.ceil(high) - 1
    return dtype.type(least), dtype.type(most)
