"""Modes and spreads of features: what z scores and thresholds are made from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tenmin.checks.robust import MAD_TO_SIGMA

N_ROUNDS = 50  # two modes settle long before
N_FITTED = 500
LEAST_SPREAD = 1e-3  # of the whole spread: a mode is no single value


@dataclass(frozen=True, slots=True)
class Scale:
    """What a z score is measured from and in.

    Attributes
    ----------
    mode, sigma : float
        In the unit of the feature before it is scaled.
    """

    mode: float
    sigma: float

    def z(self, value: float) -> float:
        """The z score of a value."""
        return (value - self.mode) / self.sigma


def scale(values: np.ndarray) -> Scale | None:
    """Mode, and robust SD of what lies below it: active bins above do not count.

    Parameters
    ----------
    values : ndarray, (n,)
        NaN is left out.

    Returns
    -------
    Scale or None
        None where the values do not differ.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    mode = half_sample_mode(known)
    sigma = MAD_TO_SIGMA * float(np.median(mode - known[known <= mode]))
    return Scale(mode, sigma) if sigma > 0 else None


def middle_scale(values: np.ndarray) -> Scale | None:
    """Median and robust SD; None where the values do not differ."""
    if not len(values):
        return None
    middle = float(np.median(values))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))
    return Scale(middle, sigma) if sigma > 0 else None


def half_sample_mode(values: np.ndarray) -> float:
    """The mode: the densest half of the densest half, and so on.

    References
    ----------
    Bickel and Fruehwirth 2006, Comput. Stat. Data Anal. 50: 3500-3530.
    """
    x = np.sort(values)
    while len(x) > 2:
        n = (len(x) + 1) // 2
        widths = x[n - 1 :] - x[: len(x) - n + 1]
        ties = np.flatnonzero(widths == widths.min())
        at = int(ties[len(ties) // 2])
        if n == len(x) - 1 and len(x) == 3 and len(ties) == 2:
            return float(x[1])
        x = x[at : at + n]
    return float(x.mean())


@dataclass(frozen=True, slots=True)
class Modes:
    """Two modes of a distribution.

    Attributes
    ----------
    low, high : float
        Their means.
    middle : float
        The border between them.
    ashman_d : float
        How far they are apart: above 2 they are two.
    share : float
        Of the values in the smaller one.
    """

    low: float
    high: float
    middle: float
    ashman_d: float
    share: float


def two_modes(values: np.ndarray) -> Modes | None:
    """Fit two normal modes to values, and say how far they are apart.

    Parameters
    ----------
    values : ndarray, (n,)
        NaN is left out.

    Returns
    -------
    Modes or None
        None where there are not two values.

    References
    ----------
    Ashman, Bird and Zepf 1994, Astron. J. 108: 2348: ``D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2)``
    of a fitted mixture. Of one normal mode cut in two at its middle D is 2.6.
    """
    known = np.sort(values[np.isfinite(values)])
    if len(known) < 2 or known[0] == known[-1]:
        return None
    if len(known) > N_FITTED:  # its quantiles say all of the distribution that two modes need
        known = known[np.linspace(0, len(known) - 1, N_FITTED).round().astype(int)]
    means, spreads, shares = _fitted(known, _halves(known))
    low, high = (int(k) for k in np.argsort(means))
    spread = math.hypot(float(spreads[low]), float(spreads[high]))
    apart = float(means[high] - means[low])
    return Modes(
        low=float(means[low]),
        high=float(means[high]),
        middle=float(means[low] + means[high]) / 2,
        ashman_d=math.sqrt(2.0) * apart / spread,
        share=float(shares.min()),
    )


def _halves(known: np.ndarray) -> float:
    """The border of two means."""
    border = float(known[0] + known[-1]) / 2
    for _ in range(N_ROUNDS):
        n = int(np.searchsorted(known, border, side="right"))
        moved = float(known[:n].mean() + known[n:].mean()) / 2
        if moved == border:
            break
        border = moved
    return border


def _fitted(known: np.ndarray, border: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, SD and shares of two normal modes, by expectation and maximisation, (2,) each."""
    least = LEAST_SPREAD * float(known.std())
    weights = np.array([known <= border, known > border], float)
    before = np.zeros(2)
    for _ in range(N_ROUNDS):
        shares = weights.mean(axis=1)
        means = (weights * known).mean(axis=1) / shares
        away = known - means[:, None]
        spreads = np.sqrt((weights * away**2).mean(axis=1) / shares).clip(least)
        if np.abs(means - before).max() < 10 * least:
            break
        before = means
        z = away / spreads[:, None]
        with np.errstate(under="ignore"):
            density = (shares / spreads)[:, None] * np.exp(-0.5 * (z**2 - (z**2).min(axis=0)))
        weights = density / density.sum(axis=0)
        if (weights.mean(axis=1) * len(known) < 1.0).any():
            break
    return means, spreads, shares


def border(values: np.ndarray, ashman_d: float, least_share: float, least: float) -> float | None:
    """Where two modes part, if there are two and the upper one lies above `least`; else None."""
    modes = two_modes(values)
    if modes is None or modes.ashman_d <= ashman_d or modes.share < least_share:
        return None
    return modes.middle if modes.high > least else None
