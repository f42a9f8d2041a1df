"""Samples at the end of the range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import COMMON_DTYPES, compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled()
def count_saturated(samples: NDArray, low: float, high: float) -> NDArray[np.int64]:
    """Samples at or beyond the converter's range, per channel.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        Raw counts; NaN is never counted.
    low, high : number
        Ends of the range, counts.

    Returns
    -------
    ndarray, (n_channels,), int64
    """
    n = np.zeros(samples.shape[1], np.int64)
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            n[c] += row[c] <= low or row[c] >= high
    return n


def warm(*dtypes: str) -> None:
    """Compile, or load from the cache, what pieces of rings of these formats need."""
    for dtype in dtypes or COMMON_DTYPES:
        samples = np.zeros((1, 1), dtype)
        count_saturated(samples, 0.0, 0.0)
        samples.flags.writeable = False  # as the pieces of a ring in another process
        count_saturated(samples, 0.0, 0.0)
