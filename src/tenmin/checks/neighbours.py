"""Whether a channel sees what the others see; science.md B.2 Q08."""

from __future__ import annotations

import math

import numpy as np

from tenmin.checks.bands import Band
from tenmin.checks.lattice import CLIP, FLAT, GAP, MOTION, MUSCLE, POP
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

LEAST_S = 3  # seconds that the mean needs
MASKED = GAP | FLAT | CLIP | POP | MUSCLE | MOTION
SETTLE_BINS = 5  # of what other checks masked: three time constants of a high-pass at 1 Hz


class Correlation:
    """Q08: high percentile of the correlations with all other channels, smoothed over 10 s.

    PREP, whose rule it is, is made for dense caps. Far electrodes need not see the same: with too
    few channels that are good, as in Q09, nothing is known. A second in which another check masked
    a channel is no window of that channel, nor is the one that its end still moves.

    Attributes
    ----------
    low, n : ndarray of int, (n_channels,)
        Windows below the limit of WARN since t0, and all windows, but for the newest, of which the
        next second may tell more.

    References
    ----------
    Bigdely-Shamlo et al. 2015, Front Neuroinform 9:16. Srinivasan et al. 2007, J Neurosci Methods
    166:41: volume conduction alone makes electrodes alike that are less than 10 cm apart.
    """

    name = "correlation"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        p = self.parameters = parameters
        self._masks = shared.masks
        top = min(p["high_hz"], 0.45 * stream.rate_hz)
        self._possible = top > 2 * p["low_hz"]
        self._band = Band(stream.n_channels, (p["low_hz"], top))
        self._weight = 1.0 - math.exp(-1.0 / p["tau_s"])
        self._least_weight = 1.0 - math.exp(-(LEAST_S - 0.5) / p["tau_s"])
        self._sum, self._weights = np.zeros((2, stream.n_channels))
        self._newest: tuple[int, np.ndarray] | None = None
        self.low, self.n = np.zeros((2, stream.n_channels), np.int64)

    def anchor(self) -> None:
        """Count windows from here."""
        self.low[:] = self.n[:] = 0
        self._newest = None

    @property
    def bad(self) -> np.ndarray:
        """Channels with too many windows below the limit, (n_channels,), bool; PREP's rule."""
        p = self.parameters
        return (self.n >= p["least_windows"]) & (self.low > p["low_share"] * self.n)

    def measure(self, second: Second) -> Measured:
        """The smoothed percentile; unknown in gaps, while masked, dead, and for three seconds."""
        p = self.parameters
        self._count(second.number)
        if not self._possible or not second.whole:
            return Measured(np.full(second.low.shape[1], np.nan))
        stride = max(1, int(second.rate_hz // p["rate_hz"]))
        band = self._band.filter(second)[::stride]
        found = highest_correlations(
            np.where(self._masks.has(MASKED, SETTLE_BINS), np.nan, band), p["percentile"]
        )
        known = np.isfinite(found)
        if known.sum() < p["least_channels"]:
            known[:] = False
        self._newest = second.number, np.where(known, found, np.nan)
        a = self._weight
        self._sum = (1 - a) * self._sum + np.where(known, a * found, 0.0)
        self._weights = (1 - a) * self._weights + a * known
        enough = known & (self._weights > self._least_weight)
        return Measured(np.where(enough, self._sum / np.where(enough, self._weights, 1.0), np.nan))

    def _count(self, number: int) -> None:
        """Count the newest window, now that all is known of it."""
        if self._newest is None:
            return
        before, (of, found) = self._masks.before, self._newest
        self._newest = None
        if before is not None and of == number - 1:
            found = np.where(((before & MASKED) != 0).any(axis=0), np.nan, found)
        self.n += np.isfinite(found)
        if self.parameters.warn is not None:
            self.low += found < self.parameters.warn.on


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
