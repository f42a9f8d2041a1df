"""Bands of a slow stream, filtered second by second."""

from __future__ import annotations

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.coefficients import butterworth, settled
from tenmin.checks.robust import Ranked
from tenmin.checks.second import Second


class Band:
    """A Butterworth filter of the samples of seconds; it settles anew after a gap.

    Parameters
    ----------
    n_channels : int
    hz, kind, order
        As of `tenmin.checks.coefficients.butterworth`.
    """

    def __init__(
        self, n_channels: int, hz: float | tuple[float, float], kind: str = "band", order: int = 2
    ) -> None:
        self.hz, self.kind, self.order, self.n_channels = hz, kind, order, n_channels
        self._sections = np.empty((0, 6))
        self._state = np.empty((0, 2, n_channels))
        self._next: int | None = None

    def filter(self, second: Second) -> np.ndarray:
        """The second's samples in the band, (m, n_channels)."""
        samples = second.samples
        out = np.empty_like(samples)
        if not len(samples):
            return out
        if not len(self._sections):
            self._sections = butterworth(self.order, self.hz, self.kind, second.rate_hz)
            self._state = np.zeros((len(self._sections), 2, self.n_channels))
        if self._next != second.number or not second.whole:
            self._restart(samples[0])
        self._next = second.number + 1
        _kernels.sosfilt(self._sections, samples, self._state, out)
        spoilt = ~np.isfinite(out[-1])
        self._state[:, :, spoilt] = 0.0  # one NaN would stay in the filter for ever
        return out

    def _restart(self, row: np.ndarray) -> None:
        row = np.nan_to_num(row)
        _kernels.settle_sosfilt(self._sections, settled(self._sections), row, self._state)


class Common:
    """A band that more than one formula looks at: a second is filtered and ranked once."""

    def __init__(self, band: Band) -> None:
        self._band = band
        self._filtered: tuple[Second, np.ndarray] | None = None
        self._ranked: tuple[Second, Ranked] | None = None

    def filter(self, second: Second) -> np.ndarray:
        """The second's samples in the band, (m, n_channels); not to be changed."""
        if self._filtered is None or self._filtered[0] is not second:
            self._filtered = second, self._band.filter(second)
        return self._filtered[1]

    def ranked(self, second: Second) -> Ranked:
        """The same in order."""
        if self._ranked is None or self._ranked[0] is not second:
            self._ranked = second, Ranked.of(self.filter(second))
        return self._ranked[1]


class Bands:
    """Bands of all channels of one stream."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Common] = {}

    def band(
        self, n_channels: int, hz: float | tuple[float, float], kind: str = "band", order: int = 2
    ) -> Common:
        """The band of these properties, see `Band`: the same for all who ask."""
        key = n_channels, hz, kind, order
        return self._found.setdefault(key, Common(Band(*key)))
