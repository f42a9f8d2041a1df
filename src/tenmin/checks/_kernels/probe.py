"""One pass over the raw counts of a stream with a high sampling rate.

Everything that has to see every sample is done while the row is in the cache: extremes, clipping,
runs and steps of the raw counts, the sums for a stream of about 3 kHz, and of the high-passed
counts the histogram, the squares and the crossings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of the integer state, (N_COUNTS, n_channels), int64.
CLIPPED, RUN, LONGEST, STEPS, CROSSED, ABOVE = range(6)
N_COUNTS = 6


@compiled()
def watch_raw(
    samples: NDArray,
    last: NDArray,
    low: NDArray,
    high: NDArray,
    counts: NDArray,
    range_low: float,
    range_high: float,
    slew: NDArray,
) -> None:
    """Extremes, clipped samples, runs of one code, and steps beyond a limit.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        Raw counts.
    last : ndarray, (n_channels,), dtype of the samples
        The previous row; changed.
    low, high : ndarray, (n_channels,), dtype of the samples
        Extremes so far; changed.
    counts : ndarray, (N_COUNTS, n_channels), int32
        Changed: rows CLIPPED, RUN, LONGEST, STEPS.
    range_low, range_high : float
        At or beyond these a sample is clipped.
    slew : ndarray, (n_channels,), float32
        A difference of two samples beyond this is a step, counts.
    """
    clipped, run, longest, steps = counts[CLIPPED], counts[RUN], counts[LONGEST], counts[STEPS]
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            x = row[c]
            low[c] = x if x < low[c] else low[c]
            high[c] = x if x > high[c] else high[c]
            clipped[c] += np.int32(x <= range_low or x >= range_high)
        for c in range(row.size):
            x = row[c]
            same = np.int32(x == last[c])
            run[c] = (run[c] + np.int32(1)) * same
            longest[c] = run[c] if run[c] > longest[c] else longest[c]
            d = np.float32(x) - np.float32(last[c])
            steps[c] += np.int32(d > slew[c] or d < -slew[c])
            last[c] = x


@compiled()
def triangle(
    samples: NDArray, factor: int, phase: int, falling: NDArray, rising: NDArray, out: NDArray
) -> tuple[int, int]:
    """Decimate by `factor` with a triangular window of ``2 factor - 1`` samples.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    factor, phase : int
        How many samples make one, and how many of them have been taken.
    falling, rising : ndarray, (n_channels,), float64
        Sums with the weights of the window that ends and of the one that begins; changed.
    out : ndarray, (n_samples // factor + 1, n_channels), float64
        Changed. The gain is one at 0 Hz.

    Returns
    -------
    int, int
        The new phase, and how many rows of `out` were filled.
    """
    n_out = 0
    scale = 1.0 / (factor * factor)
    for i in range(samples.shape[0]):
        row = samples[i]
        down, up = np.float64(factor - phase), np.float64(phase)
        for c in range(row.size):
            x = np.float64(row[c])
            falling[c] += down * x
            rising[c] += up * x
        phase += 1
        if phase == factor:
            phase = 0
            for c in range(row.size):
                out[n_out, c] = falling[c] * scale
                falling[c] = rising[c]
                rising[c] = 0.0
            n_out += 1
    return phase, n_out


@compiled()
def watch_spikes(
    samples: NDArray,
    third_order: NDArray,
    state: NDArray,
    threshold: NDArray,
    counts: NDArray,
    squares: NDArray,
    beyond: NDArray,
    width: float,
    histogram: NDArray,
) -> None:
    """High-pass the counts; crossings, squares and histogram of the result.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        Raw counts.
    third_order : ndarray, (2, 6), float32
        A first-order section (``b2 = a2 = 0``), then one of second order. 300 Hz at 30 kHz is as
        far as float32 goes (science.md B.1 K3).
    state : ndarray, (3, n_channels), float32
        Of the first section, and both of the second; changed.
    threshold : ndarray, (n_channels,), float32
        Negative; a sample below it whose predecessor was not is a crossing.
    counts : ndarray, (N_COUNTS, n_channels), int32
        Changed: rows CROSSED, and ABOVE (whether the last sample lay above the threshold).
    squares : ndarray, (n_channels,), float64
        Sum of squares; changed.
    beyond : ndarray, (n_channels,), float64
        Sum of what lies below the threshold, turned positive; changed.
    width : float
        Of a bin of the histogram, counts.
    histogram : ndarray, (n_bins, n_channels), uint32
        Of the result, zero in the middle of bin ``n_bins // 2``; changed. Bins are rows because
        those in use, around zero, then share few cache lines: channels as rows took eighteen
        times as long.
    """
    d0, d1, e1 = third_order[0, 0], third_order[0, 1], third_order[0, 4]
    b0, b1, b2 = third_order[1, 0], third_order[1, 1], third_order[1, 2]
    a1, a2 = third_order[1, 4], third_order[1, 5]
    w0, z0, z1 = state[0], state[1], state[2]
    crossed, above = counts[CROSSED], counts[ABOVE]
    n_channels = samples.shape[1]
    y, bins = np.empty(n_channels, np.float32), np.empty(n_channels, np.int32)
    last = np.float32(histogram.shape[0] - 1)
    middle, per_count = np.float32(histogram.shape[0] // 2 + 0.5), np.float32(1.0 / width)
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(n_channels):
            x = np.float32(row[c])
            u = d0 * x + w0[c]
            w0[c] = d1 * x - e1 * u
            v = b0 * u + z0[c]
            z0[c] = b1 * u - a1 * v + z1[c]
            z1[c] = b2 * u - a2 * v
            y[c] = v
        for c in range(n_channels):
            squares[c] += np.float64(y[c]) * np.float64(y[c])
        for c in range(n_channels):
            over = np.int32(y[c] >= threshold[c])
            beyond[c] -= np.float64(y[c]) if over == 0 else 0.0
            crossed[c] += above[c] * (np.int32(1) - over)
            above[c] = over
        for c in range(n_channels):
            v = y[c] * per_count + middle
            v = v if v > np.float32(0.0) else np.float32(0.0)  # NaN goes to the first bin
            v = v if v < last else last
            bins[c] = np.int32(v)
        for c in range(n_channels):
            histogram[bins[c], c] += np.uint32(1)
