"""Statistics that a few wild values do not move; NaN stays in its channel."""

from __future__ import annotations

import numpy as np

MAD_TO_SIGMA, IQR_TO_SIGMA = 1.4826, 0.7413


def robust_sigma(samples: np.ndarray) -> np.ndarray:
    """1.4826 times the median distance from the median, (n_channels,); NaN stays in its channel."""
    if not len(samples):
        return np.full(samples.shape[1], np.nan)
    return MAD_TO_SIGMA * np.median(np.abs(samples - np.median(samples, axis=0)), axis=0)


def robust_range(samples: np.ndarray) -> np.ndarray:
    """0.7413 times the distance of the quartiles, (n_channels,)."""
    if not len(samples):
        return np.full(samples.shape[1], np.nan)
    low, high = np.percentile(samples, (25.0, 75.0), axis=0)
    return IQR_TO_SIGMA * (high - low)


def robust_z(values: np.ndarray) -> np.ndarray:
    """How many robust SD each value lies from the median of all; NaN is left out, and kept.

    Infinite or NaN where all the others are the same.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    middle = np.median(known)
    spread = MAD_TO_SIGMA * np.median(np.abs(known - middle))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values == middle, 0.0, (values - middle) / spread)
