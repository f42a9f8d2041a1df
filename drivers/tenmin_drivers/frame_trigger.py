"""Imaging frame clock: the edges of another stream's channel, or the events of a serial board."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenmin.errors import DeviceLost, MalformedData, StreamStalled, UsageError
from tenmin.stream import Chunk, Stream
from tenmin_drivers._frames import (
    LOST,
    SOURCE_GAP,
    EdgeFinder,
    FrameCounter,
    Threshold,
)
from tenmin_drivers._serial import SerialConfig, open_port

__all__ = ["FrameTrigger", "FrameTriggerConfig"]

EVENT = np.dtype([("number", "<u4"), ("time_us", "<u8")])  # docs/drivers/frame_trigger.md
US = 1_000_000
TIME_MAX = 1 << 40  # microseconds: twelve days, so three bytes of a true time are zero
REACH = 1 << 16  # edges that may be lost on the way before the order of bytes is doubted
HUNT_BYTES = 64 * EVENT.itemsize
SAMPLES_PER_FRAME = 10  # fewer, and edges are not to be told from noise


@dataclass(frozen=True, kw_only=True)
class FrameTriggerConfig(SerialConfig):
    """Keys of ``driver = "frame_trigger"``: `source`, or `port` / `serial_number`.

    Attributes
    ----------
    source : str, optional
        ``"nidaq:frame_clock"``, ``"probe:384"``: stream and channel, by label or position.
    rate_hz : float, optional
        Nominal frame rate.
    high, low : float
        At or above `high` the line is high, at or below `low` low.
    threshold_unit : str
        ``"volts"`` or ``"counts"``: what `high` and `low` are in.
    bit : int, optional
        Instead of a threshold: this bit of an integer channel, from 0.
    polarity : str
        ``"rising"`` or ``"falling"``.
    min_width : int
        Samples that the level must last.
    min_interval_s : float, optional
        Edges closer together are bounces; 0.3 nominal periods by default.
    pulses_per_frame : int
        For a clock with a pulse per slice or line.
    expected_frames : int, optional
        How many frames the microscope is set to take, or says it took.
    """

    source: str | None = None
    rate_hz: float | None = None
    high: float = 2.0  # TTL input levels
    low: float = 0.8
    threshold_unit: str = "volts"
    bit: int | None = None
    polarity: str = "rising"
    min_width: int = 2
    min_interval_s: float | None = None
    pulses_per_frame: int = 1
    expected_frames: int | None = None

    def __post_init__(self) -> None:
        _choose(self, "threshold_unit", ("volts", "counts"))
        _choose(self, "polarity", ("rising", "falling"))
        _positive(
            self, "rate_hz", "min_width", "min_interval_s", "pulses_per_frame", "expected_frames"
        )
        if not (self.source or self.port or self.serial_number):
            raise UsageError(
                f"Device {self.name} does not say where its frames come from.",
                remedy="Give source, port or serial_number in rig.toml.",
            )
        if self.high <= self.low:
            raise UsageError(
                f"Device {self.name}: high ({self.high:g}) is not above low ({self.low:g}).",
                remedy="Correct the two thresholds in rig.toml.",
            )


class FrameTrigger:
    """Frames of a microscope: number, time, interval, and what is missing."""

    Config = FrameTriggerConfig

    def __init__(
        self, config: FrameTriggerConfig, connect: Callable[[FrameTriggerConfig], Any] = open_port
    ) -> None:
        self._config, self._connect = config, connect
        self._port: Any = None
        self._finder: EdgeFinder | None = None
        self._counter: FrameCounter | None = None
        self._channel, self._rate_hz = 0, float(US)
        self.stream = self._describe(None)

    def bind(self, source: Stream) -> None:
        """Find the channel in the source and set the thresholds in its counts."""
        channel = _channel(self._config, source)
        config, per_frame = self._config, self._config.pulses_per_frame
        least_hz = SAMPLES_PER_FRAME * (config.rate_hz or 0.0) * per_frame
        if not source.is_regular or source.is_marker or source.rate_hz < least_hz:
            raise UsageError(
                f"Device {config.name}: {source.name} has {source.rate_hz:g} samples per second, "
                f"and a frame clock needs {least_hz:g}.",
                remedy="Put the frame clock on a faster input.",
            )
        threshold = _threshold(config, source, channel)
        if self._finder is None:  # a source that comes back goes on; its hole is a gap
            self._finder = EdgeFinder(threshold, config.min_width)
            self._counter = self._new_counter(source.rate_hz)
        self._channel, self._rate_hz = channel, source.rate_hz
        self.stream = self._describe(source.name)

    def feed(self, chunk: Chunk) -> Chunk | None:
        """Frames that begin in this piece of the source."""
        assert self._finder is not None and self._counter is not None, "bind comes first"
        assert chunk.index is not None
        if not len(chunk):
            return None
        edges, gap = self._finder.feed(chunk.samples[:, self._channel], int(chunk.index[0]))
        rows = self._counter.feed(edges, SOURCE_GAP if gap else 0)
        if not len(rows):
            return None
        return Chunk(rows, None, rows[:, 1] / self._rate_hz, chunk.host_ns)

    def start(self) -> None:
        """Open the serial board; one that derives from another stream has nothing to open."""
        self.stop()
        self._port = self._connect(self._config)
        self._events = Events()
        self._counter = self._new_counter(float(US))
        self._heard = time.monotonic()

    def read(self) -> Chunk:
        """Frames of the board; `StreamStalled` where none came, which between runs is normal."""
        if self._port is None:
            raise DeviceLost(f"{self.stream.name} is not open.")
        assert self._counter is not None
        try:
            received = bytes(self._port.read(EVENT.itemsize))
        except OSError as error:  # serial.SerialException is one
            raise DeviceLost(f"{self.stream.name} was unplugged ({error}).") from error
        now_ns = time.monotonic_ns()
        try:
            events = self._events.feed(received)
        except MalformedData as error:
            raise MalformedData(f"{self.stream.name} {error.message}") from error
        rows = [self._counter.feed(times, LOST if lost else 0) for times, lost in events]
        frames = np.concatenate(rows) if rows else np.empty((0, 5), np.int64)
        if not len(frames):
            silent = now_ns * 1e-9 - self._heard
            raise StreamStalled(f"{self.stream.name} has sent no frame for {silent:.1f} s.")
        self._heard = now_ns * 1e-9
        return Chunk(frames, None, frames[:, 1] / US, now_ns)

    def stop(self) -> None:
        """Close the board."""
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _new_counter(self, ticks_per_s: float) -> FrameCounter:
        config = self._config
        least = None if config.min_interval_s is None else config.min_interval_s * ticks_per_s
        return FrameCounter(ticks_per_s, config.rate_hz, least, config.pulses_per_frame)

    def _describe(self, source: str | None) -> Stream:
        config = self._config
        derived = bool(config.source) and not config.port
        facts = {
            "polarity": config.polarity,
            "nominal_rate_hz": f"{config.rate_hz:g}" if config.rate_hz else "",
            "expected_frames": str(config.expected_frames or ""),
            "source": config.source if derived and config.source else "",
        }
        tick = "source_index" if derived else "time_us"
        return Stream(
            config.name,
            ("frame", tick, "interval" if derived else "interval_us", "missed", "flag"),
            0.0,
            "n/a",
            dtype="int64",
            kind="frames",
            timed=True,
            clock=source or (str(config.source).partition(":")[0] if derived else None),
            facts={key: text for key, text in facts.items() if text},
        )


class Events:
    """Events out of a board's bytes: 12-byte frames without a sync word.

    A number that goes on from the last one, and a time that follows the last one's, make an
    event certain; the first is certain when the next one follows it or the line falls silent.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._last: tuple[int, int] | None = None
        self._thrown = 0

    def feed(self, data: bytes) -> list[tuple[np.ndarray, bool]]:
        """Times of new events, µs, in pieces; and whether events are missing before a piece.

        No `data` is a silence.

        Raises
        ------
        MalformedData
            No events can be made out.
        """
        self._rest += data
        made: list[tuple[np.ndarray, bool]] = []
        while len(self._rest) >= EVENT.itemsize:
            number, when = _event(self._rest)
            if self._last is None and not self._begins(silent=not data):
                if not data or len(self._rest) < 2 * EVENT.itemsize:
                    break
                self._rest = self._rest[1:]  # opened within an event
                self._thrown += 1
                self._check(self._thrown < HUNT_BYTES)
                continue
            before = self._last or (number - 1, when - 1)
            step = (number - before[0]) % 2**32
            self._check(0 < step <= REACH and before[1] < when < TIME_MAX)
            made.append((np.array([when], np.int64), step > 1))
            self._last = number, when
            self._rest = self._rest[EVENT.itemsize :]
        return made

    def _check(self, sound: bool) -> None:
        if not sound:
            raise MalformedData("sends bytes in which no events can be made out.")

    def _begins(self, silent: bool) -> bool:
        """Whether an event is certain to be at the front."""
        number, when = _event(self._rest)
        if len(self._rest) < 2 * EVENT.itemsize:
            return silent and len(self._rest) == EVENT.itemsize and 0 < when < TIME_MAX
        following, later = _event(self._rest[EVENT.itemsize :])
        return (following - number) % 2**32 == 1 and 0 < when < later < TIME_MAX


