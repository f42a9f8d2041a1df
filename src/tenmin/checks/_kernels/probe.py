"""The pass over the raw counts of a stream, as they come.

Everything that has to see every sample is done while the rows are in the cache: extremes, clipping
and runs of the raw counts, the sums for a stream of about 3 kHz, and of the high-passed counts the
histogram and the crossings. Four rows at a time, so that the state of a channel is read and written
once for all four; the order of a channel's samples, and so every bit, stays as one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of the integer state of `watch_raw`, (3, n_channels), and how high a run is counted.
CLIPPED, RUN, LONGEST = range(3)
MOST = 16_000
CROSSED, ABOVE = range(2)  # rows of that of `watch_spikes`
ROWS, FIVE = 4, 5  # taken at a time; windows are mostly of ten


def sum_dtype(dtype: np.dtype) -> type:
    """Of the sums of `triangle` for samples of a dtype."""
    return np.int32 if dtype.kind in "iu" and dtype.itemsize <= 2 else np.float64


@compiled()
def watch_raw(
    samples: NDArray,
    last: NDArray,
    low: NDArray,
    high: NDArray,
    counts: NDArray,
    range_low: float,
    range_high: float,
) -> None:
    """Extremes, samples outside of a range, and runs of one code.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        Raw counts, of `MOST` rows at most.
    last : ndarray, (n_channels,), dtype of the samples
        The previous row; changed.
    low, high : ndarray, (n_channels,), dtype of the samples
        Extremes so far; changed. NaN changes neither.
    counts : ndarray, (3, n_channels), int16
        Rows CLIPPED, RUN, LONGEST; changed. Runs beyond `MOST` are not told apart.
    range_low, range_high : scalar of the dtype of the samples
        Outside of these a sample is clipped.
    """
    one, zero = np.int16(1), np.int16(0)
    clipped, run, longest = counts[0], counts[1], counts[2]
    for c in range(run.size):
        run[c] = min(run[c], np.int16(MOST))
    n, i, before = samples.shape[0], 0, last
    while i + ROWS <= n:
        p, q, r, s = samples[i], samples[i + 1], samples[i + 2], samples[i + 3]
        for c in range(p.size):
            least, most = low[c], high[c]
            least = p[c] if p[c] < least else least
            most = p[c] if p[c] > most else most
            least = q[c] if q[c] < least else least
            most = q[c] if q[c] > most else most
            least = r[c] if r[c] < least else least
            most = r[c] if r[c] > most else most
            least = s[c] if s[c] < least else least
            most = s[c] if s[c] > most else most
            low[c] = least
            high[c] = most
        for c in range(p.size):
            clipped[c] += (
                np.int16((p[c] < range_low) | (p[c] > range_high))
                + np.int16((q[c] < range_low) | (q[c] > range_high))
                + np.int16((r[c] < range_low) | (r[c] > range_high))
                + np.int16((s[c] < range_low) | (s[c] > range_high))
            )
        for c in range(p.size):
            k, most_k = run[c], longest[c]
            k = np.int16(k + one) if p[c] == before[c] else zero
            most_k = k if k > most_k else most_k
            k = np.int16(k + one) if q[c] == p[c] else zero
            most_k = k if k > most_k else most_k
            k = np.int16(k + one) if r[c] == q[c] else zero
            most_k = k if k > most_k else most_k
            k = np.int16(k + one) if s[c] == r[c] else zero
            most_k = k if k > most_k else most_k
            run[c] = k
            longest[c] = most_k
        before = s
        i += ROWS
    while i < n:
        p = samples[i]
        for c in range(p.size):
            low[c] = p[c] if p[c] < low[c] else low[c]
            high[c] = p[c] if p[c] > high[c] else high[c]
            clipped[c] += np.int16((p[c] < range_low) | (p[c] > range_high))
        for c in range(p.size):
            k = np.int16(run[c] + one) if p[c] == before[c] else zero
            run[c] = k
            longest[c] = k if k > longest[c] else longest[c]
        before = p
        i += 1
    for c in range(last.size):
        last[c] = before[c]


@compiled()
def triangle(samples: NDArray, factor: int, phase: int, sums: NDArray, out: NDArray) -> tuple:
    """Decimate by `factor` with a triangular window of ``2 factor - 1`` samples.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    factor, phase : int
        How many samples make one, and how many of them have been taken.
    sums : ndarray, (3, n_channels), int32 or float64
        Of the samples, of those sums, and of the samples with the weights of the window that
        begins, of the time before; changed. int32 holds integers of 16 bits.
    out : ndarray, (n_samples // factor + 1, n_channels), dtype of the sums
        Changed. The gain is ``factor ** 2`` at 0 Hz.

    Returns
    -------
    int, int
        The new phase, and how many rows of `out` were filled.
    """
    total, falling, rising = sums[0], sums[1], sums[2]
    n, n_out, i = samples.shape[0], 0, 0
    while i < n:
        if min(n - i, factor - phase) >= FIVE:
            p, q, r, s, t = (
                samples[i], samples[i + 1], samples[i + 2], samples[i + 3], samples[i + 4]
            )  # fmt: skip
            for c in range(p.size):
                so_far, weighed = total[c], falling[c]
                so_far += p[c]
                weighed += so_far  # the weight of a sample is how many are still to come
                so_far += q[c]
                weighed += so_far
                so_far += r[c]
                weighed += so_far
                so_far += s[c]
                weighed += so_far
                so_far += t[c]
                weighed += so_far
                total[c] = so_far
                falling[c] = weighed
            i += FIVE
            phase += FIVE
        else:
            p = samples[i]
            for c in range(p.size):
                total[c] += p[c]
                falling[c] += total[c]
            i += 1
            phase += 1
        if phase == factor:
            filled = out[n_out]
            for c in range(filled.size):
                filled[c] = falling[c] + rising[c]
            for c in range(filled.size):
                rising[c] = factor * total[c] - falling[c]
                total[c] = 0
                falling[c] = 0
            phase = 0
            n_out += 1
    return phase, n_out


@compiled()
def high_pass(samples: NDArray, third_order: NDArray, state: NDArray, out: NDArray) -> None:
    """A filter of third order in float32.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        Raw counts.
    third_order : ndarray, (2, 6), float32
        A first-order section (``b2 = a2 = 0``), then one of second order. 300 Hz at 30 kHz is as
        far as float32 goes (science.md B.1 K3).
    state : ndarray, (3, n_channels), float32
        Of the first section, and both of the second; changed.
    out : ndarray, (n_samples or more, n_channels), float32
    """
    d0, d1, e1 = third_order[0, 0], third_order[0, 1], third_order[0, 4]
    b0, b1, b2 = third_order[1, 0], third_order[1, 1], third_order[1, 2]
    a1, a2 = third_order[1, 4], third_order[1, 5]
    first, second, third = state[0], state[1], state[2]
    n, i = samples.shape[0], 0
    while i + ROWS <= n:
        p, q, r, s = samples[i], samples[i + 1], samples[i + 2], samples[i + 3]
        y0, y1, y2, y3 = out[i], out[i + 1], out[i + 2], out[i + 3]
        for c in range(p.size):
            x = np.float32(p[c])
            u = d0 * x + first[c]
            w = d1 * x - e1 * u
            v = b0 * u + second[c]
            z0 = b1 * u - a1 * v + third[c]
            z1 = b2 * u - a2 * v
            y0[c] = v
            x = np.float32(q[c])
            u = d0 * x + w
            w = d1 * x - e1 * u
            v = b0 * u + z0
            z0 = b1 * u - a1 * v + z1
            z1 = b2 * u - a2 * v
            y1[c] = v
            x = np.float32(r[c])
            u = d0 * x + w
            w = d1 * x - e1 * u
            v = b0 * u + z0
            z0 = b1 * u - a1 * v + z1
            z1 = b2 * u - a2 * v
            y2[c] = v
            x = np.float32(s[c])
            u = d0 * x + w
            w = d1 * x - e1 * u
            v = b0 * u + z0
            z0 = b1 * u - a1 * v + z1
            z1 = b2 * u - a2 * v
            y3[c] = v
            first[c] = w
            second[c] = z0
            third[c] = z1
        i += ROWS
    while i < n:
        p, y0 = samples[i], out[i]
        for c in range(p.size):
            x = np.float32(p[c])
            u = d0 * x + first[c]
            first[c] = d1 * x - e1 * u
            v = b0 * u + second[c]
            second[c] = b1 * u - a1 * v + third[c]
            third[c] = b2 * u - a2 * v
            y0[c] = v
        i += 1


@compiled()
def watch_spikes(
    samples: NDArray,
    third_order: NDArray,
    state: NDArray,
    threshold: NDArray,
    counts: NDArray,
    beyond: NDArray,
    per_count: float,
    histogram: NDArray,
) -> None:
    """High-pass the counts; crossings and histogram of the result.

    Parameters
    ----------
    samples, third_order, state
        As of `high_pass`.
    threshold : ndarray, (n_channels,), float32
        Negative; a sample below it whose predecessor was not is a crossing.
    counts : ndarray, (2, n_channels), int32
        Rows CROSSED, and ABOVE: whether the last sample was not below; changed.
    beyond : ndarray, (n_channels,), float32
        Sum of what lies below the threshold, turned positive; changed.
    per_count : float32
        Bins of the histogram for one count.
    histogram : ndarray, (n_bins, n_channels), uint16 or uint32
        Of the result, zero in the middle of bin ``n_bins // 2``; changed. Bins are rows because
        those in use, around zero, then share few cache lines: channels as rows took eighteen
        times as long. Their numbers are unsigned: a sign is a test for each sample.
    """
    crossed, above = counts[0], counts[1]
    n_channels = samples.shape[1]
    high = np.empty((ROWS, n_channels), np.float32)
    bins = np.empty((ROWS, n_channels), np.uint16)
    none, last = np.float32(0.0), np.float32(histogram.shape[0] - 1)
    middle = np.float32(histogram.shape[0] // 2 + 0.5)
    for start in range(0, samples.shape[0], ROWS):
        rows = samples[start : start + ROWS]
        n = rows.shape[0]
        high_pass(rows, third_order, state, high)
        for i in range(n):
            y = high[i]
            for c in range(n_channels):
                not_below = np.int32(y[c] >= threshold[c])
                beyond[c] -= none if not_below else y[c]
                crossed[c] += above[c] & (np.int32(1) - not_below)
                above[c] = not_below
        for i in range(n):
            y, at = high[i], bins[i]
            for c in range(n_channels):
                v = y[c] * per_count + middle
                v = v if v > none else none  # NaN goes to the first bin
                v = v if v < last else last
                at[c] = np.uint16(np.int32(v))
        for i in range(n):
            at = bins[i]
            for c in range(n_channels):
                histogram[at[c], np.uint64(c)] += np.uint8(1)
