"""Features of the scalp EEG: alpha, theta, delta by region, slope, spindles; science.md C.2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from tenmin.checks.arousal.binning import TICKS_PER_S, Extractor, Seconds
from tenmin.checks.arousal.features import NAN
from tenmin.checks.arousal.field import Slopes, share_of
from tenmin.checks.arousal.filtering import Filter, median_known
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S, Smoother
from tenmin.checks.spectrum import periodogram

# Regions by the names of the 10-10 system, best first; all channels where no name fits.
REGIONS: Mapping[str, Sequence[str]] = {
    "occipital": (r"(PO|O)\d*Z?", r"(P|TP)\d*Z?"),
    "frontal": (r"(F|AF)\d*Z?", r"FP\d*Z?"),
    "central": (r"C\d*Z?", r"(FC|CP)\d*Z?"),
}
SPINDLE_S = 0.3  # window of the share of the spindle's band


def region(labels: Sequence[str], name: str) -> tuple[int, ...]:
    """Columns of the channels over a region."""
    bare = [re.sub(r"^EEG\s*|[-_\s].*$|\.+$", "", label.strip(), flags=re.I) for label in labels]
    for pattern in REGIONS[name]:
        found = tuple(i for i, b in enumerate(bare) if re.fullmatch(pattern, b, flags=re.I))
        if found:
            return found
    return tuple(range(len(labels)))


class Brain(Extractor):
    """Fractions of the bands over 2-s epochs, once a second.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    rate_hz : float
    labels : sequence of str
        Names of the channels, microvolts.
    """

    names = (
        "alpha_fraction",
        "theta_fraction",
        "delta_fraction",
        "alpha_power",
        "alpha_epoch",
        "theta_epoch",
        "spindle",
        "slope",
    )

    def __init__(
        self, origin_s: float, rules: Ruleset, rate_hz: float, labels: Sequence[str]
    ) -> None:
        super().__init__(origin_s)
        self._own, self._rate = rules["eeg"], rate_hz
        self._columns = {name: list(region(labels, name)) for name in REGIONS}
        self._seconds, self._slopes = Seconds(rate_hz), Slopes(rules, rate_hz)
        self._smoothers = [Smoother(self._own["tau_s"], 1.0) for _ in range(4)]
        self._spindles = Spindles(rules, rate_hz)
        self._held = (NAN,) * len(self.names)

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        here = samples[:, self._columns["central"]]
        spindle = self._spindles.step(times, here, Seconds.due(tick))
        segment = self._seconds.add(tick, samples)
        if Seconds.due(tick):
            power = None if segment is None else periodogram(segment, self._rate)
            slope = self._slopes.step(tick // TICKS_PER_S, power)
            raw = (NAN,) * 4 if power is None else self._epoch(power)
            smooth = [s.step(x) for s, x in zip(self._smoothers, raw, strict=True)]
            self._held = (*smooth, raw[0], raw[1], spindle, slope)
        return self._held

    def _epoch(self, power: np.ndarray) -> tuple[float, float, float, float]:
        def share(band: str, where: str) -> float:
            own, columns = self._own, self._columns[where]
            edges = own[f"{band}_low_hz"], own[f"{band}_high_hz"]
            each = share_of(
                power[:, columns], self._rate, *edges, own["all_low_hz"], own["all_high_hz"]
            )
            return median_known(each)

        f = np.arange(len(power)) * (self._rate / (2 * (len(power) - 1)))
        alpha = (f >= self._own["alpha_low_hz"] - 1e-9) & (f <= self._own["alpha_high_hz"] + 1e-9)
        power_ = power[alpha][:, self._columns["occipital"]].sum(axis=0) * f[1]
        return (
            share("alpha", "occipital"),
            share("theta", "frontal"),
            share("delta", "central"),
            median_known(power_),
        )


class Spindles:
    """Whether a second holds a spindle: 11-16 Hz prevails for 0.5 to 2 s.

    Parameters
    ----------
    rules : Ruleset
    rate_hz : float
    """

    def __init__(self, rules: Ruleset, rate_hz: float) -> None:
        own = self._own = rules["eeg"]
        self._narrow = Filter(own["spindle_low_hz"], own["spindle_high_hz"], rate_hz)
        self._wide = Filter(1.0, 30.0, rate_hz)
        self._powers: list[tuple[float, float]] = []
        self._run, self._found = 0, False

    def step(self, times: np.ndarray, samples: np.ndarray, due: bool) -> float:
        """Take a bin; 1 or 0 at the end of a second, NaN where it is not known or not due."""
        if not self._narrow.possible or not len(samples):
            self._run, self._found = 0, False
            return NAN
        narrow = median_known((self._narrow.run(times, samples) ** 2).mean(axis=0))
        wide = median_known((self._wide.run(times, samples) ** 2).mean(axis=0))
        self._powers = [*self._powers[1 - round(SPINDLE_S / TICK_S) :], (narrow, wide)]
        sums = np.sum(self._powers, axis=0)
        if sums[0] > self._own["spindle_share"] * sums[1]:
            self._run += 1
        else:
            lasted = self._run * TICK_S
            fits = self._own["spindle_least_s"] <= lasted <= self._own["spindle_most_s"]
            self._found |= fits
            self._run = 0
        if not due:
            return NAN
        found, self._found = self._found, False
        return float(found)
