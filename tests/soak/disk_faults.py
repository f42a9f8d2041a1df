"""A disk that fills up, becomes read-only, is too slow or stalls, at any moment of a block."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.recorder.small_disk import REFUSED, around, fill, granted, inside
from tests.soak.faults import BROKEN, BlockFault, Fault, Run
from tests.soak.stage import ABORTED, Outcome, Setup, Stage
from tests.soak.truths import LOST_S
from tests.system.conftest import Ended, until
from tests.system.killing import Block
from tests.system.refusing_disk import refuse, refusing_disk_env
from tests.system.rigs import rig_args
from tests.system.slow_disk import SlowDiskMissing, set_speed, slow_disk_env

SIZE = "64m"
MOMENTS = ("settling", "start", "window", "end", "finalising")
DISK_FAILS = 3  # exit code, design.md 4
SLOW_S, SLOW_SHARE = 30.0, 0.4  # window that a ring of 10 s cannot bridge at this share of speed
CACHE_BYTES = 1 << 14
STALL_S, END_STALL_S, ABORT_STALL_S = (1.0, 3.0), (6.0, 8.0), (2.0, 5.0)
END_S = 1.5  # a stall across the end of the block begins at most so long before the window's end
ASKED_S = 0.5  # the disk stands still for so long after the abort
SETTLE_S = 2.0


def reach(stage: Stage, moment: str, at_s: float) -> None:
    """Wait until a block is that far."""
    folder = stage.block.folder
    if moment == "settling":
        stage.bench.wait_phase(folder, "SETTLE", "READY", "RECORDING")
    elif moment == "start":
        stage.bench.wait_phase(folder, "RECORDING", "EXTENDING")
    elif moment == "finalising":
        until(lambda: _phase(stage) in ("CLOSING", "SUMMARISED", "over"), 120.0, 0.01)
    else:
        stage.recorded(at_s)


def _phase(stage: Stage) -> str:
    if stage.bench.running[0].poll() is not None:
        return "over"
    told = stage.state().get("snapshot", {})
    return "over" if told.get("over") else str(told.get("phase"))


@dataclass(frozen=True)
class DiskFault(Fault):
    """A disk that fails for good at a random moment; the journal is recovered on another one.

    Attributes
    ----------
    words : tuple of str
        What the program must say of it: one of these.
    begin : function
        Starts the block on such a disk.
    harm : function
        Lets it fail.
    repair : function
        Afterwards; returns the folder with what is left on the disk.
    skip : function
        Why it cannot be run here; empty if it can.
    moments : tuple of str
        When it may fail.
    """

    words: tuple[str, ...]
    begin: Callable[[Stage], None]
    harm: Callable[[Stage], None]
    repair: Callable[[Stage], Path]
    skip: Callable[[], str]
    moments: tuple[str, ...] = MOMENTS

    def once(self, setup: Setup, seed: int, chance: random.Random) -> Run:
        """Record a block, let its disk fail, and make a file of what is left."""
        moment = chance.choice(self.moments)
        latest = setup.seconds - 0.3
        at_s = latest if moment == "end" else chance.uniform(0.2, latest)
        if why := self.skip():
            return Run(self.name, seed, at_s, skipped=why)
        began, said = time.monotonic(), moment
        with tempfile.TemporaryDirectory(prefix="tenmin-soak-") as folder:
            stage = Stage(replace(setup, settle_s=SETTLE_S), seed, Path(folder))
            try:
                self.begin(stage)
                reach(stage, moment, at_s)
                before = written(stage)
                self.harm(stage)
                ended = stage.block.end(120.0)
                broken = self._broken_words(ended, moment)
                outcome, more = self._recovered(stage, ended)
                streams = stage.account(outcome)
                broken += more
                for stream in streams:
                    n = before.get(stream.name, 0) - round(LOST_S * stream.rate_hz)
                    if stream.recorded + stream.missing < n:
                        broken.append(f"{stream.name}: {n} written, {stream.recorded} kept")
                    if stream.uncounted:
                        broken.append(f"{stream.name}: {stream.uncounted} uncounted")
                words = (outcome.words, f"exit {ended.code}: {ended.err[-600:]}")
                return Run(
                    self.name,
                    seed,
                    at_s,
                    said,
                    streams,
                    outcome.valid,
                    time.monotonic() - began,
                    (*broken, *words) if broken else (),
                )
            except BROKEN as error:
                took_s, why = time.monotonic() - began, f"{error!r}\n{stage.logs()}"
                return Run(self.name, seed, at_s, said, took_s=took_s, broken=(why,))
            finally:
                stage.close()

    def _broken_words(self, ended: Ended, moment: str) -> list[str]:
        done = moment == "finalising" and ended.code in (0, 1)  # it was faster than the harm
        broken = [] if done or ended.code == DISK_FAILS else [f"exit code {ended.code}"]
        said = any(word in ended.err for word in self.words)
        broken += [] if done or said else [f"no word of {self.words}"]
        return [*broken, "a traceback"] if "Traceback" in ended.err else broken

    def _recovered(self, stage: Stage, ended: Ended) -> tuple[Outcome, list[str]]:
        """The file of what is left on the disk, made on another disk; and broken promises."""
        left = self.repair(stage)
        if made := next(left.glob("sub-*/*.nwb"), None):
            told = stage.told(ended, None)
            return replace(told, nwb=made), [] if told.valid else ["the file is not valid"]
        dot = next(left.glob("sub-*/*.dot"), None)
        if dot is None or not (dot / "block.json").exists():
            return Outcome(None, [], True, "nothing was recorded", None), []
        outcome = stage.recovered(dot)
        return outcome, [] if outcome.valid else ["recover made no valid file"]


def written(stage: Stage) -> dict[str, int]:
    """Samples of each stream that are in the journal by now, as the engine last heard."""
    if stage.bench.running[0].poll() is not None:
        return {}
    told = stage.state().get("snapshot", {}).get("streams") or []
    return {s["name"]: s.get("samples") or 0 for s in told}


# A small disk that fills up


def begin_small(stage: Stage) -> None:
    """Start a block on a small disk."""
    stage.bench.out = stage.folder / "disk"
    stage.plug_in()
    args = stage.bench.record_args(*rig_args(stage.rig), *stage.lengths())
    disk = around(SIZE, stage.bench.out, stage.folder / "kept")
    stage.block = Block.of(stage.bench, stage.bench.start(*args, around=disk))


def fill_up(stage: Stage) -> None:
    """Leave not a byte free on it."""
    if stage.bench.running[0].poll() is None:
        fill(inside(stage.state()["pid"], stage.bench.out) / "ballast")


# A disk that becomes read-only


def begin_refusing(stage: Stage) -> None:
    """Start a block on a disk that can be made read-only."""
    stage.env.update(refusing_disk_env(stage.bench.out))
    stage.begin()


def repaired(stage: Stage) -> Path:
    """A copy of what is on it."""
    refuse(stage.env, 0)
    return Path(shutil.copytree(stage.bench.out, stage.folder / "kept"))


# A slow disk


def can_be_slow() -> str:
    """Why no disk can be slowed or made read-only here."""
    try:
        slow_disk_env(Path.cwd(), 0)
    except SlowDiskMissing as why:
        return str(why)
    return ""


def slowed(stage: Stage) -> None:
    """Give the block a disk that can be slowed."""
    stage.add_env(slow_disk_env(stage.bench.out, 0, CACHE_BYTES))


def stall(stage: Stage, chance: random.Random) -> str:
    """Stop the disk for some seconds."""
    return _stall(stage, chance.uniform(*STALL_S))


def stall_long(stage: Stage, chance: random.Random) -> str:
    """Stop the disk for longer than what is left of the block."""
    return _stall(stage, chance.uniform(*END_STALL_S))


def _stall(stage: Stage, seconds: float) -> str:
    set_speed(stage.env, 1)
    threading.Event().wait(seconds)
    set_speed(stage.env, 0)
    return f"the disk stood still for {seconds:.2f} s"


def stall_and_abort(stage: Stage, chance: random.Random) -> str:
    """Stop the disk, and abort the block before it goes on."""
    seconds = chance.uniform(*ABORT_STALL_S)
    set_speed(stage.env, 1)
    threading.Event().wait(seconds)
    stage.killed_ns = time.monotonic_ns()
    asking = stage.bench.start("abort")
    threading.Event().wait(ASKED_S)
    set_speed(stage.env, 0)
    _, refused = asking.communicate(timeout=60.0)
    assert asking.returncode == 0, refused
    return f"aborted {seconds:.2f} s after the disk had stopped"


def slow_down(stage: Stage) -> None:
    """Make it slower than the streams."""
    state = stage.state()["snapshot"]["streams"]
    set_speed(stage.env, int(SLOW_SHARE * sum(s["bytes_per_s"] for s in state)))


def begin_slowed(stage: Stage) -> None:
    """Start a long block on a disk that can be slowed."""
    stage.setup = replace(stage.setup, seconds=SLOW_S)
    slowed(stage)
    stage.begin()


FAULTS = (
    DiskFault(
        "disk:full",
        "the disk fills up: while settling, at the start, in the window, at the end, while "
        "finalising; recovered on another disk",
        ("is full", "There is no room"),
        begin_small,
        fill_up,
        lambda stage: stage.folder / "kept",
        lambda: "" if granted() else REFUSED,
    ),
    DiskFault(
        "disk:readonly",
        "the disk becomes read-only at any of these moments; recovered on another disk",
        ("Read-only file system", "cannot be written"),
        begin_refusing,
        lambda stage: refuse(stage.env),
        repaired,
        can_be_slow,
    ),
    DiskFault(
        "disk:slow",
        f"the disk takes {SLOW_SHARE:.0%} of what the streams bring, for good: a controlled stop",
        ("slow",),
        begin_slowed,
        slow_down,
        lambda stage: stage.bench.out,
        can_be_slow,
        ("window",),
    ),
    BlockFault(
        "disk:stall",
        "the disk stands still for 1-3 s",
        stall,
        slowed,
        skip=can_be_slow,
        latest_s=1.0,
    ),
    BlockFault(
        "disk:stall-end",
        "the disk stands still for 6-8 s across the end of the block",
        stall_long,
        slowed,
        skip=can_be_slow,
        earliest_s=END_S,
    ),
    BlockFault(
        "disk:abort",
        "the block is aborted while the disk stands still: what had come by then is there",
        stall_and_abort,
        slowed,
        skip=can_be_slow,
        codes=(ABORTED,),
        latest_s=ABORT_STALL_S[1],
    ),
)
