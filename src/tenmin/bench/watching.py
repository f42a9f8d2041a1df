"""The product's own watcher, with a stamp after the last check of every piece.

``python -m tenmin.bench.watching FOLDER NAME``: what `tenmin.bench.engine` starts instead of
``tenmin.watcher``. The counts stand in mapped files, so that reading them costs it nothing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from tenmin import system, watcher
from tenmin.checks.guard import Guarded
from tenmin.checks.judged import Judged
from tenmin.ring import Piece, Ring

STEP_NS, STEPS = 10_000, 200_000  # 10 µs each, up to 2 s
LOST = STEPS  # behind the counts: what the watcher was too late for
SUFFIX = ".latency"


def counts_of(path: Path, *, make: bool = False) -> np.ndarray:
    """The histogram of one stream's latencies, and the samples its watcher lost, mapped."""
    size = (STEPS + 1) * 8
    memory = system.map_file(path, size) if make else system.map_file(path, write=False)
    return np.frombuffer(memory, np.int64)


class Watched(watcher.Watched):
    """One stream with its checks, timed."""

    def __init__(self, ring: Ring, checks: list[Guarded | Judged]) -> None:
        super().__init__(ring, checks)
        self._counts = counts_of(ring.path.with_suffix(SUFFIX), make=True)

    def fed(self, piece: Piece) -> None:
        """As the watcher does it, and a count for each piece."""
        late = (time.monotonic_ns() - piece.host_ns) // STEP_NS
        self._counts[min(late, STEPS - 1)] += 1
        super().fed(piece)
        self._counts[LOST] = self.reader.lost_samples


if __name__ == "__main__":
    vars(watcher)["Watched"] = Watched
    sys.exit(watcher.main())
