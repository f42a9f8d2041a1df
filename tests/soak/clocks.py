"""The wall clock is set by an hour while a block runs, as by a time server or a hand.

libfaketime does it in our own processes only: the machine's clock stays as it is. It is looked for
where Debian puts it, or at ``TENMIN_FAKETIME``, the path of ``libfaketimeMT.so.1``.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path

import h5py

from tests.soak.faults import BlockFault
from tests.soak.stage import Outcome, Stage

LIBRARY = "libfaketimeMT.so.1"
STEP_S = 3600
NEAR_S = 300.0  # a block and what surrounds it are shorter


def library() -> Path | None:
    """The library, if it is here."""
    named = os.environ.get("TENMIN_FAKETIME")
    if named:
        return Path(named) if Path(named).exists() else None
    return next(iter(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}")), None)


def missing() -> str:
    """Why the clock cannot be stepped here."""
    if library() is not None:
        return ""
    return f"no {LIBRARY}: install Debian's libfaketime, or name it by TENMIN_FAKETIME"


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
    _set(stage, 0)
    stage.env.update(
        LD_PRELOAD=str(library()),
        FAKETIME_TIMESTAMP_FILE=str(stage.folder / "clock"),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        # threads wait by the monotonic clock; what waits for a time of day waits truly
        FAKETIME_DONT_RESET="1",
    )


def _set(stage: Stage, seconds: int) -> None:
    part = stage.folder / "clock.part"
    part.write_text(f"{seconds:+}\n")
    part.replace(stage.folder / "clock")


def _judge(stage: Stage, outcome: Outcome) -> list[str]:
    """The file's time 0 is the true one: it was taken before the step."""
    if outcome.nwb is None:
        return []
    with h5py.File(outcome.nwb) as file:
        began = datetime.fromisoformat(file["session_start_time"].asstr()[()])
    off_s = (datetime.now(UTC) - began).total_seconds()
    return [] if 0 <= off_s < NEAR_S else [f"the file says that it began {off_s:.0f} s ago"]


FAULTS = (step("ahead", STEP_S), step("back", -STEP_S))
