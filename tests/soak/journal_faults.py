"""A recorded journal that is cut short, or in which a byte is flipped, and the file made of it.

One block is recorded with its journal kept, and with gaps; each run harms a copy of it.
"""

from __future__ import annotations

import atexit
import functools
import math
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.recorder.damage import Harm, broken_promises, files_of, result_of
from tests.soak.faults import Fault, Run
from tests.soak.stage import Outcome, Setup, Stage

GAPS = ("gap@2:37", "gap@4:1")
SEED = 1


class Keeping(Stage):
    """A block whose journal is kept."""

    def lengths(self) -> tuple[str, ...]:
        """Arguments of ``tenmin record``."""
        return (*super().lengths(), "--keep-journal")


@functools.cache
def recorded(setup: Setup) -> tuple[Stage, Path]:
    """One block, recorded once, and its journal."""
    folder = Path(tempfile.mkdtemp(prefix="tenmin-soak-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    stage = Keeping(replace(setup, faults=(*setup.faults, *GAPS)), SEED, folder)
    atexit.register(stage.close)
    stage.begin()
    outcome = stage.outcome()
    assert outcome.valid, outcome.words
    for sim in stage.sims:
        sim.kill()
    stage.sims.clear()  # what was sent is no measure of a journal that was harmed afterwards
    return stage, next(stage.bench.out.glob("sub-*/*.dot"))


def cut(chance: random.Random, size: int) -> tuple[int, int]:
    """Where a file of this size ends from now on."""
    return chance.randrange(size), 0


def flip(chance: random.Random, size: int) -> tuple[int, int]:
    """A byte of a file of this size, and its bits that are flipped."""
    return chance.randrange(size), chance.randrange(1, 256)


@dataclass(frozen=True)
class JournalFault(Fault):
    """Harm done to a journal after its block.

    Attributes
    ----------
    place : function
        Chance and the size of a file -> byte and bits.
    """

    place: Callable[[random.Random, int], tuple[int, int]]

    def once(self, setup: Setup, seed: int, chance: random.Random) -> Run:
        """Harm a copy of the journal, and make its file."""
        stage, whole = recorded(setup)
        name, size = chance.choice(list(files_of(whole).items()))
        harm = Harm(name, *self.place(chance, size))
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tenmin-soak-") as folder:
            copy = Path(folder) / whole.parent.name / whole.name
            shutil.copytree(whole, copy)
            harm.do(copy)
            outcome = stage.recovered(copy)
            broken = self._broken(whole, copy, harm, outcome)
            return Run(
                self.name,
                seed,
                0.0,
                str(harm),
                stage.account(outcome),
                outcome.valid,
                time.monotonic() - began,
                tuple([*broken, outcome.words] if broken else ()),
            )

    def _broken(self, whole: Path, copy: Path, harm: Harm, outcome: Outcome) -> list[str]:
        if outcome.nwb is None:
            return [f"no file of {harm}"]
        broken = broken_promises(whole, copy, harm, outcome.nwb, result_of(copy))
        return broken if outcome.valid else [*broken, "the file is not valid"]


FAULTS = (
    # What was behind the cut is one hole, however long.
    JournalFault("journal:cut", "a file of the journal is cut at any byte", cut, median_s=math.inf),
    JournalFault("journal:flip", "a byte anywhere in the journal is flipped", flip),
)
