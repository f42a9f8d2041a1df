"""The pupil within its own range, without blinks; science.md C.2."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.arousal.binning import TICKS_PER_S, Extractor
from tenmin.checks.arousal.features import NAN, known
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S, Smoother
from tenmin.checks.robust import MAD_TO_SIGMA


class Pupil(Extractor):
    """Size without blinks.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
        Samples: diameter, and the likelihood of the tracking where there is a second channel.

    Notes
    -----
    A blink is known when it begins, so that the 0.15 s before it are taken out in the final
    track only, by `settled_pupil`.
    """

    names = ("pupil_size",)

    def __init__(self, origin_s: float, rules: Ruleset) -> None:
        super().__init__(origin_s)
        own = self._own = rules["pupil"]
        self._jumps: deque[np.ndarray] = deque(maxlen=round(own["jump_window_s"] * TICKS_PER_S))
        self._jump_sd, self._n_jumps = math.inf, 0
        self._area, self._area_s, self._bad_s = NAN, -math.inf, -math.inf

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        return (self._size(times, samples) if len(samples) else NAN,)

    def _size(self, times: np.ndarray, samples: np.ndarray) -> float:
        size = samples[:, 0].astype(float)
        good = np.isfinite(size) & (size > 0)
        if samples.shape[1] > 1:
            good &= samples[:, 1] >= self._own["likelihood"]
        area = np.where(good, size, np.nan) ** 2
        good &= ~self._jumped(times, area)
        for i in np.flatnonzero(~good):
            self._bad_s = float(times[i])
            good[i:] &= times[i:] - times[i] > self._own["pad_s"]
        good &= times - self._bad_s > self._own["pad_s"]
        return float(size[good].mean()) if good.any() else NAN

    def _jumped(self, times: np.ndarray, area: np.ndarray) -> np.ndarray:
        """Frames whose area leaps from the last good one, until it comes back or for 1 s."""
        out, steps = np.zeros(len(area), bool), []
        for i in np.flatnonzero(np.isfinite(area)):
            step = float(area[i]) - self._area
            most = max(self._own["jump_sd"] * self._jump_sd, self._own["jump_least"] * self._area)
            old = float(times[i]) - self._area_s > self._own["fill_s"]
            out[i] = abs(step) > most and not old
            if not out[i]:
                if known(step) and not old:
                    steps.append(step)
                self._area, self._area_s = float(area[i]), float(times[i])
        if steps:
            self._jumps.append(np.array(steps))
            self._n_jumps += 1
            if self._n_jumps % TICKS_PER_S == 0:
                self._jump_sd = _spread(np.concatenate(self._jumps))
        return out


def _spread(values: np.ndarray) -> float:
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


class Place:
    """Where the pupil lies in its range, as it goes: NaN up to 1 s is bridged by the last size.

    Parameters
    ----------
    rules : Ruleset
    """

    def __init__(self, rules: Ruleset) -> None:
        self._own = rules["pupil"]
        self._range = Range(rules)
        self._smoother = Smoother(self._own["tau_s"])
        self._rate = Smoother(self._own["rate_tau_s"])
        self._held, self._missing, self._before = NAN, 0, NAN
        self._bounds, self._ticks = (NAN, NAN, NAN), 0
        self._frozen: tuple[float, float, float] | None = None

    def step(self, size: float) -> tuple[float, float]:
        """Take the size of a tick; return the place, and its rate per second."""
        if known(size):
            self._range.add(size)
            self._held, self._missing = size, 0
        else:
            self._missing += 1
            if self._missing > self._own["fill_s"] * TICKS_PER_S:
                self._held = NAN
        if self._ticks % TICKS_PER_S == 0 and not self._frozen:
            self._bounds = self._range.bounds()
        self._ticks += 1
        p = place(self._held, *(self._frozen or self._bounds), self._own["least_range"])
        slow, before = self._rate.step(p), self._before
        self._before = slow
        return self._smoother.step(p), (slow - before) / TICK_S

    def freeze(self) -> None:
        """Keep the range as it is: thresholds that were set in it stay where they are."""
        self._frozen = self._range.bounds()


class Range:
    """Quantiles of all sizes so far; K2 of science.md B.1.

    Parameters
    ----------
    rules : Ruleset
    """

    def __init__(self, rules: Ruleset) -> None:
        self._own = rules["pupil"]
        self._base = np.zeros(1, np.int64)
        self._counts = np.zeros((round(self._own["n_bins"]), 1), np.uint32)
        self._step, self._n = NAN, 0

    def add(self, size: float) -> None:
        """Count a size."""
        if not known(self._step):
            self._step = size / self._own["bins_per_first"]
        code = np.array([[int(size / self._step)]], np.int64)
        _kernels.histogram(code, self._base, self._counts)
        self._n += 1

    def bounds(self) -> tuple[float, float, float]:
        """The 5 %, 50 % and 95 % quantiles, each to one code; NaN while there are few sizes."""
        if self._n < self._own["least_s"] * TICKS_PER_S:
            return NAN, NAN, NAN
        low, high = self._own["low_q"], self._own["high_q"]
        return self.quantile(low), self.quantile(0.5), self.quantile(high)

    def quantile(self, q: float) -> float:
        """A quantile of all sizes so far, to one code."""
        out = np.empty(1)
        _kernels.quantiles(self._counts, self._base, q, out)
        return float(out[0]) * self._step


def place(size: float, low: float, middle: float, high: float, least_range: float) -> float:
    """Where a size lies between two quantiles; NaN where these are too close to tell."""
    return (size - low) / (high - low) if high - low >= least_range * middle else NAN


def settled_pupil(sizes: np.ndarray, rules: Ruleset) -> tuple[np.ndarray, np.ndarray]:
    """The pupil and its rate once all sizes of settling and block are known.

    Parameters
    ----------
    sizes : ndarray, (n_ticks,)
        NaN in blinks.
    rules : Ruleset

    Returns
    -------
    ndarray, ndarray, (n_ticks,)
        Between the 5 % and 95 % quantiles, blinks widened by 0.15 s and bridged up to 1 s by a
        line; and its rate per second.
    """
    own = rules["pupil"]
    good = np.isfinite(sizes)
    nothing = np.full(len(sizes), np.nan)
    if not good.any():
        return nothing, nothing.copy()
    low, middle, high = np.quantile(sizes[good], (own["low_q"], 0.5, own["high_q"]))
    if high - low < own["least_range"] * middle:
        return nothing, nothing.copy()
    for _ in range(math.ceil(own["pad_s"] / TICK_S)):
        good[:-1] &= good[1:]
    p = bridged(np.where(good, (sizes - low) / (high - low), np.nan), own["fill_s"])
    smoother, slower = Smoother(own["tau_s"]), Smoother(own["rate_tau_s"])
    slow = np.array([slower.step(float(x)) for x in p])
    rate = np.diff(slow, prepend=np.nan) / TICK_S
    return np.array([smoother.step(float(x)) for x in p]), rate


def bridged(values: np.ndarray, most_s: float) -> np.ndarray:
    """Holes of at most `most_s` filled by a line between their neighbours."""
    good = np.isfinite(values)
    at = np.flatnonzero(good)
    if not len(at):
        return values
    out = np.interp(np.arange(len(values)), at, values[at])
    for before, after in pairwise(at):
        if (after - before - 1) * TICK_S > most_s:
            out[before + 1 : after] = np.nan
    out[: at[0]], out[at[-1] + 1 :] = np.nan, np.nan
    return out
