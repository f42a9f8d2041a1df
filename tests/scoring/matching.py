"""Events found against events that were there, and what follows from the counts; science.md E.2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

BIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Interval:
    """From `onset_s` up to `offset_s`; an instant has equal ends."""

    onset_s: float
    offset_s: float


@dataclass(frozen=True)
class Counts:
    """Matches of one seed, or of many added up.

    Attributes
    ----------
    hits, missed, false : int
        Events found, not found, and found where there was none.
    latencies_s : tuple of float
        First raised tick minus true onset, of the hits.
    """

    hits: int = 0
    missed: int = 0
    false: int = 0
    latencies_s: tuple[float, ...] = field(default=(), repr=False)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.hits + other.hits,
            self.missed + other.missed,
            self.false + other.false,
            self.latencies_s + other.latencies_s,
        )


def total(counts: Iterable[Counts]) -> Counts:
    """All counts in one."""
    found = Counts()
    for one in counts:
        found = found + one
    return found


def match(truth: Sequence[Interval], found: Sequence[Interval], tolerance_s: float) -> Counts:
    """Pair events one to one: they overlap, and their onsets lie within the tolerance.

    Parameters
    ----------
    truth, found : sequence of Interval
        In any order.
    tolerance_s : float
        Of the onset; science.md E.2: 0.5 s faults, 1 s line and noise, 5 s states.
    """
    free = sorted(found, key=lambda f: f.onset_s)
    hits = 0
    for event in sorted(truth, key=lambda e: e.onset_s):
        near = [f for f in free if _overlap(event, f) and _apart(event, f) <= tolerance_s]
        if near:
            free.remove(min(near, key=lambda f: _apart(event, f)))
            hits += 1
    return Counts(hits, len(truth) - hits, len(free))


def _overlap(one: Interval, other: Interval) -> bool:
    # A bin of the lattice may begin before an instant that lies in it, and end with it.
    return one.onset_s <= other.offset_s + BIN_S / 10 and other.onset_s <= one.offset_s + BIN_S / 10


def _apart(one: Interval, other: Interval) -> float:
    return abs(one.onset_s - other.onset_s)


def runs(
    on: np.ndarray, step_s: float, join_s: float = 0.0, start_s: float = 0.0
) -> list[Interval]:
    """The stretches in which a series of bins is on.

    Parameters
    ----------
    on : ndarray of bool, (n,)
    step_s : float
        Length of a bin.
    join_s : float
        Stretches with at most this between them are one.
    start_s : float
        When the first bin begins.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(on, np.int8), [0]))))
    found = [
        Interval(start_s + a * step_s, start_s + b * step_s)
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist())
    ]
    return joined(found, join_s)


def joined(intervals: Iterable[Interval], join_s: float) -> list[Interval]:
    """Intervals in order; those with at most `join_s` between them are one."""
    found: list[Interval] = []
    for one in sorted(intervals, key=lambda i: i.onset_s):
        if found and one.onset_s - found[-1].offset_s <= join_s + 1e-9:
            stop = max(found[-1].offset_s, one.offset_s)
            found[-1] = Interval(found[-1].onset_s, stop)
        else:
            found.append(one)
    return found


def latencies(truth: Sequence[Interval], raised: np.ndarray, ticks_s: np.ndarray) -> list[float]:
    """From each true onset to the first tick at which the level was raised; infinite if never.

    A tick counts until 5 s after the event's end.

    Parameters
    ----------
    truth : sequence of Interval
    raised : ndarray of bool, (n,)
        At each tick.
    ticks_s : ndarray, (n,)
        When each tick was.
    """
    waits = []
    for event in truth:
        due = raised & (ticks_s >= event.onset_s) & (ticks_s <= event.offset_s + 5.0)
        waits.append(float(ticks_s[due][0] - event.onset_s) if due.any() else np.inf)
    return waits


def precision(c: Counts) -> float:
    """Share of what was found that was there."""
    return c.hits / (c.hits + c.false) if c.hits + c.false else np.nan


def recall(c: Counts) -> float:
    """Share of what was there that was found."""
    return c.hits / (c.hits + c.missed) if c.hits + c.missed else np.nan


def f1(c: Counts) -> float:
    """Harmonic mean of precision and recall."""
    n = 2 * c.hits + c.missed + c.false
    return 2 * c.hits / n if n else np.nan


def confusion(truth: np.ndarray, found: np.ndarray, n_classes: int) -> np.ndarray:
    """How often each class (rows: truth) was taken for each (columns: found)."""
    both = np.asarray(truth, np.int64) * n_classes + np.asarray(found, np.int64)
    return np.bincount(both, minlength=n_classes**2).reshape(n_classes, n_classes)


def kappa(table: np.ndarray) -> float:
    """Cohen's kappa of a confusion table; NaN where only one class is on both sides.

    References
    ----------
    Cohen 1960, Educ Psychol Meas 20:37.
    """
    n = table.sum()
    if n == 0:
        return np.nan
    agreed = np.trace(table) / n
    chance = float((table.sum(axis=0) * table.sum(axis=1)).sum()) / n**2
    return (agreed - chance) / (1.0 - chance) if chance < 1.0 else np.nan


def balanced_accuracy(table: np.ndarray) -> float:
    """Mean of the share found right over the classes that occur."""
    occurs = table.sum(axis=1) > 0
    return (
        float((np.diag(table)[occurs] / table.sum(axis=1)[occurs]).mean())
        if occurs.any()
        else np.nan
    )


def calibration_bins(confidence: np.ndarray, right: np.ndarray, n_bins: int = 10) -> np.ndarray:
    """How many, sum of confidence and how many right in equal bins, (3, n_bins); they add up."""
    bins = np.minimum((np.asarray(confidence) * n_bins).astype(int), n_bins - 1)
    weights = (np.ones(len(bins)), confidence, right)
    return np.array([np.bincount(bins, w, minlength=n_bins) for w in weights])


def calibration_error(bins: np.ndarray) -> float:
    """Expected calibration error: gap of confidence and accuracy, weighted over equal bins.

    References
    ----------
    Naeini, Cooper, Hauskrecht 2015, AAAI 29:2901.
    """
    n, sure, right = bins
    return float(np.abs(sure - right).sum() / n.sum()) if n.sum() else np.nan
