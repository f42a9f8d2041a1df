"""Medians, quantiles and spreads of sorted samples: of one run, and of many without merging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 64  # samples that are sorted by insertion
LOPSIDED = 8


@compiled()
def sorted_spread(rows: NDArray, out: NDArray) -> None:
    """Median distance from the median of each sorted row.

    Parameters
    ----------
    rows : ndarray, (n_rows, n), float32
        Each sorted, NaN at its end.
    out : ndarray, (n_rows,), float64
        Changed; NaN where the median is not finite.
    """
    n = rows.shape[1]
    for r in range(rows.shape[0]):
        row = rows[r]
        middle = 0.5 * (np.float64(row[(n - 1) // 2]) + np.float64(row[n // 2]))
        if not np.isfinite(middle):
            out[r] = np.nan
            continue
        total = 0.0
        for k in ((n - 1) // 2, n // 2):
            # The k + 1 nearest stand together: where they begin, both ends are about as far.
            first, last = 0, n - 1 - k
            while first < last:
                half = (first + last) // 2
                if row[half + k] - middle >= middle - row[half]:
                    last = half
                else:
                    first = half + 1
            nearest = max(middle - row[first], row[first + k] - middle)
            if first > 0:
                other = max(middle - row[first - 1], row[first - 1 + k] - middle)
                nearest = min(nearest, other)
            total += nearest
        out[r] = 0.5 * total


@compiled()
def _below(run: NDArray, at: int, step: int, shift: float, value: float, with_equals: bool) -> bool:
    x = step * (np.float64(run[at]) - shift)
    return bool(x < value or (with_equals and x == value))


@compiled()
def _split(
    run: NDArray,
    start: int,
    step: int,
    shift: float,
    low: int,
    high: int,
    near: int,
    value: float,
    with_equals: bool,
) -> int:
    """How many of ``step * (run[start + step * i] - shift)`` are below `value`, or equal to it.

    They rise with i; the answer is known to lie in ``low … high``. It is looked for around `near`
    first, in ever longer strides: most of a run then need not be fetched from memory.
    """
    at, stride = min(max(near, low), high), 1
    if at < high and _below(run, start + step * at, step, shift, value, with_equals):
        low = at + 1
        while low + stride <= high:
            at = low + stride - 1
            if not _below(run, start + step * at, step, shift, value, with_equals):
                high = at
                break
            low, stride = at + 1, 2 * stride
    else:
        high = at
        while high - stride >= low:
            at = high - stride
            if _below(run, start + step * at, step, shift, value, with_equals):
                low = at + 1
                break
            high, stride = at, 2 * stride
    n = high - low
    while n > 0:
        half = n >> 1
        under = _below(run, start + step * (low + half), step, shift, value, with_equals)
        low = low + half + 1 if under else low
        n = n - half - 1 if under else half
    return low


@compiled()
def _few(
    runs: NDArray,
    starts: NDArray,
    steps: NDArray,
    shifts: NDArray,
    low: NDArray,
    high: NDArray,
    few: NDArray,
) -> int:
    """Put what stands in ``low … high - 1`` of all runs into `few` in order; return how many."""
    n = 0
    for r in range(low.size):
        for i in range(low[r], high[r]):
            x = steps[r] * (np.float64(runs[r // 2, starts[r] + steps[r] * i]) - shifts[r])
            at = n
            while at > 0 and few[at - 1] > x:
                few[at] = few[at - 1]
                at -= 1
            few[at] = x
            n += 1
    return n


@compiled()
def _rank(
    runs: NDArray,
    starts: NDArray,
    steps: NDArray,
    shifts: NDArray,
    lengths: NDArray,
    k: int,
    guess: float,
    scratch: NDArray,
    cuts: NDArray,
) -> tuple[float, float]:
    """The values of ranks `k` and ``k + 1`` of all runs together, two for each row of `runs`.

    The values of a run are ``step * (row[start + step * i] - shift)``, which rise with i. What may
    be of rank k stands in ``low … high - 1`` of each run. A search in every run tells how many are
    below a pivot. The first pivot is `guess`, if that is a number; the others come from the widest
    run, at the place that the rank has in all of them, or a little towards the side with more, so
    that the next bracket holds few.
    """
    n_runs = lengths.size
    low, high = scratch[0], scratch[1]
    left = 0
    for r in range(n_runs):
        low[r], high[r] = 0, lengths[r]
        left += lengths[r]
    below, pivot = 0, guess
    few = np.empty(FEW)
    while left > FEW:
        if np.isnan(pivot):
            widest = 0
            for r in range(n_runs):
                if high[r] - low[r] > high[widest] - low[widest]:
                    widest = r
            width, rank = high[widest] - low[widest], k - below
            at = width * rank // left
            if LOPSIDED * min(rank, left - rank) < left:
                aside = 1 + np.int64(np.sqrt(min(at, width - at)))
                at += aside if 2 * rank < left else -aside
            at = low[widest] + min(max(at, 0), width - 1)
            step = steps[widest]
            x = np.float64(runs[widest // 2, starts[widest] + step * at])
            pivot = step * (x - shifts[widest])
        n = 0
        for r in range(n_runs):
            row, near = runs[r // 2], cuts[r]
            cuts[r] = _split(
                row, starts[r], steps[r], shifts[r], low[r], high[r], near, pivot, False
            )
            n += cuts[r]
        if k < n:
            high[:n_runs] = cuts[:n_runs]
            left, pivot = n - below, np.nan
            continue
        n = 0
        for r in range(n_runs):
            row, near = runs[r // 2], cuts[r]
            cuts[r] = _split(row, starts[r], steps[r], shifts[r], near, high[r], near, pivot, True)
            n += cuts[r]
        if k < n:  # it is the pivot
            if k + 1 < n:
                return pivot, pivot
            low[:n_runs] = high[:n_runs] = cuts[:n_runs]
            few[0], below, left = pivot, k, 1
            break
        low[:n_runs] = cuts[:n_runs]
        left, below, pivot = left - (n - below), n, np.nan
    else:
        _few(runs, starts, steps, shifts, low, high, few)
    if k + 1 - below < left:
        return few[k - below], few[k + 1 - below]
    following = np.inf
    for r in range(n_runs):
        if high[r] < lengths[r]:
            x = np.float64(runs[r // 2, starts[r] + steps[r] * high[r]])
            following = min(following, steps[r] * (x - shifts[r]))
    return few[k - below], following


@compiled()
def run_quantiles(
    runs: NDArray, bases: NDArray, lengths: NDArray, q: NDArray, places: NDArray, out: NDArray
) -> None:
    """Quantiles of each channel's samples in many sorted runs, as `numpy.quantile`'s.

    Parameters
    ----------
    runs : ndarray, (n_runs, n_channels, n_most), float32
        Each sorted, without NaN.
    bases : ndarray, (n_runs, n_channels), float64
        What is to be added to the samples of each.
    lengths : ndarray, (n_runs, n_channels), int64
        How many samples of each count.
    q : ndarray, (n,), float64
        From 0 to 1; between two samples by proportion.
    places : ndarray, (n, n_channels, 2 n_runs), int64
        Where in each run they are looked for first; changed to where they were found. Whatever it
        holds and `out` holds changes no answer; those of a second ago make it quick.
    out : ndarray, (n, n_channels), float64
        Changed; NaN where nothing counts. What it holds is tried first.
    """
    n_runs = runs.shape[0]
    starts, steps = np.zeros(2 * n_runs, np.int64), np.ones(2 * n_runs, np.int64)
    both, shifts = np.zeros(2 * n_runs, np.int64), np.zeros(2 * n_runs)
    scratch = np.empty((2, 2 * n_runs), np.int64)
    for c in range(runs.shape[1]):
        n = 0
        for r in range(n_runs):
            both[2 * r], shifts[2 * r] = lengths[r, c], -bases[r, c]
            n += lengths[r, c]
        for i in range(q.size):
            if n == 0:
                out[i, c] = np.nan
                continue
            rank = q[i] * (n - 1)
            k = int(rank)
            first, second = _rank(
                runs[:, c], starts, steps, shifts, both, k, out[i, c], scratch, places[i, c]
            )
            out[i, c] = first + (rank - k) * (second - first) if rank > k else first


@compiled()
def run_spread(
    runs: NDArray, bases: NDArray, lengths: NDArray, places: NDArray, middle: NDArray, out: NDArray
) -> None:
    """Median, and median distance from it, of each channel's samples in many sorted runs.

    Parameters
    ----------
    runs, bases, lengths
        As of `run_quantiles`.
    places : ndarray, (2, n_channels, 2 n_runs), int64
        Of the median and of the distance; changed, as of `run_quantiles`.
    middle, out : ndarray, (n_channels,), float64
        Changed, as of `run_quantiles`.
    """
    n_runs = runs.shape[0]
    starts, steps, both = np.empty((3, 2 * n_runs), np.int64)
    shifts, scratch = np.empty(2 * n_runs), np.empty((3, 2 * n_runs), np.int64)
    for c in range(runs.shape[1]):
        n = 0
        for r in range(n_runs):
            starts[2 * r], steps[2 * r], both[2 * r] = 0, 1, lengths[r, c]
            starts[2 * r + 1], steps[2 * r + 1], both[2 * r + 1] = 0, 1, 0
            shifts[2 * r] = shifts[2 * r + 1] = -bases[r, c]
            n += lengths[r, c]
        if n == 0:
            middle[c] = out[c] = np.nan
            continue
        k, even = (n - 1) // 2, n % 2 == 0
        first, second = _rank(
            runs[:, c], starts, steps, shifts, both, k, middle[c], scratch, places[0, c]
        )
        middle[c] = 0.5 * (first + second) if even else first
        for r in range(n_runs):
            # What lies below the median has distances that rise downwards: a run of its own.
            shift = middle[c] - bases[r, c]
            near = places[0, c, 2 * r]
            at = _split(runs[r, c], 0, 1, shift, 0, lengths[r, c], near, 0.0, False)
            starts[2 * r], steps[2 * r], both[2 * r] = at - 1, -1, at
            starts[2 * r + 1], both[2 * r + 1] = at, lengths[r, c] - at
            shifts[2 * r] = shifts[2 * r + 1] = shift
        first, second = _rank(
            runs[:, c], starts, steps, shifts, both, k, out[c], scratch, places[1, c]
        )
        out[c] = 0.5 * (first + second) if even else first
