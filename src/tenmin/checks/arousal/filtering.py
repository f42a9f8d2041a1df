"""Filters of a stream's samples from bin to bin, which settle anew after a gap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.coefficients import butterworth, settled
from tenmin.checks.robust import MAD_TO_SIGMA

TOP = 0.45  # of the rate: no corner lies above


class Filter:
    """A Butterworth band-pass of second order of bins of samples.

    Parameters
    ----------
    low_hz, high_hz : float
        The upper corner is lowered to `TOP` of the rate.
    rate_hz : float

    Attributes
    ----------
    possible : bool
        Whether the band lies below `TOP` of the rate at all.
    """

    def __init__(self, low_hz: float, high_hz: float, rate_hz: float) -> None:
        high_hz = min(high_hz, TOP * rate_hz)
        self.possible = low_hz < high_hz
        if self.possible:
            self._sections = butterworth(2, (low_hz, high_hz), "band", rate_hz)
        self._gap_s = 2.5 / rate_hz
        self._state: np.ndarray | None = None
        self._last_s = -np.inf

    def run(self, times: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """The samples in the band, (n, n_channels).

        NaN in a channel gives NaN there until the next gap or bin.
        """
        out = np.empty(samples.shape)
        if not len(samples):
            return out
        steps = np.diff(times, prepend=self._last_s)
        starts = np.flatnonzero(steps > self._gap_s).tolist()
        self._last_s = float(times[-1])
        bounds = sorted({0, *starts, len(samples)})
        for start, stop in pairwise(bounds):
            piece = np.ascontiguousarray(samples[start:stop], float)
            if self._state is None or start in starts:
                self._settle(piece[0])
            assert self._state is not None
            _kernels.sosfilt(self._sections, piece, self._state, out[start:stop])
        assert self._state is not None
        self._state[:, :, ~np.isfinite(out[-1])] = 0.0
        return out

    def _settle(self, row: np.ndarray) -> None:
        self._state = np.zeros((len(self._sections), 2, len(row)))
        row = np.nan_to_num(row)
        _kernels.settle_sosfilt(self._sections, settled(self._sections), row, self._state)


def bin_sigma(samples: np.ndarray) -> float:
    """1.4826 times the median distance from the median, median over channels."""
    if not len(samples):
        return float("nan")
    each = np.median(np.abs(samples - np.median(samples, axis=0)), axis=0)
    return MAD_TO_SIGMA * median_known(each)


def median_known(values: np.ndarray) -> float:
    """Median of what is finite; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
