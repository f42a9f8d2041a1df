"""Signals through the real ring, as the acquirer writes and the watcher reads it, at full speed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tenmin.checks.bank import OF_KIND, Bank
from tenmin.checks.judge import FAIL_CODE, WARN_CODE
from tenmin.checks.lattice import Lattice
from tenmin.checks.setting import Setting
from tenmin.checks.unit import Unit
from tenmin.counter import Indexer, Run
from tenmin.ring import Piece, Ring
from tenmin.stream import Chunk, Stream
from tests.scoring.matching import Interval, joined, runs
from tests.scoring.score import NotBuilt

RING_S = 10.0  # as the acquirer's
CHUNK_S = 0.02
READ_S = 0.2


def chunks_of(
    samples: np.ndarray,
    rate_hz: float,
    rng: np.random.Generator,
    *,
    index: np.ndarray | None = None,
    times: np.ndarray | None = None,
    first: int = 0,
    chunk_s: float = CHUNK_S,
) -> Iterator[Chunk]:
    """Samples in reads of jittered sizes, as a device delivers them.

    Parameters
    ----------
    samples : ndarray, (n, n_channels)
    rate_hz : float
    rng : Generator
    index, times : ndarray, (n,), optional
        What the device says of each sample.
    first : int
        How many samples came before.
    chunk_s : float
        What a read holds on average.
    """
    most = max(1, round(2 * chunk_s * rate_hz))
    at = 0
    while at < len(samples):
        stop = min(len(samples), at + int(rng.integers(1, most + 1)))
        late_s = abs(rng.normal(0, 0.001))
        arrival = (first + stop) / rate_hz if times is None else float(times[at:stop].max())
        yield Chunk(
            samples[at:stop],
            None if index is None else index[at:stop],
            None if times is None else times[at:stop],
            round((arrival + late_s) * 1e9),
        )
        at = stop


def through_ring(
    stream: Stream, chunks: Iterable[Chunk], indexer: Indexer | None = None
) -> Iterator[Piece]:
    """Chunks through indexer and ring; the pieces that a reader beside the writer gets.

    A piece is a view of the ring: it is good until the next one is asked for.
    """
    indexer = indexer or Indexer(stream)
    with tempfile.TemporaryDirectory(prefix="tenmin-scoring-") as folder:
        ring = Ring.create(Path(folder) / f"{stream.name}.ring", stream, RING_S)
        try:
            yield from _through(ring, chunks, indexer)
        finally:
            ring.close()


def _through(ring: Ring, chunks: Iterable[Chunk], indexer: Indexer) -> Iterator[Piece]:
    reader = ring.reader(0)
    ahead = max(1, round(READ_S * ring.stream.rate_hz))

    def write(found: list[Run]) -> None:
        for run in found:
            ring.write(run.index, run.samples, run.device_time, run.host_ns, run.flags)

    def read() -> Iterator[Piece]:
        for piece in reader.read():
            yield piece
            assert reader.valid(piece)

    for chunk in chunks:
        write(indexer.place(chunk))
        if ring.written - reader.position >= ahead:
            yield from read()
    write(indexer.flush())
    yield from read()
    assert reader.lost_samples == 0


@dataclass
class Seen:
    """What the checks of one stream said, second by second.

    Attributes
    ----------
    stream : Stream
    ticks_s : list of float
        When each second was judged: at its end, seconds since index 0.
    codes : dict of str to list of ndarray
        Levels of each channel, by check; (1,) for checks of the whole stream.
    values : dict of str to list of ndarray
    lattice : Lattice
    bad : ndarray of bool, (n_channels,)
        Bad channels at the end.
    """

    stream: Stream
    ticks_s: list[float] = field(default_factory=list)
    codes: dict[str, list[np.ndarray]] = field(default_factory=dict)
    values: dict[str, list[np.ndarray]] = field(default_factory=dict)
    lattice: Lattice = field(default_factory=lambda: Lattice(1))
    bad: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def level(self, check: str) -> np.ndarray:
        """Codes of one check, (n_seconds, n_channels)."""
        return np.array(self.codes[check])

    def value(self, check: str) -> np.ndarray:
        """Values of one check, (n_seconds, n_channels)."""
        return np.array(self.values[check])

    def raised(self, check: str, channel: int, fail: bool = False) -> np.ndarray:
        """Ticks at which a channel is at WARN or FAIL (or FAIL), (n_seconds,), bool."""
        return self.level(check)[:, channel] >= (FAIL_CODE if fail else WARN_CODE)

    def marked(self, bit: int, channel: int, join_s: float = 0.2) -> list[Interval]:
        """Stretches of the mask lattice in which a channel has a bit."""
        on = (self.lattice.bits()[:, channel] & bit) != 0
        return runs(on, 0.1, join_s, float(self.lattice.first))

    def levelled(self, check: str, channel: int, join_s: float = 0.0) -> list[Interval]:
        """Stretches in which a channel's level is raised; a tick speaks of the second before."""
        on = self.raised(check, channel)
        ticks = np.array(self.ticks_s)
        return joined((Interval(t - 1.0, t) for t in ticks[on].tolist()), join_s)


