"""A file from a journal alone: after any kill, at any byte."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tenmin.errors import JournalDamaged, RigBusy
from tenmin.recorder.files import disk_errors, read_log
from tenmin.recorder.finaliser import finalise
from tenmin.recorder.reader import NOTHING
from tenmin.recorder.writing import is_recording, size_of
from tenmin.system import FileLock, writable_caches

LOOK_S = 0.6  # an acquirer writes twenty times a second


def recover(folder: Path | str) -> dict[str, Any]:
    """Make the NWB file of a journal that nobody writes any more.

    Parameters
    ----------
    folder : Path
        The ``.dot`` folder; it stays as it is.

    Returns
    -------
    dict
        What ``result.json`` says, and ``path``: the file.

    Raises
    ------
    RigBusy
        The journal is being recorded, or another process is making its file.
    JournalDamaged
        There is nothing to make a file of.
    DiskFull, DiskError
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise JournalDamaged(f"{folder} is no folder.", remedy="Name the folder that ends in .dot.")
    if _is_written(folder):
        raise RigBusy(
            f"{folder} is still being recorded.", remedy="Wait for its end, or abort the block."
        )
    writable_caches()
    lock = FileLock(folder / "finaliser.lock")
    with disk_errors(folder):
        free = lock.acquire()
    if not free:
        raise RigBusy(
            f"Another process is making the file of {folder}.", remedy="Wait until it has ended."
        )
    with lock:
        try:
            result = finalise(folder)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise JournalDamaged(
                f"{folder} holds what no block writes: {type(error).__name__}: {error}.",
                remedy=NOTHING,
            ) from error
    return {**result, "path": str(folder.parent / result["nwb"])}


def _is_written(folder: Path) -> bool:
    if any(line.get("t") == "end" for line in read_log(folder / "acquirer.jsonl")):
        return False
    if is_recording(folder):
        return True
    size = size_of(folder)
    time.sleep(LOOK_S)  # its rig may be known to another user only
    return size_of(folder) != size
