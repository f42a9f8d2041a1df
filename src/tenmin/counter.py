"""Device indices that never wrap: chunks into runs, with every missing sample counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tenmin.errors import MalformedData
from tenmin.stamps import StampLine, first_step, missing
from tenmin.stream import Chunk, Stream

GAP, ESTIMATED, RECONNECT, RESTART = 1, 2, 4, 8
REORDER_S = 1.0  # what comes later than this after its neighbours is no reordering
SAME_CLOCK_S = 1.0  # a device's times that differ more from the host's come from a new clock
AGREES_S = 0.05  # a chunk's arrival may be late by that much


@dataclass(frozen=True, slots=True)
class Last:
    """Where a stream stood when its last run ended.

    Attributes
    ----------
    seq : int
        Samples ever written to its ring: the sequence number of the next one.
    index : int
        Device index of the next sample if none is missing.
    device_time : float or None
        Device time of the last sample, seconds.
    host_ns : int
        Arrival of the last run, monotonic ns.
    """

    seq: int
    index: int
    device_time: float | None
    host_ns: int


@dataclass(frozen=True, slots=True)
class Run:
    """Samples whose device index is continuous.

    Attributes
    ----------
    index : int
        Device index of the first sample; never wraps.
    samples : ndarray, (n_samples, n_channels)
        A view of the chunk.
    device_time : ndarray, (n_samples,), float64, or None
        As delivered.
    host_ns : int
        Arrival of the chunk, monotonic ns.
    flags : int
        ``GAP | ESTIMATED | RECONNECT | RESTART``: what is true of the step before it.
    """

    index: int
    samples: np.ndarray
    device_time: np.ndarray | None
    host_ns: int
    flags: int = 0


class Indexer:
    """Turns the chunks of one stream into runs.

    A device's counter is unwrapped and shows every loss. Without one the index is what was
    received, plus what the time stamps show to be missing (`tenmin.stamps`), plus, where a device
    was opened anew, what the host's clock says passed meanwhile.

    Parameters
    ----------
    stream : Stream
        Whose chunks these are.
    last : Last, optional
        Where an earlier process ended with this stream.

    Attributes
    ----------
    duplicates : int
        Samples dropped because their index was had already.
    reordered : int
        Samples that came after later ones: put in order within a chunk, else dropped.
    backward : int
        Backward steps of the time stamps.
    """

    def __init__(self, stream: Stream, last: Last | None = None) -> None:
        self.stream = stream
        self.duplicates = self.reordered = self.backward = 0
        self._next: int | None = None
        self._offset = 0  # unwrapped index minus the device's own
        self._host_ns = 0
        self._time: float | None = None
        self._holes: list[tuple[int, int]] = []
        self._line: StampLine | None = None
        self._held: list[Chunk] = []
        self._held_flags = 0  # of what waits
        self._flags = 0  # of what comes next
        if last is not None:
            self._next, self._time, self._host_ns = last.index, last.device_time, last.host_ns
            self._flags = RESTART
            if self._by_stamps and last.device_time is not None:
                self._line = StampLine(stream.rate_hz, last.index - 1, last.device_time)

    @property
    def _by_stamps(self) -> bool:
        stream = self.stream
        return stream.timed and stream.is_regular and not stream.counter

    def reopened(self) -> None:
        """Note that the device was stopped and started again."""
        if self._next is not None:
            self._flags |= RECONNECT

    def place(self, chunk: Chunk) -> list[Run]:
        """The runs that a chunk completes.

        Of a timed stream without a counter, samples behind a step of the stamps wait for the next
        few stamps, 2 s of samples or three packets at most, and come out with a later chunk or by
        `flush`.

        Raises
        ------
        MalformedData
            Indices or device times that the stream's description promises are not there.
        """
        self._check(chunk)
        if not len(chunk):
            return []
        if self.stream.counter:
            runs = self._by_counter(chunk)
        elif self._by_stamps:
            before = self.flush() if self._flags else []
            runs = before + self._by_time(chunk)
        else:
            runs = [self._received(chunk)]
        self._host_ns = chunk.host_ns
        if chunk.device_time is not None:
            self._time = float(chunk.device_time[-1])
        return runs

    def flush(self) -> list[Run]:
        """What waits, numbered as well as is known; for a silence, a loss and the end."""
        return self._release(force=True) if self._held else []

    def _check(self, chunk: Chunk) -> None:
        if self.stream.counter and (chunk.index is None or len(chunk.index) != len(chunk)):
            raise self._incomplete(chunk, "indices", chunk.index)
        times = chunk.device_time
        if self.stream.timed and (times is None or len(times) != len(chunk)):
            raise self._incomplete(chunk, "device times", times)

    def _incomplete(self, chunk: Chunk, what: str, given: np.ndarray | None) -> MalformedData:
        n = "no" if given is None else len(given)
        return MalformedData(f"{self.stream.name} delivered {len(chunk)} samples with {n} {what}.")

    def _estimate(self, chunk: Chunk, n: int) -> int:
        """Index of a chunk's first sample by the host's clock, `n` samples before its arrival.

        By the device's own times where these agree with the host's: they do not know of buffers.
        """
        assert self._next is not None
        rate = self.stream.rate_hz
        passed = (chunk.host_ns - self._host_ns) * 1e-9 * rate - n
        if chunk.device_time is not None and self._time is not None:
            stamped = (float(chunk.device_time[0]) - self._time) * rate - 1
            if abs(stamped - passed) <= rate * SAME_CLOCK_S:
                passed = stamped
        return self._next + max(0, round(passed))

    # With a counter --------------------------------------------------------------------------

    def _by_counter(self, chunk: Chunk) -> list[Run]:
        assert chunk.index is not None
        raw = np.asarray(chunk.index).astype(np.int64, copy=False)
        period = 1 << self.stream.index_bits if self.stream.index_bits else 0
        if self._goes_on(chunk, raw, period):
            return [self._next_run(chunk, len(raw))]
        steps = np.diff(raw)
        flags, self._flags = self._flags, 0
        if period:
            steps = self._unwrapped(steps, chunk.device_time, period)
        first, estimated = self._first(chunk, int(raw[0]), int(steps.sum()), period, flags)
        self._offset = first - int(raw[0])
        flags |= ESTIMATED if estimated else 0
        index = np.empty(len(raw), np.int64)
        index[0] = first
        np.cumsum(steps, out=index[1:])
        index[1:] += first
        if (len(steps) and steps.min() < 1) or (self._next is not None and first < self._next):
            chunk, index = self._sorted(chunk, index)
        return self._split(chunk, index, flags)

    def _goes_on(self, chunk: Chunk, raw: np.ndarray, period: int) -> bool:
        """Whether a chunk is what follows, as nearly always: nothing missing, late or twice."""
        if self._next is None or self._flags:
            return False
        first = self._next - self._offset
        expected = np.arange(first, first + len(raw), dtype=np.int64)
        if period:
            rate, times = self.stream.rate_hz, chunk.device_time
            silent = (chunk.host_ns - self._host_ns) * 1e-9 * rate > period / 4
            if times is not None and self._time is not None:
                silent = silent or float(times[-1] - self._time) * rate > period / 4
            if silent:
                return False  # whole periods may be missing
            expected %= period
        return expected.tobytes() == raw.tobytes()  # a third of the time that numpy needs

    def _next_run(self, chunk: Chunk, n: int) -> Run:
        assert self._next is not None
        index, self._next = self._next, self._next + n
        return Run(index, chunk.samples, chunk.device_time, chunk.host_ns)

    def _unwrapped(self, steps: np.ndarray, times: np.ndarray | None, period: int) -> np.ndarray:
        """Steps of a wrapping counter: the nearest, by its times where these show a silence."""
        steps = (steps + period // 2) % period - period // 2
        if times is not None and self.stream.is_regular:
            passed = np.diff(times) * self.stream.rate_hz
            silent = passed > period / 4
            if silent.any():
                wraps = np.round((passed[silent] - steps[silent]) / period)
                steps[silent] += wraps.astype(np.int64) * period
        return steps

    def _first(
        self, chunk: Chunk, raw: int, span: int, period: int, flags: int
    ) -> tuple[int, bool]:
        """Unwrapped index of a chunk's first sample, and whether it had to be estimated."""
        if self._next is None:
            return (raw % period if period else raw), False
        begun_anew = bool(flags & (RECONNECT | RESTART))
        rate = self.stream.rate_hz
        if begun_anew and self.stream.index_restarts:
            guess = self._estimate(chunk, max(span, 0) + 1)
            on = self._went_on(raw, guess, period)
            return (guess, True) if on is None else (on, False)
        step = raw + self._offset - (self._next - 1)
        if not period:
            # A counter that falls back by more than any reordering was reset.
            if step < -max(rate * REORDER_S, span + 1, 1000.0):
                return self._estimate(chunk, max(span, 0) + 1), True
            return self._next - 1 + step, False
        step = (step + period // 2) % period - period // 2
        passed = (chunk.host_ns - self._host_ns) * 1e-9 * rate - span
        if chunk.device_time is not None and self._time is not None and not begun_anew:
            passed = (float(chunk.device_time[0]) - self._time) * rate
        if passed > period / 4:
            step += round((passed - step) / period) * period
        return self._next - 1 + step, False

    def _went_on(self, raw: int, guess: int, period: int) -> int | None:
        """The index by the old count, if the device was opened anew but its counter was not.

        It must agree with the time that passed. A new count that agrees by chance is at most as
        wrong as the estimate.
        """
        assert self._next is not None
        step = raw + self._offset - guess
        if period:
            step = (step + period // 2) % period - period // 2
        index = guess + step
        agrees = abs(step) <= self.stream.rate_hz * AGREES_S
        return index if agrees and index >= self._next else None

    def _sorted(self, chunk: Chunk, index: np.ndarray) -> tuple[Chunk, np.ndarray]:
        """The chunk in order and without what was had already; both are counted."""
        late = index < np.maximum.accumulate(index)
        order = np.argsort(index, kind="stable")
        index, late = index[order], late[order]
        keep = np.diff(index, prepend=index[0] - 1) > 0
        start = index[0] if self._next is None else self._next
        fresh = index >= start
        self.reordered += int((late & keep & fresh).sum())
        self.duplicates += int((~keep & fresh).sum())
        for i in index[~fresh].tolist():
            self._too_late(i)
        keep &= fresh
        order = order[keep]
        times = None if chunk.device_time is None else chunk.device_time[order]
        return Chunk(chunk.samples[order], None, times, chunk.host_ns), index[keep]

    def _too_late(self, index: int) -> None:
        for k, (start, stop) in enumerate(self._holes):
            if start <= index < stop:
                self.reordered += 1
                self._holes[k : k + 1] = [
                    h for h in ((start, index), (index + 1, stop)) if h[0] < h[1]
                ]
                return
        self.duplicates += 1

    def _split(self, chunk: Chunk, index: np.ndarray, flags: int) -> list[Run]:
        """Runs of a chunk whose indices rise."""
        if not len(index):
            self._flags |= flags & (RECONNECT | RESTART)
            return []
        edges = [0, *(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)]
        runs = []
        for a, b in pairwise(edges):
            i = int(index[a])
            if self._next is not None and i > self._next:
                flags |= GAP
                self._note_hole(self._next, i)
            times = None if chunk.device_time is None else chunk.device_time[a:b]
            runs.append(Run(i, chunk.samples[a:b], times, chunk.host_ns, flags))
            self._next = i + b - a
            flags = 0
        return runs

    def _note_hole(self, start: int, stop: int) -> None:
        oldest = stop - max(REORDER_S * self.stream.rate_hz, 1000.0)
        self._holes = [h for h in self._holes if h[1] > oldest]
        self._holes.append((start, stop))

    # Without a counter -----------------------------------------------------------------------

    def _received(self, chunk: Chunk) -> Run:
        flags, self._flags = self._flags, 0
        if chunk.device_time is not None:
            self._count_backward(chunk.device_time)
        index = 0 if self._next is None else self._next
        if flags and self.stream.is_regular:
            index = self._estimate(chunk, len(chunk))
            flags |= ESTIMATED | (GAP if index > (self._next or 0) else 0)
        self._next = index + len(chunk)
        return Run(index, chunk.samples, chunk.device_time, chunk.host_ns, flags)

    def _count_backward(self, times: np.ndarray) -> None:
        if self._time is not None and times[0] < self._time:
            self.backward += 1
        self.backward += int(np.count_nonzero(times[1:] < times[:-1]))

    def _by_time(self, chunk: Chunk) -> list[Run]:
        times = chunk.device_time
        assert times is not None
        self._count_backward(times)
        if self._held:
            self._held.append(chunk)
            return self._release(force=False)
        flags, self._flags = self._flags, 0
        if self._line is None or (flags and not self._same_clock(chunk)):
            flags |= self._begin(chunk)
        assert self._next is not None and self._line is not None
        index = self._next + np.arange(len(chunk), dtype=np.int64)
        k = first_step(self._line, index, times, times[0] if self._time is None else self._time)
        runs = []
        if k:
            self._line.update(index[:k], times[:k])
            self._next += k
            runs.append(Run(int(index[0]), chunk.samples[:k], times[:k], chunk.host_ns, flags))
        if k < len(chunk):
            self._held.append(Chunk(chunk.samples[k:], None, times[k:], chunk.host_ns))
            self._held_flags = 0 if k else flags
            runs += self._release(force=False)
        return runs

    def _same_clock(self, chunk: Chunk) -> bool:
        """Whether the stamps of a device that was opened anew continue the ones before."""
        assert chunk.device_time is not None
        if self._time is None:
            return False
        by_device = float(chunk.device_time[-1]) - self._time
        by_host = (chunk.host_ns - self._host_ns) * 1e-9
        return by_device > 0 and abs(by_device - by_host) < 1.0 + 0.01 * by_host

    def _begin(self, chunk: Chunk) -> int:
        """Start a line at a chunk; returns what is true of the step before it."""
        assert chunk.device_time is not None
        flags, index = 0, 0
        if self._next is not None:
            index = self._estimate(chunk, len(chunk))
            flags = ESTIMATED | (GAP if index > self._next else 0)
        self._next, self._time = index, None
        self._line = StampLine(self.stream.rate_hz, index, float(chunk.device_time[0]))
        return flags

    def _release(self, *, force: bool) -> list[Run]:
        """Number what waits, if its stamps tell by now how much is missing."""
        assert self._line is not None and self._next is not None
        sizes = [len(c) for c in self._held]
        reads = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
        times = np.concatenate([c.device_time for c in self._held])
        index = self._next + np.arange(len(times), dtype=np.int64)
        found = missing(self._line, index, times, reads, force)
        if found is None:
            return []
        index += found.shift
        self._line.update(index, times)
        flags, held = self._held_flags, self._held
        self._held_flags, self._held = 0, []
        runs: list[Run] = []
        for chunk, start in zip(held, reads.tolist()):
            for run in self._split(chunk, index[start : start + len(chunk)], flags):
                gap = run.flags & GAP and found.estimated
                runs.append(replace(run, flags=run.flags | ESTIMATED) if gap else run)
            flags = 0
        return runs
