"""What checks of a whole array and of spectra need of stretches of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 16  # values that are sorted one by one
TURNS = 200  # more than halving takes from any two numbers to neighbours
BLOCK = 8  # samples of a cache line of float64


@compiled()
def median(values: NDArray, n: int, guess: float, step: float, few: NDArray) -> float:
    """Median of a few hundred numbers of which about half lie on either side of a guess.

    It counts how many lie below until few are left: a third of the time of sorting.

    Parameters
    ----------
    values : ndarray, (m,), float64
        NaN is left out.
    n : int
        Those that are not NaN, at least one.
    guess, step : float
        Where it may be, and how far off.
    few : ndarray, (m + 1,), float64
        Room to work in.
    """
    first, last = (n - 1) // 2, n // 2  # ranks of the middle one, or of both
    low, high, below, up_to, at, nudge = -np.inf, np.inf, 0, n, guess, 0.25 * step
    upward = True  # which end is to come nearer
    for _ in range(TURNS):
        m = 0
        for c in range(values.size):
            m += values[c] <= at
        if m > last:
            high, up_to = at, m
        elif m <= first:
            low, below = at, m
        else:  # it parts the two middle ones: both ends stay
            at += nudge if upward else -nudge
            nudge *= 2.0
            continue
        if up_to - below <= FEW:
            break
        upward = up_to - last > first + 1 - below
        if low == -np.inf:
            at, step = high - step, 2.0 * step
        elif high == np.inf:
            at, step = low + step, 2.0 * step
        else:
            share = ((last + 2 if upward else first - 1) - below) / (up_to - below)
            at = low + (high - low) * min(max(share, 0.05), 0.95)
            if not low < at < high:
                break  # neighbours: all that lie between have one value
    found = 0
    for c in range(values.size):  # each is written; a branch would be guessed wrong too often
        few[found] = values[c]
        found += (low < values[c]) & (values[c] <= high)
    for k in range(1, found):
        v, i = few[k], k
        while i > 0 and few[i - 1] > v:
            few[i] = few[i - 1]
            i -= 1
        few[i] = v
    return 0.5 * (few[first - below] + few[last - below])


@compiled()
def project(
    samples: NDArray, factor: NDArray, shift: NDArray, n: int, memory: NDArray, along: NDArray
) -> None:
    """Add up the products of each channel and the median of all.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    factor, shift : ndarray, (n_channels,), float64
        The signal is ``samples * factor - shift``; NaN channels are not part of the median.
    n : int
        Channels that are no NaN, at least one.
    memory : ndarray, (3,), float64
        The last median, how far it went from the one before, and the sum of their squares; changed.
    along : ndarray, (n_channels,), float64
        Sum of the products; changed.
    """
    row, few = np.empty(samples.shape[1]), np.empty(samples.shape[1] + 1)
    middle, step, square = memory[0], memory[1], memory[2]
    for i in range(samples.shape[0]):
        raw = samples[i]
        for c in range(row.size):
            row[c] = raw[c] * factor[c] - shift[c]
        found = median(row, n, middle, max(step, 1e-9), few)
        step, middle = 0.5 * step + abs(found - middle), found
        square += middle * middle
        for c in range(row.size):
            along[c] += middle * row[c]
    memory[0], memory[1], memory[2] = middle, step, square


@compiled()
def total(samples: NDArray, sums: NDArray) -> None:
    """Add up the samples of each channel to `sums`, (n_channels,), float64."""
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            sums[c] += row[c]


@compiled()
def windowed(samples: NDArray, at: int, mean: NDArray, window: NDArray, out: NDArray) -> None:
    """Turn channels into rows, without their mean, and give a window to them.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    at : int
        Where the first sample goes to.
    mean : ndarray, (n_channels,), float64
    window : ndarray, (m,), float64
    out : ndarray, (n_channels, m), float64
        Changed, from column `at` on.
    """
    n, n_channels = samples.shape
    for start in range(0, n, BLOCK):
        stop = min(n, start + BLOCK)
        for c in range(n_channels):
            row = out[c]
            for i in range(start, stop):
                row[at + i] = (samples[i, c] - mean[c]) * window[at + i]


@compiled()
def steep(samples: NDArray, limit: NDArray, counts: NDArray) -> None:
    """Count the differences of neighbouring samples beyond a limit.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels), float64
    limit : ndarray, (n_channels,), float64
    counts : ndarray, (n_channels,), int64
        Counted up; NaN is never beyond.
    """
    for i in range(1, samples.shape[0]):
        row, before = samples[i], samples[i - 1]
        for c in range(row.size):
            counts[c] += abs(row[c] - before[c]) > limit[c]
