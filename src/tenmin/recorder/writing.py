"""Whether a journal is still being written, and by whom."""

from __future__ import annotations

import json
from pathlib import Path

from tenmin.system import FileLock, runtime_dir


def acquirer_lock(dot: Path) -> Path | None:
    """The lock of the acquirer that was told to write this journal, if its rig is known here."""
    for spool in runtime_dir().glob("*/spool.json"):
        try:
            told = json.loads(spool.read_text("utf-8")).get("dot")
        except (OSError, ValueError):  # another rig's, and that rig may just be ending
            continue
        if told and Path(told).absolute() == dot.absolute():
            return spool.parent / "acquirer.lock"
    return None


def is_recording(dot: Path) -> bool:
    """Whether an acquirer that writes this journal is alive."""
    lock = acquirer_lock(dot)
    return lock is not None and FileLock.held(lock)


def size_of(dot: Path) -> int:
    """Bytes in the journal; it grows while it is being written."""
    total = 0
    for path in dot.glob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # a temporary name, renamed meanwhile
            continue
    return total
