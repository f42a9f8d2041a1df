"""States of a person, by epochs of 2 s; the rules of science.md C.4.

These are our own rules at the level of electrodes, kept as ``vigilance_ruleset``; they are not
the VIGALL stages, which are defined on sources.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenmin.checks.arousal.animal import EDGE_S
from tenmin.checks.arousal.confidence import confidence
from tenmin.checks.arousal.features import NAN, Features, known
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S
from tenmin.checks.arousal.states import (
    ACTIVE_WAKE,
    ASLEEP,
    DROWSY,
    ECG,
    EMG,
    EOG,
    LFP,
    PUPIL,
    QUIET_WAKE,
    UNKNOWN,
    Tick,
)

OPEN, CLOSED = "open", "closed"
NOTE = "own rules on electrodes, no VIGALL stages"  # what `vigilance_ruleset` says


@dataclass(frozen=True, slots=True)
class Personal:
    """A person's own levels, from the settling; NaN where they are not known.

    Attributes
    ----------
    theta, theta_sd, delta, delta_sd : float
        Fractions.
    alpha_power : float
        uV^2; of the eyes of the block.
    alpha_fraction : float
        Of the first two minutes.
    heart_rate : float
        Per minute.
    """

    theta: float = NAN
    theta_sd: float = NAN
    delta: float = NAN
    delta_sd: float = NAN
    alpha_power: float = NAN
    alpha_fraction: float = NAN
    heart_rate: float = NAN


def personal(features: Sequence[Features], rules: Ruleset) -> Personal:
    """The levels of a person who settles.

    Parameters
    ----------
    features : sequence of Features
        Ticks of 0.1 s.
    rules : Ruleset
    """

    def column(name: str, stop: int | None = None) -> np.ndarray:
        values = np.array([getattr(f, name) for f in features[:stop]], float)
        return values[np.isfinite(values)]

    def told(values: np.ndarray, how: str) -> float:
        return float(getattr(np, how)(values)) if len(values) else NAN

    first = round(rules["human"]["alpha_personal_s"] / TICK_S)
    theta, delta = column("theta_fraction"), column("delta_fraction")
    return Personal(
        theta=told(theta, "mean"),
        theta_sd=told(theta, "std"),
        delta=told(delta, "mean"),
        delta_sd=told(delta, "std"),
        alpha_power=told(column("alpha_power"), "median"),
        alpha_fraction=told(column("alpha_fraction", first), "median"),
        heart_rate=told(column("heart_rate"), "mean"),
    )


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch looks like.

    Attributes
    ----------
    state : int
    margins : tuple of float
        How far each feature in use is from its threshold, 0 to 1.
    modalities : int
    """

    state: int
    margins: tuple[float, ...]
    modalities: int


class Signs:
    """The signs of drowsiness of an epoch.

    Parameters
    ----------
    rules : Ruleset
    own : Personal
    eyes : str
        ``open`` or ``closed``, as the protocol asks.
    """

    def __init__(self, rules: Ruleset, own: Personal, eyes: str) -> None:
        self.rules, self.own, self.eyes = rules["human"], own, eyes
        self._alpha = 0

    def theta_limit(self) -> float:
        """Above this the theta fraction is a sign."""
        return self.own.theta + self.rules["theta_sd"] * self.own.theta_sd

    def read(self, f: Features) -> dict[str, tuple[bool, float]]:
        """Each sign that can be read: whether it is there, and its margin."""
        r, own, found = self.rules, self.own, {}
        width = r["half_width"]
        if known(f.sem):
            found["sem"] = f.sem > 0, 1.0
        ratio = f.alpha_power / own.alpha_power
        if self.eyes == CLOSED:
            fallen = f.alpha_fraction / own.alpha_fraction
            if known(fallen):
                found["alpha"] = (
                    fallen < r["alpha_fallen"],
                    margin(fallen, r["alpha_fallen"], width),
                )
        elif known(ratio):
            self._alpha = self._alpha + 1 if ratio > r["alpha_ratio"] else 0
            found["alpha"] = self._alpha >= r["alpha_s"], margin(ratio, r["alpha_ratio"], width)
        if known(f.theta_fraction) and known(own.theta):
            limit = self.theta_limit()
            spread = max(own.theta_sd, EDGE_S)
            found["theta"] = (
                f.theta_fraction > limit,
                min(1.0, abs(f.theta_fraction - limit) / spread),
            )
        if known(f.blink_s):
            found["blink"] = f.blink_s > r["blink_s"], margin(f.blink_s, r["blink_s"], width)
        if known(f.heart_rate) and known(own.heart_rate):
            fall = own.heart_rate - f.heart_rate
            found["heart"] = fall > r["heart_fall"], margin(fall, r["heart_fall"], width)
        return found

    def dominated(self, f: Features) -> bool:
        """Whether theta prevails over alpha, or delta over what it is in this person awake."""
        own, n = self.own, self.rules["dominance_sd"]
        theta = f.theta_fraction > f.alpha_fraction and f.theta_fraction > (
            own.theta + n * own.theta_sd
        )
        return theta or f.delta_fraction > own.delta + n * own.delta_sd


