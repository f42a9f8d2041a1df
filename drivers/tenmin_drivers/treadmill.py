"""Rotary encoder on USB serial: 8-byte frames of sample index and counts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenmin.errors import DeviceError, DeviceLost, MalformedData, StreamStalled, UsageError
from tenmin.stream import Chunk, Stream
from tenmin_drivers._serial import PULL_S, SerialConfig, open_port

FRAME = np.dtype([("index", "<u4"), ("counts", "<i4")])  # opening the port restarts the index
INDEX_BITS = 32
BATCH_S = 0.05  # a read waits for this much: each costs 0.2 ms, however little it brings
GAP_S = 10.0  # how much further than the silence lasted a gap of the index may reach
AGREE = 3  # steps of one, that is four frames, make a frame border certain
LEAP = 1024  # counts; no animal moves a disc so far between two frames
HUNT_FRAMES = 1000  # without a frame border in so many frames it is not this device


@dataclass(frozen=True, kw_only=True)
class TreadmillConfig(SerialConfig):
    """Keys of ``driver = "treadmill"``: `m_per_count`, or `cpr` and `radius_mm`.

    Attributes
    ----------
    m_per_count : float, optional
        Metres of belt or wheel surface per count; negative where forward counts down.
    cpr : int, optional
        Counts per revolution after quadrature decoding: 4 x the lines of the disc.
    radius_mm : float, optional
        Radius at which the animal runs.
    rate_hz : float
        Frames per second.
    """

    m_per_count: float | None = None
    cpr: int | None = None
    radius_mm: float | None = None
    rate_hz: float = 1000.0

    def __post_init__(self) -> None:
        if not (self.m_per_count or (self.cpr and self.radius_mm)):
            raise UsageError(
                f"Device {self.name} does not say how far a count is.",
                remedy="Give m_per_count, or cpr and radius_mm, in rig.toml.",
            )

    @property
    def scale(self) -> float:
        """Metres per count."""
        if self.m_per_count:
            return self.m_per_count
        assert self.cpr and self.radius_mm
        return 2 * math.pi * self.radius_mm * 1e-3 / self.cpr


class Treadmill:
    """Position of a belt or wheel, in counts."""

    Config = TreadmillConfig

    def __init__(
        self, config: TreadmillConfig, connect: Callable[[TreadmillConfig], Any] = open_port
    ) -> None:
        self._config, self._connect = config, connect
        self._port: Any = None
        self.stream = Stream(
            config.name,
            ("position",),
            config.rate_hz,
            "meters",
            config.scale,
            dtype="int32",
            kind="behavior",
            counter=True,
            index_bits=INDEX_BITS,
            index_restarts=True,
        )

    def start(self) -> None:
        """Open the port; the board counts anew."""
        self.stop()
        self._port = self._connect(self._config)
        self._framer, self._heard = Framer(), time.monotonic()
        self._byte_s = 1.0 / (FRAME.itemsize * self.stream.rate_hz)
        self._most = max(FRAME.itemsize, round(BATCH_S / self._byte_s))

    def read(self) -> Chunk:
        """New positions; `StreamStalled` after 0.2 s without a whole frame."""
        if self._port is None:
            raise DeviceLost(f"{self.stream.name} is not open.")
        deadline = time.monotonic() + PULL_S
        while True:
            received = self._receive()
            now_ns = time.monotonic_ns()
            now = now_ns * 1e-9
            reach = (GAP_S + now - self._heard) * self.stream.rate_hz
            try:
                frames = self._framer.feed(received, int(min(reach, 2**31)))
            except DeviceError as error:
                raise type(error)(f"{self.stream.name} {error.message}") from error
            if len(frames):
                self._heard = now
                counts = np.ascontiguousarray(frames["counts"])
                return Chunk(counts[:, None], frames["index"].astype(np.int64), None, now_ns)
            if not received or now > deadline - PULL_S / 2:
                raise StreamStalled(
                    f"{self.stream.name} has sent no frame for {now - self._heard:.1f} s."
                )

    def stop(self) -> None:
        """Close the port."""
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _receive(self) -> bytes:
        port = self._port
        assert port is not None
        try:
            # A board sends at each USB frame, every millisecond: not to be woken by each.
            missing = self._most - port.in_waiting
            if missing > 0:
                time.sleep(min(BATCH_S, missing * self._byte_s))
            # One byte more, then what came with it: the arrival time is that of a fresh sample,
            # and does not beat against the board's own batches.
            received = bytes(port.read(port.in_waiting + 1))
            return received + bytes(port.read(port.in_waiting))
        except OSError as error:  # serial.SerialException is one
            raise DeviceLost(f"{self.stream.name} was unplugged ({error}).") from error


class Framer:
    """Finds the frames in bytes that hold no sync word, by their index alone.

    A frame is taken when its index is higher by one than that of the frame before. Where it is
    not, and at the opening of the port, the next place is sought from which four indices count
    up by one. A frame whose counts leap may be two halves of different frames: it waits for the
    next one to follow in its place.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._sure = self._waits = False  # that `_rest` begins with a frame; that it is in doubt
        self._index, self._counts = -1, 0  # of the frame before `_rest`; -1 for none

    def feed(self, data: bytes, reach: int) -> np.ndarray:
        """Frames that `data` completes, (n,) of `FRAME`, in memory of their own.

        Parameters
        ----------
        data : bytes
            What came, cut anywhere.
        reach : int
            The index cannot have grown by more than this since the last frame.

        Raises
        ------
        DeviceLost
            The index counts anew: the board was reset.
        MalformedData
            No frame can be made out.
        """
        self._rest += data
        taken = [np.empty(0, FRAME)]
        while True:
            if not self._sure:
                at = border(self._rest)
                if at is None:
                    break
                if self._is_reset(at, reach):
                    if sum(map(len, taken)):
                        break  # hand these out first; the next call comes here again
                    raise DeviceLost("counts anew: the board was reset.")
                taken.append(self._lock(at))
            taken.append(self._take())
            if self._sure:
                break
        if not self._sure and len(self._rest) > HUNT_FRAMES * FRAME.itemsize:
            raise MalformedData("sends bytes in which no frames can be made out.")
        return np.concatenate(taken)

    def _take(self) -> np.ndarray:
        """The frames that follow each other, off the front of `_rest`."""
        frames = whole(self._rest)
        index = frames["index"]
        first = self._index + 1
        expected = np.arange(first, first + len(index)).astype(index.dtype)  # it wraps
        follow = index.tobytes() == expected.tobytes()  # as nearly always
        n = len(frames) if follow else int((index != expected).argmax())
        counts = [self._counts, *frames["counts"][max(0, n - 2) : n].tolist()]
        self._waits = n > 0 and abs(counts[-1] - counts[-2]) > LEAP
        n -= self._waits
        if n:
            self._index, self._counts = int(frames["index"][n - 1]), int(frames["counts"][n - 1])
        self._rest = self._rest[n * FRAME.itemsize :]
        self._sure = follow
        return frames[:n]

    def _lock(self, at: int) -> np.ndarray:
        """Go on at byte `at`; the frame that waited, if what follows proves it whole."""
        waited = whole(self._rest)[: int(self._waits and at == FRAME.itemsize)]
        self._rest, self._sure = self._rest[at:], True
        first = whole(self._rest[: FRAME.itemsize])[0]
        self._index, self._counts = (int(first["index"]) - 1) % 2**INDEX_BITS, int(first["counts"])
        return waited

    def _is_reset(self, at: int, reach: int) -> bool:
        first = int(whole(self._rest[at : at + FRAME.itemsize])["index"][0])
        return self._index >= 0 and not 0 < (first - self._index) % 2**INDEX_BITS <= reach


