"""Checks of how large a channel is, by itself and against the others; science.md B.2."""

from __future__ import annotations

from collections import deque

import numpy as np

from tenmin.checks.bands import Band
from tenmin.checks.front import FAST_HZ
from tenmin.checks.parameters import Parameters
from tenmin.checks.robust import robust_range, robust_sigma, robust_z
from tenmin.checks.second import Second
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream


class Recent:
    """The values of the last seconds, of which the median is taken."""

    def __init__(self, n: int, least: int) -> None:
        self.least = least
        self._values: deque[np.ndarray] = deque(maxlen=n)

    def median(self, values: np.ndarray) -> np.ndarray:
        """Median with those before; NaN in channels that have too few."""
        self._values.append(values)
        rows = np.array(self._values)
        rows[~np.isfinite(rows)] = np.nan
        rows.sort(axis=0)  # NaN goes to the end
        n = np.isfinite(rows).sum(axis=0)
        at, channels = np.maximum(n - 1, 0), np.arange(rows.shape[1])
        middle = 0.5 * (rows[at // 2, channels] + rows[(at + 1) // 2, channels])
        return np.where(n >= self.least, middle, np.nan)


class Noise:
    """Q05 of a fast stream: robust SD above 300 Hz, median of ten seconds, microvolts."""

    name = "noise"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self._recent = Recent(int(parameters["median_s"]), least=3)

    def measure(self, second: Second) -> Measured:
        """The median so far; unknown before there are three seconds."""
        return Measured(self._recent.median(second.sigma))


class Loud:
    """Q05 against the array: robust SD in units of the median channel's.

    Above 300 Hz for a fast stream, above 1 Hz for a slow one.
    """

    name = "loud"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self._least = int(parameters["least_channels"])
        self._recent = Recent(int(parameters["median_s"]), least=3)
        fast = stream.rate_hz >= FAST_HZ
        self._band = None if fast else Band(stream.n_channels, 1.0, "high")

    def measure(self, second: Second) -> Measured:
        """How many times the median channel; unknown with too few channels."""
        sigma = second.sigma if self._band is None else robust_sigma(self._band.filter(second))
        values = self._recent.median(sigma)
        known = np.isfinite(values)
        if known.sum() < self._least or np.median(values[known]) == 0:
            return Measured(np.full_like(values, np.nan))
        return Measured(values / np.median(values[known]))


class Outlier:
    """Q09: robust z across channels of the robust amplitude of ten seconds, either way."""

    name = "amplitude"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters = parameters
        self._window = Window(int(parameters["window_s"]))
        self._band = Band(stream.n_channels, 1.0, "high")

    def measure(self, second: Second) -> Measured:
        """The distance from the other channels; unknown with fewer than eight."""
        samples = self._window.add(second, self._band.filter(second))
        if samples is None:
            return Measured(np.full(second.low.shape[1], np.nan))
        amplitude = robust_range(samples)
        amplitude[amplitude == 0] = np.nan  # dead channels are no part of the array
        if np.isfinite(amplitude).sum() < self.parameters["least_good_channels"]:
            return Measured(np.full_like(amplitude, np.nan))
        return Measured(np.abs(robust_z(amplitude)))


class HighFrequencyRatio:
    """Q12a: how much lies above 50 Hz against below, robust z across channels."""

    name = "hf_ratio"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters = parameters
        corner = parameters["corner_hz"]
        self._possible = corner < 0.4 * stream.rate_hz
        self._band = Band(stream.n_channels, corner, "low", order=4)
        self._low, self._high = (Window(int(parameters["window_s"])) for _ in range(2))

    def measure(self, second: Second) -> Measured:
        """The robust z of each channel's ratio; unknown at a rate too low for it."""
        unknown = Measured(np.full(second.low.shape[1], np.nan))
        if not self._possible:
            return unknown
        low = self._band.filter(second)
        below, above = self._low.add(second, low), self._high.add(second, second.samples - low)
        if below is None or above is None:
            return unknown
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = robust_sigma(above) / robust_sigma(below)
        if np.isfinite(ratio).sum() < 4:
            return unknown
        ratio[~np.isfinite(ratio)] = np.nan
        return Measured(robust_z(ratio))


class Window:
    """The samples of the last seconds in a row, from where each channel was at their beginning.

    They are kept by channel and in float32, as `tenmin.checks.robust` sorts them: to turn ten
    seconds around in every second took longer than sorting them.
    """

    def __init__(self, n: int) -> None:
        self._parts: deque[np.ndarray] = deque(maxlen=n)
        self._zero = np.zeros(0)
        self._next: int | None = None

    def add(self, second: Second, samples: np.ndarray) -> np.ndarray | None:
        """All samples of the window, (n_samples, n_channels), once it is full; a gap empties it."""
        if not second.whole or second.number != self._next:
            self._parts.clear()
        self._next = second.number + 1
        if second.whole and len(samples):
            if not self._parts:
                self._zero = np.nan_to_num(samples[0])
            self._parts.append(np.ascontiguousarray((samples - self._zero).T, np.float32))
        full = len(self._parts) == self._parts.maxlen
        return np.concatenate(self._parts, axis=1).T if full else None
