"""A folder that becomes read-only while programs write to it.

The kernel makes a file system read-only under open files when its disk fails; nobody may ask for
that from a user name space (``mount -o remount,ro`` is refused as long as a file is open). So a
small library (``refusing_disk.c``) is preloaded that answers as the kernel does then.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.system.slow_disk import compiled

SOURCE = Path(__file__).with_suffix(".c")
NUMBER = struct.Struct("=q")


def refusing_disk_env(folder: Path) -> dict[str, str]:
    """Environment variables of a program for which `folder` will refuse changes after `refuse`.

    Raises
    ------
    SlowDiskMissing
        There is no C compiler, or no preloading on this system.
    """
    library = compiled(SOURCE)
    control = Path(tempfile.mkstemp(prefix="control-", dir=library.parent)[1])
    control.write_bytes(NUMBER.pack(0))
    before = os.environ.get("LD_PRELOAD")
    return {
        "LD_PRELOAD": f"{library} {before}" if before else str(library),
        "REFUSING_DISK_CONTROL": str(control),
        "REFUSING_DISK_FOLDER": str(folder.resolve()),
    }


def refuse(env: Mapping[str, str], number: int = errno.EROFS) -> None:
    """Refuse every change from now on with this error number; 0: nothing any more."""
    with open(env["REFUSING_DISK_CONTROL"], "r+b", buffering=0) as file:
        file.write(NUMBER.pack(number))
