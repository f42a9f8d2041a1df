"""Features of the body: running speed, motion energy, muscle; science.md C.2."""

from __future__ import annotations

import math

import numpy as np

from tenmin.checks.arousal.binning import Extractor
from tenmin.checks.arousal.features import NAN
from tenmin.checks.arousal.filtering import Filter, bin_sigma
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import Smoother

CM_PER_M = 100.0
OLD_S = 1.0  # a position older than this says nothing of the speed now


class Speed(Extractor):
    """Absolute speed of positions or speeds.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    is_position : bool
        Samples are metres; else metres per second.
    is_event : bool
        The device sends at movement only: silence is standing still.
    """

    names = ("speed",)

    def __init__(
        self, origin_s: float, rules: Ruleset, is_position: bool = True, is_event: bool = False
    ) -> None:
        super().__init__(origin_s)
        self._is_position, self._is_event = is_position, is_event
        self._smoother = Smoother(rules["speed"]["tau_s"])
        self._last: tuple[float, float] | None = None

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        return (self._smoother.step(self._speed(times, samples)),)

    def _speed(self, times: np.ndarray, samples: np.ndarray) -> float:
        keep = np.isfinite(samples[:, 0]) if len(samples) else np.empty(0, bool)
        if not keep.any():
            return 0.0 if self._is_event and self._last is not None else NAN
        x, t = samples[keep, 0].astype(float), times[keep]
        if not self._is_position:
            self._last = float(t[-1]), float(x[-1])
            return CM_PER_M * float(np.abs(x).mean())
        before, self._last = self._last, (float(t[-1]), float(x[-1]))
        if before is None or not t[-1] > before[0]:
            return NAN
        if t[-1] - before[0] > OLD_S and not self._is_event:
            return NAN
        return CM_PER_M * abs(float(x[-1]) - before[1]) / float(t[-1] - before[0])


class Motion(Extractor):
    """Log of one plus the motion energy, mean over the regions of interest.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    hold_s : float
        How long a frame holds: slow cameras have bins without one.
    """

    names = ("motion",)

    def __init__(self, origin_s: float, rules: Ruleset, hold_s: float = 0.2) -> None:
        super().__init__(origin_s)
        self._smoother = Smoother(rules["motion"]["tau_s"])
        self._hold_s, self._value, self._at = hold_s, NAN, -math.inf

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        here = self.origin(tick)
        if len(samples):
            logs = np.log1p(np.maximum(samples.astype(float), 0.0))
            known = logs[np.isfinite(logs)]
            self._value = float(known.mean()) if len(known) else NAN
            self._at = here
        elif here - self._at > self._hold_s:
            self._value = NAN
        return (self._smoother.step(self._value),)


def motion_energy(previous: np.ndarray, frame: np.ndarray) -> float:
    """Mean absolute change of a region of interest from frame to frame.

    Parameters
    ----------
    previous, frame : ndarray, (rows, columns)
        Brightness; the same region of two frames in a row.

    References
    ----------
    Stringer et al. 2019, Science 364: eaav7893.
    """
    return float(np.abs(frame.astype(float) - previous.astype(float)).mean())


class Muscle(Extractor):
    """log10 of the robust SD of muscle potentials at 20-200 Hz.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    rate_hz : float
    """

    names = ("emg",)

    def __init__(self, origin_s: float, rules: Ruleset, rate_hz: float) -> None:
        super().__init__(origin_s)
        own = rules["emg"]
        self._filter = Filter(own["low_hz"], own["high_hz"], rate_hz)
        self._smoother = Smoother(own["tau_s"])

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        if not self._filter.possible:
            return (NAN,)
        sigma = bin_sigma(self._filter.run(times, samples))
        return (self._smoother.step(math.log10(sigma) if sigma > 0 else NAN),)
