"""How much memory a process has to itself, and how much it may have."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import sys

from tenmin.system.platform import HERE, Platform, kernel32


def private_bytes(pid: int | None = None, *, platform: Platform = HERE) -> int | None:
    """Memory that a process shares with no other, swapped or not; None where nobody tells.

    Parameters
    ----------
    pid : int, optional
        Another process of the same user; this one where None. Without ``/proc`` a POSIX system
        tells only of this one, and that is the most it ever had, what it shares included.
    """
    if not platform.posix:
        return _private_usage(pid)
    if platform.proc:
        with contextlib.suppress(OSError):  # it has ended this instant
            with open(f"/proc/{pid or 'self'}/status", encoding="ascii", errors="replace") as lines:
                parts = [line.split() for line in lines if line.startswith(("RssAnon", "VmSwap"))]
            return sum(int(part[1]) for part in parts) * 1024
        return None
    if pid is not None and pid != os.getpid():
        return None
    resource = importlib.import_module("resource")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) if sys.platform == "darwin" else int(most) * 1024


def limit_memory(more: int | None, *, platform: Platform = HERE) -> str:
    """Let this process map at most `more` bytes beyond what it has mapped now.

    Parameters
    ----------
    more : int or None
        None lifts the limit.

    Returns
    -------
    str
        What was granted, in words.
    """
    if not platform.posix or not platform.proc:
        return "not offered by this system"
    resource = importlib.import_module("resource")
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if more is None:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        return "none"
    with open("/proc/self/statm", encoding="ascii") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + more
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    return f"{most} bytes"


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS_EX of psapi.h."""

    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("PageFaultCount", ctypes.c_uint32),
        *(
            (name, ctypes.c_size_t)
            for name in (
                "PeakWorkingSetSize",
                "WorkingSetSize",
                "QuotaPeakPagedPoolUsage",
                "QuotaPagedPoolUsage",
                "QuotaPeakNonPagedPoolUsage",
                "QuotaNonPagedPoolUsage",
                "PagefileUsage",
                "PeakPagefileUsage",
                "PrivateUsage",
            )
        ),
    )


def _private_usage(pid: int | None) -> int | None:
    """What Windows says."""
    kernel = kernel32()
    handle = kernel.OpenProcess(0x1000, False, pid or os.getpid())  # query limited information
    if not handle:
        return None
    found = _Counters(cb=ctypes.sizeof(_Counters))
    told = kernel.K32GetProcessMemoryInfo(handle, ctypes.byref(found), found.cb)
    kernel.CloseHandle(handle)
    return int(found.PrivateUsage) if told else None
