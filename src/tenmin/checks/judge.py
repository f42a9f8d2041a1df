"""From values to levels, with hysteresis, for all channels at once; science.md B.1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

LEVEL_OF_CODE = (OK, UNKNOWN, WARN, FAIL)  # codes of `Judge.step`, from best to worst
OK_CODE, UNKNOWN_CODE, WARN_CODE, FAIL_CODE = range(4)


@dataclass(frozen=True, slots=True)
class Threshold:
    """When a level turns on, and when it turns off again.

    Attributes
    ----------
    on, off : float
        Beyond `on` the condition holds; it is over at `off` or on its good side.
    n_on, m_on : int
        It turns on when the condition holds in `n_on` of the last `m_on` ticks.
    n_off : int
        It turns off after as many ticks in a row at which it is over.
    below : bool
        Values below `on` are the bad ones.
    """

    on: float
    off: float
    n_on: int = 2
    m_on: int = 3
    n_off: int = 5
    below: bool = False


class Latch:
    """One threshold's memory for n channels."""

    def __init__(self, threshold: Threshold, n: int) -> None:
        self.threshold = threshold
        self.on = np.zeros(n, bool)
        self._held = np.zeros((threshold.m_on, n), bool)
        self._oldest = 0
        self._over = np.zeros(n, np.int64)

    def step(self, values: np.ndarray) -> np.ndarray:
        """Take the values of a tick, (n,); NaN is neither beyond nor over. Returns `on`."""
        t = self.threshold
        beyond, over = values > t.on, values <= t.off
        if t.below:
            beyond, over = values < t.on, values >= t.off
        self._held[self._oldest] = beyond
        self._oldest = (self._oldest + 1) % t.m_on
        self._over += 1
        self._over *= over
        self.on |= self._held.sum(axis=0) >= t.n_on
        self.on &= self._over < t.n_off
        return self.on


class Judge:
    """The level of each of n channels, tick by tick.

    Parameters
    ----------
    warn, fail : Threshold or None
        None: that level does not exist.
    n : int
    """

    def __init__(self, warn: Threshold | None, fail: Threshold | None, n: int) -> None:
        self._latches = [
            (code, Latch(threshold, n))
            for code, threshold in ((WARN_CODE, warn), (FAIL_CODE, fail))
            if threshold is not None
        ]

    def step(self, values: np.ndarray) -> np.ndarray:
        """Take the values of a tick, (n,).

        Returns
        -------
        ndarray, (n,), int8
            Index into `LEVEL_OF_CODE`; NaN gives UNKNOWN whatever was on before.
        """
        codes = np.full(len(values), OK_CODE, np.int8)
        for code, latch in self._latches:
            codes[latch.step(values)] = code
        codes[np.isnan(values)] = UNKNOWN_CODE
        return codes