def margin(value: float, threshold: float, width: float) -> float:
    """Distance from a threshold in units of `width` of it, at most 1."""
    return min(1.0, abs(value - threshold) / (width * threshold))


class Human:
    """The live track of a person: give it the features of each tick in turn.

    Parameters
    ----------
    rules : Ruleset
    own : Personal
        May be set anew between ticks with `know`.
    eyes : str
        ``open`` or ``closed``.
    """

    def __init__(self, rules: Ruleset, own: Personal | None = None, eyes: str = OPEN) -> None:
        self.rules = rules
        self._signs = Signs(rules, own or Personal(), eyes)
        r = rules["human"]
        self._moving: deque[float] = deque(maxlen=round(r["active_s"] / TICK_S))
        self.epochs: list[Epoch] = []
        self._recent: deque[int] = deque(maxlen=round(r["majority_s"]))
        self._drowsy_s = self._slow_s = 0
        self._candidate = self._state = UNKNOWN
        self._since, self._n = NAN, 0

    def know(self, own: Personal) -> None:
        """Take a person's own levels."""
        self._signs.own = own

    def step(self, t: float, features: Features) -> Tick:
        """The state at `t`, seconds; ticks come in order, 0.1 s apart."""
        if known(features.muscle):
            self._moving.append(features.muscle)
        self._n += 1
        if self._n % round(1 / TICK_S) == 0 or not self.epochs:
            self.epochs.append(self._epoch(features))
            self._decide(t)
        epoch = self.epochs[-1]
        least = self.rules["confidence"]["unknown_below"]
        sure = confidence(factor(epoch.modalities, self.rules), epoch.margins)
        if epoch.state != self._state:
            sure *= self._agreement()
        state = self._state if sure >= least and epoch.modalities else UNKNOWN
        return Tick(t, state, sure, epoch.modalities)

    def _agreement(self) -> float:
        return sum(state == self._state for state in self._recent) / max(1, len(self._recent))

    def _epoch(self, f: Features) -> Epoch:
        found = self._signs.read(f)
        r = self.rules["human"]
        share = float(np.mean(self._moving)) if self._moving else NAN
        margins = [m for _, m in found.values()]
        if known(share):
            margins.append(margin(share, r["active_share"], r["half_width"]))
        state = self._state_of(f, share, {name: there for name, (there, _) in found.items()})
        return Epoch(state, tuple(margins), modalities(f))

    def _state_of(self, f: Features, moving: float, found: dict[str, bool]) -> int:
        r = self.rules["human"]
        if moving >= r["active_share"]:
            self._drowsy_s = self._slow_s = 0
            return ACTIVE_WAKE
        dominated = self._signs.dominated(f)
        slow = f.delta_fraction > r["slow_ratio"] * f.alpha_fraction
        self._slow_s = self._slow_s + 1 if slow and dominated and not f.blink_rate > 0 else 0
        if self._slow_s >= r["asleep_s"]:
            return ASLEEP
        if f.spindle > 0 and dominated:
            return ASLEEP
        if sum(found.values()) >= 2:
            self._drowsy_s += 1
            lasting = self._drowsy_s >= r["asleep_s"]
            return ASLEEP if lasting and dominated else DROWSY
        self._drowsy_s = 0
        blinks = f.blink_rate != 0 or self._signs.eyes == CLOSED
        fallen = self._signs.eyes == CLOSED and found.get("alpha", False)
        quiet = "theta" in found and not found["theta"] and not found.get("sem", False)
        return QUIET_WAKE if quiet and blinks and not fallen and not slow else UNKNOWN

    def _decide(self, t: float) -> None:
        self._recent.append(self.epochs[-1].state)
        candidate = majority(self._recent)
        if candidate != self._candidate:
            self._candidate, self._since = candidate, t
        if t - self._since >= self.rules["human"]["dwell_s"] - EDGE_S:
            self._state = candidate


