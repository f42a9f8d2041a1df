"""The final track of an animal, made when the block is closed; science.md C.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tenmin.checks.arousal.animal import Animal, Switch, Thresholds
from tenmin.checks.arousal.confidence import reachable
from tenmin.checks.arousal.features import Features
from tenmin.checks.arousal.levels import border
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S
from tenmin.checks.arousal.states import (
    ASLEEP,
    DROWSY,
    EMG,
    FACE,
    LABELS,
    QUIET_WAKE,
    UNKNOWN,
    Tick,
)

LOW = (ASLEEP, DROWSY)


def finish(
    times: Sequence[float],
    features: Sequence[Features],
    rules: Ruleset,
    thresholds: Thresholds | None = None,
) -> tuple[Tick, ...]:
    """Go through the block again, knowing all of it.

    Parameters
    ----------
    times : sequence of float
        Of the ticks, seconds.
    features : sequence of Features
        Those of the live track, pupil and z scores with the last calibration.
    rules : Ruleset
    thresholds : Thresholds, optional
        Of the last calibration, which has seen all of the block; those of the rules by default.

    Returns
    -------
    tuple of Tick
        As many as the live track has.
    """
    animal = Animal(rules, thresholds)
    again = [animal.step(t, f) for t, f in zip(times, features, strict=True)]
    live = np.array([tick.state for tick in again], np.int8)
    bits = np.array([tick.modalities for tick in again], np.int64)
    states = backdated(np.asarray(times, float), animal.switches, rules)
    states[(live == ASLEEP) & (states == DROWSY)] = ASLEEP
    states[rem_like(features, bits, states, rules)] = ASLEEP
    states = without_short(states, rules["final"]["least_low_s"])
    can = np.array([s in reachable(int(b)) for s, b in zip(states, bits, strict=True)], bool)
    states = np.where(can, states, live)
    sure = np.array([tick.confidence for tick in again])
    states[unsure(states, sure, rules["confidence"]["unknown_below"])] = UNKNOWN
    return tuple(replace(tick, state=int(s)) for tick, s in zip(again, states, strict=True))


def backdated(times: np.ndarray, switches: Sequence[Switch], rules: Ruleset) -> np.ndarray:
    """States from since when they were candidates, less the lag of the smoothing, (n,), int8."""
    states = np.zeros(len(times), np.int8)
    first = 0
    for switch in switches:
        lag = rules["final"].get(f"lag_{LABELS[switch.state]}_s", 0.0)
        at = int(np.searchsorted(times, switch.candidate - lag - TICK_S / 2))
        first = max(first, at)
        states[first:] = switch.state
    return states


def rem_like(
    features: Sequence[Features], bits: np.ndarray, states: np.ndarray, rules: Ruleset
) -> np.ndarray:
    """Bins of quiet wakefulness that look like REM sleep: theta high, muscle at the floor, (n,)."""
    own = rules["theta"]
    n = round(own["smooth_s"] / TICK_S)
    theta = centred_mean(np.array([f.theta for f in features], float), n)
    emg = np.array([f.emg for f in features], float)
    if np.isnan(emg).all():
        emg = np.array([f.motion for f in features], float)
    final = rules["final"]
    at = border(theta, final["ashman_d"], final["least_share"], own["unit"])
    high = theta > (own["unit"] if at is None else at)
    calm = centred_mean(emg, n) < rules["animal"]["floor_on"]
    told = (bits & (EMG | FACE)) != 0
    found = high & calm & told & np.isin(states, (*LOW, QUIET_WAKE))
    for start, stop in runs(found):
        if found[start] and (stop - start) * TICK_S < final["rem_s"]:
            found[start:stop] = False
    return found


def without_short(states: np.ndarray, least_s: float) -> np.ndarray:
    """Low-arousal bouts below `least_s` become what was before (at the start, what follows)."""
    out = states.copy()
    low = np.isin(states, LOW)
    for start, stop in runs(low):
        if low[start] and (stop - start) * TICK_S < least_s:
            if start:
                out[start:stop] = out[start - 1]
            elif stop < len(out):
                out[start:stop] = out[stop]
    return out


def unsure(states: np.ndarray, sure: np.ndarray, least: float) -> np.ndarray:
    """Bins of stays whose mean confidence is below `least`, (n,), bool."""
    out = np.zeros(len(states), bool)
    for start, stop in runs(states):
        out[start:stop] = sure[start:stop].mean() < least
    return out


def runs(values: np.ndarray) -> list[tuple[int, int]]:
    """First and stop of each stretch of equal values."""
    if not len(values):
        return []
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    bounds = [0, *edges.tolist(), len(values)]
    return list(pairwise(bounds))


def centred_mean(values: np.ndarray, n: int) -> np.ndarray:
    """Mean of the known values among the `n` around each; NaN where none is known."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    at = np.arange(len(values))
    low, high = np.maximum(0, at - n // 2), np.minimum(len(values), at - n // 2 + n)
    count = counts[high] - counts[low]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, (sums[high] - sums[low]) / np.maximum(count, 1), np.nan)
