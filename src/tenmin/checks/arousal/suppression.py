"""Burst suppression, and the track of an anaesthetised animal; science.md B.2 Q16a, C.1."""

from __future__ import annotations

from collections import deque

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.arousal.animal import EDGE_S, Thresholds, score
from tenmin.checks.arousal.binning import TICKS_PER_S, Extractor
from tenmin.checks.arousal.confidence import Latch, confidence
from tenmin.checks.arousal.features import NAN, Features, known
from tenmin.checks.arousal.filtering import Filter
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.states import (
    ACTIVE_WAKE,
    LFP,
    LOCOMOTION,
    SUPPRESSED,
    UNKNOWN,
    Tick,
)


class Suppression(Extractor):
    """Share of the channels in suppression, and how much of the last minute was.

    Parameters
    ----------
    origin_s : float
    rules : Ruleset
    rate_hz : float
        Of the samples, microvolts.

    References
    ----------
    Westover et al. 2013, J. Neurosci. Methods 219: 131-141: a recursive local variance below a
    threshold. It is divided by the variance of a suppressed trace.
    """

    names = ("suppressed", "suppression_ratio")

    def __init__(self, origin_s: float, rules: Ruleset, rate_hz: float) -> None:
        super().__init__(origin_s)
        own = rules["suppression"]
        self._filter = Filter(own["low_hz"], own["high_hz"], rate_hz)
        self._a = 1.0 - own["beta"] ** (own["beta_rate_hz"] / rate_hz)
        self._least = own["theta"] * own["floor_uv"] ** 2
        self._mean, self._variance = np.empty(0), np.empty(0)
        self._minute: deque[float] = deque(maxlen=round(own["window_s"] * TICKS_PER_S))

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        share = NAN
        if len(samples) and self._filter.possible:
            y = np.nan_to_num(self._filter.run(times, samples))
            if len(self._mean) != y.shape[1]:
                self._mean, self._variance = y[0].copy(), np.full(y.shape[1], self._least * 4)
            _kernels.smooth(y, self._a, self._mean, self._variance)
            good = np.isfinite(samples).all(axis=0)
            share = float((self._variance[good] < self._least).mean()) if good.any() else NAN
        self._minute.append(share)
        minute = np.array(self._minute)
        told = minute[np.isfinite(minute)]
        enough = len(told) >= 0.5 * (self._minute.maxlen or 0)
        return share, float((told > 0.5).mean()) if enough else NAN


class Anaesthetised:
    """The track of an anaesthetised animal: the pattern of anaesthesia, unknown, or moving.

    Parameters
    ----------
    rules : Ruleset
    thresholds : Thresholds, optional
    """

    def __init__(self, rules: Ruleset, thresholds: Thresholds | None = None) -> None:
        self.rules = rules
        self.thresholds = thresholds or Thresholds.of(rules)
        own = rules["suppression"]
        self._loco = Latch(rules["speed"]["on"], rules["speed"]["off"])
        self._act = Latch(rules["animal"]["on"], rules["animal"]["off"])
        self._ratio = Latch(own["on_ratio"], own["off_ratio"])
        self._delta = Latch(own["delta_on"], own["delta_off"])
        self._candidate = self._state = UNKNOWN
        self._since = NAN

    def step(self, t: float, features: Features) -> Tick:
        """The state at `t`, seconds; ticks come in order, 0.1 s apart."""
        s = score(features, self.thresholds)
        loco, act = self._loco.step(s.speed), self._act.step(s.act)
        ratio, delta = features.suppression_ratio, features.delta_fraction
        pattern = self._ratio.step(ratio) | self._delta.step(delta)
        bits = s.modalities | (LFP if known(ratio) or known(delta) else 0)
        candidate = LOCOMOTION if loco else ACTIVE_WAKE if act else UNKNOWN
        if candidate == UNKNOWN and pattern:
            candidate = SUPPRESSED
        if candidate != self._candidate:
            self._candidate, self._since = candidate, t
        dwell = {
            SUPPRESSED: self.rules["suppression"]["dwell_s"],
            LOCOMOTION: self.rules["animal"]["dwell_locomotion_s"],
            ACTIVE_WAKE: self.rules["animal"]["dwell_active_wake_s"],
        }.get(self._candidate, 0.0)
        if t - self._since >= dwell - EDGE_S:
            self._state = self._candidate
        return Tick(t, self._state, self._sure(features, s.speed, s.act, bits), bits)

    def _sure(self, f: Features, speed: float, act: float, bits: int) -> float:
        if self._state == UNKNOWN:
            return 0.0
        pattern = [
            latch.margin(value)
            for latch, value in (
                (self._ratio, f.suppression_ratio),
                (self._delta, f.delta_fraction),
            )
            if known(value) and latch.on == (self._state == SUPPRESSED)
        ]
        moving = [
            latch.margin(value)
            for latch, value in ((self._loco, speed), (self._act, act))
            if known(value)
        ]
        return confidence(1.0 if bits & LFP else 0.5, [*pattern, *moving])
