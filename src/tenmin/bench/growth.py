"""How the cost of a sample changes with channels, chunk length, streams and time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenmin.bench.rounds import Candidate, interleave
from tenmin.bench.rows import Row, Spread
from tenmin.bench.setting import CHUNK_S, PROBE_HZ, Setting, probe, recorded, signal
from tenmin.checks import setting as block
from tenmin.recording import ROUND_S
from tenmin.tape import Tape
from tenmin.watcher import own

CHANNELS = (16, 32, 64, 128, 384, 768, 1536, 3072)
CHUNKS_MS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
STREAMS = (1, 2, 4, 8, 16, 32)
NS = 1e9
RING_BYTES = 256_000_000


@dataclass(frozen=True)
class Table:
    """How something grows: one line for each size.

    Attributes
    ----------
    title : str
        What grows with what.
    head : tuple of str
        Names of the columns; the first is the size.
    lines : list of list
        Size, then medians.
    keys : int
        How many columns tell a line from the others.
    """

    title: str
    head: tuple[str, ...]
    lines: list[list[Any]] = field(default_factory=list)
    keys: int = 1

    def key_of(self, line: Sequence[Any]) -> tuple[Any, ...]:
        """What tells this line from the others."""
        return tuple(line[: self.keys])


@dataclass
class Piled:
    """Push, check and journal of one or more streams of the same form."""

    setting: Setting
    n_channels: int
    n_samples: int
    n_streams: int = 1

    def __post_init__(self) -> None:
        names = [f"s{n}" for n in range(self.n_streams)]
        self._streams = [probe(name, self.n_channels) for name in names]
        self._chunk = (
            signal(self.n_samples, self.n_channels)
            if self.n_samples > 60
            else (signal(300, self.n_channels)[: self.n_samples])
        )
        # All rings together as large in every line: else the caches hold the small ones.
        room = self.setting.size(RING_BYTES, RING_BYTES // 10) / self.n_streams
        seconds = room / (self._streams[0].bytes_per_sample * PROBE_HZ)
        flows = [recorded(self.setting, stream, seconds) for stream in self._streams]
        self._rings = [flow.ring for flow in flows if flow.ring is not None]
        self._readers = [ring.reader() for ring in self._rings]
        self._checks = [own(stream, block.Setting(50.0)) for stream in self._streams]
        folder = self.setting.disk / "growth"
        folder.mkdir(exist_ok=True)
        self._tapes = [Tape(flow, folder, False) for flow in flows]
        self._at = 0

    @property
    def samples(self) -> int:
        """Samples × channels of one turn of all streams."""
        return self.n_samples * self.n_channels * self.n_streams

    def push(self, turns: int) -> int:
        """Only the rings."""
        for _ in range(turns):
            self._push()
        return turns * self.samples

    def check(self, turns: int) -> int:
        """Rings, and every check on each piece as soon as it is there."""
        for _ in range(turns):
            self._push()
            for reader, checks in zip(self._readers, self._checks):
                for piece in reader.read():
                    for check in checks:
                        check.feed(piece)
                    reader.valid(piece)
        return turns * self.samples

    def journal(self, turns: int) -> int:
        """Rings, and the recorder's rounds, without waiting for the disk: its time is not ours."""
        round_s = min(ROUND_S, self._rings[0].capacity / PROBE_HZ / 2)
        every = max(1, round(round_s * PROBE_HZ / self.n_samples))
        for tape in self._tapes:
            tape.reader = tape.flow.ring.reader()  # type: ignore[union-attr]  # the other two pushed as well
        for turn in range(1, turns + 1):
            self._push()
            if turn % every == 0 or turn == turns:
                for tape in self._tapes:
                    tape.take(None)
                    tape.journal.write_records()
        return turns * self.samples

    def close(self) -> None:
        """Give disk and memory back."""
        for tape in self._tapes:
            tape.journal.close()
        shutil.rmtree(self.setting.disk / "growth")
        for ring in self._rings:
            ring.path.unlink()

    def _push(self) -> None:
        for ring in self._rings:
            ring.write(self._at, self._chunk, None, self._at)
        self._at += self.n_samples


def rows(setting: Setting) -> Iterator[Row | Table]:
    """The growth tables, and the rows that hold them to their goals."""
    n10 = round(CHUNK_S * PROBE_HZ)
    quick = setting.quick
    yield _table(
        setting,
        "channels",
        "channels",
        [(n, n, n10, 1) for n in (CHANNELS[::3] if quick else CHANNELS)],
    )
    yield _table(
        setting,
        "chunk length, 384 channels",
        "chunk ms",
        [(ms, 384, round(ms * 30), 1) for ms in (CHUNKS_MS[::3] if quick else CHUNKS_MS)],
    )
    yield _table(
        setting,
        "streams of 384 channels, chunks of 10 ms",
        "streams",
        [(n, 384, n10, n) for n in (STREAMS[::3] if quick else STREAMS)],
    )
    yield from _held(setting)


def _table(
    setting: Setting, title: str, size: str, of: Iterable[tuple[float, int, int, int]]
) -> Table:
    head = (size, "push ns/sample", "push + checks ns/sample", "push + journal ns/sample")
    table = Table(f"Cost of one sample of one channel against {title}", head)
    for label, n_channels, n_samples, n_streams in of:
        piled = Piled(setting, n_channels, n_samples, n_streams)
        taken = interleave(_candidates(setting, piled), setting.rounds)
        table.lines.append([label, *(round(float(np.median(t)) * NS, 4) for t in taken.values())])
        piled.close()
    return table


def _candidates(setting: Setting, piled: Piled) -> dict[str, Candidate]:
    most = setting.size(20_000_000, 1_000_000)
    turns = int(np.clip(most // piled.samples, 1, setting.size(2000, 200)))
    return {
        "push": lambda: piled.push(turns),
        "check": lambda: piled.check(turns),
        "journal": lambda: piled.journal(turns),
    }


def _held(setting: Setting) -> list[Row]:
    """The two laws that have goals, sizes interleaved in one run."""
    n10 = round(CHUNK_S * PROBE_HZ)
    found = _law(setting, "3 072 against 128 channels", (3072, n10), (128, n10), "≤ 1.25")
    return found + _law(setting, "chunks of 1 ms against 10 ms", (384, 30), (384, n10), "≤ 2.5")


def _law(
    setting: Setting, text: str, big: tuple[int, int], small: tuple[int, int], gate: str
) -> list[Row]:
    def made(of: Sequence[int], name: str) -> Piled:
        one = Setting(
            setting.rounds, setting.quick, setting.memory / name, setting.disk / name, 0.0
        )
        one.memory.mkdir(exist_ok=True)
        one.disk.mkdir(exist_ok=True)
        return Piled(one, of[0], of[1])

    piles = made(big, "big"), made(small, "little")
    first, second = (_candidates(setting, pile) for pile in piles)
    found = []
    for what in ("push", "check", "journal"):
        taken = interleave({"first": first[what], "second": second[what]}, setting.rounds)
        found.append(
            Row(
                "growth",
                f"{what}, time per sample: {text}",
                "ns",
                Spread.of(taken["first"] * NS),
                "the other",
                Spread.of(taken["second"] * NS),
                Spread.of(taken["first"] / taken["second"]),
                gate,
            )
        )
    for pile in piles:
        pile.close()
    return found
