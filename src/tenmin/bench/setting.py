"""What a run of the bench was asked for, and the signals it works on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tenmin.ring import Ring
from tenmin.source import DeviceConfig
from tenmin.sources import Flow
from tenmin.stream import Stream

PROBE_CHANNELS, PROBE_HZ, CHUNK_S = 384, 30000.0, 0.010  # performance.md: the unit of all figures
RANGE_COUNTS = (-512.0, 511.0)  # a 10-bit converter


@dataclass(frozen=True)
class Setting:
    """How much to measure, and where.

    Attributes
    ----------
    rounds : int
        Of every comparison.
    quick : bool
        The shortest form: every row, little behind it.
    memory, disk : Path
        Folders for shared memory and for files; both are emptied by their owner.
    seconds : float
        Length of a pipeline's window.
    probes : int, optional
        Only one block, of so many probes.
    recycle : bool
        Discard of that block what was verified, so that it needs little room.
    long : bool
        Only blocks of one probe, of one and of ten minutes.
    """

    rounds: int
    quick: bool
    memory: Path
    disk: Path
    seconds: float
    probes: int | None = None
    recycle: bool = False
    long: bool = False

    def size(self, full: int, quick: int) -> int:
        """The size of a batch."""
        return quick if self.quick else full


def probe(
    name: str = "probe", n_channels: int = PROBE_CHANNELS, rate_hz: float = PROBE_HZ
) -> Stream:
    """A stream like one Neuropixels probe."""
    channels = tuple(f"AP{n}" for n in range(n_channels))
    return Stream(
        name, channels, rate_hz, "volts", 2.34375e-6, kind="ecephys",
        range_counts=RANGE_COUNTS, counter=True,
    )  # fmt: skip


def eeg(name: str = "eeg", n_channels: int = 64, rate_hz: float = 1000.0) -> Stream:
    """A stream like one EEG amplifier."""
    channels = tuple(f"E{n}" for n in range(n_channels))
    return Stream(name, channels, rate_hz, "volts", 1e-6, dtype="float32", kind="eeg", counter=True)


def recorded(setting: Setting, stream: Stream, seconds: float) -> Flow:
    """A stream with a ring, ready for a `Tape`."""
    flow = Flow(DeviceConfig(name=stream.name), setting.memory, print)
    flow.stream = stream
    flow.ring = Ring.create(flow.path, stream, seconds)
    return flow


def signal(n_samples: int, n_channels: int, seed: int = 1) -> np.ndarray:
    """White noise of 3.5 counts, slow drifts and spikes, as an integer converter gives them.

    Returns
    -------
    ndarray, (n_samples, n_channels), int16
    """
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 4.0, (n_samples // 300 + 2, n_channels)).cumsum(0)
    steps -= 0.9 * steps.mean(0)  # a walk that stays near its middle, drawn every 10 ms
    slow = np.repeat(np.clip(steps, -120.0, 120.0), 300, axis=0)[:n_samples]
    counts = np.rint(slow + rng.normal(0.0, 3.5, (n_samples, n_channels)).astype(np.float32))
    n_spikes = n_samples * n_channels // 3000  # 10 a second and channel
    at, of = rng.integers(0, n_samples - 30, n_spikes), rng.integers(0, n_channels, n_spikes)
    shape = -40.0 * np.exp(-np.arange(30) / 6.0)
    for i in range(30):
        np.add.at(counts, (at + i, of), np.rint(shape[i]))
    return np.clip(counts, *RANGE_COUNTS).astype(np.int16)
