"""Kernels of the checks: arrays and numbers in and out, plain loops, compiled by Numba.

Each is one of K1-K12 of science.md B.1; K4 stands in `tenmin.checks.spectrum`, K7 in
`tenmin.clock`.
"""

from tenmin.checks._kernels.array import median, project, steep, total, windowed
from tenmin.checks._kernels.counts import count_saturated
from tenmin.checks._kernels.filters import (
    decimate,
    goertzel,
    goertzel_power,
    settle_sosfilt,
    sosfilt,
)
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
from tenmin.checks._kernels.probe import high_pass, triangle, watch_raw, watch_spikes
from tenmin.checks._kernels.ranks import run_quantiles, run_spread, sorted_spread
from tenmin.checks._kernels.warm import warm

__all__ = [
    "comoments",
    "count_saturated",
    "decimate",
    "extremes",
    "goertzel",
    "goertzel_power",
    "high_pass",
    "histogram",
    "longest_runs",
    "median",
    "merge_moments",
    "moments",
    "page_hinkley",
    "project",
    "quantiles",
    "run_quantiles",
    "run_spread",
    "settle_sosfilt",
    "smooth",
    "smooth_spread",
    "sorted_spread",
    "sosfilt",
    "spread",
    "steep",
    "suppressed",
    "total",
    "triangle",
    "warm",
    "watch_raw",
    "watch_spikes",
    "windowed",
]
