"""Arousal states and what they drive: speed, pupil, motion energy, delta, EMG (G12)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LATTICE_S = 0.1
PUPIL_LAG_S = 1.5  # science E.1 G12
BEHAVIOUR_S = 7200.0  # after this a rig's animal begins anew

DROWSY, QUIET_WAKE, ACTIVE_WAKE, LOCOMOTION = 2, 3, 4, 5
CODES = (QUIET_WAKE, ACTIVE_WAKE, LOCOMOTION, DROWSY)
MEAN_S = {3: 25.0, 4: 6.0, 5: 10.0, 2: 30.0}  # science C.3
LEAST_S = {3: 4.0, 4: 2.0, 5: 2.0, 2: 12.0}  # science C.3

# Where the animal goes next: it does not run out of sleep, nor fall asleep while running.
NEXT = {
    QUIET_WAKE: ((ACTIVE_WAKE, LOCOMOTION, DROWSY), (0.5, 0.25, 0.25)),
    ACTIVE_WAKE: ((QUIET_WAKE, LOCOMOTION), (0.6, 0.4)),
    LOCOMOTION: ((QUIET_WAKE, ACTIVE_WAKE), (0.5, 0.5)),
    DROWSY: ((QUIET_WAKE, ACTIVE_WAKE), (0.7, 0.3)),
}

# Levels about the thresholds of science C.3 (speed 2/1 cm/s, pupil 0.40, z 1.5, delta 1.25).
SPEED = {DROWSY: 0.0, QUIET_WAKE: 0.0, ACTIVE_WAKE: 0.0, LOCOMOTION: 12.0}  # cm/s
PUPIL = {DROWSY: 0.18, QUIET_WAKE: 0.45, ACTIVE_WAKE: 0.62, LOCOMOTION: 0.80}  # of its range
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


@dataclass(frozen=True)
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
    """

    states: tuple[State, ...]
    code: np.ndarray
    speed_cm_s: np.ndarray
    pupil: np.ndarray
    motion: np.ndarray
    delta: np.ndarray
    emg: np.ndarray
    position_cm: np.ndarray

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
    speed = _driven(rng, code, SPEED, 0.15, 1.5)
    speed[code != LOCOMOTION] *= 0.02  # a standing animal trembles; the belt hardly moves
    speed = np.abs(speed)
    return Behaviour(
        states=stays,
        code=code,
        speed_cm_s=speed,
        pupil=np.clip(_driven(rng, code, PUPIL, PUPIL_LAG_S, 0.03), 0.0, 1.0),
        motion=_driven(rng, code, MOTION, 0.2, 0.4),
        delta=_driven(rng, code, DELTA, 0.5, 0.4),
        emg=_driven(rng, code, EMG, 0.2, 0.4),
        position_cm=np.concatenate(([0.0], np.cumsum(speed)[:-1])) * LATTICE_S,
    )


def _driven(
    rng: np.random.Generator, code: np.ndarray, level: dict[int, float], lag_s: float, sd: float
) -> np.ndarray:
    """Each state's level seen through a first-order lag, plus noise with the same lag."""
    table = np.zeros(max(level) + 1)
    for state, value in level.items():
        table[state] = value
    keep = np.exp(-LATTICE_S / lag_s)
    drive = table[code] * (1.0 - keep)
    kick = rng.standard_normal(len(code)) * sd * np.sqrt(1.0 - keep**2)
    out = np.empty(len(code))
    now = table[code[0]]
    for i in range(len(code)):
        now = keep * now + drive[i] + kick[i]
        out[i] = now
    return out
