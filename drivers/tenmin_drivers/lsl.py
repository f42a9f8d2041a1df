"""Lab Streaming Layer: one outlet of the network, raw samples and raw time stamps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenmin.errors import (
    DeviceError,
    DeviceLost,
    MalformedData,
    NoChannels,
    StreamStalled,
    UsageError,
)
from tenmin.source import STALL_S, DeviceConfig
from tenmin.stream import Chunk, Stream
from tenmin_drivers._lsl_info import ELECTRICAL, Info, common_unit, parse, si_unit
from tenmin_drivers._lsl_inlet import Inlet, library

BATCH_S = 0.01  # a read waits for this much: each costs 0.2 ms, however little it brings
SLOW_BATCH_S = 0.05  # the same where little comes: who looks at it does so ten times a second
SLOW_VALUES = 1e6  # per second; a probe has ten times as many
READ_S = 0.25  # most that one read takes out of the buffer
PRESENT_S = (0.5, 10.0)  # silence of a regular, an irregular stream before it is looked for
LOOK_S = 2.0  # how long it is looked for before it counts as gone
PULL_S = STALL_S * 0.9  # leaves time for the copy before `read` must be back


@dataclass(frozen=True, kw_only=True)
class LslConfig(DeviceConfig):
    """Keys of ``driver = "lsl"``; at least one of the first three.

    Attributes
    ----------
    stream_name, stream_type, source_id : str, optional
        Which outlet; all that are given must match.
    counter_channel : str or int, optional
        Label or position (0-based) of a channel that numbers the samples: it becomes the index.
    counter_bits : int, optional
        At which power of two that counter wraps; by default the width of its format.
    unit : str, optional
        Unit of the samples, where the sender does not say it or says it wrongly.
    units_per_count : float, optional
        How much of its unit one count is, where a sender of integers does not say it by
        ``desc/acquisition/uV_per_count``.
    resolve_timeout_s : float
        How long to look for the outlet.
    """

    stream_name: str | None = None
    stream_type: str | None = None
    source_id: str | None = None
    counter_channel: str | int | None = None
    counter_bits: int | None = None
    unit: str | None = None
    units_per_count: float | None = None
    resolve_timeout_s: float = 3.0

    def __post_init__(self) -> None:
        if not (self.stream_name or self.stream_type or self.source_id):
            raise UsageError(
                f"Device {self.name} does not say which LSL outlet it is.",
                remedy="Give stream_name, stream_type or source_id in rig.toml.",
            )


class Lsl:
    """Any outlet of numbers or texts, regular or not; never reconnects by itself."""

    Config = LslConfig
    stream: Stream

    def __init__(self, config: LslConfig, connect: Callable[[LslConfig], Any] = Inlet) -> None:
        self._config, self._connect = config, connect
        self._inlet: Any = None
        self._info: Info | None = None
        self.stream = Stream(config.name, (), 0.0, "unknown")

    def start(self) -> None:
        """Resolve the outlet, take its description and subscribe."""
        self.stop()
        self._inlet = self._connect(self._config)
        try:
            self._describe(parse(self._inlet.xml))
            self._inlet.open(self._config)
        except Exception:
            self.stop()
            raise
        self._heard = time.monotonic()
        self._looked: float | None = None

    def read(self) -> Chunk:
        """New samples as they were sent; time stamps of the sender's clock."""
        if self._inlet is None:
            raise DeviceLost(f"{self._config.name} is not open.")
        try:
            samples, stamps = self._inlet.pull(self._buffer, self._batch, self._most, PULL_S)
        except DeviceLost as error:
            raise DeviceLost(f"{self.stream.name}: {error.message}") from error
        now_ns = time.monotonic_ns()
        if not len(stamps):
            raise self._silence(now_ns * 1e-9)
        self._heard = now_ns * 1e-9
        if self._looked is not None:
            self._inlet.look_no_more()
            self._looked = None
        if self._buffer is None:
            return Chunk(_texts(samples), None, stamps, now_ns)
        samples, index = _split(samples, self._counter, self.stream)
        return Chunk(samples, index, stamps.copy(), now_ns)

    def stop(self) -> None:
        """Unsubscribe; the outlet goes on."""
        inlet, self._inlet = self._inlet, None
        if inlet is not None:
            inlet.close()

    def correction(self) -> float | None:
        """Seconds that put a time stamp on the host's clock; None for the first half second."""
        return None if self._inlet is None else self._inlet.correction()

    def _describe(self, info: Info) -> None:
        before, self._counter = self._info, _counter_position(info, self._config)
        stream = _stream(info, self._counter, self._config)
        if before is not None:
            _refuse_another(self.stream, stream)
            # A counter goes on over a new connection to the same outlet, not over a new outlet.
            stream = replace(stream, index_restarts=before.uid != info.uid)
        self.stream, self._info = stream, info
        self._most = max(1, int(info.rate_hz * READ_S)) if stream.is_regular else 1024
        slow = info.rate_hz * len(info.labels) < SLOW_VALUES
        batch_s = SLOW_BATCH_S if slow else BATCH_S
        self._batch = max(1, min(self._most, int(info.rate_hz * batch_s)))
        shape = (self._most, len(info.labels))
        self._buffer = None if stream.is_marker else np.empty(shape, info.dtype)

    def _silence(self, now: float) -> DeviceError:
        """The error that a silence up to `now` is."""
        silent = now - self._heard
        stalled = StreamStalled(f"{self.stream.name} has sent nothing for {silent:.1f} s.")
        if self._looked is None:
            if silent < PRESENT_S[0 if self.stream.is_regular else 1]:
                return stalled
            self._looked = now
        answers = self._inlet.look()
        if answers or now - self._looked < LOOK_S:
            return stalled
        return DeviceLost(
            f"{self.stream.name} has sent nothing for {silent:.1f} s and its LSL outlet no longer "
            "answers."
        )


