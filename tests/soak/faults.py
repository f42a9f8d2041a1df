"""What can go wrong during a block: the registry of faults, and what came of one run.

A new fault is a value in the tuple ``FAULTS`` of any module of this package; nothing else has to
be changed. `BlockFault` fits what happens at a moment of a running block: its `inject` gets the
`Stage` and a source of chance, does harm, and says in words what it did. ::

    FAULTS = (BlockFault("unplug", "the probe's plug is pulled for 1 s", pull, most_holes=1),)

Anything else (a journal that is cut short afterwards) derives from `Fault` and gives its own
`once`. ``python -m tests.soak --fault unplug --times 3 --no-page`` tries it, and ``--fault
unplug+disk:stall`` together with another one (`tests.soak.both`).
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tenmin.errors import RigError
from tests import soak
from tests.soak.accounts import Stream
from tests.soak.stage import Outcome, Setup, Stage
from tests.soak.truths import LOST_S

WORST_S = 5.0  # design.md 1: the longest hole while a process is replaced

# what ends a run that does not go as it should
BROKEN = (AssertionError, OSError, RigError, subprocess.TimeoutExpired)
UNBEGUN = "No data from "  # what is said of a block whose devices were not found
LOST = 3  # exit code of a block that ended without its device


@dataclass(frozen=True)
class Run:
    """What came of one fault in one block.

    Attributes
    ----------
    fault : str
    seed : int
        Of the simulators; chance comes of it, too.
    at_s : float
        When, in seconds of the window.
    said : str
        What was done.
    streams : tuple of Stream
        Every sample; empty when there is no file.
    valid : bool
        Schema and invariants of the file hold.
    took_s : float
        How long the run took.
    broken : tuple of str
        Promises that did not hold; what the program said with them.
    lost_before_s : float or None
        Seconds sent before everything ended that are not in the file.
    skipped : str
        Why it could not be run on this computer.
    unbegun : bool
        The block never began, so that nothing was tried: its simulator was not found in time.
    """

    fault: str
    seed: int
    at_s: float
    said: str = ""
    streams: tuple[Stream, ...] = ()
    valid: bool = False
    took_s: float = 0.0
    broken: tuple[str, ...] = ()
    lost_before_s: float | None = None
    skipped: str = ""
    unbegun: bool = False

    @property
    def sent(self) -> int:
        """Samples of all streams."""
        return sum(s.sent for s in self.streams)

    @property
    def recorded(self) -> int:
        """Rows in the file."""
        return sum(s.recorded for s in self.streams)

    @property
    def missing(self) -> int:
        """Samples listed as missing."""
        return sum(s.missing for s in self.streams)

    @property
    def uncounted(self) -> int:
        """Samples lost that nobody counted."""
        return sum(s.uncounted for s in self.streams)

    @property
    def longest_s(self) -> float:
        """Longest hole."""
        return max((s.longest_s for s in self.streams), default=0.0)

    @property
    def held(self) -> bool:
        """Whether all that is promised held."""
        return bool(self.skipped) or not self.broken

    def __str__(self) -> str:
        if self.skipped:
            return f"SKIPPED: {self.skipped}"
        text = (
            f"seed {self.seed}, at {self.at_s:5.2f} s, {self.said}: sent {self.sent}, "
            f"recorded {self.recorded}, missing {self.missing}, uncounted {self.uncounted}"
        )
        holes = [f"{s.name} {n} at {at}" for s in self.streams for at, n in s.told]
        text += f", holes: {', '.join(holes)}" if holes else ""
        if self.lost_before_s is not None:
            text += f", lost before: {self.lost_before_s:.3f} s"
        text += f", {self.took_s:.1f} s"
        return text + "".join(f"\n    NOT AS PROMISED: {words}" for words in self.broken)


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    Attributes
    ----------
    name : str
        ``kind`` or ``kind:detail``, as on the command line.
    about : str
        What happens, in a few words.
    median_s : float
        The longest holes of many runs: their median is at most this, seconds.
    most : int, optional
        So many runs are enough, where one is long.
    """

    name: str
    about: str
    median_s: float = field(default=WORST_S, kw_only=True)
    most: int | None = field(default=None, kw_only=True)

    def once(self, setup: Setup, seed: int, chance: random.Random) -> Run:
        """Let it happen once, at a moment of chance, and say what came of it."""
        raise NotImplementedError


def nothing(stage: Stage) -> None:
    """No preparation."""


def content(stage: Stage, outcome: Outcome) -> list[str]:
    """No further promise."""
    return []


