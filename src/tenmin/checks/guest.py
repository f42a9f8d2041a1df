"""A check of another distribution, in a process of its own.

``python -m tenmin.checks.guest FOLDER NAME CHECK`` is started by the engine: the watcher's loop
with one check. ``python -m tenmin.checks.guest --try CHECK`` only loads it, for ``tenmin check``.
Whatever it does ends here: when it loops, grows or dies, this process does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tenmin import registry, ring
from tenmin.checks.contract import Factory
from tenmin.checks.guard import Guarded, guarded
from tenmin.checks.judged import Judged
from tenmin.checks.setting import Setting
from tenmin.errors import RigError
from tenmin.ring import Ring
from tenmin.service.link import WorkerLink
from tenmin.stream import Stream
from tenmin.system import lower_priority
from tenmin.system.usage import limit_memory, private_bytes
from tenmin.watcher import Watcher

# Without a verdict for longer, it loops. Its verdict is UNKNOWN after half of that
# (`tenmin.findings`); at the lowest priority of a busy machine three seconds may be one's turn.
HUNG_S = 6.0
START_S = 60.0  # what its import, and its factory for one stream, may take
MEMORY_MAX = 1_000_000_000  # bytes this process has to itself
# Room for what is reserved and never used, as by the threads of numeric libraries. It stops what
# grows faster than memory is measured.
ADDRESSES_MAX = 2 * MEMORY_MAX
OUT_OF_MEMORY = f"more than {MEMORY_MAX / 1e9:g} GB of memory"


class Pause:
    """Waits the whole time: the watcher's bell does not ring here."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep."""
        time.sleep(timeout_s)
        return True

    def close(self) -> None:
        """Nothing to give back."""


class Guest(Watcher):
    """The watcher's loop with one check that may do anything."""

    def __init__(
        self, folder: Path, name: str, check: str, factory: Factory, granted: Mapping[str, str]
    ) -> None:
        super().__init__(folder, name, Pause(), self._make, granted)
        self.check, self.factory = check, factory

    def attach(self, path: Path) -> Ring:
        """Open a ring; its memory is shared and does not count."""
        limit_memory(None)
        ring = super().attach(path)
        limit_memory(ADDRESSES_MAX)
        return ring

    def _make(self, stream: Stream, setting: Setting) -> list[Guarded | Judged]:
        self.link.send("progress", data={"making": stream.name})
        _die_after(START_S)
        made: list[Guarded | Judged] = [*guarded(self.check, stream, self.factory)]
        _die_after(HUNG_S)
        return made

    def say(self, now_s: float) -> Iterator[None]:
        """The verdicts, if there is memory left; then there is time until the next ones."""
        used = private_bytes()
        if used is not None and used > MEMORY_MAX:
            raise MemoryError
        yield from super().say(now_s)
        if not self.streams:
            self.link.send("verdicts", verdicts=[])
        _die_after(HUNG_S)


def _die_after(seconds: float) -> None:
    """End this process, with its stacks printed, unless this is called again in time.

    A thread of C does it, so that no loop in native code can hinder it. It also ends who loops
    on when the engine is gone.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)


def serve(folder: Path, name: str, check: str) -> int:
    """Load the check and watch with it, at the lowest priority."""
    granted = lower_priority()
    try:
        factory = registry.load(registry.CHECKS, check)
    except RigError as error:
        _tell(folder, name, error)
        return error.exit_code
    faulthandler.cancel_dump_traceback_later()
    limit_memory(ADDRESSES_MAX)
    guest = Guest(folder, name, check, factory, granted)
    try:
        return guest.run()
    except MemoryError:
        limit_memory(None)
        guest.streams.clear()
        print(f"{check} wanted {OUT_OF_MEMORY}.", file=sys.stderr, flush=True)
        guest.link.close()
        return RigError.exit_code


def _tell(folder: Path, name: str, error: RigError) -> None:
    from tenmin.parent import Parent

    with WorkerLink(Parent(folder).endpoint, name) as link:
        code = type(error).__name__
        link.send("failed", message=error.message, remedy=error.remedy, code=code)


def main() -> int:
    """Entry point of the process."""
    faulthandler.enable()  # a crash of native code leaves the place as its last words
    _die_after(START_S)
    if sys.argv[1] == "--try":
        registry.load(registry.CHECKS, sys.argv[2])
        return 0
    ring.warm()
    with contextlib.suppress(KeyboardInterrupt):  # the terminal's Ctrl-C is for the client
        return serve(Path(sys.argv[1]), *sys.argv[2:4])
    return 4


if __name__ == "__main__":
    try:
        code = main()
    except RigError as error:
        print(error.message, file=sys.stderr)
        code = error.exit_code
    sys.stderr.flush()
    os._exit(code)  # threads that the check left behind are not waited for
