"""The checks that exist, fed as the watcher feeds them, beside the same in NumPy."""

from __future__ import annotations

import numpy as np

from tenmin.bench import peers
from tenmin.bench.rounds import compare, interleave
from tenmin.bench.rows import Row, Spread
from tenmin.bench.setting import CHUNK_S, PROBE_HZ, Setting, probe, signal
from tenmin.checks import _kernels
from tenmin.checks.quality import SATURATION_SHARE, checks_for
from tenmin.ring import Piece

BAND_POWER = "band-power checks on every sample"
NOT_BUILT = "not built yet: the full set of checks is a later issue"


def rows(setting: Setting) -> list[Row]:
    """All rows about the checks."""
    stream = probe()
    n = round(CHUNK_S * PROBE_HZ)
    bank = signal(setting.size(10, 3) * n, stream.n_channels)
    chunks = [bank[i : i + n] for i in range(0, len(bank), n)]
    assert stream.range_counts is not None
    low, high = (SATURATION_SHARE * end for end in stream.range_counts)
    checks = checks_for(stream)
    repeat, found = setting.size(20, 2), np.zeros(stream.n_channels, np.int64)
    _kernels.warm("int16")

    def ours() -> int:
        for _ in range(repeat):
            for i, chunk in enumerate(chunks):
                piece = Piece(i * n, i * n, chunk, None, 0, 0)
                for check in checks:
                    check.feed(piece)
        return repeat * len(chunks)

    def batch() -> int:
        for chunk in chunks:
            found[:] += ((chunk <= low) | (chunk >= high)).sum(0)
        return len(chunks)

    taken = interleave({"ours": ours, "numpy": batch}, setting.rounds)
    names = ", ".join(type(check).__name__.lower() for check in checks)
    what = f"checks that exist ({names}), one chunk of 384 ch × 10 ms"
    probes = Spread.of(CHUNK_S / taken["ours"])
    note = "the chunk is in the cache, as when it has just come"
    made = [
        *compare("checks", what, taken, "ours"),
        Row("checks", "probes that one core can check", "probes", probes, note=note),
    ]
    why = NOT_BUILT if peers.load("scipy") is not None else f"{NOT_BUILT}; scipy is {peers.MISSING}"
    for against, gate, aim in (
        ("scipy, decimated", "≥ 20", "≥ 50"),
        ("scipy, full rate", "≥ 100", "≥ 250"),
    ):
        made.append(Row("checks", BAND_POWER, against=against, gate=gate, aim=aim, note=why))
    return made
