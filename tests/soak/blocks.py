"""Ten blocks back to back in one engine: nothing that a process holds may grow."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from tenmin.service.client import Client
from tests.soak.faults import BROKEN, Fault, Run
from tests.soak.stage import Setup, Stage
from tests.system.conftest import until
from tests.system.rigs import rig_args

SETTLED = 3  # blocks after which every process holds what it needs
GROWTH_MB = 4.0  # of private memory from then on: the noise of an allocator over seven blocks
SHARED = "/dev/shm/"


@dataclass(frozen=True)
class Held:
    """What is held between two blocks.

    Attributes
    ----------
    memory_mb : dict
        Private memory of each role, MB.
    counts : dict
        Threads, open files, and files in the runtime folder and in shared memory.
    """

    memory_mb: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Blocks(Fault):
    """So many blocks in one engine.

    Attributes
    ----------
    n : int
    """

    n: int = 10

    def once(self, setup: Setup, seed: int, chance: random.Random) -> Run:
        """Record them; account for every sample of all."""
        setup = replace(setup, seconds=chance.uniform(1.0, min(2.0, setup.seconds)), pads_s=0.5)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tenmin-soak-") as folder:
            stage = Stage(setup, seed, Path(folder))
            try:
                return self._run(stage, began)
            except BROKEN as error:
                took_s = time.monotonic() - began
                broken = (f"{error!r}\n{stage.logs()}",)
                return Run(self.name, seed, 0.0, took_s=took_s, broken=broken)
            finally:
                stage.close()

    def _run(self, stage: Stage, began: float) -> Run:
        stage.plug_in()
        stage.bench.start("engine", str(stage.rig))
        folder = stage.bench.rig_folder()
        held, streams, broken, valid = [], [], [], True
        for k in range(self.n):
            ended = stage.bench.record(*rig_args(stage.rig), *stage.lengths())
            outcome = stage.told(ended, stage.setup.planned_s)
            streams += stage.account(outcome)
            valid = valid and outcome.valid
            broken += [f"block {k + 1}: {outcome.words}"] if ended.code else []
            held.append(_held(stage, folder))
        broken += [f"{s.name}: {s.uncounted} uncounted" for s in streams if s.uncounted]
        broken += [f"{s.name}: holes {s.told}" for s in streams if s.told]
        broken += grown(held)
        said = f"{self.n} blocks of {stage.setup.seconds:.1f} s, {_told(held)}"
        took_s = time.monotonic() - began
        return Run(self.name, stage.seed, 0.0, said, tuple(streams), valid, took_s, tuple(broken))


def _held(stage: Stage, folder: Path) -> Held:
    """What is held once the crew is complete again and nothing more changes."""
    state = until(lambda: _quiet(stage, folder), 30.0)
    pids = {name.rsplit("-", 1)[0]: pid for name, pid in sorted(state["crew"].items())}
    memory, counts = {}, {}
    for role, pid in {**pids, "engine": state["pid"]}.items():
        process = psutil.Process(pid)
        memory[role] = process.memory_full_info().uss / 1e6
        counts[f"threads of the {role}"] = process.num_threads()
        counts[f"open files of the {role}"] = process.num_fds()
    counts["processes"] = len(state["crew"])
    counts["files in the runtime folder"] = len(list(folder.rglob("*")))
    counts["files in shared memory"] = _shared([state["pid"], *pids.values()])
    return Held(memory, counts)


def _quiet(stage: Stage, folder: Path) -> dict | None:
    with Client.find(folder.name, runtime=stage.bench.runtime) as client:
        state = client.status()
    crew = [name.rsplit("-", 1)[0] for name in state["crew"]]
    complete = crew.count("acquirer") >= 1 and crew.count("watcher") == 1
    return state if complete and state["ready"] and "finaliser" not in crew else None


def _shared(pids: Iterable[int]) -> int:
    """How many files of shared memory these processes map."""
    maps = {m.path for pid in pids for m in psutil.Process(pid).memory_maps()}
    return sum(path.startswith(SHARED) for path in maps)


def grown(held: list[Held]) -> list[str]:
    """What the last block left more of than an early one did, in words."""
    early, late = held[min(SETTLED, len(held)) - 1], held[-1]
    words = [
        f"{role}: {early.memory_mb[role]:.1f} MB, later {mb:.1f} MB"
        for role, mb in late.memory_mb.items()
        if role in early.memory_mb and mb - early.memory_mb[role] > GROWTH_MB
    ]
    return words + [
        f"{what}: {early.counts[what]}, later {n}"
        for what, n in late.counts.items()
        if n > early.counts.get(what, 0)
    ]


def _told(held: list[Held]) -> str:
    late = held[-1].memory_mb
    return ", ".join(f"{role} {held[0].memory_mb[role]:.1f}-{late[role]:.1f} MB" for role in late)


FAULTS = (Blocks("blocks", "ten blocks back to back in one engine", most=3),)
