"""Arousal states and what they drive: speed, pupil, motion energy, delta, EMG (G12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tenmin_simulators.options import Fault

LATTICE_S = 0.1
PUPIL_LAG_S = 1.5  # science E.1 G12
BEHAVIOUR_S = 7200.0  # after this a rig's animal begins anew

DROWSY, QUIET_WAKE, ACTIVE_WAKE, LOCOMOTION = 2, 3, 4, 5
CODES = (QUIET_WAKE, ACTIVE_WAKE, LOCOMOTION, DROWSY)
CODE_OF = {"drowsy": DROWSY, "quiet": QUIET_WAKE, "active": ACTIVE_WAKE, "run": LOCOMOTION}
MEAN_S = {3: 25.0, 4: 6.0, 5: 10.0, 2: 30.0}  # science C.3
LEAST_S = {3: 4.0, 4: 2.0, 5: 2.0, 2: 12.0}  # science C.3

# Where the animal goes next: it does not run out of sleep, nor fall asleep while running. Science
# C.3 does not say how often: so often that its rules agree with this animal as its table says
# (kappa 0.68 and 0.57 without face and pupil, and without speed; errors of time 0.11 and 0.17).
NEXT = {
    QUIET_WAKE: ((ACTIVE_WAKE, LOCOMOTION, DROWSY), (0.4, 0.4, 0.2)),
    ACTIVE_WAKE: ((QUIET_WAKE, LOCOMOTION), (0.6, 0.4)),
    LOCOMOTION: ((QUIET_WAKE, ACTIVE_WAKE), (0.7, 0.3)),
    DROWSY: ((QUIET_WAKE, ACTIVE_WAKE), (0.7, 0.3)),
}

# Levels about the thresholds of science C.3 (speed 2/1 cm/s, pupil 0.40, z 1.5, delta 1.25).
SPEED = {DROWSY: 0.0, QUIET_WAKE: 0.0, ACTIVE_WAKE: 0.0, LOCOMOTION: 12.0}  # cm/s
# In quiet wake the pupil lies at 0.40, since C.3 takes the median of still bins for its centre.
PUPIL = {DROWSY: 0.18, QUIET_WAKE: 0.40, ACTIVE_WAKE: 0.62, LOCOMOTION: 0.80}  # of its range
MOTION = {DROWSY: -0.3, QUIET_WAKE: 0.0, ACTIVE_WAKE: 3.0, LOCOMOTION: 4.5}  # z
DELTA = {DROWSY: 2.5, QUIET_WAKE: 0.0, ACTIVE_WAKE: -0.8, LOCOMOTION: -1.2}  # z
EMG = {DROWSY: -0.5, QUIET_WAKE: 0.0, ACTIVE_WAKE: 3.0, LOCOMOTION: 5.0}  # z

PUPIL_MM = (0.6, 2.2)  # smallest and largest diameter of a mouse's pupil


@dataclass(frozen=True)
class State:
    """One stay in a state of science C.1."""

    onset_s: float
    offset_s: float
    code: int


FOLLOWS = {  # feature: level in each state, lag and SD
    "speed_cm_s": (SPEED, 0.15, 1.5),
    "pupil": (PUPIL, PUPIL_LAG_S, 0.03),
    "motion": (MOTION, 0.2, 0.4),
    "delta": (DELTA, 0.2, 0.4),
    "emg": (EMG, 0.2, 0.4),
}
SETTLED_LAGS = 20.0  # after this many lags a forced state has left no trace
TREMBLE = 0.02  # a standing animal trembles; the belt hardly moves


@dataclass
class Behaviour:
    """States and features on a lattice of 0.1 s.

    Attributes
    ----------
    states : tuple of State
        They cover the duration without overlap or hole.
    code : ndarray, (n,), int8
        State at each point of the lattice.
    speed_cm_s, pupil, motion, delta, emg : ndarray, (n,), float64
        Speed; pupil from 0 to 1 of its range; z scores.
    position_cm : ndarray, (n,), float64
        Way run until each point.
    linear : dict of str to ndarray
        Features before what bounds them; by it a state can be forced later on.
    """

    states: tuple[State, ...]
    code: np.ndarray
    speed_cm_s: np.ndarray
    pupil: np.ndarray
    motion: np.ndarray
    delta: np.ndarray
    emg: np.ndarray
    position_cm: np.ndarray
    linear: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def duration_s(self) -> float:
        """How long it lasts before it begins anew."""
        return len(self.code) * LATTICE_S

    def at(self, feature: str, t_s: np.ndarray) -> np.ndarray:
        """A feature at any times, linear between the points; periodic, positions go on."""
        values = getattr(self, feature)
        turns, within = np.divmod(np.asarray(t_s, np.float64) / LATTICE_S, len(values))
        low = within.astype(np.int64)
        high = (low + 1) % len(values)
        after = values[high]
        if feature == "position_cm":
            end = values[-1] + self.speed_cm_s[-1] * LATTICE_S
            after = np.where(high == 0, end, after)
            return turns * end + values[low] + (after - values[low]) * (within - low)
        return values[low] + (after - values[low]) * (within - low)

    def force(self, onset_s: float, offset_s: float, code: int) -> None:
        """Let the animal be in a state for a while; features follow as they always do.

        Nothing changes at or before `onset_s`: the state begins at the next but one point of the
        lattice.
        """
        first = (int(np.ceil(onset_s / LATTICE_S)) + 1) % len(self.code)
        last = min(first + max(1, round((offset_s - onset_s) / LATTICE_S)), len(self.code))
        before = self.code.copy()
        self.code[first:last] = code
        for name, (level, lag_s, _) in FOLLOWS.items():
            table = _table(level)
            stop = min(len(self.code), last + round(SETTLED_LAGS * lag_s / LATTICE_S))
            push = (table[self.code[first:stop]] - table[before[first:stop]]).tolist()
            keep, moved = np.exp(-LATTICE_S / lag_s), 0.0
            for i, change in enumerate(push):
                moved = keep * moved + (1.0 - keep) * change
                self.linear[name][first + i] += moved
        self._bound(first)
        stay = State(round(first * LATTICE_S, 1), round(last * LATTICE_S, 1), code)
        self.states = tuple(_forced(self.states, stay))

    def takes(self) -> dict[str, Callable[[Fault, int, float], None]]:
        """Kinds of faults that put the animal into a state, for a `Sender`."""

        def take(fault: Fault, first: int, rig_s: float) -> None:
            self.force(rig_s, rig_s + fault.value, CODE_OF[fault.kind])

        return dict.fromkeys(CODE_OF, take)

    def _bound(self, first: int = 0) -> None:
        """The features from their linear parts, from a point on."""
        after = slice(first, None)
        for name in ("motion", "delta", "emg"):
            getattr(self, name)[after] = self.linear[name][after]
        speed = self.linear["speed_cm_s"][after].copy()
        speed[self.code[after] != LOCOMOTION] *= TREMBLE
        self.speed_cm_s[after] = np.abs(speed)
        self.pupil[after] = np.clip(self.linear["pupil"][after], 0.0, 1.0)
        start = self.position_cm[first]
        way = np.concatenate(([0.0], np.cumsum(self.speed_cm_s[after])[:-1])) * LATTICE_S
        self.position_cm[after] = start + way

    def states_until(self, t_s: float) -> list[list[float | int]]:
        """(onset, offset, code) of what has begun by `t_s`."""
        return [[s.onset_s, min(s.offset_s, t_s), s.code] for s in self.states if s.onset_s < t_s]


def states(rng: np.random.Generator, duration_s: float) -> tuple[State, ...]:
    """A semi-Markov sequence: every stay lasts its minimum plus an exponential time."""
    found: list[State] = []
    t, code = 0.0, QUIET_WAKE
    while t < duration_s:
        stay = LEAST_S[code] + rng.exponential(MEAN_S[code] - LEAST_S[code])
        stop = min(round(t + stay, 1), duration_s)
        found.append(State(t, stop, code))
        t = stop
        codes, weights = NEXT[code]
        code = int(rng.choice(codes, p=weights))
    return tuple(found)


def behave(rng: np.random.Generator, duration_s: float = BEHAVIOUR_S) -> Behaviour:
    """States, and the features they drive, with noise."""
    stays = states(rng, duration_s)
    n = round(duration_s / LATTICE_S)
    code = np.empty(n, np.int8)
    for stay in stays:
        code[round(stay.onset_s / LATTICE_S) : round(stay.offset_s / LATTICE_S)] = stay.code
    linear = {name: _driven(rng, code, *how) for name, how in FOLLOWS.items()}
    empty = {name: np.zeros(n) for name in (*FOLLOWS, "position_cm")}
    animal = Behaviour(stays, code, linear=linear, **empty)
    animal._bound()
    return animal


def _forced(stays: Sequence[State], new: State) -> Iterator[State]:
    """The stays with a new one in the place of what it covers; neighbours alike are joined."""
    cut = [State(s.onset_s, min(s.offset_s, new.onset_s), s.code) for s in stays]
    cut += [new]
    cut += [State(max(s.onset_s, new.offset_s), s.offset_s, s.code) for s in stays]
    cut = sorted((s for s in cut if s.offset_s > s.onset_s), key=lambda s: s.onset_s)
    last = cut[0]
    for stay in cut[1:]:
        if stay.code == last.code:
            last = State(last.onset_s, stay.offset_s, last.code)
        else:
            yield last
            last = stay
    yield last


def _table(level: dict[int, float]) -> np.ndarray:
    table = np.zeros(max(level) + 1)
    for state, value in level.items():
        table[state] = value
    return table


def _driven(
    rng: np.random.Generator, code: np.ndarray, level: dict[int, float], lag_s: float, sd: float
) -> np.ndarray:
    """Each state's level seen through a first-order lag, plus noise with the same lag."""
    table = _table(level)
    keep = np.exp(-LATTICE_S / lag_s)
    drive = table[code] * (1.0 - keep)
    kick = rng.standard_normal(len(code)) * sd * np.sqrt(1.0 - keep**2)
    out = np.empty(len(code))
    now = table[code[0]]
    for i in range(len(code)):
        now = keep * now + drive[i] + kick[i]
        out[i] = now
    return out
