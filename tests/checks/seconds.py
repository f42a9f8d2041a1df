"""Seconds made by hand."""

from itertools import pairwise

import numpy as np

from tenmin.checks.second import Second


def second_of(samples, rate_hz, number=0, **fields):
    """A whole second of `samples`, (n, n_channels), microvolts; one count is one microvolt."""
    samples = np.asarray(samples, float)
    n, c = samples.shape
    edges = [round(k * n / 10) for k in range(11)]
    bins = [samples[a:b] for a, b in pairwise(edges)]
    unknown = np.full(c, np.nan)
    values = {
        "number": number,
        "index": round(number * rate_hz),
        "n": n,
        "missing": 0,
        "gaps": np.zeros(10, bool),
        "low": np.stack([b.min(axis=0) for b in bins]),
        "high": np.stack([b.max(axis=0) for b in bins]),
        "clipped": np.zeros((10, c), np.int64),
        "longest": np.zeros((10, c), np.int64),
        "samples": samples,
        "rate_hz": rate_hz,
        "sigma": unknown,
        "crossings": np.zeros(c, np.int64),
        "piece": np.empty((0, c), np.float32),
    }
    return Second(**values | fields)
