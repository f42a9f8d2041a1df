"""The engine's workers: started, listened to, and started again when one dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tenmin.system import spawn, stop_process

AGAIN_S = 0.5  # a worker that dies at once is not started in a tight loop
GRACE_S = 3.0


@dataclass
class Worker:
    """One process of the crew."""

    name: str  # its identity on the link: "acquirer-1", "watcher-2"
    role: str
    process: subprocess.Popen[bytes]
    ready: bool = False
    granted: Mapping[str, str] = field(default_factory=dict)  # by the system, in words
    leaving: bool = False  # told to end: its end is no death


@dataclass
class Crew:
    """All worker processes of one engine.

    Attributes
    ----------
    folder : Path
        The rig's folder in the runtime directory; each worker's output goes to a file there.
    env : mapping
        Their environment.
    workers : dict of str to Worker
        Those that run, by name.
    deaths : dict of str to int
        How often a worker of each role has died.
    """

    folder: Path
    env: Mapping[str, str]
    workers: dict[str, Worker] = field(default_factory=dict)
    deaths: dict[str, int] = field(default_factory=dict)
    _count: int = 0
    _due: dict[str, tuple[float, str]] = field(default_factory=dict)

    def start(self, role: str, module: str, *arguments: str) -> Worker:
        """Start ``python -m module *arguments``; ``{name}`` stands for the worker's own name."""
        self._count += 1
        name = f"{role}-{self._count}"
        args = [a.replace("{name}", name) for a in arguments]
        with (self.folder / f"{name}.log").open("ab") as output:
            process = spawn(
                [sys.executable, "-m", module, *args], stdout=output, stderr=output, env=self.env
            )
        worker = Worker(name, role, process)
        self.workers[name] = worker
        return worker

    def start_linked(self, role: str, module: str) -> Worker:
        """Start a worker that talks to the engine: its arguments are the folder and its name."""
        return self.start(role, module, str(self.folder), "{name}")

    def of(self, role: str) -> list[Worker]:
        """The running workers of a role, oldest first."""
        return [w for w in self.workers.values() if w.role == role]

    def died(self) -> list[Worker]:
        """Those that have ended since the last call; they leave the crew."""
        gone = [w for w in self.workers.values() if w.process.poll() is not None]
        for worker in gone:
            del self.workers[worker.name]
            if not worker.leaving:
                self.deaths[worker.role] = self.deaths.get(worker.role, 0) + 1
        return gone

    def later(self, role: str, module: str) -> None:
        """Start a linked worker of `role` soon, unless that is planned already."""
        self._due.setdefault(role, (time.monotonic() + AGAIN_S, module))

    def start_due(self) -> None:
        """Start those whose time has come."""
        now = time.monotonic()
        for role, (at, module) in list(self._due.items()):
            if now >= at:
                del self._due[role]
                self.start_linked(role, module)

    def last_words(self, worker: Worker, n_bytes: int = 2000) -> str:
        """The end of what a worker printed before it died."""
        path = self.folder / f"{worker.name}.log"
        if not path.exists():
            return ""
        with path.open("rb") as output:
            output.seek(0, os.SEEK_END)
            output.seek(max(0, output.tell() - n_bytes))
            return output.read().decode("utf-8", "replace").strip()

    def dismiss(self) -> None:
        """End all of them."""
        for worker in self.workers.values():
            stop_process(worker.process, GRACE_S)
        self.workers.clear()
        self._due.clear()
