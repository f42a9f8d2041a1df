"""The engine that started a worker, as the worker sees it: alive, or gone for good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tenmin.system import FileLock, replace

FILE = "worker.json"


def announce(folder: Path, endpoint: str, token: str) -> None:
    """Say where this engine listens to workers, and that it is another one than the last."""
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps({"workers": endpoint, "token": token}), "utf-8")
    replace(part, folder / FILE)


class Parent:
    """The engine of one rig folder, as announced when the worker started.

    The lock alone does not tell: the next engine takes it within a moment, and adopts nobody.

    Attributes
    ----------
    endpoint : str
        Where it listens to workers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        told = self._told()
        self.endpoint: str = told["workers"]
        self._token: str = told["token"]
        self._gone = False

    @property
    def gone(self) -> bool:
        """Whether it has died; once gone, always gone."""
        if not self._gone:
            held = FileLock.held(self._folder / "engine.lock")
            self._gone = not held or self._told()["token"] != self._token
        return self._gone

    def _told(self) -> dict[str, Any]:
        return json.loads((self._folder / FILE).read_text("utf-8"))
