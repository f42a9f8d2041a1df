"""Priority, memory and sleep: what is asked of the system, and what it grants."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import select
import subprocess
from collections.abc import Iterator

from tenmin.system.platform import HERE, Platform, kernel32

FIFO_PRIORITY = 10  # above every ordinary program, below the kernel's own interrupt threads (50)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # linux/mman.h


def raise_priority(*, platform: Platform = HERE) -> dict[str, str]:
    """Run ahead of other programs where that is granted, and say what was.

    Holds for the calling thread and those it starts.

    Returns
    -------
    dict
        ``priority``: ``fifo 10``, ``nice -10``, ``high`` or ``normal``.
    """
    if not platform.posix:
        return {"priority": "high" if _priority_class(0x80) else "normal"}
    with contextlib.suppress(OSError):
        if platform.scheduler:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
            return {"priority": f"fifo {FIFO_PRIORITY}"}
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        return {"priority": "nice -10"}
    return {"priority": "normal"}


def lower_priority(*, platform: Platform = HERE) -> dict[str, str]:
    """Run only where other programs leave room; returns ``priority`` as granted."""
    if not platform.posix:
        return {"priority": "below normal" if _priority_class(0x4000) else "normal"}
    with contextlib.suppress(OSError):
        if platform.scheduler:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    return {"priority": "nice 19"}


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
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return {"memory_lock": "all"}
    return {"memory_lock": os.strerror(ctypes.get_errno())}


def _priority_class(value: int) -> bool:
    kernel = kernel32()
    return bool(kernel.SetPriorityClass(kernel.GetCurrentProcess(), value))


@contextlib.contextmanager
def inhibit_sleep(*, platform: Platform = HERE) -> Iterator[dict[str, str]]:
    """Keep the computer awake inside the block; yields ``sleep``: ``inhibited by …`` or why not."""
    name = platform.inhibitor
    if name == "SetThreadExecutionState":
        granted = kernel32().SetThreadExecutionState(0x80000001)  # continuous, system required
        try:
            yield {"sleep": f"inhibited by {name}" if granted else f"{name} refused"}
        finally:
            kernel32().SetThreadExecutionState(0x80000000)
        return
    if not name:
        yield {"sleep": "no way to inhibit it was found"}
        return
    # Both end by themselves when this process dies: its end of the pipe closes.
    if name == "caffeinate":
        args = [name, "-i", "sh", "-c", "echo on; exec cat"]
    else:
        args = [name, "--what=sleep:idle", "--who=tenmin", "--why=A block is being recorded"]
        args += ["--mode=block", "sh", "-c", "echo on; exec cat"]
    with subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as proc:
        assert proc.stdout is not None
        ready = select.select([proc.stdout], [], [], 3.0)[0] and proc.stdout.read(2) == b"on"
        try:
            yield {"sleep": f"inhibited by {name}" if ready else f"{name} refused"}
        finally:
            proc.kill()
