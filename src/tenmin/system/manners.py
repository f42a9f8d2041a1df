"""Priority, memory and garbage: what a process asks of the system, and what it is granted."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from tenmin.system.platform import HERE, Platform, kernel32

T = TypeVar("T")

FIFO_PRIORITY = 10  # above every ordinary program, below the kernel's own interrupt threads (50)
NICE, LAST = -10, 19
IMPORTS = 2  # steps below: a driver's process comes back ahead of others, behind all samples
CLASSES = {
    0x80: "high",
    0x8000: "above normal",
    0x20: "normal",
    0x4000: "below normal",
}  # winbase.h
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # linux/mman.h
# Measured with 128 000 objects, as after the imports: a full collection takes 60 ms, after a
# freeze 0.00 ms; one of the youngest 700 takes 10 µs. So the youngest stay few, and the oldest
# are left alone within a block. The data path itself makes no garbage that needs collecting.
THRESHOLDS = (700, 10, 1000)


@dataclass(frozen=True)
class Manners:
    """How one kind of process runs beside all others.

    Attributes
    ----------
    below : int or None
        Steps below the highest priority that tenmin asks for; None asks for the lowest there is.
    frozen : bool
        What it has made so far is never looked at by the garbage collector.
    locked : bool
        Its memory is kept from being swapped.
    """

    below: int | None
    frozen: bool = False
    locked: bool = False


# The watcher goes one step below the acquirer: a check may never hold up a sample.
ROLES = {
    "acquirer": Manners(0, frozen=True, locked=True),
    "driver": Manners(0, frozen=True),
    "watcher": Manners(1, frozen=True),
    "finaliser": Manners(None),
}


def behave(role: str, *, platform: Platform = HERE) -> dict[str, str]:
    """Take the manners of a role; to be called when everything is imported and warm.

    Not before: two processes of the same real-time priority wait for each other, and the imports
    of the one would hold up the samples of the other.

    Returns
    -------
    dict
        ``priority``, ``memory_lock`` and ``gc``: what was granted, each in words; those not asked
        for are left out.
    """
    manners = ROLES[role]
    granted = freeze_garbage() if manners.frozen else {}
    if manners.locked:
        granted |= lock_memory(platform=platform)
    if manners.below is None:
        return granted | lower_priority(platform=platform)
    return granted | raise_priority(manners.below, platform=platform)


def freeze_garbage() -> dict[str, str]:
    """Keep what exists by now out of all later collections; returns ``gc``."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    return {"gc": f"frozen, thresholds {', '.join(map(str, THRESHOLDS))}"}


def raise_priority(below: int = 0, *, platform: Platform = HERE) -> dict[str, str]:
    """Run ahead of other programs where that is granted, and say what was.

    On Linux it holds for the calling thread and the threads that it starts, and for no program:
    see `starting`.

    Parameters
    ----------
    below : int
        Steps below the highest that tenmin asks for.

    Returns
    -------
    dict
        ``priority``: ``fifo 10``, ``nice -10``, ``high`` or ``normal``.
    """
    if not platform.posix:
        value = 0x8000 if below else 0x80
        return {"priority": CLASSES[value] if _priority_class(value) else "normal"}
    with contextlib.suppress(OSError):
        if platform.scheduler:
            level = FIFO_PRIORITY - below
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(level))
            return {"priority": f"fifo {level}"}
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE + below)
        return {"priority": f"nice {NICE + below}"}
    return {"priority": "normal"}


def starting(start: Callable[[], T], below: int | None = None, *, platform: Platform = HERE) -> T:
    """Call what starts a program, which inherits a raised priority only in part.

    At its imports it would hold up the samples, and that of a stranger has no right to real-time
    priority; each one asks for its own when it is warm. What a thread may not take back from
    itself is done in one of its own.

    Parameters
    ----------
    start : callable
        Starts the program.
    below : int, optional
        Steps below the highest priority at which it begins, where this thread has a raised one;
        None stands for ordinary priority.
    """
    reset = getattr(os, "SCHED_RESET_ON_FORK", None)
    if reset is None or not platform.scheduler or not _is_raised():
        return start()

    def call() -> T:
        if below is None:
            os.sched_setscheduler(0, os.sched_getscheduler(0) | reset, os.sched_getparam(0))
        else:
            raise_priority(below, platform=platform)
        return start()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def _is_raised() -> bool:
    ordinary = os.sched_getscheduler(0) == os.SCHED_OTHER
    return not ordinary or os.getpriority(os.PRIO_PROCESS, 0) < 0


def lower_priority(*, platform: Platform = HERE) -> dict[str, str]:
    """Run only where other programs leave room; returns ``priority`` as granted."""
    if not platform.posix:
        return {"priority": "below normal" if _priority_class(0x4000) else "normal"}
    with contextlib.suppress(OSError):
        if platform.scheduler:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, LAST)
    return {"priority": f"nice {LAST}"}


def priority_of(pid: int | None = None, *, platform: Platform = HERE) -> str:
    """The priority that a process has, in the words of `raise_priority`.

    Parameters
    ----------
    pid : int, optional
        None stands for this process. Windows tells of this process alone.
    """
    if not platform.posix:
        kernel = kernel32()
        if pid not in (None, os.getpid()):
            return "not asked"
        return CLASSES.get(kernel.GetPriorityClass(kernel.GetCurrentProcess()), "normal")
    try:
        if platform.scheduler:
            policy = os.sched_getscheduler(pid or 0) & ~getattr(os, "SCHED_RESET_ON_FORK", 0)
            if policy == os.SCHED_FIFO:
                return f"fifo {os.sched_getparam(pid or 0).sched_priority}"
        nice = os.getpriority(os.PRIO_PROCESS, pid or 0)
    except OSError:
        return "not asked"
    return f"nice {nice}" if nice else "normal"


def lock_memory(*, platform: Platform = HERE) -> dict[str, str]:
    """Keep what this process touches from being swapped; returns ``memory_lock`` as granted.

    Asked for only where the amount is unlimited: below a limit, a later allocation would fail.
    """
    if not platform.mlockall:
        return {"memory_lock": "not offered by this system"}
    resource = importlib.import_module("resource")
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
        return {"memory_lock": f"limited to {limit} bytes"}
    libc = ctypes.CDLL(None, use_errno=True)
    # As pages are touched, not all at once: what is only reserved stays out of memory.
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return {"memory_lock": "all"}
    return {"memory_lock": os.strerror(ctypes.get_errno())}


def _priority_class(value: int) -> bool:
    kernel = kernel32()
    return bool(kernel.SetPriorityClass(kernel.GetCurrentProcess(), value))
