"""States of an animal as the block runs; the rules of science.md C.3, tick by tick."""

from __future__ import annotations

from dataclasses import dataclass

from tenmin.checks.arousal.confidence import Latch, availability, confidence, reachable
from tenmin.checks.arousal.features import NAN, Features, known
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S, Smoother
from tenmin.checks.arousal.states import (
    ACTIVE_WAKE,
    ASLEEP,
    DROWSY,
    EMG,
    FACE,
    LABELS,
    LFP,
    LOCOMOTION,
    PUPIL,
    QUIET_WAKE,
    SPEED,
    UNKNOWN,
    Tick,
)

# What loco, act and sync must not be for a state.
AGAINST: dict[int, tuple[bool | None, bool | None, bool | None]] = {
    UNKNOWN: (None, None, None),
    DROWSY: (True, True, False),
    QUIET_WAKE: (True, True, True),
    ACTIVE_WAKE: (True, False, None),
    LOCOMOTION: (False, None, None),
}
EDGE_S = 1e-6  # times are sums of tenths


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What one unit of each score is; on a rig estimated from the settling, and stored.

    Attributes
    ----------
    motion, delta, emg : float
        z.
    pupil_centre, pupil : float
        Of the pupil's range.
    """

    motion: float
    delta: float
    emg: float
    pupil_centre: float
    pupil: float

    @classmethod
    def of(cls, rules: Ruleset) -> Thresholds:
        """Those of science.md C.3, which fit the simulated animal."""
        return cls(
            rules["motion"]["unit"],
            rules["delta"]["unit"],
            rules["emg"]["unit"],
            rules["pupil"]["centre"],
            rules["pupil"]["unit"],
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """The features of a tick in units of their thresholds; NaN where nothing tells.

    Attributes
    ----------
    speed : float
        cm/s.
    act, sync : float
        1 is where they turn on.
    floor : float
        EMG or motion energy, z; low in sleep.
    modalities : int
        Bits of what went in.
    """

    speed: float
    act: float
    sync: float
    floor: float
    modalities: int


def score(f: Features, t: Thresholds) -> Scores:
    """The scores a and s of science.md C.3."""
    bits = 0
    for bit, value in (
        (SPEED, f.speed),
        (PUPIL, f.pupil),
        (FACE, f.motion),
        (LFP, f.delta),
        (EMG, f.emg),
    ):
        bits |= bit if known(value) else 0
    pupil = (f.pupil - t.pupil_centre) / t.pupil
    act = f.motion / t.motion if bits & FACE else pupil if bits & PUPIL else f.emg / t.emg
    parts = [value for value in (f.delta / t.delta, -pupil) if known(value)]
    sync = sum(parts) / len(parts) if parts else NAN
    return Scores(f.speed, act, sync, f.emg if bits & EMG else f.motion, bits)


@dataclass(frozen=True, slots=True)
class Switch:
    """A change of state.

    Attributes
    ----------
    candidate, at : float
        Since when the new state was the candidate, and when the track took it, seconds.
    state : int
    """

    candidate: float
    at: float
    state: int


class Animal:
    """The live track: give it the features of each tick in turn.

    Parameters
    ----------
    rules : Ruleset
    thresholds : Thresholds, optional
        May be set anew between ticks, as the settling goes on.
    """

    def __init__(self, rules: Ruleset, thresholds: Thresholds | None = None) -> None:
        self.rules = rules
        self.thresholds = thresholds or Thresholds.of(rules)
        own = rules["animal"]
        self._loco = Latch(rules["speed"]["on"], rules["speed"]["off"])
        self._act, self._sync = Latch(own["on"], own["off"]), Latch(own["on"], own["off"])
        self._calm = Latch(-own["floor_on"], -own["floor_off"])
        self._floor = Smoother(own["floor_tau_s"])
        self._dwell = {
            state: own[f"dwell_{LABELS[state]}_s"]
            for state in (QUIET_WAKE, ACTIVE_WAKE, LOCOMOTION, DROWSY)
        }
        self._moved = self._since = self._low_since = NAN
        self._candidate = self._state = UNKNOWN
        self.switches: list[Switch] = []

    def step(self, t: float, features: Features) -> Tick:
        """The state at `t`, seconds; ticks come in order, 0.1 s apart."""
        s = score(features, self.thresholds)
        self._propose(t, s)
        self._decide(t, reachable(s.modalities))
        state = self._asleep(t, s)
        sure = confidence(availability(s.modalities, self.rules), self._margins(s))
        if sure < self.rules["confidence"]["unknown_below"]:
            state = UNKNOWN
        return Tick(t, state, sure, s.modalities)

    def _margins(self, s: Scores) -> list[float]:
        """The margin of each feature in use; 0 of one that already speaks for another state."""
        against = AGAINST[self._state] if self._candidate != self._state else (None, None, None)
        latches = (self._loco, s.speed), (self._act, s.act), (self._sync, s.sync)
        return [
            0.0 if latch.on is wrong else latch.margin(value)
            for (latch, value), wrong in zip(latches, against, strict=True)
            if known(value)
        ]

    def _propose(self, t: float, s: Scores) -> None:
        """Find the candidate, and since when it is one."""
        loco, act, sync = (
            self._loco.step(s.speed),
            self._act.step(s.act),
            self._sync.step(s.sync),
        )
        if loco or act or not known(self._moved):
            self._moved = t
        still = t - self._moved > self.rules["animal"]["still_s"]
        if not s.modalities:
            candidate = UNKNOWN
        elif loco or act:
            candidate = LOCOMOTION if loco else ACTIVE_WAKE
        else:
            candidate = DROWSY if sync and still else QUIET_WAKE
        if candidate != self._candidate:
            self._candidate, self._since = candidate, t - TICK_S  # where its bin begins

    def _decide(self, t: float, possible: frozenset[int]) -> None:
        """Take the candidate after its dwell, or at once where the state cannot be told now."""
        if self._candidate == self._state:
            return
        dwell = self._dwell.get(self._candidate, 0.0)
        lost = self._state == UNKNOWN or self._state not in possible
        if lost or t - self._since >= dwell - EDGE_S:
            self._state = self._candidate
            self.switches.append(Switch(self._since, t, self._state))

    def _asleep(self, t: float, s: Scores) -> int:
        """Drowsy that has lasted, with muscle or face at the floor, is sleep."""
        floor = self._floor.step(s.floor)
        calm = self._calm.step(-floor)
        low = self._candidate == DROWSY
        if not low:
            self._low_since = NAN
        elif not known(self._low_since):
            self._low_since = t
        lasting = low and t - self._low_since >= self.rules["animal"]["asleep_s"] - EDGE_S
        possible = ASLEEP in reachable(s.modalities)
        return ASLEEP if self._state == DROWSY and lasting and calm and possible else self._state
