"""States of a network in vitro: quiescent or in a burst; science.md C.1."""

from __future__ import annotations

from tenmin.checks.arousal.animal import EDGE_S
from tenmin.checks.arousal.confidence import Latch, confidence
from tenmin.checks.arousal.features import NAN, Features, known
from tenmin.checks.arousal.levels import Scale
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.states import LFP, NETWORK_BURST, NETWORK_QUIESCENT, UNKNOWN, Tick


class Network:
    """The track of a slice, culture or organoid, by the crossings of all its channels.

    Parameters
    ----------
    rules : Ruleset
    scale : Scale, optional
        Median and robust SD of the activity while it settled; may be set anew.
    """

    def __init__(self, rules: Ruleset, scale: Scale | None = None) -> None:
        self.rules, self.scale = rules, scale
        own = rules["network"]
        self._latch = Latch(own["on"], own["off"])
        self._dwell = {
            NETWORK_BURST: own["dwell_burst_s"],
            NETWORK_QUIESCENT: own["dwell_quiescent_s"],
        }
        self._candidate = self._state = UNKNOWN
        self._since = NAN

    def step(self, t: float, features: Features) -> Tick:
        """The state at `t`, seconds; ticks come in order, 0.1 s apart."""
        rate = features.activity
        if not known(rate) or self.scale is None:
            self._candidate = self._state = UNKNOWN
            return Tick(t, UNKNOWN, 0.0, 0)
        z = self.scale.z(rate)
        if rate < self.rules["network"]["least_rate"]:
            z = min(z, 0.0)
        candidate = NETWORK_BURST if self._latch.step(z) else NETWORK_QUIESCENT
        if candidate != self._candidate:
            self._candidate, self._since = candidate, t - 0.1
        if self._state == UNKNOWN or t - self._since >= self._dwell[candidate] - EDGE_S:
            self._state = candidate
        pending = self._state != self._candidate
        sure = 0.0 if pending else confidence(1.0, [self._latch.margin(z)])
        least = self.rules["confidence"]["unknown_below"]
        return Tick(t, UNKNOWN if sure < least else self._state, sure, LFP)
