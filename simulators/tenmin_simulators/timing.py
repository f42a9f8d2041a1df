"""Sampling clocks that are not quite right, and packets that go astray (G9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

MAX_PPM = 10_000.0


@dataclass(frozen=True)
class SampleClock:
    """A device's sampling clock against the host's: constant, stepped or linear drift.

    Attributes
    ----------
    rate_hz : float
        Nominal rate.
    ppm : float
        How much faster than nominal it runs at first.
    steps : tuple of (float, float)
        (seconds after its start, ppm from then on), ascending.
    ppm_per_s : float
        Linear drift of the rate, on top of the rest.
    bends : tuple of (float, float)
        (seconds after its start, ppm/s by which the rate changes from then on, on top).
    """

    rate_hz: float
    ppm: float = 0.0
    steps: tuple[tuple[float, float], ...] = ()
    ppm_per_s: float = 0.0
    bends: tuple[tuple[float, float], ...] = ()

    def cycles(self, elapsed_s: float) -> float:
        """Sampling intervals that have passed after `elapsed_s` host seconds."""
        total, since, ppm = 0.0, 0.0, self.ppm
        for at, after in self.steps:
            if elapsed_s <= at:
                break
            total += (at - since) * (1.0 + ppm * 1e-6)
            since, ppm = at, after
        total += (elapsed_s - since) * (1.0 + ppm * 1e-6)
        bent = sum(slope * max(0.0, elapsed_s - at) ** 2 for at, slope in self.bends)
        return self.rate_hz * (total + 0.5e-6 * (self.ppm_per_s * elapsed_s**2 + bent))

    def elapsed(self, cycles: float) -> float:
        """Host seconds after which `cycles` sampling intervals have passed."""
        seconds = cycles / self.rate_hz
        for _ in range(4):  # Newton; the slope is 1 within 1 %, so each turn gains two digits
            seconds -= (self.cycles(seconds) - cycles) / (
                self.rate_hz * (1.0 + self._ppm_at(seconds) * 1e-6)
            )
        return seconds

    def stepped(self, at_s: float, ppm: float) -> SampleClock:
        """The same clock, running at `ppm` from `at_s` on."""
        kept = tuple(s for s in self.steps if s[0] < at_s)
        return replace(self, steps=(*kept, (at_s, ppm)))

    def bent(self, at_s: float, ppm_per_s: float) -> SampleClock:
        """The same clock, whose rate changes steadily from `at_s` on."""
        return replace(self, bends=(*self.bends, (at_s, ppm_per_s)))

    def _ppm_at(self, elapsed_s: float) -> float:
        ppm = self.ppm
        for at, after in self.steps:
            if at <= elapsed_s:
                ppm = after
        bent = sum(slope * max(0.0, elapsed_s - at) for at, slope in self.bends)
        return ppm + self.ppm_per_s * elapsed_s + bent


@dataclass(frozen=True)
class Packet:
    """Samples [first, first + n) of a stream, sent at `stamp_s` of the host's clock."""

    first: int
    n: int
    stamp_s: float


@dataclass(frozen=True)
class PacketTruth:
    """What happened to the packets.

    Attributes
    ----------
    gaps : list of (int, int)
        (index, samples) never sent, neighbours joined.
    duplicated, reordered : list of int
        First index of each packet sent twice, or after its successor.
    """

    gaps: list[tuple[int, int]] = field(default_factory=list)
    duplicated: list[int] = field(default_factory=list)
    reordered: list[int] = field(default_factory=list)


def packets(
    rng: np.random.Generator,
    clock: SampleClock,
    n_samples: int,
    per_packet: int,
    *,
    jitter_s: float = 1e-3,
    p_drop: float = 0.0,
    p_duplicate: float = 0.0,
    p_swap: float = 0.0,
    stall: tuple[int, int] | None = None,
) -> tuple[list[Packet], PacketTruth]:
    """A stream cut into packets, with losses, doubles, swaps, jitter and a stall.

    Parameters
    ----------
    per_packet : int
        Samples a packet.
    jitter_s : float
        SD of the stamps about the clock.
    p_drop, p_duplicate, p_swap : float
        Probability for a packet to be lost, sent twice, or sent after its successor.
    stall : (int, int), optional
        Samples [first, first + n) that are never sent.
    """
    truth, sent = PacketTruth(), []
    lost = range(stall[0], stall[0] + stall[1]) if stall else range(0)
    swap_at = -1
    for first in range(0, n_samples, per_packet):
        n = min(per_packet, n_samples - first)
        stamp = clock.elapsed(first + n - 1) + jitter_s * rng.standard_normal()
        draw = rng.random(3)
        for start, size in _outside(first, n, lost):
            if draw[0] < p_drop:
                continue
            sent.append(Packet(start, size, stamp))
            if swap_at == len(sent) - 2 and swap_at >= 0:
                sent[-2:] = sent[:-3:-1]
                truth.reordered.append(sent[-1].first)
                swap_at = -1
            elif draw[1] < p_duplicate:
                sent.append(sent[-1])
                truth.duplicated.append(start)
            elif draw[2] < p_swap:
                swap_at = len(sent) - 1
    truth.gaps.extend(holes(((p.first, p.n) for p in sent), n_samples))
    return sent, truth


def _outside(first: int, n: int, lost: range) -> Iterator[tuple[int, int]]:
    if not len(lost) or first + n <= lost.start or first >= lost.stop:
        yield first, n
        return
    if first < lost.start:
        yield first, lost.start - first
    if first + n > lost.stop:
        yield lost.stop, first + n - lost.stop


def holes(pieces: Iterator[tuple[int, int]], n_samples: int) -> list[tuple[int, int]]:
    """(index, samples) of what no piece (first, n) of [0, n_samples) covers."""
    found, reached = [], 0
    for first, n in sorted(pieces):
        if first > reached:
            found.append((reached, first - reached))
        reached = max(reached, first + n)
    if reached < n_samples:
        found.append((reached, n_samples - reached))
    return found


def wrapped(index: np.ndarray | Sequence[int], bits: int) -> np.ndarray:
    """Sample numbers as a counter of `bits` bits shows them; int16 reads as two's complement."""
    dtype = {8: np.int8, 16: np.int16, 32: np.uint32}[bits]
    return (np.asarray(index, np.int64) & ((1 << bits) - 1)).astype(dtype)
