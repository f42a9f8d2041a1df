"""SIGSTOP of each process for 0.1 to 5 s: as a computer that sleeps or swaps, or a debugger."""

from __future__ import annotations

import os
import random
import signal
import threading

from tests.soak.faults import LOST, BlockFault, nothing
from tests.soak.kills import ABOUT, CHECK, DRIVER, PREPARE
from tests.soak.stage import Stage
from tests.system.conftest import until
from tests.system.killing import EVERYONE

SHORTEST_S, LONGEST_S = 0.1, 5.0
BRIEF_S = 0.3
ROLES = (*EVERYONE, "simulator")


def stop(role: str) -> BlockFault:
    """The fault that stops a role and lets it go on later."""

    def inject(stage: Stage, chance: random.Random) -> str:
        seconds = chance.uniform(SHORTEST_S, LONGEST_S)
        pids = until(lambda: stage.pids(role))
        pause(pids, seconds)
        return f"stopped {role} for {seconds:.2f} s"

    # What the transport cannot hold for the acquirer meanwhile is lost, and counted.
    # A simulator that comes back after the planned end is a device that did not.
    name, about = f"sigstop:{role}", f"SIGSTOP of the {ABOUT.get(role, role)} for 0.1-5 s"
    holes = int(role in ("acquirer", "simulator", DRIVER))
    codes = (0, 1, LOST) if role in ("simulator", DRIVER) else (0, 1)
    prepare = PREPARE.get(role, nothing)
    return BlockFault(name, about, inject, prepare=prepare, most_holes=holes, codes=codes)


def _in_turn(stage: Stage, chance: random.Random) -> str:
    for role in ROLES:
        pause(stage.pids(role), chance.uniform(SHORTEST_S, BRIEF_S))
    return f"stopped {', '.join(ROLES)} in turn"


def pause(pids: list[int], seconds: float) -> None:
    """Stop processes for so long."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    threading.Event().wait(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


FAULTS = (
    *(stop(role) for role in (*ROLES, DRIVER, CHECK)),
    BlockFault(
        "sigstop:in-turn",
        f"SIGSTOP of each process, one after the other, for 0.1-{BRIEF_S} s",
        _in_turn,
        most_holes=1,
        latest_s=2.0,
    ),
)
