"""Texts at irregular times over an LSL outlet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenmin.errors import UsageError
from tenmin_simulators.options import Fault
from tenmin_simulators.sender import Origin
from tenmin_simulators.wires import LslWire


@dataclass
class MarkerSender:
    """A stream of markers.

    Attributes
    ----------
    name : str
    wire : LslWire
    every_s : (float, float)
        Shortest and longest time between two markers.
    """

    name: str
    wire: LslWire
    every_s: tuple[float, float]
    origin: Origin
    seed: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng((self.seed, 77))
        self._next_ns: int | None = None
        self._sent = 0
        self._paused = False
        self._unplug_at_ns: int | None = None
        self._replug_at_ns: int | None = None

    def check(self, fault: Fault) -> str:
        """Why this fault cannot happen to markers; empty when it can."""
        if fault.kind == "disconnect":
            return ""
        return f"{fault}: {self.name} sends markers, which can only be disconnected"

    def place(self, fault: Fault, at_ns: int) -> None:
        """Let a fault happen now."""
        if why := self.check(fault):
            raise UsageError(f"{why}.")
        self._unplug_at_ns = at_ns
        self._replug_at_ns = at_ns + round(fault.value * 1e9)

    def pause(self, paused: bool) -> None:
        """Send nothing for a while."""
        self._paused = paused

    def unplug(self, now_ns: int) -> None:
        """Cut the wire at once, until `replug`."""
        self.wire.unplug()
        self._unplug_at_ns, self._replug_at_ns = now_ns, None

    def replug(self) -> None:
        """Bring the wire back."""
        self._unplug_at_ns = None
        self.wire.plug()

    def tick(self, now_ns: int) -> None:
        """Send the marker that is due at `now_ns`, if any."""
        if self._unplug_at_ns is not None and now_ns >= self._unplug_at_ns:
            self.wire.unplug()
            if self._replug_at_ns is not None and now_ns >= self._replug_at_ns:
                self.replug()
                self._replug_at_ns = None
            return
        if not self.wire.listening() or self._paused:
            return
        if self._next_ns is None:
            self._next_ns = now_ns + self._wait_ns()
        if now_ns < self._next_ns:
            return
        self._sent += 1
        text = f"marker {self._sent}"
        stamp_s = self._next_ns * 1e-9 if now_ns - self._next_ns < 1e9 else now_ns * 1e-9
        self.wire.push_text(text, stamp_s)
        event: Mapping[str, Any] = {
            "type": "marker",
            "stream": self.name,
            "value": text,
            "host_s": stamp_s,
        }
        self.events.append(dict(event))
        self._next_ns = now_ns + self._wait_ns()

    def natural(self) -> list[dict[str, Any]]:
        """Nothing beside its events."""
        return []

    def truth(self) -> dict[str, Any]:
        """How many went out."""
        return {"rate_hz": 0.0, "ppm": 0.0, "sent": self._sent}

    def _wait_ns(self) -> int:
        return int(self._rng.uniform(*self.every_s) * 1e9)
