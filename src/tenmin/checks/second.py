"""What one second of a stream came to: all that the checks of a second look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tenmin.checks.grid import BINS_PER_S, Grid
from tenmin.checks.robust import robust_sigma
from tenmin.stream import Stream


@dataclass(frozen=True)
class Second:
    """One second of one stream, on the grid of its bins; c channels.

    Attributes
    ----------
    number : int
        Which second of the grid.
    index, n, missing : int
        Index of its first sample; samples that came; samples that did not.
    gaps : ndarray of bool, (10,)
        Bins in which samples are missing or that lie within the settling time of the filters
        after a gap.
    low, high : ndarray, (10, c), float64
        Extremes, counts. NaN where no sample came.
    clipped, longest : ndarray of int, (10, c)
        Samples at the end of the range; the longest repetition of one code.
    samples : ndarray, (m, c), float64
        The second in microvolts (in `Stream.unit` where that is no voltage), at `rate_hz`.
    rate_hz : float
        Of `samples`: the stream's own, or about 1 kHz where that is above `FAST_HZ`.
    sigma : ndarray, (c,), float64
        Robust SD above 300 Hz, microvolts; NaN for slow streams.
    crossings : ndarray of int, (c,)
        Crossings of -5 robust SD above 300 Hz; zero for slow streams.
    piece : ndarray, (k, c), dtype of the stream
        The last 0.3 s as they came, counts, for checks that look at all channels at once; empty
        when a gap fell into it, and in most seconds: see `tenmin.checks.tail.PIECE_EVERY`. It
        stays as it is for half a second at least.
    beyond : ndarray, (c,), float64
        Sum of the amplitudes of all samples beyond -5 robust SD above 300 Hz, microvolts; empty
        for slow streams.
    """

    number: int
    index: int
    n: int
    missing: int
    gaps: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clipped: np.ndarray
    longest: np.ndarray
    samples: np.ndarray
    rate_hz: float
    sigma: np.ndarray
    crossings: np.ndarray
    piece: np.ndarray
    beyond: np.ndarray = field(default_factory=lambda: np.empty(0))

    @cached_property
    def spread(self) -> np.ndarray:
        """Robust SD of `samples`, (c,)."""
        return robust_sigma(self.samples)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing and no filter was settling."""
        return self.missing == 0 and not self.gaps.any()


@dataclass(frozen=True)
class Scaling:
    """Counts to microvolts (volts are scaled up; any other unit is kept).

    Attributes
    ----------
    factor : ndarray, (n_channels,), float64
    offset : float
    """

    factor: np.ndarray
    offset: float

    @classmethod
    def of(cls, stream: Stream) -> Scaling:
        """The scaling of a stream."""
        to_micro = 1e6 if stream.unit == "volts" else 1.0
        factor = np.full(stream.n_channels, stream.scale * to_micro)
        if stream.channel_scales:
            factor = factor * np.array(stream.channel_scales)
        return cls(factor, stream.offset * to_micro)


def of_samples(samples: np.ndarray, rate_hz: float, number: int) -> Second:
    """A whole second of which nothing but its samples, (m, c), microvolts, is known."""
    c = samples.shape[1]
    return Second(
        number=number,
        index=round(number * rate_hz),
        n=len(samples),
        missing=0,
        gaps=np.zeros(BINS_PER_S, bool),
        samples=samples,
        rate_hz=rate_hz,
        sigma=np.full(c, np.nan),
        crossings=np.zeros(c, np.int64),
        piece=samples[:0],
        **empty_bins(c),
    )


def empty_bins(n_channels: int) -> dict[str, np.ndarray]:
    """The arrays of a second in which nothing has come yet."""
    shape = BINS_PER_S, n_channels
    return {
        "low": np.full(shape, np.nan),
        "high": np.full(shape, np.nan),
        "clipped": np.zeros(shape, np.int64),
        "longest": np.zeros(shape, np.int64),
    }


__all__ = ["BINS_PER_S", "Grid", "Scaling", "Second", "empty_bins", "of_samples"]
