"""The engine's look at the disk of one block: its speed before, its room while it is filled."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenmin.disk import WRITTEN_PER_RAW, Room, speed_told
from tenmin.dot import bytes_needed
from tenmin.errors import RigError
from tenmin.system import free_bytes, occupied_bytes, write_speed
from tenmin.verdict import Verdict

LOOK_S = 1.0
# A short look first; a longer one only where that found too little.
TRIES_S = (0.3, 1.0, 1.0)
SMALLEST_BYTES, LARGEST_BYTES = 8 << 20, 128 << 20


class DiskWatch:
    """What is known of the disk of a journal.

    Attributes
    ----------
    room : Room
        Its free space over the last seconds.
    speed : float or None
        Bytes per second that it was found to take; None while unknown.
    measuring : bool
        Whether that is being found out.
    """

    def __init__(self, dot: Path) -> None:
        self.dot = dot
        self.room = Room()
        self.speed: float | None = None
        self.need = 0.0  # bytes per second that the rig's streams need
        self._look_at = 0.0
        self._measurement: threading.Thread | None = None
        self._since: tuple[str, float] = ("", 0.0)

    @property
    def measuring(self) -> bool:
        """Whether the speed is being found out."""
        return self._measurement is not None and self._measurement.is_alive()

    def look(self, now_s: float, streams: Mapping[str, Any], recording: bool) -> None:
        """Look at its free space, once a second."""
        self.need = WRITTEN_PER_RAW * bytes_needed(streams, 1.0)
        if now_s < self._look_at:
            return
        self._look_at = now_s + LOOK_S
        ours = occupied_bytes(self._files())
        expected = self.need if recording else 0.0
        self.room = self.room.seen(now_s, free_bytes(self.dot), ours, expected)

    def _files(self) -> list[Path]:
        """The journal and the file beside it, as far as they are there."""
        return [*self.dot.glob("*"), *self.dot.parent.glob(f"{self.dot.stem}_*")]

    def restart(self) -> None:
        """The recording begins: what was seen before it tells nothing of what comes."""
        self.room, self._look_at = Room(self.room.free_bytes), 0.0

    def measure(self) -> None:
        """Begin to find out how fast it is, once; beside the caller, who must not wait."""
        if self._measurement is None:
            self._measurement = threading.Thread(target=self._measure, name="disk speed")
            self._measurement.start()

    def _measure(self) -> None:
        n_bytes = int(min(LARGEST_BYTES, max(SMALLEST_BYTES, self.need)))
        for seconds in TRIES_S:
            try:
                found = write_speed(self.dot, seconds, n_bytes)
            except RigError:
                return  # the journal itself lies there: its own writer says what is wrong
            if found is None:
                return
            self.speed = max(found, self.speed or 0.0)
            if self.speed >= self.need:
                return

    def verdict(self, now_s: float, remaining_s: float) -> Verdict:
        """The check ``disk`` with the time since when its level holds."""
        found = self.room.verdict(remaining_s)
        level, since = self._since
        if level != found.level:
            since = now_s
        self._since = (found.level, since)
        return replace(found, onset_s=since)

    def facts(self) -> dict[str, Any]:
        """Fields of `Facts`."""
        return {
            "disk_free_bytes": self.room.free_bytes,
            "disk_bytes_per_s": None if self.measuring else self.speed,
            "disk_need_bytes_per_s": self.need,
            "disk_measuring": self._measurement is None or self.measuring,
            "disk_left_s": self.room.left_s,
            "disk_foreign_bytes_per_s": self.room.foreign_bytes_per_s,
        }

    def told(self) -> dict[str, Any]:
        """As ``block.json`` has it."""
        return {"write_bytes_per_s": self.speed, "need_bytes_per_s": self.need}

    def granted(self) -> dict[str, str]:
        """In words, for the table of what the computer granted."""
        known = self.speed is not None
        return {"host.disk": speed_told(self.speed or 0.0, self.need) if known else "not measured"}
