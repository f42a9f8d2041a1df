"""The data path's first half: one thread per device, from the driver into the ring."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from tenmin import registry
from tenmin.clock import ClockFit, EarliestPerSecond, Line, SecondBins
from tenmin.counter import ESTIMATED, GAP, RECONNECT, RESTART, Indexer, Run
from tenmin.errors import DeviceError, DeviceLost, RigError, StreamStalled
from tenmin.ring import Ring
from tenmin.source import Corrected, DeviceConfig, Driver, Impedance, Measures
from tenmin.stream import Chunk, Stream

RETRY_S = 0.5  # between two attempts to open a device
CORRECTION_EVERY_S = 1.0
SILENT_S = 2.0  # a regular stream silent for longer has to prove itself alive anew
RING_SECONDS = 10.0  # performance.md 1: fdatasync may take 225 ms, a restart 5 s

Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Marker:
    """One text of a marker stream."""

    index: int
    device_time: float | None
    host_ns: int
    value: str


@dataclass(frozen=True, slots=True)
class Hole:
    """Samples that a device numbered and the host never saw."""

    index: int
    n: int
    estimated: bool
    reason: str
    host_ns: int


def describe(stream: Stream, config: DeviceConfig) -> Stream:
    """The driver's description of a stream with the facts that rig.toml adds."""
    told = {
        key: value
        for key in ("serial_number", "description", "manufacturer", "model")
        if (value := getattr(config, key)) is not None
    }
    facts = {**told, **(config.facts or {}), **stream.facts}
    return replace(stream, name=config.name, kind=config.kind or stream.kind, facts=facts)


def same_shape(one: Stream, other: Stream) -> bool:
    """Whether two descriptions can share one ring and one file."""
    return (one.n_channels, one.dtype, one.rate_hz, one.timed) == (
        other.n_channels,
        other.dtype,
        other.rate_hz,
        other.timed,
    )


