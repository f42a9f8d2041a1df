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
CHECK = "check:"  # role of the process of a check of another distribution: this and its name


@dataclass
class Worker:
    """One process of the crew."""

    name: str  # its identity on the link: "acquirer-1", "watcher-2"
    role: str
    process: subprocess.Popen[bytes]
    ready: bool = False
    granted: Mapping[str, str] = field(default_factory=dict)  # by the system, in words
    leaving: bool = False  # told to end: its end is no death

    @property
    def watches(self) -> bool:
        """Whether it reads the rings and gives verdicts."""
        return self.role == "watcher" or self.role.startswith(CHECK)


@dataclass
class Crew:
    """All worker processes of one engine.

    Attributes
    ----------
    folder : Path
        The rig's folder in the runtime directory; each worker's output goes to a file there, which
        is removed when the worker ends well.
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
    _due: dict[str, tuple[float, str, tuple[str, ...]]] = field(default_factory=dict)

    def start(self, role: str, module: str, *arguments: str) -> Worker:
        """Start ``python -m module *arguments``; ``{name}`` stands for the worker's own name."""
        self._count += 1
        name = f"{role}-{self._count}"
        args = [a.replace("{name}", name) for a in arguments]
        with self._log_of(name).open("ab") as output:
            process = spawn(
                [sys.executable, "-m", module, *args], stdout=output, stderr=output, env=self.env
            )
        worker = Worker(name, role, process)
        self.workers[name] = worker
        return worker

    def start_linked(self, role: str, module: str, *more: str) -> Worker:
        """Start a worker that talks to the engine; its arguments: the folder, its name, `more`."""
        return self.start(role, module, str(self.folder), "{name}", *more)

    def _log_of(self, name: str) -> Path:
        return self.folder / f"{name.replace(':', '-')}.log"

    def of(self, role: str) -> list[Worker]:
        """The running workers of a role, oldest first."""
        return [w for w in self.workers.values() if w.role == role]

    def died(self) -> list[Worker]:
        """Those that have ended since the last call; they leave the crew."""
        gone = [w for w in self.workers.values() if w.process.poll() is not None]
        for worker in gone:
            del self.workers[worker.name]
            if worker.process.returncode == 0:  # an engine serves many blocks
                self._log(worker.name).unlink(missing_ok=True)
            if not worker.leaving:
                self.deaths[worker.role] = self.deaths.get(worker.role, 0) + 1
        return gone

    def watchers(self) -> list[Worker]:
        """Who reads the rings and gives verdicts: the watcher, and checks of others."""
        return [w for w in self.workers.values() if w.watches]

    def later(self, role: str, module: str, *more: str, wait_s: float = AGAIN_S) -> None:
        """Start a linked worker of `role` in `wait_s`, unless that is planned already."""
        self._due.setdefault(role, (time.monotonic() + wait_s, module, more))

    def planned(self, role: str) -> bool:
        """Whether one of a role runs, or will soon."""
        return role in self._due or bool(self.of(role))

    def start_due(self) -> None:
        """Start those whose time has come."""
        now = time.monotonic()
        for role, (at, module, more) in list(self._due.items()):
            if now >= at:
                del self._due[role]
                self.start_linked(role, module, *more)

    def last_words(self, worker: Worker, n_bytes: int = 2000) -> str:
        """The end of what a worker printed before it died."""
        path = self._log_of(worker.name)
        if not path.exists():
            return ""
        with path.open("rb") as output:
            output.seek(0, os.SEEK_END)
            output.seek(max(0, output.tell() - n_bytes))
            return output.read().decode("utf-8", "replace").strip()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def dismiss(self) -> None:
        """End all of them."""
        for worker in self.workers.values():
            stop_process(worker.process, GRACE_S)
        self.workers.clear()
        self._due.clear()
