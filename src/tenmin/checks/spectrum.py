"""Power spectra of a slow stream as it comes: Welch's segments of two seconds, half overlapping.

K4 of science.md B.1. A segment is two whole seconds in a row, so that none touches a gap.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.second import Second

SEGMENT_S = 2
TILE, PART = 48, 192  # channels that stay in the cache; that take a millisecond or two


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

    Nothing is worked out but what they say that they want.
    """

    def __init__(self) -> None:
        self.rate_hz = 0.0
        self._bands: list[tuple[float, float]] = []
        self._last: Second | None = None
        self._power: deque[np.ndarray] = deque(maxlen=0)
        self._run = 0  # segments in a row
        self._rows = np.empty((0, 0))  # room to work in

    def want(self, seconds: int, low_hz: float = 0.0, high_hz: float = math.inf) -> None:
        """Keep a band of frequencies, for `mean` over as many seconds."""
        self._bands.append((low_hz, high_hz))
        kept = max(self._power.maxlen or 0, seconds - SEGMENT_S + 1)
        self._power = deque(maxlen=kept)

    def add(self, second: Second) -> None:
        """Take the next second."""
        for _ in self.parts(second):
            pass

    def parts(self, second: Second) -> Iterator[None]:
        """Take the next second, a few milliseconds at a time."""
        last, self._last = self._last, second if second.whole and self._bands else None
        self.rate_hz = second.rate_hz
        if last is None or not second.whole or second.number != last.number + 1:
            self._run = 0
            return
        n, missing = self.n, self.n - len(last.samples) - len(second.samples)
        repeated = last.samples[:1].repeat(
            max(0, missing), axis=0
        )  # a rate that is no whole number
        pieces = [repeated, last.samples[max(0, -missing) :], second.samples]
        window, wanted = np.hanning(n + 1)[:-1], np.flatnonzero(self._wanted())
        power = np.empty((len(wanted), second.samples.shape[1]))
        for c in range(0, power.shape[1], TILE):
            tile = [piece[:, c : c + TILE] for piece in pieces]
            power[:, c : c + TILE] = self._segment(tile, window, wanted).T
            if c % PART == PART - TILE:
                yield
        power *= np.where(self._single()[wanted], 1.0, 2.0)[:, None]
        power /= second.rate_hz * (window**2).sum()
        self._power.append(power)
        self._run += 1

    def _segment(
        self, pieces: list[np.ndarray], window: np.ndarray, wanted: np.ndarray
    ) -> np.ndarray:
        """Squared magnitudes of some lines of a few channels, (n_channels, n_lines)."""
        shape = pieces[0].shape[1], len(window)
        if self._rows.shape != shape:
            self._rows = np.empty(shape)
        mean, at = np.zeros(shape[0]), 0
        for piece in pieces:
            _kernels.total(piece, mean)
        mean /= len(window)
        for piece in pieces:
            _kernels.windowed(piece, at, mean, window, self._rows)
            at += len(piece)
        lines = np.fft.rfft(self._rows, axis=1)[:, wanted]
        found: np.ndarray = lines.real**2 + lines.imag**2
        return found

    @property
    def n(self) -> int:
        """Samples of a segment."""
        return round(SEGMENT_S * self.rate_hz)

    @property
    def frequencies(self) -> np.ndarray:
        """Of the rows of `mean`, Hz."""
        return self._all()[self._wanted()]

    def _all(self) -> np.ndarray:
        return np.fft.rfftfreq(self.n, 1.0 / self.rate_hz)

    def _wanted(self) -> np.ndarray:
        hz, found = self._all(), np.zeros(self.n // 2 + 1, bool)
        for low, high in self._bands:
            found |= (hz >= low) & (hz <= high)
        return found

    def _single(self) -> np.ndarray:
        """Lines that stand for themselves alone, not for their mirror image as well."""
        k = np.arange(self.n // 2 + 1)
        return (k == 0) | (2 * k == self.n)

    def mean(self, seconds: int) -> np.ndarray | None:
        """Power density of the last `seconds`, (n_frequencies, n_channels).

        None while they are not complete or a gap lies in them.
        """
        n = seconds - SEGMENT_S + 1
        if n > self._run or n > len(self._power):
            return None
        return np.mean([self._power[-k] for k in range(1, n + 1)], axis=0)
