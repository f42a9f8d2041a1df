"""Checks of strangers that loop for ever, leak, raise or crash: the block does not feel it.

Such a check becomes UNKNOWN, and is never shown as OK.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.soak.faults import BlockFault
from tests.soak.stage import Outcome, Stage
from tests.system.conftest import until

NAME = "frail.check"
LATEST_S = 4.5  # a check that loops is UNKNOWN after 3 s of silence
ENTRY_POINTS = "[tenmin.checks]\nfrail.check = frail_check:check\n"


def check(how: str) -> BlockFault:
    """The fault of a check that does so from a moment on."""

    def inject(stage: Stage, chance: random.Random) -> str:
        part = stage.folder / "frail.part"
        part.write_text(how)
        part.replace(_orders(stage))
        until(lambda: _orders(stage).with_suffix(".obeyed").exists())
        return f"a check {how}"

    about = f"a stranger's check {how} from a moment on"
    return BlockFault(
        f"check:{how}", about, inject, prepare=prepare, judge=is_unknown, latest_s=LATEST_S
    )


def prepare(stage: Stage) -> None:
    """Install the check, which is content until it is told otherwise."""
    stage.install("frail_check", ENTRY_POINTS)
    stage.add_env({"FRAIL_ORDERS": str(_orders(stage))})


def is_unknown(stage: Stage, outcome: Outcome) -> list[str]:
    """Whether it has become UNKNOWN for as long as it was not heard."""
    levels = {v["level"] for v in outcome.verdicts if v["check"] == NAME}
    return [] if "UNKNOWN" in levels else [f"the check {NAME} was {levels}, not UNKNOWN"]


def _orders(stage: Stage) -> Path:
    return stage.folder / "frail.orders"


FAULTS = tuple(check(how) for how in ("loops", "leaks", "raises", "segfaults"))
