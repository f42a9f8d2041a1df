"""``kill -9`` of each process, and of everything at once."""

from __future__ import annotations

import random

from tests.soak.faults import BlockFault
from tests.soak.stage import Outcome, Stage
from tests.system.killing import EVERYONE, ROLES

MEDIAN_S = 2.0  # design.md 1: the hole while an acquirer restarts


def kill(role: str) -> BlockFault:
    """The fault that kills a role, or ``all``."""
    if role == "all":
        return BlockFault("kill:all", "every process is killed at once", _kill_all, finish=_recover)

    def inject(stage: Stage, chance: random.Random) -> str:
        stage.kill(role)
        return f"killed {role}"

    return BlockFault(
        f"kill:{role}",
        f"kill -9 of the {role}",
        inject,
        finish=Stage.orphaned if role == "record" else Stage.outcome,
        most_holes=int(role == "acquirer"),
        median_s=MEDIAN_S,
    )


def _kill_all(stage: Stage, chance: random.Random) -> str:
    stage.dot = stage.block.dot
    stage.killed_ns = stage.kill(*EVERYONE)
    return "killed all"


def _recover(stage: Stage) -> Outcome:
    return stage.recovered(stage.dot)


FAULTS = tuple(kill(role) for role in ROLES)
