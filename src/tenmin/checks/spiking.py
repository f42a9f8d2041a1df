"""Whether the spikes of a probe change over the block: how many, and where; B.2 Q14a, Q15a."""

from __future__ import annotations

import math

import numpy as np

from tenmin.checks.front import FAST_HZ
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.sites import depths_of
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

LEAST_RATE_HZ = 0.01  # a rate below it is told as this one, so that its logarithm is finite


class Counting:
    """Which channels' crossings of a second can be counted: their limit has to be known."""

    def __init__(self, n_channels: int) -> None:
        self._known = np.zeros(n_channels, bool)

    def known(self, second: Second) -> np.ndarray:
        """Channels whose limit, from the second before, is known, (n_channels,), bool."""
        before, self._known = self._known, second.sigma > 0
        return before & self._known & second.whole


class Yield:
    """Q14a: doublings of the crossings against the first minute.

    The value is the change, in doublings either way, that more than a fifth of the active
    channels exceed.
    """

    name = "yield"
    by_channel = False

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters = parameters
        self._counting = Counting(stream.n_channels)
        self._weight = 1.0 - math.exp(-1.0 / parameters["tau_s"])
        self._sum, self._weights, self._total, self._n = np.zeros((4, stream.n_channels))

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """Slow streams hold no spikes."""
        return parameters if stream.rate_hz >= FAST_HZ else None

    def anchor(self) -> None:
        """The first minute begins here."""
        self._total[:] = self._n[:] = 0.0

    def measure(self, second: Second) -> Measured:
        """The change; unknown in the first minute, in gaps, and with few active channels."""
        known = self._counting.known(second)
        self._smooth(second.crossings, known)
        ratios = self.ratios()
        unknown = np.full(len(known), np.nan)
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios) < self.parameters["least_active"] or not known.any():
            return Measured(unknown)
        ranked = np.sort(np.abs(ratios))[::-1]
        exceeded = ranked[int(self.parameters["share_of_active"] * len(ranked))]
        return Measured(np.where(known, exceeded, np.nan))

    def ratios(self) -> np.ndarray:
        """Doublings of each active channel's rate, (n_channels,); NaN for the others."""
        p = self.parameters
        base = self._total / np.maximum(self._n, 1.0)
        active = (self._n >= p["baseline_s"]) & (base >= p["active_hz"])
        rate = self._sum / np.where(self._weights > 0, self._weights, 1.0)
        base = np.where(active, base, 1.0)
        return np.where(active, np.log2(np.maximum(rate, LEAST_RATE_HZ) / base), np.nan)

    def _smooth(self, crossings: np.ndarray, known: np.ndarray) -> None:
        a, p = self._weight, self.parameters
        self._sum = np.where(known, (1 - a) * self._sum + a * crossings, self._sum)
        self._weights = np.where(known, (1 - a) * self._weights + a, self._weights)
        first = known & (self._n < p["baseline_s"])
        self._total += np.where(first, crossings, 0)
        self._n += first


class Depth:
    """Q15a: how far the centre of the spikes along the probe has moved, micrometres.

    Channels weigh by the amplitudes beyond -5 robust SD, over windows of 10 s. A centre that the
    number of spikes leaves more uncertain than half the limit tells nothing.
    """

    name = "depth"
    by_channel = False

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters = parameters
        self.depths = depths_of(stream)
        self._counting = Counting(stream.n_channels)
        self._amplitudes, self._crossings = np.zeros((2, stream.n_channels))
        self._n = 0
        self._start: tuple[float, float] | None = None
        self._value = np.nan

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """Slow streams hold no spikes."""
        return parameters if stream.rate_hz >= FAST_HZ else None

    def anchor(self) -> None:
        """The first window begins here."""
        self._start, self._value = None, np.nan
        self._clear()

    def _clear(self) -> None:
        self._n = 0
        self._amplitudes[:] = self._crossings[:] = 0.0

    def measure(self, second: Second) -> Measured:
        """The distance; unknown without positions, with too few spikes and in gaps."""
        known = self._counting.known(second)
        values = np.full(len(known), np.nan)
        if self.depths is None or not known.any():
            return Measured(values)
        self._amplitudes += np.where(known, second.beyond, 0.0)
        self._crossings += np.where(known, second.crossings, 0)
        self._n += 1
        if self._n >= self.parameters["window_s"]:
            self._value = self._moved(self.depths)
            self._clear()
        values[known] = self._value
        return Measured(values)

    def _moved(self, depths: np.ndarray) -> float:
        centre, error = centroid(depths, self._amplitudes, self._crossings.sum())
        if self._start is None:
            self._start = centre, error
        start, start_error = self._start
        warn = self.parameters.warn
        if not math.hypot(error, start_error) <= (warn.on / 2 if warn else math.inf):
            return math.nan
        return abs(centre - start)


def centroid(depths: np.ndarray, weights: np.ndarray, n: float) -> tuple[float, float]:
    """Weighted mean of depths, and its standard error for `n` spikes; NaN without any."""
    total = weights.sum()
    if not total > 0 or not n > 0:
        return math.nan, math.nan
    centre = float(weights @ depths / total)
    return centre, float(np.sqrt(weights @ (depths - centre) ** 2 / total / n))
