"""Checks of how large a channel is, by itself and against the others; science.md B.2."""

from __future__ import annotations

from collections import deque

import numpy as np

from tenmin.checks.bands import Band
from tenmin.checks.front import FAST_HZ
from tenmin.checks.lattice import CLIP, FLAT, GAP, POP, Masks
from tenmin.checks.parameters import Parameters
from tenmin.checks.robust import Ranked, Window, robust_z
from tenmin.checks.second import Second
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

LEFT_OUT = GAP | FLAT | CLIP | POP
HIGH_PASS = 1.0, "high"  # science.md B.2 Q05: slow streams


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
        slow = stream.rate_hz < FAST_HZ
        self._band = shared.bands.band(stream.n_channels, *HIGH_PASS) if slow else None
        self._sound = Sound(shared.masks)

    def measure(self, second: Second) -> Measured:
        """How many times the median channel; unknown with too few channels."""
        sigma = second.sigma
        if self._band is not None:
            sound, _ = self._sound.of(second)
            sigma = np.where(sound, self._band.ranked(second).sigma(), np.nan)
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
        self._window = Window(int(parameters["window_s"]), int(parameters["least_s"]))
        self._band = shared.bands.band(stream.n_channels, *HIGH_PASS)
        self._sound = Sound(shared.masks)

    def measure(self, second: Second) -> Measured:
        """The distance from the other channels; unknown with fewer than eight."""
        sound, late = self._sound.of(second)
        self._window.forget(second.number - 1, late)
        self._window.add(second.number, self._band.ranked(second), sound)
        amplitude = self._window.range()
        amplitude[amplitude == 0] = np.nan  # dead channels are no part of the array
        return Measured(np.abs(among(amplitude, self.parameters)))


class HighFrequencyRatio:
    """Q12a: how much lies above 50 Hz against below, robust z across channels."""

    name = "hf_ratio"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters = parameters
        corner = parameters["corner_hz"]
        self._possible = corner < 0.4 * stream.rate_hz
        self._band = Band(stream.n_channels, corner, "low", order=4)
        spans = int(parameters["window_s"]), int(parameters["least_s"])
        self._low, self._high = Window(*spans), Window(*spans)
        self._sound = Sound(shared.masks)

    def measure(self, second: Second) -> Measured:
        """The robust z of each channel's ratio; unknown at a rate too low for it."""
        if not self._possible:
            return Measured(np.full(second.low.shape[1], np.nan))
        low = self._band.filter(second)
        sound, late = self._sound.of(second)
        for window, samples in ((self._low, low), (self._high, second.samples - low)):
            window.forget(second.number - 1, late)
            window.add(second.number, Ranked.of(samples), sound)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self._high.sigma() / self._low.sigma()
        ratio[~np.isfinite(ratio)] = np.nan
        return Measured(among(ratio, self.parameters))


def among(values: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Robust z of the channels; unknown with too few for a spread of theirs."""
    if np.isfinite(values).sum() < parameters["least_good_channels"]:
        return np.full_like(values, np.nan)
    return robust_z(values)


class Sound:
    """Which channels of a second belong into windows of many.

    Those in which nothing is missing, flat, clipped or popped, neither in this second nor in the
    one before, from which the filters still ring.
    """

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._next: int | None = None

    def of(self, second: Second) -> tuple[np.ndarray, np.ndarray]:
        """Channels that are sound, and those of which the second before was not.

        Both are (n_channels,), bool. Of the second before more is known now than when it was taken.
        """
        follows, self._next = self._next == second.number, second.number + 1
        here, before = np.zeros((2, second.low.shape[1]), bool)
        for found, bits in ((here, self._masks.now), (before, self._masks.before)):
            if bits is not None:
                found[:] = ((bits & LEFT_OUT) != 0).any(axis=0)
        whole = follows and second.whole and len(second.samples) > 0
        return ~here & ~before & whole, before
