"""Heart rate and its variability from the electrocardiogram; science.md C.2."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tenmin.checks.arousal.binning import Extractor
from tenmin.checks.arousal.features import NAN
from tenmin.checks.arousal.filtering import Filter
from tenmin.checks.arousal.ruleset import Ruleset

FORGET_S = 2.0  # without a beat for so long the height of the peaks is halved
LEAP = 1.5  # an interval so many times the median holds a missed beat


class Heart(Extractor):
    """Heart rate per minute and RMSSD in seconds, over the last minute.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    rate_hz : float
    is_human : bool
        No two beats lie closer than the refractory time of the species.
    """

    names = ("heart_rate", "rmssd")

    def __init__(self, origin_s: float, rules: Ruleset, rate_hz: float, is_human: bool) -> None:
        super().__init__(origin_s)
        own = self._own = rules["heart"]
        self._filter = Filter(own["low_hz"], own["high_hz"], rate_hz)
        self._refractory = own["refractory_human_s" if is_human else "refractory_s"]
        self._tail_t, self._tail_y = np.empty(0), np.empty(0)
        self._height, self._peak = NAN, (-math.inf, 0.0)
        self.beats: deque[float] = deque()

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        if not self._filter.possible:
            return NAN, NAN
        if len(samples):
            y = np.abs(self._filter.run(times, samples)[:, 0])
            self._peaks(np.concatenate([self._tail_t, times]), np.concatenate([self._tail_y, y]))
            self._tail_t = np.concatenate([self._tail_t, times])[-2:]
            self._tail_y = np.concatenate([self._tail_y, y])[-2:]
        return self._told(self.origin(tick + 1))

    def _peaks(self, t: np.ndarray, y: np.ndarray) -> None:
        """Take the local maxima that are high enough."""
        for i in np.flatnonzero((y[1:-1] > y[:-2]) & (y[1:-1] >= y[2:])) + 1:
            at, height = float(t[i]), float(y[i])
            if not height > 0:
                continue
            if math.isnan(self._height):
                self._height = height
            if at - self._peak[0] > FORGET_S:
                self._height = max(self._height / 2, height if self._peak[0] < 0 else 0.0)
            self._height = max(self._height, height) if len(self.beats) < 2 else self._height
            if height > self._own["threshold"] * self._height:
                self._beat(at, height)

    def _beat(self, at: float, height: float) -> None:
        last, its = self._peak
        if at - last < self._refractory:
            if height > its and self.beats:
                self.beats[-1], self._peak = at, (at, height)
            return
        self._height += 0.125 * (height - self._height)
        self._peak = at, height
        self.beats.append(at)

    def _told(self, now: float) -> tuple[float, float]:
        while self.beats and self.beats[0] < now - self._own["window_s"]:
            self.beats.popleft()
        if len(self.beats) < self._own["least_beats"]:
            return NAN, NAN
        rr = np.diff(np.array(self.beats))
        good = rr < LEAP * np.median(rr)
        pairs = good[1:] & good[:-1]
        steps = np.diff(rr)[pairs]
        rmssd = math.sqrt(float((steps**2).mean())) if len(steps) else NAN
        return 60.0 / float(rr[good].mean()), rmssd
