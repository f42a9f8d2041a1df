"""Sleep of the computer, kept away while a block is recorded."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from types import TracebackType

from tenmin.system.platform import HERE, Platform, kernel32
from tenmin.system.processes import spawn

ANSWER_S = 3.0  # an inhibitor that has not begun by then has been refused
CONTINUOUS, SYSTEM_REQUIRED = 0x80000000, 0x1  # winbase.h


class Awake:
    """Keeps the computer awake until it is closed, or this process dies.

    It waits for nobody: `granted` tells how things stand. On Windows it belongs to the thread
    that made it.
    """

    def __init__(self, *, platform: Platform = HERE) -> None:
        self._name = platform.inhibitor
        self._process: subprocess.Popen[bytes] | None = None
        self._until = time.monotonic() + ANSWER_S
        self._answer = ""
        if self._name == "SetThreadExecutionState":
            self._answer = _state(CONTINUOUS | SYSTEM_REQUIRED)
        elif self._name:
            self._start()
        else:
            self._answer = "no way to inhibit it was found"

    def _start(self) -> None:
        # It ends by itself when this process dies: its end of the pipe closes.
        args = [self._name, "-i"]
        if self._name == "systemd-inhibit":
            args = [self._name, "--what=sleep:idle", "--who=tenmin", "--mode=block"]
            args.append("--why=A block is being recorded")
        args += ["sh", "-c", "echo on; exec cat"]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        try:
            self._process = spawn(args, stdin=pipe, stdout=pipe, stderr=nowhere)
        except OSError:
            self._answer = f"{self._name} refused"

    @property
    def granted(self) -> str:
        """``inhibited by …``, ``… refused``, or ``asked of …`` while there is no answer yet."""
        process = self._process
        if process is None or process.stdout is None:
            return self._answer
        if not self._answer and select.select([process.stdout], [], [], 0.0)[0]:
            on = os.read(process.stdout.fileno(), 2) == b"on"
            self._answer = f"inhibited by {self._name}" if on else f"{self._name} refused"
        if not self._answer:
            late = time.monotonic() > self._until
            return f"{self._name} refused" if late else f"asked of {self._name}"
        if process.poll() is not None:  # whoever grants it has ended since
            self._answer = f"{self._name} refused"
        return self._answer

    def close(self) -> None:
        """Let the computer sleep again."""
        process, self._process = self._process, None
        if self._name == "SetThreadExecutionState":
            _state(CONTINUOUS)
        if process is not None:
            with process, contextlib.suppress(OSError):
                process.kill()

    def __enter__(self) -> Awake:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _state(flags: int) -> str:
    name = "SetThreadExecutionState"
    granted = kernel32().SetThreadExecutionState(flags)
    return f"inhibited by {name}" if granted else f"{name} refused"
