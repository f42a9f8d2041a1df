"""Checks of strangers that loop for ever, leak, raise or crash: the block does not feel it."""

from __future__ import annotations

import random
from pathlib import Path

from tests.soak.faults import BlockFault
from tests.soak.stage import Stage
from tests.system.conftest import until
from tests.system.strangers import install

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
    return BlockFault(f"check:{how}", about, inject, prepare=_prepare, latest_s=1.0)


def _prepare(stage: Stage) -> None:
    site = install(stage.folder / "site", "frail_check", ENTRY_POINTS)
    stage.env.update(site, FRAIL_ORDERS=str(_orders(stage)))


def _orders(stage: Stage) -> Path:
    return stage.folder / "frail.orders"


FAULTS = tuple(check(how) for how in ("loops", "leaks", "raises", "segfaults"))
