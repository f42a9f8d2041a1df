"""Checks of other distributions as the engine sees them: started, listened to, killed, given up.

Their code runs in processes of `tenmin.checks.guest` only; here nothing of it is imported.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from tenmin import registry
from tenmin.checks.contract import fault_of_name
from tenmin.checks.installed import how_it_ended
from tenmin.crew import AGAIN_S, CHECK, Crew, Worker
from tenmin.errors import LibraryMissing
from tenmin.service import messages
from tenmin.system.usage import private_bytes

MODULE = "tenmin.checks.guest"
# The process ends itself when it is silent or too big (`tenmin.checks.guest`: 6 s, 60 s, 1 GB).
# Where it cannot, as when it is stopped or in one long call of native code, the engine does.
HUNG_S, START_S, MEMORY_MAX = 8.0, 70.0, 1_100_000_000
LOOK_S = 1.0  # between two looks at its memory
MAX_DEATHS = 3  # within a block


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with a check: its name, and why, in words for the operator."""

    check: str
    text: str


@dataclass
class Guest:
    """One check of another distribution.

    Attributes
    ----------
    name : str
        Of its entry point.
    unusable : str
        Why it cannot be used at all; empty where it can.
    off : str
        Why it is switched off for the rest of the block; empty while it is not.
    deaths : int
        How often its process has ended within the block.
    """

    name: str
    unusable: str = ""
    off: str = ""
    deaths: int = 0
    due_s: float = float("inf")  # heard by then, or killed
    killed: str = ""  # why the engine killed it

    @property
    def role(self) -> str:
        """What its process is called in the crew."""
        return CHECK + self.name


class Guests:
    """All checks of other distributions that are installed.

    Parameters
    ----------
    crew : Crew
        Where their processes run.
    """

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        names = registry.names(registry.CHECKS)
        self.guests = {name: Guest(name, fault_of_name(name)) for name in names}
        self._look_s = 0.0

    def has(self, worker: Worker) -> bool:
        """Whether a worker is the process of one of them."""
        return worker.role.startswith(CHECK)

    def man(self) -> None:
        """Start those that can be used and do not run."""
        for guest in self.guests.values():
            if not (guest.unusable or guest.off or self.crew.planned(guest.role)):
                self.crew.start_linked(guest.role, MODULE, guest.name)
                guest.due_s = time.monotonic() + START_S

    def begin(self) -> list[Fault]:
        """A block begins: everybody gets another chance; returns what is wrong all the same."""
        for guest in self.guests.values():
            guest.deaths, guest.off = 0, ""
        self.man()
        return [Fault(g.name, g.unusable) for g in self.guests.values() if g.unusable]

    @property
    def waited_for(self) -> list[str]:
        """Roles of those that can be used: what they say is unknown until they say it."""
        return [guest.role for guest in self.guests.values() if not guest.unusable]

    def hear(self, worker: Worker, message: messages.FromWorker, now_s: float) -> None:
        """Take what one of them says, as far as it is about its process."""
        guest = self._of(worker)
        if isinstance(message, messages.Verdicts):
            guest.due_s = now_s + HUNG_S
            others = {v.check for v in message.verdicts} - {guest.name}
            if others:
                self._kill(guest, f"it spoke for the check {min(others)}")
        elif isinstance(message, messages.Progress):
            guest.due_s = now_s + START_S
        elif isinstance(message, messages.Ready):
            guest.due_s = float("inf")
        elif isinstance(message, messages.Failed) and message.code == LibraryMissing.__name__:
            guest.unusable = f"{message.message} {message.remedy}"

    def watch(self, worker: Worker, now_s: float) -> None:
        """One of them was told to go: from now on it has to be heard."""
        self._of(worker).due_s = now_s + START_S

    def step(self, now_s: float) -> None:
        """Kill who is silent or too big."""
        look = now_s - self._look_s >= LOOK_S
        if look:
            self._look_s = now_s
        for guest in self.guests.values():
            for worker in self.crew.of(guest.role):
                used = private_bytes(worker.process.pid) if look else None
                if now_s > guest.due_s:
                    self._kill(guest, "it looped: no verdict came in time")
                elif used is not None and used > MEMORY_MAX:
                    self._kill(guest, f"it used {used / 1e9:.1f} GB of memory")

    def _kill(self, guest: Guest, why: str) -> None:
        guest.killed = guest.killed or why
        for worker in self.crew.of(guest.role):
            worker.process.kill()

    def died(self, worker: Worker, words: str) -> Fault:
        """A process has ended; it is started again later, or switched off."""
        guest = self._of(worker)
        guest.due_s = float("inf")
        why = guest.unusable or guest.killed or how_it_ended(worker.process.returncode, words)
        guest.killed = ""
        if guest.unusable:
            return Fault(guest.name, why)
        guest.deaths += 1
        if guest.deaths >= MAX_DEATHS:
            guest.off = f"Switched off for this block after {guest.deaths} deaths: {why}"
            return Fault(guest.name, guest.off)
        wait_s = AGAIN_S * 2 ** (guest.deaths - 1)
        self.crew.later(guest.role, MODULE, guest.name, wait_s=wait_s)
        guest.due_s = time.monotonic() + wait_s + START_S
        return Fault(guest.name, f"Its process died and is started again: {why}")

    def _of(self, worker: Worker) -> Guest:
        return self.guests[worker.role.removeprefix(CHECK)]
