"""A rotary encoder on USB serial, played on a pseudo-terminal.

Its manual: 8-byte frames, little-endian, sample index (u4) and counts (i4, two's complement),
1000 a second; opening the port restarts the index.
"""

from __future__ import annotations

import numpy as np

from tenmin_simulators.behaviour import Behaviour, behave
from tenmin_simulators.options import SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.rehearsal import Rehearsed, rehearsed
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.wires import PtyWire, serial_wire

FRAME = np.dtype([("index", "<u4"), ("counts", "<i4")])
RATE_HZ = 1000.0
M_PER_COUNT = 1e-4
PPM = -23.0


def frames(counts: np.ndarray, first: int) -> bytes:
    """The bytes of some samples.

    Parameters
    ----------
    counts : ndarray, (n, 1), int32
    first : int
        The board's own number of the first one.
    """
    out = np.empty(len(counts), FRAME)
    out["index"] = (np.arange(first, first + len(counts), dtype=np.int64) & 0xFFFFFFFF).astype("u4")
    out["counts"] = counts[:, 0]
    return out.tobytes()


def sender(
    origin: Origin, options: SimOptions, behaviour: Behaviour, rate_hz: float = RATE_HZ
) -> Sender:
    """The stream ``treadmill`` on a pseudo-terminal, or on the port of the options."""

    def make(first: int, n: int, t_s: float) -> np.ndarray:
        way_cm = behaviour.at("position_cm", t_s + np.arange(n) / rate_hz)
        return np.rint(way_cm * (0.01 / M_PER_COUNT)).astype(np.int32)[:, None]

    return Sender(
        name="treadmill",
        wire=serial_wire(options.port, "treadmill", frames, FRAME.itemsize),
        make=make,
        channels=("position",),
        clock=SampleClock(rate_hz, PPM),
        origin=origin,
        dtype="int32",
        seed=options.seed,
        takes=behaviour.takes(),
    )


def device(treadmill: Sender) -> dict[str, object]:
    """Its table in a rig.toml."""
    assert isinstance(treadmill.wire, PtyWire)
    return {
        "name": "treadmill",
        "driver": "treadmill",
        "port": treadmill.wire.port,
        "m_per_count": M_PER_COUNT,
    }


def build(options: SimOptions) -> Rig:
    """The treadmill alone."""
    origin = Origin()
    behaviour = behave(np.random.default_rng((options.seed, 2)))
    treadmill = sender(origin, options, behaviour, options.rate_hz or RATE_HZ)
    table = device(treadmill) | {"primary": True}
    return Rig("treadmill", str(table["port"]), [treadmill], [table], origin, behaviour)


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)


def rehearse(**options: object) -> Rehearsed:
    """A treadmill in a process of its own, for a test to drive."""
    return rehearsed("treadmill", **options)
