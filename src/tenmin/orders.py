"""What the data path is told: orders to the acquirer that has it, and a file for the next one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tenmin.crew import Crew, Worker
from tenmin.service.server import Server


class Orders:
    """The orders of one block.

    Parameters
    ----------
    folder : Path
        The rig's folder in the runtime directory.
    dot : Path
        The journal's folder.
    devices : list of dict
        Device tables of the rig.
    crew, server
        Who works, and how they are told.

    Attributes
    ----------
    settle_ns : int or None
        When settling began, monotonic ns.
    setting : dict
        What the checks have to know: ``mains_hz``, ``facts``, ``primary`` (the reference
        stream), ``parameters`` (path of a lab's own).
    block : dict or None
        ``block.json`` without its streams, from RECORDING on.
    """

    def __init__(
        self,
        folder: Path,
        dot: Path,
        devices: list[dict[str, Any]],
        setting: dict[str, Any],
        crew: Crew,
        server: Server,
    ) -> None:
        self.path = folder / "spool.json"
        self.settle_ns: int | None = None
        self.block: dict[str, Any] | None = None
        self.setting = setting
        self._dot, self._devices, self._crew, self._server = dot, devices, crew, server
        self._holder: str | None = None
        self._restarts = 0
        self.write()

    @property
    def held(self) -> bool:
        """Whether an acquirer has the data path."""
        return self._holder is not None

    def of(self, worker: Worker) -> bool:
        """Whether this worker has the data path."""
        return worker.name == self._holder

    def give(self) -> bool:
        """Give the data path to the oldest acquirer that is ready; whether there was one."""
        for worker in self._crew.of("acquirer"):
            if worker.ready and not worker.leaving:
                self._holder = worker.name
                self.write()
                self.tell("go", spool=str(self.path))
                return True
        return False

    def lost(self) -> None:
        """Who had the data path is dead: the next one goes on."""
        self._holder = None
        self._restarts += 1

    def settle(self, now_ns: int) -> None:
        """Keep what happens beside the samples from now on."""
        self.settle_ns = now_ns
        self.tell("settle")

    def record(self, block: dict[str, Any]) -> None:
        """Write everything from now on."""
        self.block = block
        self.write()
        self.tell("record", spool=str(self.path))

    def tell(self, kind: str, **fields: Any) -> None:
        """Send a message to who has the data path, if anybody has."""
        if self._holder is not None:
            self._server.tell(self._holder, kind, **fields)

    def dismiss(self) -> None:
        """The block is over."""
        for worker in self._crew.of("acquirer"):
            if self.of(worker):
                worker.leaving = True
                self.tell("quit")

    def write(self) -> None:
        """All orders so far, for whoever takes the data path."""
        spool = {
            "dot": str(self._dot),
            "devices": self._devices,
            "setting": self.setting,
            "restarted": self._restarts,
            "settling": self.settle_ns is not None,
            "block": self.block,
        }
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(spool), "utf-8")
        part.replace(self.path)
