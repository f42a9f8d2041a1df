"""Other programs: started, asked to end, found alive; and signals."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tenmin.system.manners import starting
from tenmin.system.platform import HERE, Platform, kernel32


def spawn(
    args: Sequence[str],
    *,
    detached: bool = False,
    stdin: int | Any = subprocess.DEVNULL,
    stdout: int | Any = None,
    stderr: int | Any = None,
    env: Mapping[str, str] | None = None,
    below: int | None = None,
    platform: Platform = HERE,
) -> subprocess.Popen[bytes]:
    """Start a program, at ordinary priority unless told otherwise.

    Parameters
    ----------
    args : sequence of str
        The program and its arguments.
    detached : bool
        It outlives this process and its terminal: a session of its own.
    stdin, stdout, stderr
        As for `subprocess.Popen`; a detached program should not hold a terminal.
    env : mapping, optional
        Its whole environment; this one's where None.
    below : int, optional
        It begins so many steps below the highest priority, if this program has a raised one.
    """
    started: dict[str, Any] = {"start_new_session": True} if detached else {}
    if not platform.posix:
        # A program without a console would open a window for each child with one.
        group, detach, no_window = 0x200, 0x8, 0x08000000  # winbase.h, CREATE_NEW_PROCESS_GROUP …
        started = {"creationflags": group | (detach if detached else no_window)}
    started |= {"stdin": stdin, "stdout": stdout, "stderr": stderr, "env": env}
    return starting(
        lambda: subprocess.Popen(args, close_fds=True, **started), below, platform=platform
    )


def stop_process(proc: subprocess.Popen[Any], grace_s: float = 5.0) -> int:
    """Ask a child to end, kill it after `grace_s`, and return its exit code."""
    if proc.poll() is None:
        gentle = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
        with contextlib.suppress(OSError):  # it ended meanwhile, or has no console
            proc.send_signal(gentle)
        try:
            proc.wait(grace_s)
        except subprocess.TimeoutExpired:
            proc.kill()
    return proc.wait()


def process_alive(pid: int, *, platform: Platform = HERE) -> bool:
    """Whether a process of this number runs; one that only waits to be reaped does not."""
    if not platform.posix:
        kernel = kernel32()
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return False
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == 259  # STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # no such file system, or gone this instant
        return not Path("/proc/self").exists()


def on_signals(call: Callable[[str], None], *names: str) -> list[str]:
    """Call `call(name)` at signals of these names; returns those that this system has."""
    known = [n for n in names if hasattr(signal, n)]
    for name in known:
        signal.signal(getattr(signal, name), lambda *_, name=name: call(name))
    return known
