"""Drivers of strangers that fail: an exception, or a null pointer in native code."""

from __future__ import annotations

import random
from pathlib import Path

from tests.soak.faults import BlockFault
from tests.soak.stage import Device, Stage
from tests.stranger import frail_board
from tests.system.conftest import until

BOARD = "board"
ENTRY_POINTS = "[tenmin.drivers]\nfrail = frail_board:Frail\n"


def failing(name: str, how: str, about: str, *, isolate: bool) -> BlockFault:
    """The fault of a driver that fails in this way beside the simulated rig."""

    def prepare(stage: Stage) -> None:
        def add(devices: list[Device]) -> None:
            orders = str(_orders(stage))
            board = {"name": BOARD, "driver": "frail", "orders": orders, "isolate": isolate}
            devices.append(board)

        stage.install("frail_board", ENTRY_POINTS)
        stage.edit.append(add)
        stage.rows[BOARD] = frail_board.rows

    def inject(stage: Stage, chance: random.Random) -> str:
        part = stage.folder / "orders.part"
        part.write_text(how)
        part.replace(_orders(stage))
        until(lambda: not _orders(stage).exists())
        return about

    return BlockFault(f"driver:{name}", about, inject, prepare=prepare, most_holes=1, hurt=BOARD)


def _orders(stage: Stage) -> Path:
    return stage.folder / "orders"


FAULTS = (
    failing("raise", "raise", "a driver divides by zero in its thread", isolate=False),
    failing("raise-apart", "raise", "an isolated driver divides by zero", isolate=True),
    failing("segfault", "segfault", "an isolated driver reads a null pointer", isolate=True),
)
