"""Samples at the end of the range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled()
def count_saturated(samples: NDArray, low: float, high: float, n: NDArray[np.int64]) -> None:
    """Count the samples at or beyond the converter's range, per channel.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        Raw counts; NaN is never counted.
    low, high : number
        Ends of the range, counts.
    n : ndarray, (n_channels,), int64
        What was counted before; this is added to it.
    """
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            n[c] += row[c] <= low or row[c] >= high
