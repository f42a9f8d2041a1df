"""The ring: pushes and reads beside memcpy and the buffers of other programs."""

from __future__ import annotations

import ctypes
import itertools
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tenmin import system
from tenmin.bench import peers
from tenmin.bench.ring_peers import SliceRing, read_peers, roll_push, write_peers
from tenmin.bench.rounds import Candidate, compare, interleave
from tenmin.bench.rows import Row, Spread, missing
from tenmin.bench.setting import Setting, eeg, probe, signal
from tenmin.ring import Ring

RING_S = 10.0
MEMCPY = "libc memcpy"


def rows(setting: Setting) -> Iterator[Row]:
    """All rows about the ring."""
    for part in (_large, _small, _newest, _bytes, _history, _pulled):
        yield from part(setting)


def memcpy() -> Callable[[int, int, int], object]:
    """The C library's memcpy."""
    try:
        function = ctypes.CDLL(None).memcpy
    except (OSError, TypeError, AttributeError):  # Windows: its C library has no name None
        return ctypes.memmove
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    function.restype = ctypes.c_void_p
    return function


def copier(path: Path, size: int, chunk: np.ndarray, batch: int) -> Candidate:
    """A candidate that copies `chunk` by memcpy through mapped memory of `size` bytes."""
    memory = np.frombuffer(system.map_file(path, size), np.uint8)
    memory[:] = 0
    copy, base, n = memcpy(), memory.ctypes.data, chunk.nbytes
    source = chunk.ctypes.data
    places = itertools.cycle(range(base, base + size - n + 1, n))

    def run() -> int:
        for _, to in zip(range(batch), places):
            copy(to, source, n)
        return batch if memory.size else 0  # holds the memory as long as the candidate lives

    return run


def pusher(ring: Ring, chunk: np.ndarray, batch: int) -> Candidate:
    """A candidate that writes `chunk` into a ring."""
    index = itertools.count(0, len(chunk))

    def run() -> int:
        for _, i in zip(range(batch), index):
            ring.write(i, chunk, None, i)
        return batch

    return run


def _large(setting: Setting) -> list[Row]:
    what, stream = "push 384 ch × 10 ms int16", probe()
    chunk = signal(300, stream.n_channels)
    batch, seconds = setting.size(500, 50), setting.size(round(RING_S), 2)
    ring = Ring.create(setting.memory / "large.ring", stream, seconds)
    size = ring.capacity * stream.bytes_per_sample
    candidates: dict[str, Candidate] = {
        "ours": pusher(ring, chunk, batch),
        MEMCPY: copier(setting.memory / "limit", size, chunk, batch),
        "numpy slice ring": SliceRing(setting.memory / "slice", ring.capacity, chunk).pusher(batch),
    }
    more, gone = write_peers(what, ring.capacity, chunk, batch)
    taken = interleave({**candidates, **more}, setting.rounds)
    goals = {MEMCPY: ("≥ 0.8", "≥ 1.0")}
    found = compare("ring", what, taken, "ours", goals)
    # A roll moves the whole history; it gets rounds of its own, of one push each.
    roll = roll_push(ring.capacity, chunk)
    goals = {roll.name: ("", "≥ 1 000")}
    if peers.load("mne-lsl") is None:
        gone.append(missing("ring", what, "mne-lsl", f"{peers.MISSING}; its own line is measured"))
    slow = interleave({"ours": candidates["ours"], roll.name: roll.push}, setting.rounds)
    text = f"np.roll of {seconds} s of history on every pull, as in its stream_lsl.py"
    notes = {roll.name: text}
    return [*found, *compare("ring", what, slow, "ours", goals, notes=notes), *gone]


def _small(setting: Setting) -> list[Row]:
    what, stream = "push 64 ch × 20 ms float32", eeg()
    chunk = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
    batch = setting.size(5000, 500)
    ring = Ring.create(setting.memory / "small.ring", stream, RING_S)
    other = SliceRing(setting.memory / "slice", ring.capacity, chunk)
    candidates = {
        "ours": pusher(ring, chunk, batch),
        MEMCPY: copier(
            setting.memory / "limit", ring.capacity * stream.bytes_per_sample, chunk, batch
        ),
        "numpy slice ring": other.pusher(batch),
    }
    taken = interleave(candidates, setting.rounds)
    goals = {"numpy slice ring": ("≥ 1.0", "≥ 2")}
    return compare("ring", what, taken, "ours", goals)


