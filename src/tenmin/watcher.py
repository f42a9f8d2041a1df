"""The watcher: reads the rings beside the acquirer and says what it sees once a second.

``python -m tenmin.watcher FOLDER NAME`` is started by the engine. It may be killed at any time; a
loss of its own is counted and never touches the recording.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tenmin import ring
from tenmin.checks import _kernels
from tenmin.checks.quality import Check, Gaps, checks_for
from tenmin.errors import RigError
from tenmin.parent import Parent
from tenmin.ring import Reader, Ring
from tenmin.service.link import WorkerLink
from tenmin.system import Wake, behave, freeze_garbage
from tenmin.verdict import Verdict

WAIT_S = 0.05
TICK_S = 1.0
LOOK_S = 0.25  # how often new rings are looked for


class Watched:
    """One stream: its ring, its checks, and what the watcher itself lost."""

    def __init__(self, ring: Ring) -> None:
        self.ring, self.stream = ring, ring.stream
        self.reader: Reader = ring.reader()
        self.checks: list[Check] = checks_for(ring.stream)
        self._onsets: dict[str, tuple[str, float]] = {}

    def feed(self) -> None:
        """Give what is new to every check."""
        for piece in self.reader.read():
            for check in self.checks:
                check.feed(piece)
            # Asked afterwards: what was overwritten while it was checked counts as lost here.
            self.reader.valid(piece)

    def tick(self, now_s: float) -> list[Verdict]:
        """The verdicts at `now_s`, each with the time since when its level holds."""
        return [self._since(check.tick(now_s), now_s) for check in self.checks]

    def _since(self, verdict: Verdict, now_s: float) -> Verdict:
        level, onset = self._onsets.get(verdict.check, ("", now_s))
        if level != verdict.level:
            onset = now_s
        self._onsets[verdict.check] = (verdict.level, onset)
        return replace(verdict, onset_s=onset)

    def restart(self) -> None:
        """The block begins: losses before it do not count."""
        for check in self.checks:
            if isinstance(check, Gaps):
                check.restart()


class Watcher:
    """All streams of the rig, and the link to the engine."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.parent = Parent(folder)
        self.link = WorkerLink(self.parent.endpoint, name)
        self.wake = Wake(folder / "watcher.wake")
        self.streams: dict[str, Watched] = {}
        self._watching = False

    def run(self) -> int:
        """Serve until the engine says quit or is gone."""
        granted = {"kernels": ring.cached(), **behave("watcher")}
        self.link.send("ready", pid=os.getpid(), granted=granted)
        tick_at = look_at = hear_at = time.monotonic()
        while True:
            self.wake.wait(WAIT_S)
            now = time.monotonic()
            if now >= hear_at:  # not at each chunk: that would be most of the work
                hear_at = now + WAIT_S
                for message in self.link.receive(0.0):
                    if message.type == "quit":
                        return self._quit()
                    self._obey(message)
            if now >= look_at:
                look_at = now + LOOK_S
                if self.parent.gone:
                    return self._quit()
                self._look()
            for watched in self.streams.values():
                watched.feed()
            if now >= tick_at and self._watching:
                tick_at = now + TICK_S
                self._say(now)

    def _obey(self, message: Any) -> None:
        if message.type == "go":
            self._close()
            self._watching = True
        elif message.type == "record":
            for watched in self.streams.values():
                watched.restart()

    def _look(self) -> None:
        if not self._watching:
            return
        for path in sorted((self.folder / "rings").glob("*.ring")):
            if path.stem not in self.streams:
                try:
                    self.streams[path.stem] = Watched(Ring.attach(path))
                except RigError:
                    continue  # it is being made; the next look finds it whole
                freeze_garbage()

    def _say(self, now_s: float) -> None:
        verdicts = [v for w in self.streams.values() for v in w.tick(now_s)]
        lost = {w.stream.name: w.reader.lost_samples for w in self.streams.values()}
        self.link.send("verdicts", verdicts=[asdict(v) for v in verdicts], lost=lost)

    def _close(self) -> None:
        for watched in self.streams.values():
            watched.ring.close()
        self.streams = {}

    def _quit(self) -> int:
        self._close()
        self.wake.close()
        self.link.close()
        return 0


def main() -> int:
    """Entry point of the process."""
    ring.warm()
    _kernels.warm(*ring.COMMON_DTYPES)
    with contextlib.suppress(KeyboardInterrupt):  # the terminal's Ctrl-C is for the client
        return Watcher(Path(sys.argv[1]), sys.argv[2]).run()
    return 4


if __name__ == "__main__":
    sys.exit(main())
