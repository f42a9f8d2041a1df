"""A recording played as if it were live: the pace of its own clock, in chunks of 20 ms."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tenmin.errors import DeviceError, DeviceLost, StreamStalled, UsageError
from tenmin.source import STALL_S, DeviceConfig
from tenmin.stream import Chunk, Stream
from tenmin_drivers._lsl_info import si_unit
from tenmin_drivers._recordings import Recording, open_recording

CHUNK_S = 0.02
MOST_S = 0.5  # in one read, when the reader was late
PULL_S = STALL_S * 0.9


@dataclass(frozen=True, kw_only=True)
class ReplayConfig(DeviceConfig):
    """Keys of ``driver = "replay"``.

    Attributes
    ----------
    file : path
        NWB, XDF, EDF, BDF or NPZ; relative to the rig file.
    stream : str, optional
        Which series, stream, signal or array of the file; the largest by default.
    loop : bool
        Begin again at the end; the index goes on.
    speed : float
        Times the real pace.
    unit : str, optional
        Unit of the samples, where the file does not say it.
    """

    file: Path
    stream: str | None = None
    loop: bool = False
    speed: float = 1.0
    unit: str | None = None

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise UsageError(
                f"Device {self.name}: speed is {self.speed:g}.", remedy="Write a number above 0."
            )


def connect(config: ReplayConfig) -> Recording:
    """The recording that a table of rig.toml means."""
    return open_recording(Path(config.file), config.stream)


class Replay:
    """Samples of a file, each when it would have come."""

    Config = ReplayConfig

    def __init__(
        self, config: ReplayConfig, connect: Callable[[ReplayConfig], Recording] = connect
    ) -> None:
        self._config, self._connect = config, connect
        self._recording: Recording | None = None
        self.stream = Stream(config.name, (), 0.0, "unknown")

    def start(self) -> None:
        """Open the file; its first sample is due now."""
        self.stop()
        try:
            recording = self._connect(self._config)
        except DeviceError as error:
            raise type(error)(
                f"{self._config.name}: {error.message}", remedy=error.remedy
            ) from error
        self.stream = _stream(recording, self._config)
        self._recording, self._next = recording, 0
        self._schedule = Schedule(recording)
        self._began = time.monotonic()

    def read(self) -> Chunk:
        """The samples that are due; at the end of the file, silence."""
        if self._recording is None:
            raise DeviceLost(f"{self.stream.name} is not open.")
        recording, schedule = self._recording, self._schedule
        turn, at = divmod(self._next, recording.n)
        if turn and not self._config.loop:
            time.sleep(PULL_S)
            raise StreamStalled(f"{self.stream.name}: {self._config.file.name} is at its end.")
        past_s = turn * schedule.span_s
        wait_s = past_s + schedule.when(at) + CHUNK_S - self._now_s()
        if wait_s > 0:
            time.sleep(min(wait_s / self._config.speed, PULL_S))
        stop = min(schedule.until(self._now_s() - past_s), at + schedule.most)
        if stop <= at:
            raise StreamStalled(f"{self.stream.name}: its next sample is not due yet.")
        samples = recording.piece(at, stop)
        times = None if recording.times is None else recording.times[at:stop] + past_s
        index = None
        if self.stream.counter:
            index = np.arange(self._next, self._next + stop - at, dtype=np.int64)
        self._next += stop - at
        return Chunk(samples, index, times, time.monotonic_ns())

    def stop(self) -> None:
        """Close the file."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()

    def _now_s(self) -> float:
        """Seconds of the recording that have passed."""
        return (time.monotonic() - self._began) * self._config.speed


class Schedule:
    """When each sample of a recording is due, seconds after its first."""

    def __init__(self, recording: Recording) -> None:
        self._n, self._rate_hz, self._times = recording.n, recording.rate_hz, None
        self.most = max(1, int(MOST_S * recording.rate_hz)) if recording.rate_hz else 1024
        if recording.times is None:
            self.span_s = recording.n / recording.rate_hz
            return
        # A clock that stepped back goes on where it had been: what is past is due at once.
        self._times = np.maximum.accumulate(recording.times - recording.times[0])
        step = 1.0 / recording.rate_hz if recording.rate_hz else 1.0
        self.span_s = float(self._times[-1]) + step

    def when(self, at: int) -> float:
        """When sample `at` is due."""
        return at / self._rate_hz if self._times is None else float(self._times[at])

    def until(self, now_s: float) -> int:
        """How many samples are due by `now_s`."""
        if self._times is None:
            return max(0, min(self._n, int(now_s * self._rate_hz)))
        return int(np.searchsorted(self._times, now_s, side="right"))


def _stream(recording: Recording, config: ReplayConfig) -> Stream:
    unit, scale = recording.unit, recording.scale
    if config.unit:
        unit, factor = si_unit(config.unit)
        scale *= factor if recording.unit == "unknown" else 1.0
    integer = recording.dtype.startswith(("int", "uint"))
    ends = np.iinfo(recording.dtype) if integer else None
    return Stream(
        config.name,
        recording.channels,
        recording.rate_hz,
        unit,
        scale,
        recording.offset,
        recording.dtype,
        config.kind or recording.kind,
        recording.channel_scales,
        recording.channel_units,
        (float(ends.min), float(ends.max)) if ends else None,
        counter=recording.times is None,
        index_restarts=recording.times is None,
        timed=recording.times is not None,
        facts={**recording.facts, "replayed_from": config.file.name},
    )


def rehearse(**options: Any) -> Any:
    """A small file that is played for ever, which needs no far side (`tenmin.source.Rehearsal`)."""
    folder = tempfile.TemporaryDirectory(prefix="tenmin-replay-")
    path = Path(folder.name) / "played.npz"
    data = np.arange(4000, dtype=np.int16).reshape(1000, 4)
    np.savez(path, data=data, rate_hz=1000.0, channels=list("abcd"), unit="microvolts")
    return SimpleNamespace(
        config={"file": path, "loop": True, **options},
        truth={},
        faults=(),
        close=folder.cleanup,
    )
