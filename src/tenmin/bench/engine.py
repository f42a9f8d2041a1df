"""The product's own engine, with the timed watcher: ``python -m tenmin.bench.engine FOLDER``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from tenmin import crew, dot, engine, job
from tenmin.bench.recycle import FOLDER, ROOM_S

TIMED = {"tenmin.watcher": "tenmin.bench.watching"}
RECYCLED = {"tenmin.recorder.finaliser": "tenmin.bench.finalising"}


class Crew(crew.Crew):
    """Workers as always; the watcher tells how late it was."""

    def start(self, role: str, module: str, *arguments: str) -> crew.Worker:
        """Start a worker."""
        others = TIMED | (RECYCLED if FOLDER in os.environ else {})
        return super().start(role, others.get(module, module), *arguments)


def bytes_needed(streams: Mapping[str, Mapping[str, Any]], seconds: float) -> int:
    """Room for a block whose journal is recycled."""
    return dot.bytes_needed(streams, min(seconds, ROOM_S))


if __name__ == "__main__":
    vars(engine)["Crew"] = Crew
    if FOLDER in os.environ:
        vars(job)["bytes_needed"] = bytes_needed
    sys.exit(engine.main())
