"""The ring in shared memory, and its readers."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tenmin import system
from tenmin.counter import Last
from tenmin.errors import MalformedData, RigError
from tenmin.ring._head import MAGIC, PAGE, samples_bytes, stream_of
from tenmin.ring._kernels import (
    COUNTERS_AT,
    HEAD,
    LINE,
    RECORD,
    RESERVED,
    RUNS,
    TOLD,
    WRITTEN,
    collect,
    find,
    load,
    pusher,
)
from tenmin.stream import Stream
from tenmin.system import HERE, Platform

MIN_SAMPLES = 256  # slow streams: room for a chunk that was held up
IRREGULAR_SAMPLES = 16384
MAX_RUNS = 16384  # 10 s of runs of 0.6 ms
_FLOAT64 = np.dtype(np.float64)


class Piece(NamedTuple):
    """One run record of a ring, or the unread rest of it.

    Attributes
    ----------
    seq : int
        Sequence number of its first sample in the ring.
    index : int
        Device index of its first sample.
    samples : ndarray, (n_samples, n_channels)
        A view of the ring: ask `Reader.valid` after using it.
    device_time : ndarray, (n_samples,), float64, or None
        A view as well.
    host_ns : int
        Arrival of its chunk, monotonic ns.
    flags : int
        What is true of the step before it, see `tenmin.counter`.
    """

    seq: int
    index: int  # type: ignore[assignment]  # shadows tuple.index
    samples: np.ndarray
    device_time: np.ndarray | None
    host_ns: int
    flags: int


class Ring:
    """Samples of one stream in shared memory; made by `create` or `attach`.

    Attributes
    ----------
    stream : Stream
        Whose samples these are.
    capacity : int
        How many samples it holds.
    granted : dict of str to str
        How its memory is mapped, in words, see `tenmin.system.Mapped`.
    """

    def __init__(self, path: Path, mapped: system.Mapped, stream: Stream) -> None:
        self.path, self.stream = path, stream
        memory = mapped.memory
        head = np.frombuffer(memory, np.int64, HEAD)
        _, self.capacity, _, _, n_runs, runs_at, times_at, samples_at, *_ = head.tolist()
        width, dtype = self.stream.n_channels, np.dtype(self.stream.dtype)
        n_times = self.capacity if self.stream.timed else 0
        runs = np.frombuffer(memory, np.int64, n_runs * RECORD, runs_at)
        laps = 2 if mapped.mirrored else 1
        samples = np.frombuffer(memory, dtype, laps * self.capacity * width, samples_at)
        self.granted = dict(mapped.granted)
        self._base = head.ctypes.data
        self._counters = np.frombuffer(memory, np.int64, 4 * LINE, COUNTERS_AT)
        self._runs = runs.reshape(n_runs, RECORD)
        self._times = np.frombuffer(memory, np.float64, n_times, times_at)
        self._laps = samples.reshape(-1, width)  # where mirrored, the ring follows itself
        self._samples = self._laps[: self.capacity]
        self._dtype, self._timed = dtype, self.stream.timed
        self._push: Callable[..., int] = _closed

    @classmethod
    def create(
        cls, path: Path, stream: Stream, seconds: float = 10.0, *, platform: Platform = HERE
    ) -> Ring:
        """Make the ring's file, replacing an older one, and touch all its memory once.

        Raises
        ------
        DiskFull
            The runtime folder has no room for it.
        RigError
            The stream has no channels, or holds texts.
        """
        if stream.is_marker or not stream.channels:
            raise RigError(
                f"{stream.name} has no numeric channels to keep.",
                remedy="Name the channels to record in rig.toml.",
            )
        capacity = max(MIN_SAMPLES, int(np.ceil(seconds * stream.rate_hz)))
        if not stream.is_regular:
            capacity = IRREGULAR_SAMPLES
        # Whole units, so that the samples can be mapped twice.
        step = system.MIRROR_UNIT // math.gcd(system.MIRROR_UNIT, stream.bytes_per_sample)
        capacity = -(-capacity // step) * step
        n_runs = min(capacity, MAX_RUNS)
        text = json.dumps(asdict(stream)).encode()
        runs_at = _page(PAGE + len(text))
        times_at = _page(runs_at + n_runs * RECORD * 8)
        samples_at = _page(times_at + (8 * capacity if stream.timed else 0), system.MIRROR_UNIT)
        size = samples_at + capacity * stream.bytes_per_sample
        memory = system.map_file(path, size)
        np.frombuffer(memory, np.uint8)[:] = 0  # the first lap through untouched memory is slow
        head = np.frombuffer(memory, np.int64, HEAD)
        head[1:9] = (
            capacity, stream.bytes_per_sample, stream.timed,
            n_runs, runs_at, times_at, samples_at, len(text),
        )  # fmt: skip
        memory[PAGE : PAGE + len(text)] = text
        head[0] = MAGIC  # last: nobody attaches to half a ring
        del head, memory  # else all of it is mapped once more while it is attached to
        return cls.attach(path, writer=True, platform=platform)

    @classmethod
    def attach(cls, path: Path, *, writer: bool = False, platform: Platform = HERE) -> Ring:
        """Open a ring that exists.

        Parameters
        ----------
        path : Path
            Its file.
        writer : bool
            Take over from a writer that has ended, even in the middle of a write.

        Raises
        ------
        DiskError
            There is no such file.
        RigError
            It is not a ring of this version, or it is cut short or damaged.
        """
        tail = samples_bytes(path)
        mapped = system.map_mirrored(path, tail, write=writer, platform=platform)
        size = len(mapped.memory) - (tail if mapped.mirrored else 0)
        ring = cls(path, mapped, stream_of(path, mapped.memory, size, tail))
        if ring.granted["prefault"] != system.ALL_PAGES:
            np.frombuffer(mapped.memory, np.uint8)[:size:PAGE].max()  # now, not in the block
        if writer:
            ring._push = pusher(ring._dtype.name, ring._timed)
            # A record is what makes samples known: those of a write cut short are written anew.
            last = ring.last
            ring._counters[WRITTEN] = last.seq if last else 0
        return ring

    def write(
        self,
        run_index: int,
        samples: np.ndarray,
        device_time: np.ndarray | None,
        host_ns: int,
        flags: int = 0,
    ) -> None:
        """Append one run; never waits for a reader.

        Parameters
        ----------
        run_index : int
            Device index of the first sample.
        samples : ndarray, (n_samples, n_channels)
            Of the stream's dtype, any strides.
        device_time : ndarray, (n_samples,), float64, or None
            Required for timed streams.
        host_ns : int
            Arrival, monotonic ns.
        flags : int
            See `tenmin.counter`.

        Raises
        ------
        MalformedData
            Shape or dtype differ from what the stream's description says, or `run_index` is no
            whole number.
        """
        if type(run_index) is not int:
            run_index = self._whole(run_index)  # the kernel would cut a float
        try:
            # The kernel trusts dtype and dimensions. That it is an array, it looks at itself.
            if samples.dtype is not self._dtype or samples.ndim != 2:
                samples = self._fitting(samples, device_time)
            if not self._timed:
                wrong = self._push(self._base, samples, run_index, host_ns, flags)
            else:
                if device_time.dtype is not _FLOAT64 or device_time.ndim != 1:  # type: ignore[union-attr]
                    device_time = self._fitting_times(samples, device_time)
                wrong = self._push(self._base, samples, device_time, run_index, host_ns, flags)
        except (AttributeError, TypeError) as error:
            raise self._misfit(np.asarray(samples), device_time) from error
        if wrong:
            raise self._misfit(samples, device_time)

    def _whole(self, index: Any) -> int:
        try:
            return operator.index(index)
        except TypeError as error:
            text = f"{self.stream.name} numbers its samples by {index!r}, which is no whole number."
            raise MalformedData(text) from error

    def _fitting(self, samples: np.ndarray, times: np.ndarray | None) -> np.ndarray:
        """The same with the one dtype object that `write` compares with."""
        if samples.ndim != 2 or samples.dtype != self._dtype:
            raise self._misfit(samples, times)
        return samples.view(self._dtype)

    def _fitting_times(self, samples: np.ndarray, times: Any) -> np.ndarray:
        if times.ndim != 1 or times.dtype != _FLOAT64:
            raise self._misfit(samples, times)
        return times.view(_FLOAT64)

    def _misfit(self, samples: np.ndarray, times: np.ndarray | None) -> MalformedData:
        stream, n = self.stream, "no" if times is None else f"{np.size(times)}"
        timed = f" with {n} device times of {np.asarray(times).dtype}"
        return MalformedData(
            f"{stream.name} delivered {samples.dtype} samples of shape {samples.shape}"
            f"{timed if stream.timed else ''}, "
            f"its description says {stream.n_channels} channels of {stream.dtype}."
        )

    @property
    def written(self) -> int:
        """Samples ever written: the sequence number of the next one."""
        return int(load(self._counters, WRITTEN))

    @property
    def last(self) -> Last | None:
        """Where the stream stood after the last run; None before the first."""
        runs = int(load(self._counters, RUNS))
        if not runs:
            return None
        seq, index, n, _, host_ns = self._runs[(runs - 1) % len(self._runs)][:5].tolist()
        time = float(self._times[(seq + n - 1) % self.capacity]) if self.stream.timed else None
        return Last(seq + n, index + n, time, host_ns)

    def reader(self, at: int | None = None) -> Reader:
        """A reader that begins with sequence number `at`; with what comes next where None."""
        return Reader(self, at)

    def latest(self, n: int) -> np.ndarray:
        """The newest `n` samples, or as many as there are, ``(n, n_channels)``.

        A view where the ring is mapped twice, or they are contiguous; else a copy. A view stays as
        it is until the writer comes round to it, `capacity` - `n` samples later.
        """
        end = self.written
        n = min(n, end, self.capacity)
        start = (end - n) % self.capacity
        if start + n <= len(self._laps):
            return self._laps[start : start + n]
        return np.concatenate((self._samples[start:], self._samples[: start + n - self.capacity]))

    def rows(self, seq: int, n: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The `n` samples from `seq` on and their times, as views; not across the end (`room`)."""
        p = seq % self.capacity
        return self._samples[p : p + n], self._times[p : p + n] if self._timed else None

    def room(self, seq: int) -> int:
        """How many samples there are from sequence number `seq` to the ring's end."""
        return self.capacity - seq % self.capacity

    def close(self) -> None:
        """Refuse to be written from now on; the memory goes with the last reference to it.

        It is not unmapped here: another thread might be in the middle of a write.
        """
        self._push = _closed