class Flow:
    """What one stream has delivered: ring, index, gaps, clock points and counters.

    Used by the source thread that feeds it; other threads read its numbers.
    """

    def __init__(self, config: DeviceConfig, folder: Path, log: Log) -> None:
        self.config, self.log = config, log
        self.path = folder / f"{config.name}.ring"
        self.wake: Callable[[], object] = _nobody
        self.stream: Stream | None = None
        self.ring: Ring | None = None
        self.state, self.error = "waiting", ""
        self.alive_since_ns: int | None = None
        self.newest_ns: int | None = None
        self.n_received = self.missing = self.n_gaps = 0
        self.line: Line | None = None
        self.corrects = False  # the transport measures the sender's clock
        self.correction: float | None = None
        self.indexer: Indexer | None = None
        self.taken_over = False
        self.impedance: dict[str, Any] = {}  # the newest measurement, as it is logged
        self.derived: list[tuple[Any, Flow]] = []
        self._rings = False
        self._next_index: int | None = None
        self._reason = ""
        self._fit = ClockFit()
        self._bins: SecondBins | EarliestPerSecond = EarliestPerSecond()

    def opened(self, stream: Stream) -> None:
        """Take the description of a stream whose device was just opened."""
        stream = describe(stream, self.config)
        if self.stream is None:
            self._create(stream)
            return
        if not same_shape(self.stream, stream):
            raise DeviceError(
                f"{stream.name} came back with other channels, rate or format than before.",
                remedy="Restore the device's settings; a change has to wait for the next block.",
            )
        self._known_as(stream)
        if self.indexer is not None:
            self.indexer.stream = stream  # another board may number its samples otherwise
            self.indexer.reopened()
        self._reason = self._reason or "reconnect"

    def _create(self, stream: Stream) -> None:
        if not stream.is_marker:
            self.ring = Ring.create(self.path, stream, RING_SECONDS)
        self.indexer = Indexer(stream)
        self._known_as(stream)

    def _known_as(self, stream: Stream) -> None:
        self.stream = stream
        # Of the others nothing is judged but their silence and gaps, once a second: the watcher
        # finds them when it is awake. A ring costs as much as the rest of a small chunk.
        self._rings = self.config.primary or stream.is_electrical

    def restore(self) -> None:
        """Take over the ring of an acquirer that died, with all that is still in it."""
        self.taken_over = True
        if not self.path.exists():
            return
        self.ring = Ring.attach(self.path, writer=True)
        last = self.ring.last
        self.indexer = Indexer(self.ring.stream, last)
        self._next_index = None if last is None else last.index
        self._reason = "restart"
        self._known_as(self.ring.stream)

    def take(self, chunk: Chunk) -> None:
        """Number a chunk, put it into the ring and hand it to derived streams."""
        assert self.stream is not None and self.indexer is not None
        previous, self.newest_ns = self.newest_ns, chunk.host_ns
        if self.alive_since_ns is None or (
            self.stream.is_regular and previous and chunk.host_ns - previous > SILENT_S * 1e9
        ):
            self.alive_since_ns = chunk.host_ns
        self.state, self.error = "running", ""
        if self.stream.is_marker:
            self._take_markers(chunk)
            return
        for run in self.indexer.place(chunk):
            self._place(run)
        if self._rings:
            self.wake()

    def _take_markers(self, chunk: Chunk) -> None:
        for i, (value,) in enumerate(chunk.samples):
            when = None if chunk.device_time is None else float(chunk.device_time[i])
            self.log(
                {
                    "t": "marker",
                    "stream": self.config.name,
                    "index": self.n_received,
                    "device_time": when,
                    "value": str(value),
                    "host_ns": chunk.host_ns,
                }
            )
            self.n_received += 1

    def _place(self, run: Run) -> None:
        assert self.stream is not None and self.ring is not None
        flags = run.flags
        if self._reason == "restart":
            flags |= RESTART
        elif self._reason == "reconnect":
            flags |= RECONNECT
        if self._next_index is not None and run.index > self._next_index:
            flags |= GAP
            self._hole(run)
        self._reason = ""
        self._next_index = run.index + len(run.samples)
        self.n_received += len(run.samples)
        self.ring.write(run.index, run.samples, run.device_time, run.host_ns, flags)
        self._clock_point(run)
        if self.derived:
            index = run.index + np.arange(len(run.samples), dtype=np.int64)
            piece = Chunk(run.samples, index, run.device_time, run.host_ns)
            for driver, flow in self.derived:
                made = driver.feed(piece)
                if made is not None:
                    flow.take(made)

    def _hole(self, run: Run) -> None:
        assert self._next_index is not None
        n = run.index - self._next_index
        reason = self._reason or ("counter" if self.stream and self.stream.counter else "time")
        hole = Hole(self._next_index, n, bool(run.flags & ESTIMATED), reason, run.host_ns)
        self.missing += n
        self.n_gaps += 1
        self.log({"t": "gap", "stream": self.config.name, **asdict(hole)})

    def _clock_point(self, run: Run) -> None:
        assert self.stream is not None
        if self.stream.clock is not None:
            return
        end = len(run.samples) - 1
        host = run.host_ns * 1e-9
        if self.corrects and run.device_time is not None:
            if self.correction is None:
                return
            host = float(run.device_time[end]) + self.correction
        if self.stream.is_regular:
            stream_s = (run.index + end) / self.stream.rate_hz
        elif run.device_time is not None:
            stream_s = float(run.device_time[end])
        else:
            return
        done = self._bins.add(stream_s, host)
        if done is not None:
            x, y, n = done
            self._fit.add(x, y)
            self.log({"t": "clock", "stream": self.config.name, "x": x, "y": y, "n": n})
            if self._fit.n >= 2:
                self.line = self._fit.line()

    def trust_sender(self) -> None:
        """The transport measures the sender's clock: its stamps are better than arrivals."""
        self.corrects, self._bins = True, SecondBins()

    def corrected(self, offset: float, now_s: float) -> None:
        """Keep a clock correction measured by the transport."""
        self.correction = offset
        self.log(
            {
                "t": "correction",
                "stream": self.config.name,
                "host_s": now_s,
                "offset_s": offset,
            }
        )

    def measured(self, found: Impedance) -> None:
        """Keep a measurement of the electrodes."""
        ohm = {name: float(value) for name, value in found.ohm.items()}
        self.impedance = {
            "t": "impedance",
            "stream": self.config.name,
            "ohm": {n: z if math.isfinite(z) else None for n, z in ohm.items()},
            "hz": found.hz,
            "host_ns": time.monotonic_ns(),
        }
        self.log(self.impedance)

    def flush(self) -> None:
        """Place what the indexer holds back while it waits for further stamps."""
        if self.indexer is not None and self.ring is not None:
            for run in self.indexer.flush():
                self._place(run)

    def lost(self, error: RigError) -> None:
        """Note that the device is gone; its state says so until it is back."""
        self.flush()
        self.state, self.error, self.alive_since_ns = "lost", str(error), None
        for _, flow in self.derived:
            flow.state, flow.error = "lost", f"{flow.config.name} has no source: {error}"

    def stalled(self) -> None:
        """Note that the device is silent."""
        self.flush()
        if self.stream is not None and self.stream.is_regular:
            self.state = "stalled"

    def quiet(self) -> None:
        """Note that a device without a rhythm of its own is open and has nothing to say."""
        if self.alive_since_ns is None:
            self.alive_since_ns = time.monotonic_ns()
        if self.state != "running":
            self.state, self.error = "running", ""

    @property
    def has_clock(self) -> bool:
        """Whether clock points are taken of this stream."""
        return self.stream is not None and self.stream.clock is None and self.stream.is_regular

    @property
    def clock_span_s(self) -> float:
        """Seconds that the clock points span so far."""
        return 0.0 if self.line is None else self.line.span_s

    def numbers(self, now_ns: int) -> dict[str, Any]:
        """Counters for telemetry."""
        stream, line = self.stream, self.line
        return {
            "state": self.state,
            "error": self.error,
            "kind": stream.kind if stream else None,
            "rate_hz": stream.rate_hz if stream else None,
            "channels": stream.n_channels if stream else None,
            "bytes_per_s": stream.bytes_per_sample * stream.rate_hz if stream else 0.0,
            "required": self.config.required,
            "received": self.n_received,
            "received_missing": self.missing,
            "age_s": None if self.newest_ns is None else (now_ns - self.newest_ns) * 1e-9,
            "alive_s": (
                0.0 if self.alive_since_ns is None else (now_ns - self.alive_since_ns) * 1e-9
            ),
            "clocked": self.has_clock,
            "clock_points": line.n if line else 0,
            "clock_ppm": line.ppm if line else None,
            "clock_ppm_u95": line.ppm_u95 if line and math.isfinite(line.ppm_u95) else None,
            "clock_residual_s": line.residual_s if line else None,
            "impedance_ohm": self.impedance.get("ohm"),
            "duplicates": self.indexer.duplicates if self.indexer else 0,
            "reordered": self.indexer.reordered if self.indexer else 0,
        }

    def close(self) -> None:
        """Let go of the ring."""
        if self.ring is not None:
            self.ring.close()