@dataclass(frozen=True)
class BlockFault(Fault):
    """A fault at a moment of a running block.

    Attributes
    ----------
    inject : function
        Does it; returns what it did, in words.
    prepare : function
        Called before anything is started.
    finish : function
        Waits for the end of the block.
    most_holes : int
        Holes that a stream may have.
    hurt : str
        The one stream that may have holes; any, if empty.
    longest_s : float
        The longest hole, seconds.
    judge : function
        Further promises that did not hold, in words.
    skip : function
        Why it cannot be run here; empty if it can.
    codes : tuple of int
        Exit codes of ``tenmin record`` that are right after it.
    latest_s : float
        So long before the end of the window it happens at the latest.
    earliest_s : float
        So long before it at the earliest.
    """

    inject: Callable[[Stage, random.Random], str]
    prepare: Callable[[Stage], None] = nothing
    finish: Callable[[Stage], Outcome] = Stage.outcome
    most_holes: int = 0
    hurt: str = ""
    longest_s: float = WORST_S
    judge: Callable[[Stage, Outcome], list[str]] = content
    skip: Callable[[], str] = lambda: ""
    codes: tuple[int, ...] = (0, 1)
    latest_s: float = 0.0
    earliest_s: float = math.inf

    def once(self, setup: Setup, seed: int, chance: random.Random) -> Run:
        """Record a block and let it happen somewhere in its window."""
        ago_s = min(setup.seconds, self.earliest_s), min(setup.seconds, self.latest_s)
        at_s = chance.uniform(*(setup.seconds - s for s in ago_s))
        if why := self.skip():
            return Run(self.name, seed, at_s, skipped=why)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tenmin-soak-") as folder:
            stage = Stage(setup, seed, Path(folder))
            said = ""
            try:
                self.prepare(stage)
                stage.begin()
                stage.full_crew()
                stage.recorded(at_s)
                said = self.inject(stage, chance)
                outcome = self.finish(stage)
                return self._run(stage, outcome, at_s, said, time.monotonic() - began)
            except BROKEN as error:
                broken = f"{error!r}\n{stage.logs()}"
                took_s = time.monotonic() - began
                unbegun = not said and UNBEGUN in broken
                return Run(
                    self.name, seed, at_s, said, took_s=took_s, broken=(broken,), unbegun=unbegun
                )
            finally:
                stage.close()

    def _run(self, stage: Stage, outcome: Outcome, at_s: float, said: str, took_s: float) -> Run:
        streams = stage.account(outcome)
        broken = [] if outcome.nwb else ["no file"]
        broken += [] if outcome.valid else ["the file is not valid"]
        broken += [] if outcome.code in self.codes else [f"exit code {outcome.code}"]
        broken += self._window(stage, outcome)
        for stream in streams:
            broken += self._broken(stream)
        before_s = lost_before_s(stage, streams) if streams else None
        if before_s is not None and before_s > LOST_S:
            broken.append(f"{before_s:.3f} s lost before everything ended")
        broken += self.judge(stage, outcome)
        if broken:
            broken.append(outcome.words)
        return Run(
            self.name,
            stage.seed,
            at_s,
            said,
            streams,
            outcome.valid,
            took_s,
            tuple(broken),
            before_s,
        )

    def _window(self, stage: Stage, outcome: Outcome) -> list[str]:
        """A block that was not cut short has a window of the length asked for."""
        n, rate_hz = outcome.n_window, stage.rate_hz(outcome)
        if outcome.planned_s is None or outcome.code == LOST or rate_hz is None:
            return []
        planned = round(stage.setup.seconds * rate_hz)
        return [] if n == planned else [f"the window has {n} samples instead of {planned}"]

    def _broken(self, stream: Stream) -> list[str]:
        name, found = stream.name, []
        if stream.uncounted:
            found.append(f"{name}: {stream.uncounted} uncounted, {stream.wrong} of them wrong rows")
        if set(stream.holes) - set(stream.told):
            found.append(f"{name}: holes {stream.holes}, told {stream.told}")
        allowed = 0 if self.hurt and name != self.hurt else self.most_holes
        if len(stream.told) > allowed:
            found.append(f"{name}: {len(stream.told)} holes, {allowed} allowed: {stream.told}")
        if stream.longest_s > self.longest_s:
            found.append(f"{name}: a hole of {stream.longest_s:.2f} s")
        return found


def lost_before_s(stage: Stage, streams: tuple[Stream, ...]) -> float | None:
    """Seconds of the reference sent before everything ended, neither there nor told missing."""
    if stage.killed_ns is None:
        return None
    clock = stage.truth()["clocks"][stage.reference]
    (stream,) = (s for s in streams if s.name == stage.reference)
    sent_s = (stage.killed_ns - clock["start_host_ns"]) * 1e-9
    return max(0.0, sent_s - stream.stop / stream.rate_hz)


def all_faults() -> dict[str, Fault]:
    """Every fault of every module of this package, by name."""
    found: dict[str, Fault] = {}
    for module in pkgutil.iter_modules(soak.__path__, f"{soak.__name__}."):
        if module.name.endswith("__main__"):
            continue
        for fault in getattr(importlib.import_module(module.name), "FAULTS", ()):
            assert fault.name not in found, f"two faults {fault.name}"
            found[fault.name] = fault
    return found
