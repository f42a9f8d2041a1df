"""95 % intervals by drawing seeds anew: a seed's signals belong together, its events do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

N_DRAWS = 2000
Statistic = Callable[[Sequence[Any]], float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(outcomes: Sequence[Any], statistic: Statistic, n_draws: int = N_DRAWS) -> Estimate:
    """A statistic of all seeds, with percentile bootstrap over seeds.

    Parameters
    ----------
    outcomes : sequence
        One per seed.
    statistic : callable
        From any such sequence to a number.
    n_draws : int

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 13.
    """
    rng = np.random.default_rng(0)
    value = statistic(outcomes)
    drawn = np.empty(n_draws)
    for k in range(n_draws):
        drawn[k] = statistic([outcomes[i] for i in rng.integers(0, len(outcomes), len(outcomes))])
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return Estimate(value, np.nan, np.nan)
    # A latency of an event that was never raised is infinite: no interpolation between those.
    low, high = np.quantile(drawn, (0.025, 0.975), method="nearest")
    return Estimate(float(value), float(low), float(high))
