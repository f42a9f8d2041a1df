"""The wall clock is set by an hour while a block runs, as by a time server or a hand.

A library that is preloaded into our own processes does it: the machine's clock stays as it is.
libfaketime cannot: with the monotonic clock left alone, Python's ``time.sleep`` fails in it.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import h5py

from tests.soak.faults import BlockFault
from tests.soak.stage import Outcome, Stage

SOURCE = Path(__file__).with_name("wall_clock.c")
STEP_S = 3600
NEAR_S = 300.0  # a block and what surrounds it are shorter


def missing() -> str:
    """Why the clock cannot be stepped here."""
    if sys.platform != "linux":
        return "a library is preloaded for it, on Linux only"
    return "" if shutil.which("cc") else "no C compiler (cc) that makes the library for it"


def step(name: str, seconds: int) -> BlockFault:
    """The fault that sets the clock by so much."""

    def inject(stage: Stage, chance: random.Random) -> str:
        _set(stage, seconds)
        return f"set the wall clock by {seconds:+} s"

    return BlockFault(
        f"clock:{name}",
        f"the wall clock is set by {seconds:+} s",
        inject,
        prepare=_prepare,
        judge=_judge,
        skip=missing,
    )


def _prepare(stage: Stage) -> None:
    library = stage.folder / "wall_clock.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    _set(stage, 0)
    stage.add_env({"LD_PRELOAD": str(library), "TENMIN_WALL_CLOCK": str(_clock(stage))})


def _clock(stage: Stage) -> Path:
    return stage.folder / "wall_clock"


def _set(stage: Stage, seconds: int) -> None:
    # every process maps this file: it is written in place, all of its bytes at once
    with _clock(stage).open("r+b" if _clock(stage).exists() else "wb", buffering=0) as clock:
        clock.write(seconds.to_bytes(8, sys.byteorder, signed=True))


def _judge(stage: Stage, outcome: Outcome) -> list[str]:
    """The file's time 0 is the true one: it was taken before the step."""
    if outcome.nwb is None:
        return []
    with h5py.File(outcome.nwb) as file:
        began = datetime.fromisoformat(file["session_start_time"].asstr()[()])
    off_s = (datetime.now(UTC) - began).total_seconds()
    return [] if 0 <= off_s < NEAR_S else [f"the file says that it began {off_s:.0f} s ago"]


FAULTS = (step("ahead", STEP_S), step("back", -STEP_S))
