"""Blinks, closed eyes and slow eye movements from electrodes; science.md B.3 Q18 and C.2."""

from __future__ import annotations

from collections import deque

import numpy as np

from tenmin.checks.arousal.binning import TICKS_PER_S, Extractor
from tenmin.checks.arousal.features import NAN
from tenmin.checks.arousal.filtering import Filter
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S
from tenmin.checks.robust import MAD_TO_SIGMA

SIGMA_S = 10.0  # window of the robust SD


class Eyes(Extractor):
    """Blinks and slow eye movements.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    rate_hz : float
    n_vertical : int
        The first channels, whose mean is the vertical EOG (one, or Fp1 and Fp2).
    has_horizontal : bool
        The two channels after those are the sides of the horizontal EOG; if there is one only,
        it is the difference already.
    """

    names = ("blink_rate", "blink_s", "closed", "eyes_shut", "sem")

    def __init__(
        self,
        origin_s: float,
        rules: Ruleset,
        rate_hz: float,
        n_vertical: int,
        has_horizontal: bool,
    ) -> None:
        super().__init__(origin_s)
        own = self._own = rules["blink"]
        self._n, self._has_horizontal = n_vertical, has_horizontal
        self._filter = Filter(own["low_hz"], own["high_hz"], rate_hz)
        self._period = 1.0 / rate_hz
        self._slow = SlowMovement(rules, rate_hz)
        self._sigmas: deque[float] = deque(maxlen=round(SIGMA_S * TICKS_PER_S))
        self._since, self._until = NAN, -np.inf
        self._blinks: deque[tuple[float, float]] = deque()  # end, duration
        self._shut: deque[float] = deque(maxlen=round(own["window_s"] * TICKS_PER_S))

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        sem = NAN
        if len(samples) and self._has_horizontal:
            sides = samples[:, self._n :]
            sem = self._slow.step(times, sides[:, :1] - sides[:, 1:2].sum(axis=1, keepdims=True))
        if not len(samples) or not self._n or not self._filter.possible:
            self._since = NAN
            return NAN, NAN, NAN, NAN, sem
        y = np.abs(self._filter.run(times, samples[:, : self._n].mean(axis=1)[:, None])[:, 0])
        self._sigmas.append(MAD_TO_SIGMA * float(np.median(y)))
        least = max(self._own["least_uv"], self._own["sigmas"] * float(np.median(self._sigmas)))
        self._events(times, y > least)
        now = self.origin(tick + 1)
        shut = self._since == self._since and now - self._since > self._own["long_s"]
        self._shut.append(float(shut))
        while self._blinks and self._blinks[0][0] < now - self._own["window_s"]:
            self._blinks.popleft()
        length = len(self._shut) * TICK_S
        lasted = [d for _, d in self._blinks]
        return (
            len(lasted) * 60.0 / length if length >= self._own["window_s"] / 2 else NAN,
            float(np.median(lasted)) if lasted else NAN,
            float(np.mean(self._shut)),
            float(shut),
            sem,
        )

    def _events(self, times: np.ndarray, above: np.ndarray) -> None:
        """Take the stretches above the threshold; a blink is told at its end."""
        edges = np.flatnonzero(np.diff(above, prepend=self._since == self._since))
        for i in edges:
            at = float(times[i])
            if above[i]:
                self._since = at
                continue
            lasted = at - self._since
            if self._own["least_s"] <= lasted and self._since - self._until >= 0:
                if lasted <= self._own["long_s"]:
                    self._blinks.append((at, lasted))
                self._until = at + self._own["refractory_s"]
            self._since = NAN


class SlowMovement:
    """Whether the horizontal EOG moves slowly: 0.2-0.6 Hz beyond 100 uV for 2 s."""

    def __init__(self, rules: Ruleset, rate_hz: float) -> None:
        own = self._own = rules["sem"]
        self._filter = Filter(own["low_hz"], own["high_hz"], rate_hz)
        # The amplitude of so slow a wave is the highest value of its last half period.
        self._peaks: deque[float] = deque(maxlen=round(0.5 / own["low_hz"] * TICKS_PER_S))
        self._run = 0

    def step(self, times: np.ndarray, samples: np.ndarray) -> float:
        """Take a bin; 1 or 0."""
        if not self._filter.possible:
            return NAN
        self._peaks.append(float(np.abs(self._filter.run(times, samples)).max()))
        self._run = self._run + 1 if max(self._peaks) > self._own["least_uv"] else 0
        return float(self._run * TICK_S >= self._own["least_s"])
