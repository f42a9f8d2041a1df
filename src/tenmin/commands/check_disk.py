"""The disk in the pre-flight: its room for blocks, and how fast it takes what a rig sends."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenmin.commands.check import Finding

BLOCK_S = 600.0 + 2 * 30.0
DISK_FACTOR = 3.0  # science.md A.1: free space of three blocks
LOOK_S = 1.0  # of writing
FASTER = (
    "Choose a faster disk with --out, end other programs that write to this one, or record fewer "
    "channels."
)


def disk(out: Path, bytes_per_s: float | None) -> Iterator[Finding]:
    """Whether blocks find room in `out`, and whether its disk is fast enough for them.

    Parameters
    ----------
    out : Path
        Where blocks go; it need not exist.
    bytes_per_s : float or None
        What the rig's streams deliver; None where not every device answers.
    """
    from tenmin.commands.check import Finding

    there = next(p for p in (out, *out.parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        text = f"{there} is no folder that may be written"
        yield Finding("disk", False, text, "Choose another folder with --out.", 3)
        return
    yield room(there, bytes_per_s)
    yield speed(there, bytes_per_s)


def room(there: Path, bytes_per_s: float | None) -> Finding:
    """Room for three blocks where they will be written."""
    from tenmin.commands.check import Finding
    from tenmin.system import free_bytes

    if bytes_per_s is None:
        return unknown_need("disk", f"{size(free_bytes(there))} free in {there}")
    free, need = free_bytes(there), bytes_per_s * BLOCK_S * DISK_FACTOR
    text = f"{size(free)} free in {there}, {size(need)} needed for three blocks"
    if free < need:
        return Finding("disk", False, text, "Free space or choose another disk with --out.", 3)
    return Finding("disk", True, text)


def speed(there: Path, bytes_per_s: float | None) -> Finding:
    """What the disk takes per second, by writing to it, against what the rig needs."""
    from tenmin.commands.check import Finding
    from tenmin.disk import WRITTEN_PER_RAW
    from tenmin.errors import RigError
    from tenmin.system import write_speed

    try:
        found = write_speed(there, LOOK_S)
    except RigError as error:
        return Finding("disk speed", False, error.message, error.remedy, error.exit_code)
    if found is None:
        text = f"{there} has too little room to find out how fast it is"
        return Finding("disk speed", True, text, looked=False)
    if bytes_per_s is None:
        return unknown_need("disk speed", f"{there} takes {size(found)}/s")
    return judged(found, WRITTEN_PER_RAW * bytes_per_s, there)


def judged(found: float, need: float, there: Path) -> Finding:
    """A measured speed against the needed one, bytes per second of journal and file together."""
    from tenmin.commands.check import Finding
    from tenmin.disk import CLOSE

    text = f"{there} takes {size(found)}/s, {size(need)}/s needed for journal and file"
    if found < need:
        return Finding("disk speed", False, text, FASTER, 3)
    if found < CLOSE * need:
        return Finding("disk speed", True, text, FASTER, warning=True)
    return Finding("disk speed", True, text)


def unknown_need(check: str, found: str) -> Finding:
    """What is there, where it is not known how much is needed."""
    from tenmin.commands.check import Finding

    text = f"{found}; how much is needed is known when every device answers"
    return Finding(check, True, text, looked=False)


def size(n: float) -> str:
    """A number of bytes in the unit that fits: ``1.24 GB``."""
    power = min(4, int(math.log(n, 1000))) if n >= 1 else 0
    return f"{n / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