class Reader:
    """Reads a ring at its own pace and counts what it was too late for.

    Attributes
    ----------
    position : int
        Sequence number of the next sample to read.
    lost : list of (int, int)
        Sequence number and length of what was overwritten before it was used; may be emptied by
        its owner.
    lost_samples : int
        How many that were in all.
    """

    def __init__(self, ring: Ring, at: int | None = None) -> None:
        self._ring = ring
        self._out = np.zeros((256, TOLD), np.int64)
        self.lost: list[tuple[int, int]] = []
        self.lost_samples = 0
        self._void = -1
        if at is None:
            last = ring.last
            at = last.seq if last else 0
        self.position = at
        self._run = int(find(ring._counters, ring._runs, at))

    def read(self, max_samples: int | None = None) -> list[Piece]:
        """All that is new, at most `max_samples`; empty when nothing is.

        A piece never crosses the ring's end. Ask `valid` after using one.
        """
        pieces: list[Piece] = []
        ring = self._ring
        # A look without a fence may come too early, and then the next one finds what is new.
        if ring._counters[RUNS] == self._run:
            return pieces
        left = max_samples if max_samples is not None else 1 << 62
        while left > 0:
            self._run, n, reserved = collect(ring._counters, ring._runs, self._out, self._run)
            floor = reserved - ring.capacity
            for seq, index, k, flags, host_ns in self._out[:n].tolist():
                start = self.position
                if start != seq or start < floor:
                    start = self._begin(seq, k, floor)
                    flags = flags if start in (seq, floor) else 0
                take = min(seq + k - start, left)
                if take > 0:
                    samples, times = ring.rows(start, take)
                    pieces.append(Piece(start, index + start - seq, samples, times, host_ns, flags))
                    self.position += take
                    left -= take
                if self.position < seq + k:
                    return pieces
                self._run += 1
            if n < len(self._out):
                break
        return pieces

    def _begin(self, seq: int, n: int, floor: int) -> int:
        """Where to begin in a run: behind what was read, and behind what is overwritten."""
        start = max(seq, self.position, min(floor, seq + n))
        if start > self.position:
            self._lose(self.position, start - self.position)
            self.position = start
        return start

    def valid(self, piece: Piece) -> bool:
        """Whether the writer has left a piece alone until now; else it counts as lost.

        Ask once per piece, when everything that is wanted of it has been read.
        """
        reserved = int(load(self._ring._counters, RESERVED))
        if piece.seq >= reserved - self._ring.capacity:
            return True
        if piece.seq > self._void:
            self._void = piece.seq
            self._lose(piece.seq, len(piece.samples))
        return False

    def _lose(self, seq: int, n: int) -> None:
        self.lost_samples += n
        if self.lost and sum(self.lost[-1]) == seq:
            seq, n = self.lost[-1][0], self.lost.pop()[1] + n
        self.lost.append((seq, n))


def _closed(*_: Any) -> int:
    raise ValueError("this ring is closed, or was opened to be read only")


def _page(offset: int, unit: int = PAGE) -> int:
    return -(-offset // unit) * unit
