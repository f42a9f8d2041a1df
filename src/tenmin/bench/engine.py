"""The product's own engine, with the timed watcher: ``python -m tenmin.bench.engine FOLDER``."""

from __future__ import annotations

import sys

from tenmin import crew, engine

TIMED = {"tenmin.watcher": "tenmin.bench.watching"}


class Crew(crew.Crew):
    """Workers as always; the watcher tells how late it was."""

    def start(self, role: str, module: str, *arguments: str) -> crew.Worker:
        """Start a worker."""
        return super().start(role, TIMED.get(module, module), *arguments)


if __name__ == "__main__":
    vars(engine)["Crew"] = Crew
    sys.exit(engine.main())
