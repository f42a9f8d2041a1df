"""Histograms of codes, a column per channel: exact medians without sorting.

Bins are rows: those in use lie close together, so that counting stays in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled()
def histogram(codes: NDArray, base: NDArray, counts: NDArray) -> None:
    """Count codes.

    Parameters
    ----------
    codes : ndarray, (n_samples, n_channels), integer
    base : ndarray, (n_channels,), int64
        Code of the first bin.
    counts : ndarray, (n_bins, n_channels), uint32
        Changed. What lies outside is counted in the first or the last bin.
    """
    last = counts.shape[0] - 1
    for i in range(codes.shape[0]):
        row = codes[i]
        for c in range(row.size):
            b = np.int64(row[c]) - base[c]
            b = 0 if b < 0 else b
            b = last if b > last else b
            counts[b, c] += np.uint32(1)


@compiled()
def quantiles(counts: NDArray, base: NDArray, q: float, out: NDArray) -> None:
    """The code of rank ``floor(q (n - 1))`` of each channel.

    Parameters
    ----------
    counts : ndarray, (n_bins, n_channels)
    base : ndarray, (n_channels,), int64
        Code of the first bin.
    q : float
        0.5 is the lower median.
    out : ndarray, (n_channels,), float64
        Filled; NaN where there is no count, or where the code lies in the first or the last bin,
        which hold what was outside.
    """
    n_bins, n_channels = counts.shape
    left = np.zeros(n_channels, np.int64)
    for b in range(n_bins):
        for c in range(n_channels):
            left[c] += counts[b, c]
    for c in range(n_channels):
        out[c] = np.nan
        left[c] = np.int64(np.floor(q * (left[c] - 1))) if left[c] else -1
    for b in range(n_bins):
        for c in range(n_channels):
            if left[c] >= 0:
                left[c] -= counts[b, c]
                if left[c] < 0 and 0 < b < n_bins - 1:
                    out[c] = base[c] + b


@compiled()
def spread(counts: NDArray, base: NDArray, median: NDArray, mad: NDArray) -> None:
    """The lower median of the distances from the lower median, exact in codes.

    Parameters
    ----------
    counts : ndarray, (n_bins, n_channels)
    base : ndarray, (n_channels,), int64
    median : ndarray, (n_channels,), float64
        As `quantiles` gives it for 0.5.
    mad : ndarray, (n_channels,), float64
        Filled; NaN where the median is, or where the distance reaches the first or the last bin.
    """
    n_bins, n_channels = counts.shape
    left = np.zeros(n_channels, np.int64)
    for b in range(n_bins):
        for c in range(n_channels):
            left[c] += counts[b, c]
    for c in range(n_channels):
        mad[c] = np.nan
        if np.isnan(median[c]):
            continue
        at = np.int64(median[c]) - base[c]
        inside, d, rank = np.int64(counts[at, c]), 0, (left[c] - 1) // 2
        while inside <= rank:
            d += 1
            if at - d < 1 or at + d > n_bins - 2:
                break
            inside += np.int64(counts[at - d, c]) + np.int64(counts[at + d, c])
        if inside > rank:
            mad[c] = d


@compiled()
def smooth_spread(counts: NDArray, out: NDArray) -> None:
    """Median distance from the median, in bins; inside of a bin counts are taken as even.

    Parameters
    ----------
    counts : ndarray, (n_bins, n_channels), unsigned
    out : ndarray, (n_channels,), float64
        Filled; 0 where one bin holds more than half of all, as for codes. NaN where there is no
        count, or where it reaches the first or the last bin, which hold what was outside.
    """
    n_bins, n_channels = counts.shape
    total, so_far = np.zeros(n_channels, np.int32), np.zeros(n_channels, np.int32)
    under, at = np.zeros(n_channels, np.int32), np.zeros(n_channels, np.int32)
    for b in range(n_bins):
        row = counts[b]
        for c in range(n_channels):
            total[c] += np.int32(row[c])
    for b in range(n_bins):
        row = counts[b]
        for c in range(n_channels):
            so_far[c] += np.int32(row[c])
            below = so_far[c] <= total[c] // 2
            under[c] = so_far[c] if below else under[c]
            at[c] += np.int32(below)
    for c in range(n_channels):
        b, half = at[c], 0.5 * total[c]
        out[c] = np.nan
        if total[c] == 0 or b >= n_bins:
            continue
        here = np.float64(counts[b, c])
        if 0 < b < n_bins - 1 and here > half:
            out[c] = 0.0
            continue
        median, left, right, inside, d = b + (half - under[c]) / here, b, b, 0.0, 0.0
        while left > 0 and right < n_bins - 1:
            to_left, to_right = median - d - left, right + 1 - median - d
            step = min(to_left, to_right)
            density = np.float64(counts[left, c]) + np.float64(counts[right, c])
            if density > 0.0 and inside + density * step >= half:
                out[c] = d + (half - inside) / density
                break
            inside += density * step
            d += step
            if to_left <= to_right:
                left -= 1
            if to_right <= to_left:
                right += 1
