"""``kill -9`` of each process, and of everything at once."""

from __future__ import annotations

import os
import random
import signal

from tests.soak import strange_checks
from tests.soak.faults import LOST, WORST_S, BlockFault, content, nothing
from tests.soak.stage import Device, Outcome, Stage
from tests.system.conftest import until
from tests.system.killing import EVERYONE, ROLES

MEDIAN_S = 2.0  # design.md 1: the hole while an acquirer restarts
STANDBY, DRIVER, CHECK = "standby", "driver", "check"
ABOUT = {DRIVER: "process of an isolated driver", CHECK: "process of a stranger's check"}


def apart(stage: Stage) -> None:
    """Let the reference's driver run in a process of its own."""

    def isolate(devices: list[Device]) -> None:
        for device in devices:
            device["isolate"] = bool(device.get("primary"))

    stage.edit.append(isolate)


PREPARE = {DRIVER: apart, CHECK: strange_checks.prepare}


def kill(role: str) -> BlockFault:
    """The fault that kills a role, or ``all``."""
    if role == "all":
        return BlockFault("kill:all", "every process is killed at once", _kill_all, finish=_recover)

    def inject(stage: Stage, chance: random.Random) -> str:
        pids = until(lambda: stage.pids(role))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return f"killed {role}"

    return BlockFault(
        f"kill:{role}",
        f"kill -9 of the {ABOUT.get(role, role)}",
        inject,
        prepare=PREPARE.get(role, nothing),
        finish=Stage.orphaned if role == "record" else Stage.outcome,
        most_holes=int(role in ("acquirer", DRIVER)),
        codes=(0, 1, LOST) if role == DRIVER else (0, 1),  # the end falls into its restart
        median_s=WORST_S if role == DRIVER else MEDIAN_S,
        judge=strange_checks.is_unknown if role == CHECK else content,
    )


def _kill_all(stage: Stage, chance: random.Random) -> str:
    stage.dot = stage.block.dot
    stage.killed_ns = stage.kill(*EVERYONE)
    return "killed all"


def _recover(stage: Stage) -> Outcome:
    return stage.recovered(stage.dot)


FAULTS = tuple(kill(role) for role in (*ROLES, STANDBY, DRIVER, CHECK))
