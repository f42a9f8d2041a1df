"""A serial board that numbers and times the edges of a microscope's frame clock.

Its manual (docs/drivers/frame_trigger.md): 12 bytes an edge, little-endian, the edge's number
(u4, from 1 at the opening of the port) and microseconds since the opening (u8).
"""

from __future__ import annotations

import numpy as np

from tenmin_simulators.options import SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.rehearsal import Rehearsed, rehearsed
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.wires import BOOT_S, PtyWire, serial_wire

EVENT = np.dtype([("number", "<u4"), ("time_us", "<u8")])
RATE_HZ, PPM = 30.0, -12.0


class Board:
    """Numbers and times edges from the opening of its port on."""

    def __init__(self) -> None:
        self._opened_us = 0

    def events(self, edges_us: np.ndarray, first: int) -> bytes:
        """The bytes of some edges.

        Parameters
        ----------
        edges_us : ndarray, (n, 1), int64
            Times of the edges on the rig's clock, microseconds.
        first : int
            How many edges there were since the opening.
        """
        if first == 0:
            self._opened_us = int(edges_us[0, 0]) - round(BOOT_S * 1e6)
        out = np.empty(len(edges_us), EVENT)
        out["number"] = np.arange(first + 1, first + 1 + len(edges_us))
        out["time_us"] = edges_us[:, 0] - self._opened_us
        return out.tobytes()


def build(options: SimOptions) -> Rig:
    """The board, not plugged in yet."""
    origin = Origin()
    rate_hz = options.rate_hz or RATE_HZ
    true_hz = rate_hz * (1.0 + PPM * 1e-6)

    def make(first: int, n: int, t_s: float) -> np.ndarray:
        return np.rint((t_s + np.arange(n) / true_hz) * 1e6).astype(np.int64)[:, None]

    wire = serial_wire(options.port, "frame_trigger", Board().events, EVENT.itemsize)
    frames = Sender(
        name="frames",
        wire=wire,
        make=make,
        channels=("time_us",),
        clock=SampleClock(rate_hz, PPM),
        origin=origin,
        dtype="int64",
        seed=options.seed,
    )
    assert isinstance(wire, PtyWire)
    table = {"name": "frames", "driver": "frame_trigger", "port": wire.port, "rate_hz": rate_hz}
    return Rig("frame_trigger", wire.port, [frames], [table | {"primary": True}], origin)


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)


def rehearse(**options: object) -> Rehearsed:
    """A board in a process of its own, for a test to drive."""
    return rehearsed("frame_trigger", **options)
