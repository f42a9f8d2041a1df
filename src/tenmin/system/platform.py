"""What this system offers, and what a test takes away from it."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Platform:
    """What this system offers; a test makes one with something missing.

    Attributes
    ----------
    posix : bool
        Owners, modes, sessions and signals as in POSIX; else the calls of Windows.
    flock : bool
        ``fcntl.flock``; else ``msvcrt.locking``.
    fdatasync, full_fsync : bool
        ``os.fdatasync``; ``F_FULLFSYNC`` of macOS; else ``os.fsync``.
    fallocate : bool
        Space can be reserved; else zeros are written, or nothing is reserved.
    starts_writing : bool
        ``sync_file_range``; else bytes go to the disk when the system likes, or are synced.
    unix_sockets : bool
        Sockets with a path; else loopback.
    shm : bool
        ``/dev/shm``; else the temporary folder.
    mirror : bool
        Memory can be mapped twice, back to back; else what crosses its end is copied.
    madvise : bool
        Large pages, and all pages at once, can be asked for; else they come when touched.
    scheduler : bool
        ``sched_setscheduler``; else the nice value or the priority class.
    mlockall : bool
        Memory can be kept from being swapped.
    inhibitor : str
        ``systemd-inhibit``, ``caffeinate``, ``SetThreadExecutionState`` or empty.
    power : str
        Who tells of processor and power: ``sysfs``, ``pmset``, ``GetSystemPowerStatus`` or empty.
    """

    posix: bool
    flock: bool
    fdatasync: bool
    full_fsync: bool
    fallocate: bool
    starts_writing: bool
    unix_sockets: bool
    shm: bool
    proc: bool
    mirror: bool
    madvise: bool
    scheduler: bool
    mlockall: bool
    inhibitor: str
    power: str


def _found() -> Platform:
    linux, windows = sys.platform.startswith("linux"), os.name == "nt"
    if windows:
        inhibitor = "SetThreadExecutionState"
    else:
        inhibitor = next((n for n in ("systemd-inhibit", "caffeinate") if shutil.which(n)), "")
    power = "sysfs" if linux else "GetSystemPowerStatus" if windows else ""
    return Platform(
        posix=os.name == "posix",
        flock=os.name == "posix",
        fdatasync=hasattr(os, "fdatasync"),
        full_fsync=sys.platform == "darwin",
        fallocate=hasattr(os, "posix_fallocate") and linux,
        starts_writing=linux,
        unix_sockets=hasattr(socket, "AF_UNIX") and not windows,  # Windows' have no datagrams
        shm=linux and os.access("/dev/shm", os.W_OK),
        proc=linux and os.path.exists("/proc/self/status"),
        mirror=linux or sys.platform == "darwin",
        madvise=linux,
        scheduler=hasattr(os, "sched_setscheduler"),
        mlockall=linux,
        inhibitor=inhibitor,
        power="pmset" if shutil.which("pmset") else power,
    )


HERE = _found()


def kernel32() -> Any:
    """The system calls of Windows."""
    return getattr(ctypes, "windll").kernel32  # noqa: B009  (exists on Windows only)
