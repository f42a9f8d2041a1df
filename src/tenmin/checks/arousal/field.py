"""Features of field potentials: delta and theta ratios, slope, muscle; science.md C.2."""

from __future__ import annotations

from collections import deque

import numpy as np

from tenmin.checks.arousal.binning import TICKS_PER_S, Extractor, Seconds
from tenmin.checks.arousal.features import NAN
from tenmin.checks.arousal.filtering import TOP, Filter, median_known
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import Smoother
from tenmin.checks.spectrum import periodogram

SLOW_HZ = 1000.0  # what is sampled at twice that or more is averaged down to about it


class Thinned:
    """Means of samples in a row, as many as bring the rate down to about `SLOW_HZ`.

    They take 2 % of the power off at 80 Hz, and of white noise as much folds back: a ratio of
    bands does not see it. Spectra of two seconds at 30 kHz took longer than a chunk may wait.

    Attributes
    ----------
    rate_hz : float
        Of the means.
    """

    def __init__(self, rate_hz: float) -> None:
        self._k = max(1, int(rate_hz // SLOW_HZ))
        self.rate_hz = rate_hz / self._k
        self._rest: np.ndarray | None = None

    def run(self, samples: np.ndarray) -> np.ndarray:
        """Take samples, cut anywhere; return the means that they complete."""
        if self._k == 1:
            return samples
        if self._rest is not None:
            samples = np.concatenate([self._rest, samples])
        n = len(samples) // self._k
        self._rest = samples[n * self._k :].copy()
        means: np.ndarray = samples[: n * self._k].reshape(n, self._k, -1).mean(axis=1)
        return means


def band_power(power: np.ndarray, rate_hz: float, low_hz: float, high_hz: float) -> np.ndarray:
    """Mean density of each channel in a band, both ends included, (n_channels,)."""
    n = 2 * (len(power) - 1)
    f = np.arange(len(power)) * (rate_hz / n)
    inside = (f >= low_hz - 1e-9) & (f <= high_hz + 1e-9)
    if not inside.any():
        return np.full(power.shape[1], np.nan)
    mean: np.ndarray = power[inside].mean(axis=0)
    return mean


def slope(power: np.ndarray, rate_hz: float, rules: Ruleset) -> np.ndarray:
    """Slope of log10 power on log10 frequency of each channel, (n_channels,).

    References
    ----------
    Lendner et al. 2020, eLife 9: e55092.
    """
    own = rules["slope"]
    f = np.arange(len(power)) * (rate_hz / (2 * (len(power) - 1)))
    inside = (f >= own["low_hz"]) & (f <= min(own["high_hz"], TOP * rate_hz))
    inside &= (f < own["skip_low_hz"]) | (f > own["skip_high_hz"])
    x = np.log10(f[inside])
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log10(power[inside])
    x = x - x.mean()
    found: np.ndarray = (x[:, None] * y).sum(axis=0) / (x**2).sum()
    return found


class Slopes:
    """The slope every 5 s, of the segments of the last 30 s."""

    def __init__(self, rules: Ruleset, rate_hz: float) -> None:
        own = rules["slope"]
        self._rules, self._rate = rules, rate_hz
        self._segments: deque[np.ndarray | None] = deque(maxlen=round(own["window_s"]) - 1)
        self._every, self.value = round(own["every_s"]), NAN

    def step(self, second: int, power: np.ndarray | None) -> float:
        """Take the segment that ends with a second."""
        self._segments.append(power)
        if (second + 1) % self._every == 0:
            whole = [p for p in self._segments if p is not None]
            enough = len(whole) >= 0.8 * (self._segments.maxlen or 0)
            self.value = NAN
            if enough:
                each = slope(np.mean(whole, axis=0), self._rate, self._rules)
                finite = each[np.isfinite(each)]
                self.value = float(finite.mean()) if len(finite) else NAN
        return self.value


class Field(Extractor):
    """Delta ratio, theta ratio and slope of field potentials.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    rate_hz : float
        Of the samples, microvolts.
    """

    names = ("delta", "theta", "slope", "delta_fraction")

    def __init__(self, origin_s: float, rules: Ruleset, rate_hz: float) -> None:
        super().__init__(origin_s)
        self._rules, self._thinned = rules, Thinned(rate_hz)
        rate_hz = self._rate = self._thinned.rate_hz
        self._seconds, self._slopes = Seconds(rate_hz), Slopes(rules, rate_hz)
        self._smoother = Smoother(rules["delta"]["tau_s"], 1.0)
        self._held = (NAN,) * len(self.names)

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        segment = self._seconds.add(tick, self._thinned.run(samples))
        if Seconds.due(tick):
            power = None if segment is None else periodogram(segment, self._rate)
            slope_ = self._slopes.step(tick // TICKS_PER_S, power)
            delta, theta, share = (NAN,) * 3 if power is None else self._ratios(power)
            self._held = self._smoother.step(delta), theta, slope_, share
        return self._held

    def _ratios(self, power: np.ndarray) -> tuple[float, float, float]:
        d, t, e = self._rules["delta"], self._rules["theta"], self._rules["eeg"]
        rate = self._rate
        with np.errstate(divide="ignore", invalid="ignore"):
            delta = np.log10(
                band_power(power, rate, d["low_hz"], d["high_hz"])
                / band_power(power, rate, d["gamma_low_hz"], min(d["gamma_high_hz"], TOP * rate))
            )
            theta = share_of(
                power, rate, t["low_hz"], t["high_hz"], t["all_low_hz"], t["all_high_hz"]
            )
            share = share_of(
                power,
                rate,
                e["delta_low_hz"],
                e["delta_high_hz"],
                e["all_low_hz"],
                e["all_high_hz"],
            )
        return median_known(delta), median_known(theta), median_known(share)


def share_of(
    power: np.ndarray, rate_hz: float, low: float, high: float, all_low: float, all_high: float
) -> np.ndarray:
    """Power in a band over power in a wider one, (n_channels,)."""
    f = np.arange(len(power)) * (rate_hz / (2 * (len(power) - 1)))
    inside = (f >= low - 1e-9) & (f <= high + 1e-9)
    wide = (f >= all_low - 1e-9) & (f <= all_high + 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: np.ndarray = power[inside].sum(axis=0) / power[wide].sum(axis=0)
    return share


class FieldMuscle(Extractor):
    """Mean pairwise correlation of distant channels at 300-600 Hz, every 0.5 s.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    rate_hz : float
        Below 1250 Hz the feature is not known.
    """

    names = ("emg_lfp",)

    def __init__(self, origin_s: float, rules: Ruleset, rate_hz: float) -> None:
        super().__init__(origin_s)
        own = rules["emg_lfp"]
        self._possible = rate_hz >= own["least_rate_hz"]
        self._filter = Filter(own["low_hz"], own["high_hz"], rate_hz)
        self._n = round(own["window_s"] * TICKS_PER_S)
        self._window: list[np.ndarray] = []
        self._least = 0.99 * own["window_s"] * rate_hz
        self._held = NAN

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        if not self._possible:
            return (NAN,)
        self._window.append(self._filter.run(times, samples))
        if (tick + 1) % self._n == 0:
            window = np.concatenate(self._window)
            self._held = mean_correlation(window) if len(window) >= self._least else NAN
            self._window = []
        return (self._held,)


def mean_correlation(samples: np.ndarray) -> float:
    """Mean of the correlations of all pairs of channels; NaN where no two channels vary."""
    good = np.isfinite(samples).all(axis=0)
    x = samples[:, good] - samples[:, good].mean(axis=0)
    size = np.sqrt((x**2).sum(axis=0))
    x = x[:, size > 0] / size[size > 0]
    n = x.shape[1]
    if n < 2:
        return NAN
    return float(((x.sum(axis=1) ** 2).sum() - n) / (n * (n - 1)))
