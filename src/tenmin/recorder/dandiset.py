"""``dandiset.yaml`` at the top of the tree: without it the archive's validator sees no data set."""

from __future__ import annotations

from pathlib import Path

from tenmin.errors import DiskError, DiskFull
from tenmin.recorder.files import disk_errors

TEXT = """\
# Made by tenmin and never changed by it: put in what is true of your data set.
# See https://docs.dandiarchive.org for the other fields.
identifier: DANDI:000000
name: Baselines of spontaneous activity
description: Ten-minute baselines of spontaneous neural activity, recorded with tenmin.
"""


def make_dandiset(top: Path) -> bool:
    """Write ``dandiset.yaml`` if there is none; whether it was written.

    Raises
    ------
    DiskFull, DiskError
    """
    path = top / "dandiset.yaml"
    try:
        with disk_errors(path), open(path, "x", encoding="utf-8") as file:
            file.write(TEXT)
    except (DiskError, DiskFull) as error:
        if isinstance(error.__cause__, FileExistsError):
            return False
        raise
    return True