def _event(data: bytes) -> tuple[int, int]:
    event = np.frombuffer(data, EVENT, 1)[0]
    return int(event["number"]), int(event["time_us"])


def _channel(config: FrameTriggerConfig, source: Stream) -> int:
    """Position of the channel that ``source`` names."""
    _, _, wanted = str(config.source).partition(":")
    if wanted in source.channels:
        return source.channels.index(wanted)
    if wanted.isdecimal() and int(wanted) < source.n_channels:
        return int(wanted)
    raise UsageError(
        f"Device {config.name}: {source.name} has no channel {wanted!r}; it has "
        f"{source.n_channels}, {', '.join(source.channels[:8])} …",
        remedy='Write source = "stream:channel" with a label or a position from 0.',
    )


def _threshold(config: FrameTriggerConfig, source: Stream, channel: int) -> Threshold:
    """Levels in counts of the source."""
    inverted = config.polarity == "falling"
    if config.bit is not None:
        if np.dtype(source.dtype).kind not in "iu":
            raise UsageError(
                f"Device {config.name}: {source.name} holds {source.dtype}, which has no bits.",
                remedy="Leave bit out and give high and low.",
            )
        return Threshold(bit=config.bit, inverted=inverted)
    if config.threshold_unit == "counts":
        return Threshold(config.high, config.low, inverted=inverted)
    unit = source.channel_units[channel] if source.channel_units else source.unit
    if unit != "volts":
        raise UsageError(
            f"Device {config.name}: {source.name} is in {unit}, so volts mean nothing there.",
            remedy='Give high and low in counts with threshold_unit = "counts".',
        )
    scale = source.scale * (source.channel_scales[channel] if source.channel_scales else 1.0)
    ends = sorted((level - source.offset) / scale for level in (config.low, config.high))
    # A converter that inverts turns the levels round with the sign of its scale.
    return Threshold(ends[1], ends[0], inverted=inverted != (scale < 0))


def _choose(config: FrameTriggerConfig, key: str, allowed: tuple[str, ...]) -> None:
    if getattr(config, key) not in allowed:
        raise UsageError(
            f"Device {config.name}: {key} is {getattr(config, key)!r}.",
            remedy=f"Write {' or '.join(allowed)}.",
        )


def _positive(config: FrameTriggerConfig, *keys: str) -> None:
    given = {key: getattr(config, key) for key in keys}
    wrong = [f"{k} is {v:g}" for k, v in given.items() if v is not None and not 0 < v < math.inf]
    if wrong:
        raise UsageError(
            f"Device {config.name}: {', '.join(wrong)}, and must be above 0.",
            remedy="Correct it in rig.toml, or leave it out where the default will do.",
        )
