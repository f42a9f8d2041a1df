"""Where a block's files go: folder, names, and what ``block.json`` says before the start."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tenmin.errors import DiskError

SOON_S = 0.3
ELECTRICAL = ("ecephys", "eeg", "ieeg", "patch")


def session_stamp(now: datetime, simulated: bool) -> str:
    """Session id of a block that begins `now`, UTC: ``20261120T101500``, ``…sim`` if simulated."""
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%S") + ("sim" if simulated else "")


def make_folder(out: Path, subject_id: str, simulated: bool) -> Path:
    """Make the journal's folder ``<out>/sub-<id>/sub-<id>_ses-<stamp>.dot``.

    Raises
    ------
    DiskError
        `out` cannot be written.
    """
    now = datetime.now(UTC)
    try:
        while True:
            stamp = session_stamp(now, simulated)
            folder = out / f"sub-{subject_id}" / f"sub-{subject_id}_ses-{stamp}.dot"
            taken = list(folder.parent.glob(f"{folder.stem}*"))
            if not taken:
                folder.mkdir(parents=True)
                if not os.access(folder, os.W_OK):
                    raise PermissionError(f"no permission to write {folder}")
                return folder
            now += timedelta(seconds=1)  # two blocks of one subject within a second
    except OSError as error:
        raise DiskError(f"The folder {out} cannot be written: {error}.") from error


def session_id(folder: Path) -> str:
    """The session id in a journal folder's name."""
    return folder.stem.split("_ses-", 1)[1]


def nwb_name(folder: Path, kinds: Iterable[str]) -> str:
    """Name of the file beside the journal; DANDI's pattern, with what the streams hold."""
    held = "ecephys" if set(kinds) & set(ELECTRICAL) else "behavior"
    return f"{folder.stem}_{held}.nwb"


def bytes_needed(streams: Mapping[str, Mapping[str, Any]], seconds: float) -> int:
    """Expected size of a block's journal, from the streams' rates."""
    total = 0.0
    for numbers in streams.values():
        total += float(numbers.get("bytes_per_s") or 0.0) * seconds
    return int(total)


def discard_half_made(folder: Path) -> None:
    """Remove what a writer that died left of the file beside a journal, if the disk allows it.

    One that has become read-only does not; the next writer begins that file anew.
    """
    for part in folder.parent.glob(f"{folder.stem}_*.part*"):
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def discard_journal(folder: Path) -> None:
    """Remove a journal whose file was verified against it.

    Ten minutes of a probe take seconds to remove: that goes on beside the caller, who is not
    kept from answering; his process waits for it when it ends.
    """
    removal = threading.Thread(target=shutil.rmtree, args=(folder,), name="discard journal")
    removal.start()
    removal.join(SOON_S)
