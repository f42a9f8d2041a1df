"""Whether a channel sees what the others see; science.md B.2 Q08."""

from __future__ import annotations

import math

import numpy as np

from tenmin.checks.bands import Band
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

LEAST_S = 3  # seconds that the mean needs


class Correlation:
    """Q08: high percentile of the correlations with all other channels, smoothed over 10 s.

    Attributes
    ----------
    low, n : ndarray of int, (n_channels,)
        Windows below the limit of WARN since t0, and all windows.
    """

    name = "correlation"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        p = self.parameters = parameters
        top = min(p["high_hz"], 0.45 * stream.rate_hz)
        self._possible = top > 2 * p["low_hz"]
        self._band = Band(stream.n_channels, (p["low_hz"], top))
        self._weight = 1.0 - math.exp(-1.0 / p["tau_s"])
        self._sum, self._weights = np.zeros((2, stream.n_channels))
        self._run = np.zeros(stream.n_channels, np.int64)
        self.low, self.n = np.zeros((2, stream.n_channels), np.int64)

    def anchor(self) -> None:
        """Count windows from here."""
        self.low[:] = self.n[:] = 0

    @property
    def bad(self) -> np.ndarray:
        """Channels with too many windows below the limit, (n_channels,), bool; PREP's rule."""
        return self.low > self.parameters["low_share"] * self.n

    def measure(self, second: Second) -> Measured:
        """The smoothed percentile; unknown for dead channels, gaps, and the first seconds."""
        p = self.parameters
        if not self._possible or not second.whole:
            return Measured(np.full(second.low.shape[1], np.nan))
        band = self._band.filter(second)
        stride = max(1, int(second.rate_hz // p["rate_hz"]))
        found = highest_correlations(band[::stride], p["percentile"])
        known = np.isfinite(found)
        a = self._weight
        self._sum = np.where(known, (1 - a) * self._sum + a * found, 0.0)
        self._weights = np.where(known, (1 - a) * self._weights + a, 0.0)
        self._run = np.where(known, self._run + 1, 0)
        self.n += known
        if p.warn is not None:
            self.low += found < p.warn.on
        enough = self._run >= LEAST_S
        return Measured(np.where(enough, self._sum / np.where(enough, self._weights, 1.0), np.nan))


def highest_correlations(samples: np.ndarray, percentile: float) -> np.ndarray:
    """A percentile of the absolute correlations of each channel with all others, (n_channels,).

    NaN for channels that hold NaN or do not move, which are no part of the others', and where
    fewer than two are left.
    """
    found = np.full(samples.shape[1], np.nan)
    x = samples - samples.mean(axis=0)
    length = np.sqrt((x * x).sum(axis=0))
    known = np.isfinite(length) & (length > 0)
    n = int(known.sum())
    if n < 2:
        return found
    x = x[:, known] / length[known]
    # einsum: for so little BLAS would spend a hundred times as much on waking its threads.
    r = np.abs(np.einsum("ic,id->cd", x, x))
    others = r[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    others.sort(axis=1)
    rank = percentile / 100.0 * (n - 2)
    below = int(rank)
    above = min(below + 1, n - 2)
    found[known] = others[:, below] + (rank - below) * (others[:, above] - others[:, below])
    return found
