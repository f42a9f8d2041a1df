"""How a running block is shown on a line: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from tenmin import disk

EVERY_S = 5.0  # between lines where stderr is no terminal
WIDTH = 24
WORTH_SHOWING_S = 3600.0  # a disk that lasts longer than this is no news


def describe(snapshot: Mapping[str, Any]) -> str:
    """One line: phase, how far, what it waits for, what is lost, the worst verdict."""
    parts = [str(snapshot.get("phase", "?"))]
    done, target = snapshot.get("window_s"), snapshot.get("target_s")
    if done is not None and target:
        parts.append(f"{min(done, target):.0f} of {target:.0f} s")
    elif snapshot.get("message"):
        parts.append(str(snapshot["message"]))
    waiting = snapshot.get("waiting") or ()
    if waiting:
        parts.append("waiting: " + "; ".join(str(w) for w in waiting))
    streams = snapshot.get("streams") or ()
    lost = sum(int(s.get("received_missing") or 0) for s in streams)
    if streams:
        parts.append(f"{len(streams)} stream{'s' * (len(streams) > 1)}, {lost} samples lost")
    parts += _disk(snapshot)
    bad = [v for v in snapshot.get("verdicts") or () if v.get("level") in ("WARN", "FAIL")]
    parts += [f"{v['level']} {v['check']} {v['stream']}" for v in bad[:2]]
    return ", ".join(parts)


def _disk(snapshot: Mapping[str, Any]) -> list[str]:
    """How far writing is behind, and how long the disk lasts; nothing while all is well."""
    told = []
    pressed = snapshot.get("backpressure") or {}
    if pressed.get("level") == "stop":
        told.append(f"the disk is too slow: writing what is in memory, {pressed['fill']:.0%} left")
    elif pressed.get("level") in ("amber", "red"):
        waits = f"{pressed['fill']:.0%} of the memory of {pressed['stream']} waits for the disk"
        told.append(f"{pressed['level']}: {waits}")
    left, foreign_per_s = snapshot.get("disk_left_s"), snapshot.get("disk_foreign_bytes_per_s") or 0
    if left is not None and left < WORTH_SHOWING_S:
        told.append(f"{disk.minutes(left)} left on the disk")
    if foreign_per_s >= disk.WORTH_TELLING:
        told.append(disk.foreign(foreign_per_s))
    return told


class Progress:
    """Shows snapshots as they come.

    Parameters
    ----------
    out : text stream, optional
        stderr by default; a terminal gets a bar that is drawn over itself.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = sys.stderr if out is None else out
        self._bar = self.out.isatty()
        self._said = ""
        self._phase: Any = None
        self._at = float("-inf")
        self._length = 0

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """Draw the bar anew; elsewhere a line at a new phase and every `EVERY_S`."""
        if self._bar:
            self._draw(_bar(snapshot) + describe(snapshot))
            return
        now, phase = time.monotonic(), snapshot.get("phase")
        if phase != self._phase or now - self._at >= EVERY_S:
            self._phase, self._at = phase, now
            print(describe(snapshot), file=self.out, flush=True)

    def say(self, text: str) -> None:
        """A line of its own; the same one is not said twice in a row."""
        if text != self._said:
            self.end()
            self._said = text
            print(text, file=self.out, flush=True)

    def end(self) -> None:
        """Leave the bar behind."""
        if self._length:
            print(file=self.out, flush=True)
            self._length = 0

    def _draw(self, text: str) -> None:
        text = text[:118]
        padding = " " * max(0, self._length - len(text))
        print(f"\r{text}{padding}", end="", file=self.out, flush=True)
        self._length = len(text)


def _bar(snapshot: Mapping[str, Any]) -> str:
    done, target = snapshot.get("window_s"), snapshot.get("target_s")
    if done is None or not target:
        return ""
    n = round(WIDTH * min(1.0, max(0.0, done / target)))
    return f"[{'#' * n}{'-' * (WIDTH - n)}] "
