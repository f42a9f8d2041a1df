"""Checks of single channels of an electrical stream: flat, saturated, mains; science.md B.2."""

from __future__ import annotations

import math

import numpy as np

from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream


class Saturation:
    """Q02: share of the samples at the end of the converter's range."""

    name = "saturation"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self._known = stream.range_counts is not None

    def measure(self, second: Second) -> Measured:
        """The share in a second; unknown where the range is."""
        if not self._known or second.n == 0:
            return Measured(np.full(second.low.shape[1], np.nan))
        return Measured(second.clipped.sum(axis=0) / second.n, second.clipped > 0)


class Line:
    """Q04: power at the mains and its harmonics against what lies beside them.

    The value is the largest ratio of all harmonics, dB. It counts towards FAIL only where the
    lines' amplitude is more than a fifth of the signal's.
    """

    name = "line"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters, self.spectra = parameters, shared.spectra
        self.mains_hz = shared.setting.mains_hz
        highest = parameters["highest_of_rate"] * stream.rate_hz
        for k in range(1, int(parameters["harmonics"]) + 1):
            if self.mains_hz is not None and k * self.mains_hz <= highest:
                wide = parameters["flank_high_hz"]
                self.spectra.want(
                    int(parameters["live_s"]), k * self.mains_hz - wide, k * self.mains_hz + wide
                )

    def measure(self, second: Second) -> Measured:
        """The ratio over the last seconds."""
        p = self.parameters
        power = self.spectra.mean(int(p["live_s"]))
        if power is None or self.mains_hz is None:
            return Measured(np.full(second.low.shape[1], np.nan))
        ratio, amplitude = line_power(
            power, self.spectra.frequencies, self.mains_hz, second.rate_hz, p
        )
        sigma = second.spread
        weak = amplitude <= p["fail_share_of_sigma"] * sigma
        if p.fail is not None:
            ratio = np.where(weak, np.minimum(ratio, p.fail.off), ratio)
        return Measured(ratio)


def line_power(
    power: np.ndarray, frequencies: np.ndarray, mains_hz: float, rate_hz: float, p: Parameters
) -> tuple[np.ndarray, np.ndarray]:
    """Largest line ratio, and the amplitude of all lines together.

    Parameters
    ----------
    power : ndarray, (n_frequencies, n_channels)
    frequencies : ndarray, (n_frequencies,)
    mains_hz, rate_hz : float
    p : Parameters
        Of `line`.

    Returns
    -------
    ratio : ndarray, (n_channels,)
        dB; NaN where no harmonic lies below the highest frequency.
    amplitude : ndarray, (n_channels,)
        Root mean square, unit of the samples.
    """
    ratios, squares = [], np.zeros(power.shape[1])
    for k in range(1, int(p["harmonics"]) + 1):
        centre = k * mains_hz
        if centre + p["flank_high_hz"] > p["highest_of_rate"] * rate_hz and k > 1:
            break
        if centre > p["highest_of_rate"] * rate_hz:
            break
        away = np.abs(frequencies - centre)
        peak = power[away <= p["peak_hz"]].mean(axis=0)
        flank = power[(away >= p["flank_low_hz"]) & (away <= p["flank_high_hz"])].mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios.append(10.0 * np.log10(peak / flank))
        squares += np.maximum(0.0, peak - flank) * 2.5
    if not ratios:
        return np.full(power.shape[1], np.nan), squares
    return np.max(ratios, axis=0), np.sqrt(squares)


class Flat:
    """Q01: dead channels. One for a channel that is flat in a second, else zero.

    Flat is a range of two codes over the second, one code for 50 ms (converters of 16 bits and
    more), or a robust SD far below the other channels'; of EEG also one below 0.5 microvolts
    between 1 and 40 Hz.
    """

    name = "flat"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        dtype = np.dtype(stream.dtype)
        self.parameters, self.eeg = parameters, stream.kind == "eeg"
        self._run = math.ceil(parameters["run_s"] * stream.rate_hz) - 1
        # A float has no code: only what does not move at all is flat.
        self._codes = parameters["peak_to_peak_lsb"] if dtype.kind in "iu" else 0.0
        self._runs = dtype.itemsize >= 2 and self._run >= 2
        corners = 1.0, min(40.0, 0.45 * stream.rate_hz)
        self._band = shared.bands.band(stream.n_channels, corners) if self.eeg else None

    def measure(self, second: Second) -> Measured:
        """Which channels are flat, and in which bins."""
        p = self.parameters
        span = second.high - second.low
        bins = span <= self._codes
        if self._runs:
            bins |= second.longest >= self._run
        highest, lowest = np.fmax.reduce(second.high), np.fmin.reduce(second.low)
        whole = highest - lowest <= self._codes
        sigma = self._sigma(second)
        low = sigma < p["relative_sigma"] * np.nanmedian(sigma) if len(sigma) > 1 else sigma < 0
        if self._band is not None:
            low |= sigma < p["eeg_floor_uv"]
        whole |= low
        if self._runs:
            ran = (second.longest >= self._run).any(axis=0)
            whole |= ran
            low = low & ~ran  # half a second of one code makes the SD of the whole second small
        values = whole.astype(np.float64)
        values[np.isnan(second.low).all(axis=0)] = np.nan
        return Measured(values, bins & whole | low)

    def _sigma(self, second: Second) -> np.ndarray:
        if self._band is not None:
            return self._band.ranked(second).sigma()
        return second.sigma if np.isfinite(second.sigma).any() else second.spread