def whole(data: bytes) -> np.ndarray:
    """The whole frames at the beginning of `data`; a view.

    Examples
    --------
    >>> whole(bytes.fromhex("01000000 ffffffff 02"))["counts"]
    array([-1], dtype=int32)
    """
    return np.frombuffer(data, FRAME, len(data) // FRAME.itemsize)


def border(data: bytes) -> int | None:
    """Where the first certain frame begins; None while that is open.

    The counts of an animal that runs at one count per frame look like an index too, four bytes
    off; then the bytes that follow decide, for up to `HUNT_FRAMES`.
    """
    runs = sorted(run for phase in range(FRAME.itemsize) if (run := _first_run(data, phase)))
    if not runs:
        return None
    start, n, _ = runs[0]
    rivals = [run for run in runs if run[0] < start + n * FRAME.itemsize]
    lasting = [run for run in rivals if run[2]]
    if len(lasting) > 1 and len(data) < HUNT_FRAMES * FRAME.itemsize:
        return None
    return max(lasting or rivals, key=lambda run: run[1])[0]


def _first_run(data: bytes, phase: int) -> tuple[int, int, bool] | None:
    """First run of `AGREE` steps of one: its byte, its steps, and whether it lasts to the end."""
    up = np.diff(whole(data[phase:])["index"]) == 1
    edges = np.flatnonzero(np.diff(up, prepend=False, append=False))
    for begin, end in zip(edges[::2], edges[1::2]):
        if end - begin >= AGREE:
            return phase + FRAME.itemsize * int(begin), int(end - begin), bool(end == len(up))
    return None
