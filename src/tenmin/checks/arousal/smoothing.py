"""Exponentially weighted smoothing of features on the lattice; K8 of science.md B.1."""

from __future__ import annotations

import math

from tenmin.checks.arousal.features import NAN, known

TICK_S = 0.1


class Smoother:
    """An exponentially weighted mean of what is known.

    Parameters
    ----------
    tau_s : float
    step_s : float
        Between values.

    Notes
    -----
    NaN gives NaN. After more than `tau_s` of NaN it begins anew, since what it knew is old.
    """

    def __init__(self, tau_s: float, step_s: float = TICK_S) -> None:
        self._a = 1.0 - math.exp(-step_s / tau_s)
        self._most_missing = tau_s / step_s
        self._mean, self._missing = NAN, 0

    def step(self, value: float) -> float:
        """Take the next value and return the mean."""
        if not known(value):
            self._missing += 1
            return NAN
        if not known(self._mean) or self._missing > self._most_missing:
            self._mean = value
        else:
            self._mean += self._a * (value - self._mean)
        self._missing = 0
        return self._mean