def majority(states: Sequence[int] | deque[int]) -> int:
    """The state that occurs most; of those that occur as often, the latest."""
    counts = Counter(states)
    most = max(counts.values())
    return next(state for state in reversed(states) if counts[state] == most)


def modalities(f: Features) -> int:
    """Bits of what a person's features come from."""
    bits = LFP if known(f.theta_fraction) else 0
    bits |= EOG if known(f.blink_rate) or known(f.sem) else 0
    bits |= ECG if known(f.heart_rate) else 0
    bits |= PUPIL if known(f.pupil_size) else 0
    return bits | (EMG if known(f.emg) else 0)


def factor(bits: int, rules: Ruleset) -> float:
    """The factor A of a person's modalities; without an EEG there is none."""
    if not bits & LFP:
        return 0.0
    return rules["human"]["with_eog" if bits & (EOG | PUPIL) else "without_eog"]


def finish(ticks: Sequence[Tick], epochs: Sequence[Epoch], rules: Ruleset) -> tuple[Tick, ...]:
    """The final track: the majority around each epoch, short stays given to their neighbours.

    Parameters
    ----------
    ticks : sequence of Tick
        The live track.
    epochs : sequence of Epoch
        Those of the live track: one at the first tick, one at every tenth.
    """
    if not epochs:
        return tuple(ticks)
    n = round(rules["human"]["majority_s"])
    raw = [epoch.state for epoch in epochs]
    smooth = [majority(raw[max(0, k - n // 2) : k + n - n // 2]) for k in range(len(raw))]
    states = joined(smooth, round(rules["human"]["dwell_s"]))
    per_s = round(1 / TICK_S)
    least = rules["confidence"]["unknown_below"]
    out = []
    for i, tick in enumerate(ticks):
        # Epoch k >= 1 is told at tick 10 k - 1 and speaks for the second before it.
        k = min(len(states) - 1, i // per_s + 1)
        sure = confidence(factor(epochs[k].modalities, rules), epochs[k].margins)
        state = states[k] if sure >= least and tick.modalities else UNKNOWN
        out.append(Tick(tick.t, state, sure, tick.modalities))
    return tuple(out)


def joined(states: Sequence[int], least: int) -> list[int]:
    """Stays of fewer than `least` epochs take the state before them, the first one that after."""
    out: list[int] = []
    at = 0
    while at < len(states):
        stop = at
        while stop < len(states) and states[stop] == states[at]:
            stop += 1
        short = stop - at < least
        state = states[at]
        if short and out:
            state = out[-1]
        elif short and stop < len(states):
            state = states[stop]
        out += [state] * (stop - at)
        at = stop
    return out


def microsleeps(
    times: Sequence[float], features: Sequence[Features], rules: Ruleset
) -> list[tuple[float, float]]:
    """(start, stop) in seconds of microsleeps: theta prevails for 3-15 s with the eyes shut.

    Without electrodes of the eyes the loss of the pupil counts as shut eyes.
    """
    r = rules["human"]
    tracked = any(known(f.pupil_size) for f in features)
    found, since = [], NAN
    for t, f in zip([*times, np.inf], [*features, Features()], strict=True):
        shut = f.eyes_shut > 0 or (tracked and not known(f.pupil_size))
        if f.theta_epoch > f.alpha_epoch and shut:
            since = t - TICK_S if not known(since) else since
            last = t
        elif known(since):
            if r["microsleep_least_s"] - EDGE_S <= last - since <= r["microsleep_most_s"] + EDGE_S:
                found.append((since, last))
            since = NAN
    return found
