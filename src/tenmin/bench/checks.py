"""The checks: one kernel beside the same in NumPy, and all of a stream beside scipy."""

from __future__ import annotations

import numpy as np

from tenmin.bench import bands, banks
from tenmin.bench.rounds import compare, interleave
from tenmin.bench.rows import Row
from tenmin.bench.setting import CHUNK_S, PROBE_HZ, Setting, probe, signal
from tenmin.checks import _kernels
from tenmin.checks.front import Limits


def rows(setting: Setting) -> list[Row]:
    """All rows about the checks."""
    stream = probe()
    n = round(CHUNK_S * PROBE_HZ)
    samples = signal(setting.size(10, 3) * n, stream.n_channels)
    chunks = [samples[i : i + n] for i in range(0, len(samples), n)]
    assert stream.range_counts is not None
    low, high = (Limits().saturation_share * end for end in stream.range_counts)
    repeat, found = setting.size(20, 2), np.zeros((2, stream.n_channels), np.int64)
    _kernels.warm("int16")

    def ours() -> int:
        for _ in range(repeat):
            for chunk in chunks:
                _kernels.count_saturated(chunk, low, high, found[0])
        return repeat * len(chunks)

    def batch() -> int:
        for chunk in chunks:
            found[1] += ((chunk <= low) | (chunk >= high)).sum(0)
        return len(chunks)

    taken = interleave({"ours": ours, "numpy": batch}, setting.rounds)
    what = "clipped samples of one chunk of 384 ch × 10 ms"
    return [*compare("checks", what, taken, "ours"), *bands.rows(setting), *banks.rows(setting)]
