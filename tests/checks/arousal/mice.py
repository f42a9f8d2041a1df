"""The simulated animal's features as the tracker takes them, and how tracks are scored."""

import functools
import math

import numpy as np
from tenmin_simulators.behaviour import behave

from tenmin.checks.arousal.animal import Animal
from tenmin.checks.arousal.features import Features
from tenmin.checks.arousal.final import finish
from tenmin.checks.arousal.ruleset import shipped

RULES = shipped()
TUNING = range(1, 9)
EVERYTHING = ("speed", "motion", "pupil", "delta")


def smoothed(values, tau_s, step_s=0.1):
    """Exponentially weighted mean, written out."""
    a, out = 1 - math.exp(-step_s / tau_s), [float(values[0])]
    for x in values[1:]:
        out.append(out[-1] + a * (float(x) - out[-1]))
    return np.array(out)


@functools.cache
def mouse(seed, duration_s=600.0):
    """True codes and the features of science.md C.2, (codes, {name: values})."""
    b = behave(np.random.default_rng(seed), duration_s)
    delta = smoothed(b.delta[9::10], 2.0, 1.0)  # once a second, held
    held = np.concatenate([np.full(9, np.nan), np.repeat(delta, 10)])[: len(b.code)]
    features = {
        "speed": smoothed(b.speed_cm_s, 0.3),
        "motion": smoothed(b.motion, 0.4),
        "pupil": smoothed(b.pupil, 0.5),
        "emg": smoothed(b.emg, 0.5),
        "delta": held,
    }
    return b.code, features


def ticks_of(columns, names=EVERYTHING):
    """(times, features) of some of the columns."""
    n = len(columns[names[0]])
    rows = [Features(**{name: float(columns[name][i]) for name in names}) for i in range(n)]
    return [0.1 * (i + 1) for i in range(n)], rows


def live(times, rows, thresholds=None):
    """The live track."""
    animal = Animal(RULES, thresholds)
    return [animal.step(t, f) for t, f in zip(times, rows, strict=True)]


def states(ticks):
    """Codes, sleep and drowsiness as one: the simulated animal is drowsy at most."""
    codes = np.array([tick.state for tick in ticks])
    codes[codes == 1] = 2
    return codes


@functools.cache
def track(seed, names=EVERYTHING):
    """(true codes, live states, live ticks)."""
    code, columns = mouse(seed)
    told = live(*ticks_of(columns, names))
    return code, states(told), told


@functools.cache
def final_track(seed, names=EVERYTHING):
    """(true codes, final states)."""
    code, columns = mouse(seed)
    return code, states(finish(*ticks_of(columns, names), RULES))


def kappa(truth, told):
    """Cohen's kappa."""
    kinds = np.unique(np.concatenate([truth, told]))
    seen = np.mean(truth == told)
    chance = sum(np.mean(truth == k) * np.mean(told == k) for k in kinds)
    return (seen - chance) / (1 - chance)


def latencies(truth, told, state):
    """Seconds from each onset of a state to the end of the first tick that tells it; NaN never."""
    found = []
    for at in np.flatnonzero((truth[1:] == state) & (truth[:-1] != state)) + 1:
        stop = at
        while stop < len(truth) and truth[stop] == state:
            stop += 1
        hits = np.flatnonzero(told[at:stop] == state)
        found.append((hits[0] + 1) * 0.1 if len(hits) else np.nan)
    return np.array(found)