def watch(
    stream: Stream,
    chunks: Iterable[Chunk],
    setting: Setting,
    *,
    only: tuple[str, ...] | None = None,
    settle_s: float = 0.0,
    extra: tuple[type[Any], ...] = (),
    each: Callable[[Bank], None] | None = None,
) -> Seen:
    """Play chunks of a stream through the ring and its checks.

    Parameters
    ----------
    only : tuple of str, optional
        The checks that run, where bits of others would hide theirs; all by default.
    settle_s : float
        The block begins so long after index 0; nothing before it is noted, and all times are
        counted from there.
    extra : tuple of type
        Formulas that run even where the bank would not take them.
    each : callable, optional
        Called after every second with the bank.
    """
    bank = Bank(stream, setting)
    there = {unit.parameters.name for unit in bank.units}
    for kind in extra:
        if kind.name not in there:
            told = setting.parameters[kind.name]
            bank.units.append(Unit(kind(stream, told, bank.shared), stream, told))
    if only is not None:
        bank.units = [unit for unit in bank.units if unit.parameters.name in only]
    seen = Seen(stream)
    for piece in from_t0(bank, through_ring(stream, chunks), round(settle_s * stream.rate_hz)):
        for second in bank.feed(piece):
            if second.number < 0:
                continue
            # A second is over when the first sample after it is there.
            seen.ticks_s.append(second.number + 1.0)
            for unit in bank.units:
                name = unit.parameters.name
                seen.codes.setdefault(name, []).append(np.array(unit.codes))
                seen.values.setdefault(name, []).append(np.array(unit.values))
            if each is not None:
                each(bank)
    seen.lattice, seen.bad = bank.lattice, bank.bad_channels()
    return seen


def from_t0(bank: Bank, pieces: Iterable[Piece], origin: int) -> Iterator[Piece]:
    """The pieces; at index `origin` the block begins, and the bank is told so."""
    begun = False
    for piece in pieces:
        before = origin - piece.index
        if begun or before >= len(piece.samples):
            yield piece
            continue
        if before > 0:
            yield _part(piece, 0, before)
        bank.anchor(origin)
        begun = True
        yield _part(piece, max(0, before), len(piece.samples))


def _part(piece: Piece, start: int, stop: int) -> Piece:
    times = None if piece.device_time is None else piece.device_time[start:stop]
    seq, index = piece.seq + start, piece.index + start
    return Piece(seq, index, piece.samples[start:stop], times, piece.host_ns, piece.flags)


def needed(module: str) -> ModuleType:
    """A module of the checks or of the simulators, which may not be built yet."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise NotBuilt(f"no module {module}") from error


def require(kind: str, *checks: str) -> None:
    """Say so when a check of a kind of stream is not built."""
    there = {formula.name for formula in OF_KIND[kind]}
    missing = [name for name in checks if name not in there]
    if missing:
        raise NotBuilt(f"no check {', '.join(missing)} in the bank of {kind}")
