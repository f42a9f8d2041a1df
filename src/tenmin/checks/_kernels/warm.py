"""Compile every kernel before the block: the first call of each takes up to seconds."""

from __future__ import annotations

import numpy as np

from tenmin.checks._kernels import array, filters, probe
from tenmin.checks._kernels.counts import count_saturated
from tenmin.checks._kernels.histogram import histogram, quantiles, smooth_spread, spread
from tenmin.checks._kernels.moments import (
    comoments,
    extremes,
    longest_runs,
    merge_moments,
    moments,
    page_hinkley,
    smooth,
    suppressed,
)
from tenmin.checks._kernels.ranks import run_quantiles, run_spread, sorted_spread
from tenmin.ring import COMMON_DTYPES


def warm(*dtypes: str) -> None:
    """Compile, or load from the cache, what pieces of rings of these formats need.

    Parameters
    ----------
    *dtypes : str
        By default those that devices commonly have.
    """
    for dtype in dtypes or COMMON_DTYPES:
        samples = np.zeros((2, 1), dtype)
        _warm_raw(samples)
        samples.flags.writeable = False  # as the pieces of a ring in another process
        _warm_raw(samples)
    for kind in (np.float64, np.float32):
        _warm_filters(np.zeros((2, 1), kind))
    _warm_slow(np.zeros((2, 1)))


def _warm_raw(samples: np.ndarray) -> None:
    """What sees counts as they come."""
    row, narrow, wide = samples[0].copy(), np.zeros(1, np.float32), np.zeros(1)
    third, state = np.zeros((2, 6), np.float32), np.zeros((3, 1), np.float32)
    array.total(samples, wide.copy())
    array.windowed(samples, 0, wide, np.zeros(2), np.zeros((1, 2)))
    array.project(samples, wide, wide, 1, np.zeros(3), wide.copy())
    count_saturated(samples, 0.0, 0.0, np.zeros(1, np.int64))
    probe.watch_raw(
        samples, row, row.copy(), row.copy(), np.zeros((3, 1), np.int16), row[0], row[0]
    )
    sums: np.ndarray = np.zeros((3, 1), probe.sum_dtype(samples.dtype))
    probe.triangle(samples, 1, 0, sums, sums.copy())
    probe.high_pass(samples, third, state, np.zeros((2, 1), np.float32))
    for dtype in (np.uint16, np.uint32):
        counts, bins = np.zeros((2, 1), np.int32), np.zeros((4, 1), dtype)
        probe.watch_spikes(
            samples, third, state, narrow, counts, narrow.copy(), np.float32(1.0), bins
        )
    if samples.dtype.kind in "iu":
        histogram(samples, np.zeros(1, np.int64), np.zeros((4, 1), np.uint32))
    extremes(samples, row, row.copy())
    longest_runs(samples, row, np.zeros(1, np.int64), np.zeros(1, np.int64))
    moments(samples, 0, wide, wide.copy())


def _warm_filters(samples: np.ndarray) -> None:
    sections, state = np.zeros((1, 6)), np.zeros((1, 2, 1))
    filters.settle_sosfilt(sections, np.zeros((1, 2)), samples[0], state)
    filters.sosfilt(sections, samples, state, np.zeros(samples.shape))
    filters.goertzel(samples, 0.0, np.zeros((2, 1)))


def _warm_slow(samples: np.ndarray) -> None:
    """What sees microvolts at a low rate."""
    row, whole = np.zeros(1), np.zeros(1, np.int64)
    array.median(row, 1, 0.0, 1.0, np.zeros(2))
    for cut in (np.zeros((2, 1)), np.zeros((2, 2))[:, :1]):  # whole, and a part of the channels
        array.total(cut, row.copy())
        array.steep(cut, row, whole.copy())
        for turned in (np.zeros((1, 2)), np.zeros((1, 2), np.float32)):
            array.windowed(cut, 0, row, np.zeros(2), turned)
    for kind in (np.int32, np.float64):
        rows: np.ndarray = np.zeros((3, 1), kind)
        filters.decimate(rows, np.zeros(3), rows.copy(), 0, 3, np.zeros((2, 1)))
    quantiles(np.zeros((4, 1), np.uint32), whole, 0.5, row)
    spread(np.zeros((4, 1), np.uint32), whole, row, row.copy())
    for dtype in (np.uint16, np.uint32):
        smooth_spread(np.zeros((4, 1), dtype), row)
    merge_moments(1, row, row.copy(), 1, row.copy(), row.copy())
    smooth(samples, 0.1, row, row.copy())
    suppressed(samples, 0.1, 1.0, row, row.copy(), whole)
    page_hinkley(samples, 0.0, 0.0, 1.0, row, whole)
    comoments(samples, row, whole, whole.copy(), np.zeros((1, 5)))
    ranks, lengths = np.zeros((1, 2), np.float32), np.full((1, 1), 2)
    sorted_spread(ranks, row)
    runs = ranks[None], np.zeros((1, 1)), lengths
    run_quantiles(*runs, row, np.zeros((1, 1, 2), np.int64), row[None])
    run_spread(*runs, np.zeros((2, 1, 2), np.int64), row, row.copy())