def _counter_position(info: Info, config: LslConfig) -> int | None:
    """Which channel counts the samples."""
    wanted = config.counter_channel
    if wanted is None:
        return None
    if wanted in info.labels and info.dtype != "str":
        return info.labels.index(str(wanted))
    if str(wanted).isdecimal() and int(wanted) < len(info.labels) and info.dtype != "str":
        return int(wanted)
    raise DeviceError(
        f"{config.name}: the LSL outlet has no counter channel {wanted!r} among its "
        f"{len(info.labels)} of {info.dtype}.",
        remedy="Give the label or the position (from 0) of the channel that counts the samples.",
    )


def _stream(info: Info, counter: int | None, config: LslConfig) -> Stream:
    """Description of what `read` gives."""
    kept = [position for position in range(len(info.labels)) if position != counter]
    if not kept:
        raise NoChannels(f"{config.name}: the LSL outlet {info.name} has no channels to record.")
    kind = config.kind or info.kind
    units = [_unit(info, at, kind in ELECTRICAL, config) for at in kept]
    unit, scale, channel_scales, channel_units = common_unit(units, kind in ELECTRICAL)
    integer = np.iinfo(info.dtype) if info.dtype.startswith("int") else None
    return Stream(
        config.name,
        tuple(info.labels[at] for at in kept),
        info.rate_hz,
        unit,
        scale,
        dtype=info.dtype,
        kind=kind,
        channel_scales=channel_scales,
        channel_units=channel_units,
        range_counts=(float(integer.min), float(integer.max)) if integer else None,
        counter=counter is not None,
        index_bits=None if counter is None else config.counter_bits or _counter_bits(info.dtype),
        timed=True,
        facts=info.facts,
    )


def _unit(info: Info, at: int, electrical: bool, config: LslConfig) -> tuple[str, float]:
    """SI unit of a channel, and how much of it one count is."""
    if info.dtype == "str":
        return "n/a", 1.0
    unit, scale = si_unit(config.unit or info.units[at], info.types[at], electrical)
    if config.units_per_count:
        return unit, scale * config.units_per_count
    if unit == "volts" and info.uv_per_count and info.dtype.startswith("int"):
        return unit, info.uv_per_count * 1e-6
    return unit, scale


def _counter_bits(dtype: str) -> int | None:
    """Width of a counter kept in this format; 24 bits are exact in float32, and 53 never wrap."""
    if dtype == "float32":
        return 24
    return None if dtype in ("float64", "int64") else np.dtype(dtype).itemsize * 8


def _split(
    samples: np.ndarray, counter: int | None, stream: Stream
) -> tuple[np.ndarray, np.ndarray | None]:
    """Copies of the recorded channels and of the counter, which reads as unsigned."""
    if counter is None:
        return samples.copy(), None
    numbers = samples[:, counter]
    if samples.dtype.kind == "f" and not _whole(numbers):
        raise MalformedData(
            f"{stream.name}: its counter channel does not hold whole numbers.",
            remedy="Check counter_channel in rig.toml.",
        )
    index = numbers.astype(np.int64)
    if stream.index_bits is not None:
        index &= (1 << stream.index_bits) - 1
    if counter == samples.shape[1] - 1:
        return samples[:, :-1].copy(), index
    return np.delete(samples, counter, axis=1), index


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())


def _texts(raw: np.ndarray) -> np.ndarray:
    """Texts of bytes, which are UTF-8 but for old Windows senders."""
    texts = np.empty(raw.shape, object)
    for at, value in np.ndenumerate(raw):
        try:
            texts[at] = value.decode("utf-8")
        except UnicodeDecodeError:
            texts[at] = value.decode("latin-1")
    return texts


def _refuse_another(before: Stream, now: Stream) -> None:
    """An outlet that came back with another layout cannot go on in the same file."""
    layout = [(one.channels, one.dtype, one.rate_hz, one.counter) for one in (before, now)]
    if layout[0] != layout[1]:
        raise DeviceError(
            f"{now.name} came back as another stream: {now.n_channels} channels of {now.dtype} at "
            f"{now.rate_hz:g} Hz instead of {before.n_channels} of {before.dtype} at "
            f"{before.rate_hz:g} Hz.",
            remedy="Start the sender with the settings it had when the block began.",
        )


def discover(timeout_s: float = 1.0) -> list[dict[str, Any]]:
    """Every outlet on the network, with the keys of rig.toml that mean it."""
    found = []
    for one in library().resolve_streams(timeout_s):
        rate = f"{one.nominal_srate():g} Hz" if one.nominal_srate() else "irregular"
        about = f"{one.type() or 'no type'}, {one.channel_count()} channels, {rate}"
        keys = {"stream_name": one.name()}
        if one.source_id():
            keys["source_id"] = one.source_id()
        text = f"LSL outlet {one.name()} on {one.hostname()}: {about}"
        found.append({"description": text, "keys": keys})
    return found