def _nobody() -> None:
    """Nobody waits for this stream."""


def make_driver(config: DeviceConfig) -> Any:
    """The driver of a device, no hardware touched yet."""
    driver = registry.load(registry.DRIVERS, config.driver)
    try:
        return driver(config)
    except RigError:
        raise
    except Exception as error:  # a stranger's code
        raise DeviceError(
            f"The driver {config.driver} of the device {config.name} failed: {error!r}.",
            remedy="Check the device's keys in rig.toml; else report it to the driver's author.",
        ) from error


class Source(threading.Thread):
    """Reads one device until told to stop; opens it again whenever it is lost.

    Attributes
    ----------
    read_since_s : float or None
        When the last `read` was called, monotonic seconds; None while the device is not open.
    """

    def __init__(self, driver: Driver, flow: Flow) -> None:
        super().__init__(name=f"source {flow.config.name}", daemon=True)
        self.driver, self.flow = driver, flow
        if isinstance(driver, Corrected):
            flow.trust_sender()
        self.fatal: RigError | None = None
        self.read_since_s: float | None = None
        self._halt = threading.Event()
        self._measure = threading.Event()
        self._correct_at = 0.0

    def run(self) -> None:
        """Open, read, open again."""
        if not self.flow.taken_over:  # who takes over comes in the middle of a block
            self._measure.set()
        while not self._halt.is_set():
            try:
                self.driver.start()
                self.flow.opened(self.driver.stream)
                for driver, flow in self.flow.derived:
                    driver.bind(self.flow.stream)
                    flow.opened(driver.stream)
                    flow.quiet()
                self._read()
            except RigError as error:
                self._failed(error)
            except Exception as error:  # a stranger's driver: its fault must not end the others
                self._failed(DeviceLost(f"The driver of {self.flow.config.name}: {error!r}."))
            finally:
                self._close()
            self._halt.wait(RETRY_S)

    def measure(self) -> None:
        """Measure impedances where the device can: the block is over."""
        self._measure.set()

    def _measured(self) -> None:
        """Do so if it is due; a failure leaves what was known, and is logged."""
        if not self._measure.is_set():
            return
        self._measure.clear()
        if isinstance(self.driver, Measures):
            try:
                self.flow.measured(self.driver.impedance())
            except DeviceError as error:
                told = {"t": "impedance", "stream": self.flow.config.name, "error": str(error)}
                self.flow.log({**told, "host_ns": time.monotonic_ns()})

    def _failed(self, error: RigError) -> None:
        if error.exit_code == 2 and self.flow.stream is None:
            self.fatal = error
            self._halt.set()
        if str(error) != self.flow.error:
            self.flow.log(
                {
                    "t": "reconnect",
                    "stream": self.flow.config.name,
                    "reason": str(error),
                    "host_ns": time.monotonic_ns(),
                }
            )
        self.flow.lost(error)

    def _close(self) -> None:
        self.read_since_s = None
        try:
            self.driver.stop()
        except Exception as error:  # closing a dead device may fail in any way
            self.flow.error = self.flow.error or f"Closing it: {error!r}"

    def _read(self) -> None:
        flow, driver = self.flow, self.driver
        assert flow.stream is not None
        now = time.monotonic()
        while not self._halt.is_set():
            if self._measure.is_set():
                self.read_since_s = None  # takes its time, and is no read
                self._measured()
                now = time.monotonic()
            self.read_since_s = now
            try:
                flow.take(driver.read())
            except StreamStalled:
                flow.stalled() if flow.stream.is_regular else flow.quiet()
            now = time.monotonic()
            if flow.corrects and now >= self._correct_at:
                self._correct_at = now + CORRECTION_EVERY_S
                offset = cast(Corrected, driver).correction()
                if offset is not None:
                    flow.corrected(offset, now)
        flow.flush()

    def halt(self) -> None:
        """Ask the thread to end; it does within the driver's read time."""
        self._halt.set()
