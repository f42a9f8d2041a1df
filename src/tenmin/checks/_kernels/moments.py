"""Moments, extremes, runs, smoothing: per channel, state carried from piece to piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled()
def moments(samples: NDArray, n: int, mean: NDArray, m2: NDArray) -> int:
    """Add samples to running means and sums of squared deviations, one by one (Welford).

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    n : int
        Samples so far.
    mean, m2 : ndarray, (n_channels,), float64
        State; changed. The variance is ``m2 / n``.

    Returns
    -------
    int
        Samples now.
    """
    for i in range(samples.shape[0]):
        n += 1
        row = samples[i]
        for c in range(row.size):
            d = np.float64(row[c]) - mean[c]
            mean[c] += d / n
            m2[c] += d * (np.float64(row[c]) - mean[c])
    return n


@compiled()
def merge_moments(
    n: int, mean: NDArray, m2: NDArray, other_n: int, other_mean: NDArray, other_m2: NDArray
) -> int:
    """Add the moments of another stretch to these (Chan); see `moments`."""
    total = n + other_n
    if other_n == 0:
        return total
    for c in range(mean.size):
        d = other_mean[c] - mean[c]
        mean[c] = (n * mean[c] + other_n * other_mean[c]) / total
        m2[c] += other_m2[c] + d * d * n * other_n / total
    return total


@compiled()
def extremes(samples: NDArray, low: NDArray, high: NDArray) -> None:
    """Widen `low` and `high`, (n_channels,), to the samples' extremes; NaN changes neither."""
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            low[c] = row[c] if row[c] < low[c] else low[c]
            high[c] = row[c] if row[c] > high[c] else high[c]


@compiled()
def longest_runs(samples: NDArray, last: NDArray, run: NDArray, longest: NDArray) -> None:
    """How long each channel repeats one value.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    last : ndarray, (n_channels,), dtype of the samples
        The previous sample.
    run, longest : ndarray, (n_channels,), int64
        Repeats of `last` so far, and the most of them since the caller cleared it; changed.
    """
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            run[c] = run[c] + 1 if row[c] == last[c] else 0
            longest[c] = max(longest[c], run[c])
            last[c] = row[c]


@compiled()
def smooth(samples: NDArray, a: float, mean: NDArray, variance: NDArray) -> None:
    """Exponentially weighted mean and variance.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels), float64
    a : float
        Weight of a new sample, ``1 - exp(-dt / tau)``.
    mean, variance : ndarray, (n_channels,), float64
        State; changed.
    """
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            d = row[c] - mean[c]
            mean[c] += a * d
            variance[c] = (1.0 - a) * (variance[c] + a * d * d)


@compiled()
def suppressed(
    samples: NDArray, a: float, theta: float, mean: NDArray, variance: NDArray, counts: NDArray
) -> None:
    """Count the samples at which the variance of `smooth` is below a limit.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels), float64
    a, mean, variance
        As of `smooth`.
    theta : float
    counts : ndarray, (n_channels,), int64
        Counted up; NaN is never below.
    """
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            d = row[c] - mean[c]
            mean[c] += a * d
            variance[c] = (1.0 - a) * (variance[c] + a * d * d)
            counts[c] += variance[c] < theta


@compiled()
def page_hinkley(
    samples: NDArray, mean: float, slack: float, limit: float, state: NDArray, alarms: NDArray
) -> None:
    """Slow upward drift: ``g = max(0, g + x - mean - slack)``, an alarm where ``g > limit``.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels), float64
    mean, slack, limit : float
        Expected value, drift that is allowed per sample, and where the alarm is.
    state : ndarray, (n_channels,), float64
        g; changed. It starts anew after an alarm.
    alarms : ndarray, (n_channels,), int64
        Counted up.
    """
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            g = state[c] + row[c] - mean - slack
            g = 0.0 if g < 0.0 else g
            if g > limit:
                alarms[c] += 1
                g = 0.0
            state[c] = g


@compiled()
def comoments(
    samples: NDArray, shift: NDArray, left: NDArray, right: NDArray, sums: NDArray
) -> None:
    """Sums from which the correlation of pairs of channels follows.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels), float64
    shift : ndarray, (n_channels,), float64
        Taken off first: about the mean, so that nothing cancels.
    left, right : ndarray, (n_pairs,), int64
        Channels of each pair.
    sums : ndarray, (n_pairs, 5), float64
        Sums of x, y, xx, yy, xy; changed.
    """
    for i in range(samples.shape[0]):
        row = samples[i]
        for p in range(left.size):
            x, y = row[left[p]] - shift[left[p]], row[right[p]] - shift[right[p]]
            sums[p, 0] += x
            sums[p, 1] += y
            sums[p, 2] += x * x
            sums[p, 3] += y * y
            sums[p, 4] += x * y
