"""What the processes of a rig take: processor time and private memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenmin.bench import peers


@dataclass(frozen=True)
class Taken:
    """One look at a process: processor seconds, and private memory in bytes."""

    cpu_s: float
    private: int


class Usage:
    """Looks at processes by their role; without psutil it sees nothing, and says so.

    Attributes
    ----------
    works : bool
        Whether there is anything to look with.
    """

    def __init__(self) -> None:
        self._psutil = peers.load("psutil")
        self.works = self._psutil is not None

    def look(self, pids: dict[str, int], memory: bool = True) -> dict[str, Taken]:
        """Each process that is still there; private memory costs the machine some time."""
        if self._psutil is None:
            return {}
        found = {}
        for role, pid in pids.items():
            try:
                process = self._psutil.Process(pid)
                cpu = process.cpu_times()
                private = process.memory_full_info().uss if memory else 0
                found[role] = Taken(cpu.user + cpu.system, private)
            except self._psutil.Error:
                continue  # it has ended meanwhile
        return found

    def named(self, parent: int, word: str) -> list[int]:
        """The children of a process whose command lines hold a word."""
        if self._psutil is None:
            return []
        try:
            children = self._psutil.Process(parent).children()
            return [int(child.pid) for child in children if word in " ".join(child.cmdline())]
        except self._psutil.Error:  # one has ended meanwhile; the next look tells
            return []


class Peak(threading.Thread):
    """Follows the private memory of one process until it ends."""

    def __init__(self, usage: Usage, find: Callable[[], list[int]], every_s: float = 0.5) -> None:
        super().__init__(daemon=True)
        self._usage, self._find, self._every = usage, find, every_s
        self._halt = threading.Event()
        self.private = 0

    def run(self) -> None:
        """Look again and again."""
        pids: list[int] = []
        while not self._halt.wait(self._every):
            pids = pids or self._find()
            seen: dict[str, Any] = self._usage.look({"it": pids[0]}) if pids else {}
            if "it" in seen:
                self.private = max(self.private, seen["it"].private)

    def halt(self) -> None:
        """End."""
        self._halt.set()
        self.join()


def wait_until(ask: Callable[[], Any], deadline_s: float, every_s: float = 0.02) -> Any:
    """The first true answer; None when none came in time."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(every_s)
    return None