def _newest(setting: Setting) -> list[Row]:
    stream, n, many = probe(), 30000, setting.size(1000, 100)
    ring = Ring.create(setting.memory / "large.ring", stream, 3.0)
    chunk = signal(300, stream.n_channels)
    target = np.empty((n, stream.n_channels), np.int16)
    copy, size = memcpy(), target.nbytes
    found: list[Row] = []
    # 90 000 samples of room: after 60 000 the newest second lies in one piece, after 105 000
    # half of it lies at the end and half at the beginning.
    for where, until in (("in one piece", 60000), ("across the ring's end", 105000)):
        while ring.written < until:
            ring.write(ring.written, chunk, None, 0)
        source = ring.latest(n).copy()

        def ours() -> int:
            for _ in range(many):
                ring.latest(n)
            return many

        def limit(source: np.ndarray = source) -> int:
            copy(target.ctypes.data, source.ctypes.data, size)
            return 1

        taken = interleave({"ours": ours, MEMCPY: limit}, setting.rounds)
        what = f"newest second of 384 ch as an array, {where}"
        goals = {MEMCPY: ("≥ 20", "")}
        is_view = ring.latest(n).base is not None
        found += compare("ring", what, taken, "ours", goals)
        ours_us = Spread.of(taken["ours"] * 1e6)
        note = "a view" if is_view else "a copy: this platform or ring has no double mapping"
        found.append(Row("ring", f"{what}: time", "µs", ours_us, aim="≤ 2", note=note))
    return found


def _bytes(setting: Setting) -> list[Row]:
    stream, many = probe(), setting.size(10000, 1000)
    ring = Ring.create(setting.memory / "large.ring", stream, 1.0)
    chunk = signal(300, stream.n_channels)
    push = pusher(ring, chunk, 1)
    peaks = np.zeros(setting.rounds)
    # What is remembered between two looks is no new object: it would count itself.
    held = np.zeros(2, np.int64)
    tracemalloc.start()
    try:
        for turn in range(setting.rounds):
            push()
            tracemalloc.reset_peak()
            held[0] = tracemalloc.get_traced_memory()[0]
            ring.write(0, chunk, None, 0)
            peaks[turn] = tracemalloc.get_traced_memory()[1] - held[0]
        for turn in range(2):  # in the first one counters of Python itself grow
            held[turn] = tracemalloc.get_traced_memory()[0]
            for _ in range(many):
                ring.write(0, chunk, None, 0)
            held[turn] = tracemalloc.get_traced_memory()[0] - held[turn]
    finally:
        tracemalloc.stop()
    text = f"{many:,}".replace(",", " ")
    return [
        Row("ring", "new bytes per push", "bytes", Spread.of(peaks), gate="≤ 1000"),
        Row("ring", f"bytes kept after {text} pushes", "bytes", Spread.of(held[1:]), gate="≤ 0"),
    ]


def _history(setting: Setting) -> list[Row]:
    long_s, batch = setting.size(60, 10), setting.size(500, 50)
    stream, chunk = probe(), signal(300, 384)
    long = Ring.create(setting.memory / "large.ring", stream, long_s)
    short = Ring.create(setting.memory / "small.ring", stream, 1.0)
    candidates = {"long": pusher(long, chunk, batch), "short": pusher(short, chunk, batch)}
    for name, ring in (("long", long), ("short", short)):
        size = ring.capacity * stream.bytes_per_sample
        candidates[f"memcpy {name}"] = copier(setting.memory / name, size, chunk, batch)
    taken = interleave(candidates, setting.rounds)
    ratio = Spread.of(taken["long"] / taken["short"])
    memory = Spread.of(taken["memcpy long"] / taken["memcpy short"])
    note = (
        f"{MEMCPY} into as much memory: {memory.median:.2f} ({memory.low:.2f}–{memory.high:.2f}); "
        f"large pages under the longer ring: {long.granted['huge_pages']}"
    )
    return [
        Row(
            "ring",
            f"push with {long_s} s of history",
            "µs",
            Spread.of(taken["long"] * 1e6),
            "ours with 1 s",
            Spread.of(taken["short"] * 1e6),
            ratio,
            "≤ 2",
            "≤ 1.5",
            note,
        )
    ]


def _pulled(setting: Setting) -> list[Row]:
    """A chunk taken out as a copy, beside an LSL inlet's buffer."""
    stream, chunk = probe(), signal(300, 384)
    ring = Ring.create(setting.memory / "large.ring", stream, 1.0)
    reader, target = ring.reader(), np.empty_like(chunk)
    found, gone = read_peers(chunk, setting.memory)

    def ours() -> float:
        ring.write(ring.written, chunk, None, 0)
        began = time.perf_counter_ns()
        for piece in reader.read():
            target[: len(piece.samples)] = piece.samples
            reader.valid(piece)
        return (time.perf_counter_ns() - began) * 1e-9

    candidates = {"ours": ours, **found}
    taken = {name: np.empty(setting.rounds) for name in candidates}
    for turn in range(-1, setting.rounds):
        for name, pull in candidates.items():
            least = min(pull() for _ in range(5))
            if turn >= 0:
                taken[name][turn] = least
    what = "take one chunk of 384 ch × 10 ms out, as a copy"
    rows = compare("ring", what, taken, "ours")
    for peer in found.values():
        peer.__self__.close()  # type: ignore[attr-defined]
    return [*rows, *gone]
