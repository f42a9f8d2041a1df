"""Power spectra of a slow stream as it comes: Welch's segments of two seconds, half overlapping.

K4 of science.md B.1. A segment is two whole seconds in a row, so that none touches a gap.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from tenmin.checks.second import Second

SEGMENT_S = 2


def periodogram(samples: np.ndarray, rate_hz: float) -> np.ndarray:
    """One-sided power density of one segment, Hann window, mean removed.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    rate_hz : float

    Returns
    -------
    ndarray, (n_samples // 2 + 1, n_channels)
        Unit of the samples squared per Hz; as `scipy.signal.welch` for one segment.
    """
    n = len(samples)
    window = np.hanning(n + 1)[:-1, None]
    power = np.abs(np.fft.rfft((samples - samples.mean(axis=0)) * window, axis=0)) ** 2
    power /= rate_hz * (window**2).sum()
    power[1 : -1 if n % 2 == 0 else None] *= 2.0
    return power


class Spectra:
    """The newest segments of one stream, shared by all checks that look at its spectrum.

    Parameters
    ----------
    n_kept : int
        Segments that are kept.
    """

    def __init__(self, n_kept: int = 9) -> None:
        self.rate_hz = 0.0
        self._last: Second | None = None
        self._power: deque[np.ndarray] = deque(maxlen=n_kept)
        self._run = 0  # segments in a row

    def add(self, second: Second) -> None:
        """Take the next second."""
        last, self._last = self._last, second if second.whole else None
        self.rate_hz = second.rate_hz
        if last is None or not second.whole or second.number != last.number + 1:
            self._run = 0
            return
        both = np.concatenate([last.samples, second.samples])
        n = round(SEGMENT_S * second.rate_hz)
        if len(both) < n:  # a rate that is no whole number
            both = np.concatenate([both[:1], both])
        self._power.append(periodogram(both[-n:], second.rate_hz))
        self._run += 1

    @property
    def frequencies(self) -> np.ndarray:
        """Of the rows of `mean`, Hz."""
        n = round(SEGMENT_S * self.rate_hz)
        return np.fft.rfftfreq(n, 1.0 / self.rate_hz)

    def mean(self, seconds: int) -> np.ndarray | None:
        """Power density of the last `seconds`, (n_frequencies, n_channels).

        None while they are not complete or a gap lies in them.
        """
        n = seconds - SEGMENT_S + 1
        if n > self._run or n > len(self._power):
            return None
        return np.mean([self._power[-k] for k in range(1, n + 1)], axis=0)
