"""What a row of the table is: a task of science.md E.2, a statistic of the seeds, and a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.scoring.bootstrap import Estimate, estimate
from tests.scoring.matching import Counts, total

SEEDS = range(2000, 2120)  # never tuned on; tuning takes 1 … 40
SIMULATED = "simulated only"


class NotBuilt(Exception):
    """The check that a row scores, or the generator of its signals, does not exist yet."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    task, measure : str
        Of E.2, and which of its numbers.
    statistic : callable
        From the outcomes of seeds to that number.
    at_least, at_most : float or None
        The target; None and None for a number without one.
    unit : str
    exact : bool
        Every seed has to reach the target, not the interval's end.
    real : str
        Which recordings show the same, or that there are none.
    limits : callable, optional
        From the outcomes to an interval that the bootstrap's is widened by, where that is known
        to be too narrow.
    note : callable, optional
        From the outcomes to what else the page should say.
    """

    task: str
    measure: str
    statistic: Callable[[Sequence[Any]], float]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    exact: bool = False
    real: str = SIMULATED
    limits: Callable[[Sequence[Any]], tuple[float, float]] | None = None
    note: Callable[[Sequence[Any]], str] | None = None


@dataclass(frozen=True)
class Scenario:
    """Signals of one seed played through the checks, and the rows that it fills.

    Attributes
    ----------
    name : str
        As ``--only`` takes it.
    play : callable
        From a seed to its outcome; raises `NotBuilt`.
    rows : tuple of Row
    n_seeds : int
        How many of `SEEDS` are played.
    """

    name: str
    play: Callable[[int], Any]
    rows: tuple[Row, ...]
    n_seeds: int = 40


@dataclass(frozen=True)
class Scored:
    """A row and what came of it; `estimate` is None where it could not be scored: `why`."""

    row: Row
    estimate: Estimate | None
    n_seeds: int = 0
    note: str = ""
    why: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the unfavourable end of the interval reaches the target; None without one."""
        if self.estimate is None or (self.row.at_least is None and self.row.at_most is None):
            return None
        e = self.estimate
        low, high = (e.value, e.value) if self.row.exact else (e.low, e.high)
        if np.isnan(low) or np.isnan(high):
            return False
        least = self.row.at_least is None or low >= self.row.at_least
        return least and (self.row.at_most is None or high <= self.row.at_most)


def score(row: Row, outcomes: Sequence[Any]) -> Scored:
    """The row, from the outcomes of its seeds."""
    found = estimate(outcomes, row.statistic)
    if row.limits is not None:
        low, high = row.limits(outcomes)
        found = Estimate(found.value, min(found.low, low), max(found.high, high))
    note = "" if row.note is None else row.note(outcomes)
    return Scored(row, found, len(outcomes), note)


def of_counts(key: str, function: Callable[[Counts], float]) -> Callable[[Sequence[Any]], float]:
    """A statistic of the counts that stand under `key` in each outcome."""
    return lambda outcomes: function(total(o[key] for o in outcomes))


def latency(key: str, quantile: float) -> Callable[[Sequence[Any]], float]:
    """A quantile of the latencies of the counts under `key`."""

    def statistic(outcomes: Sequence[Any]) -> float:
        waits = np.concatenate([np.asarray(o[key].latencies_s, float) for o in outcomes])
        return float(np.quantile(waits, quantile, method="higher")) if len(waits) else np.nan

    return statistic


def mean_of(key: str) -> Callable[[Sequence[Any]], float]:
    """The mean of a number of each outcome; NaN where a seed has none."""
    return lambda outcomes: float(np.nanmean([o[key] for o in outcomes]))


def worst_of(key: str) -> Callable[[Sequence[Any]], float]:
    """The largest of a number of each outcome."""
    return lambda outcomes: float(np.max([o[key] for o in outcomes]))


def sum_of(key: str) -> Callable[[Sequence[Any]], float]:
    """The sum of a number of each outcome."""
    return lambda outcomes: float(np.sum([o[key] for o in outcomes]))
