"""Gaps, clocks and frames; science.md B.4 and B.3 Q20c."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from tenmin_simulators import timing as sim

from tenmin.checks.parameters import shipped
from tenmin.counter import Indexer
from tenmin.stream import Chunk, Stream
from tests.scoring.matching import Counts, f1
from tests.scoring.play import needed, through_ring
from tests.scoring.score import Row, Scenario, of_counts, sum_of, worst_of

RATE_HZ, SECONDS, PER_PACKET = 1000.0, 100.0, 8
BITS = (8, 16, 32, None)  # of the counter, by turns
PPM = 37.0  # science.md B.4
BLOCK_S = 600.0
CLOCKS = 25  # of each seed
FPS, FRAMES = 60.0, 36_000
REAL_GAPS, REAL_CLOCK, REAL_FRAMES = "Cyton, Muse", "wheel, camera, IBL", "IBL camera"


def play_gaps(seed: int) -> dict[str, int]:
    """A minute and a half of packets lost, doubled, swapped, and a stall; a counter that wraps."""
    gaps_module = needed("tenmin.checks.timing")
    rng = np.random.default_rng((seed, 8))
    bits = BITS[seed % len(BITS)]
    n = round(RATE_HZ * SECONDS)
    # A counter of 8 bits is blind to losses of half its period.
    stall = (n // 2, 100 if bits == 8 else 700)
    sent, truth = sim.packets(
        rng,
        sim.SampleClock(RATE_HZ, PPM),
        n,
        PER_PACKET,
        p_drop=0.002,
        p_duplicate=0.005,
        p_swap=0.005,
        stall=stall,
    )
    start = {8: 7, 16: 60_000, 32: 2**32 - n // 2, None: 10**12}[bits]
    stream = Stream(
        "board", ("a", "b"), RATE_HZ, "volts", dtype="int32", kind="eeg", counter=True,
        index_bits=bits,
    )  # fmt: skip
    check = gaps_module.Gaps(stream, shipped())
    indexer, found, following = Indexer(stream), [], None
    first = sent[0].first
    for piece in through_ring(stream, _reads(rng, sent, start, bits), indexer):
        check.feed(piece)
        if following is not None and piece.index > following:
            found.append((following, piece.index - following))
        following = piece.index + len(piece.samples)
        at = piece.samples[0, 0]
    assert following is not None
    assert at >= 0
    last = max(p.first + p.n for p in sent)
    there = [g for g in truth.gaps if g[0] >= first and g[0] < last]
    return {
        "gaps": abs(len(found) - len(there)),
        "missing": abs(check.missing - sum(g[1] for g in there)),
        "late": indexer.reordered,
    }


def _reads(
    rng: np.random.Generator, sent: Sequence[sim.Packet], start: int, bits: int | None
) -> Iterator[Chunk]:
    """Packets as a driver hands them over: all that came since it last looked."""
    at = 0
    while at < len(sent):
        k = int(rng.integers(2, 8))
        group = list(sent[at : at + k])
        # A packet and the one that overtook it come in one read of the port.
        while at + len(group) < len(sent) and sent[at + len(group)].first < group[-1].first:
            group.append(sent[at + len(group)])
        at += len(group)
        numbers = np.concatenate([np.arange(p.first, p.first + p.n) for p in group])
        index = start + numbers
        raw = index if bits is None else sim.wrapped(index, bits)
        samples = np.stack([numbers, -numbers], axis=1).astype(np.int32)
        yield Chunk(samples, raw, None, round(max(p.stamp_s for p in group) * 1e9))


def play_clocks(seed: int) -> dict[str, np.ndarray]:
    """Pulses of 1 Hz seen by two clocks 37 ppm apart, some lost on either side."""
    clocks = needed("tenmin.checks.timing")
    rng = np.random.default_rng((seed, 9))
    found: dict[str, list[float]] = {"drift": [], "hardware": [], "software": []}
    grid = np.linspace(0.0, BLOCK_S, 6001)
    for _ in range(CLOCKS):
        clock = sim.SampleClock(1.0, PPM)
        true = np.arange(0.0, BLOCK_S)
        own = np.array([clock.cycles(t) for t in true])
        for name, jitter_s in (("hardware", 50e-6), ("software", 1e-3)):
            stamped = own + rng.normal(0, jitter_s, len(own)) + 1234.5
            here, there = rng.random(len(own)) > 0.01, rng.random(len(own)) > 0.01
            here[0] = there[0] = True
            points = clocks.Points()
            points.add(*clocks.pair_pulses(true[here], stamped[there]))
            line = points.line()
            off = line.to_host(grid) - 1234.5 - grid * (1 + PPM * 1e-6)
            found[name].append(float(np.sqrt((off**2).mean())) * 1e3)
            if name == "software":
                told = clocks.drift_ppm(points, shipped()["drift_of_clock"])
                found["drift"].append(told - PPM)
    return {key: np.array(values) for key, values in found.items()}


def play_frames(seed: int) -> dict[str, Any]:
    """Ten minutes of a camera of 60 fps that drops frames, by its counter and by intervals."""
    frames = needed("tenmin.checks.frames")
    rng = np.random.default_rng((seed, 10))
    kept = np.ones(FRAMES, bool)
    for _ in range(20):
        at, length = int(rng.integers(60, FRAMES - 60)), int(rng.integers(1, 6))
        kept[at : at + length] = False
    numbers = np.flatnonzero(kept)
    bits = (16, 32, None)[seed % 3]
    start = {16: 40_000, 32: 2**32 - 900, None: 0}[bits]
    raw = start + numbers
    stream = Stream(
        "camera", ("brightness",), FPS, "n/a", dtype="uint8", kind="other", counter=True,
        index_bits=bits, facts={"fps": "60"},
    )  # fmt: skip
    check = frames.FrameDrops(stream, shipped())
    shown = raw if bits is None else sim.wrapped(raw, bits)
    samples = np.zeros((len(raw), 1), np.uint8)
    chunks = (
        Chunk(samples[a : a + 7], shown[a : a + 7], None, round(numbers[a] / FPS * 1e9))
        for a in range(0, len(raw), 7)
    )
    for piece in through_ring(stream, chunks):
        check.feed(piece)
    truth = int(numbers[-1] - numbers[0] + 1 - len(numbers))
    # Jitter of up to a fifth of the period, on either side.
    times = numbers / FPS + rng.uniform(-0.1, 0.1, len(numbers)) / FPS
    told = frames.missing_by_interval(times)
    there = np.diff(numbers) - 1
    hits = int(np.minimum(told, there).sum())
    intervals = Counts(hits, int(there.sum()) - hits, int(told.sum()) - hits)
    return {"counter": abs(check.count.missing - truth), "intervals": intervals}


def _pooled(key: str) -> Any:
    return lambda outcomes: np.concatenate([o[key] for o in outcomes])


def _bias(outcomes: Any) -> float:
    return abs(float(_pooled("drift")(outcomes).mean()))


def _spread(outcomes: Any) -> float:
    return float(np.quantile(np.abs(_pooled("drift")(outcomes)), 0.95))


def _worst(key: str) -> Any:
    return lambda outcomes: float(_pooled(key)(outcomes).max())


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    gaps = "gaps; wraps, doubles, swaps, a stall"
    drift, aligned = "drift, 37 ppm, 600 s at 1 Hz", "alignment after correction"
    frames = "dropped frames"
    return (
        Scenario(
            "gaps",
            play_gaps,
            (
                Row(
                    gaps,
                    "wrong number of gaps",
                    sum_of("gaps"),
                    at_most=0.0,
                    exact=True,
                    real=REAL_GAPS,
                ),
                Row(
                    gaps,
                    "wrong missing samples",
                    worst_of("missing"),
                    at_most=0.0,
                    exact=True,
                    real=REAL_GAPS,
                ),
            ),
        ),
        Scenario(
            "clocks",
            play_clocks,
            (
                Row(drift, "bias", _bias, at_most=0.1, unit="ppm", real=REAL_CLOCK),
                Row(drift, "abs error, 95 %", _spread, at_most=0.5, unit="ppm", real=REAL_CLOCK),
                Row(aligned, "worst RMS, 50 us jitter", _worst("hardware"), at_most=0.2, unit="ms"),
                Row(aligned, "worst RMS, 1 ms jitter", _worst("software"), at_most=1.0, unit="ms"),
            ),
        ),
        Scenario(
            "frames",
            play_frames,
            (
                Row(
                    frames,
                    "wrong by counter",
                    worst_of("counter"),
                    at_most=0.0,
                    exact=True,
                    real=REAL_FRAMES,
                ),
                Row(
                    frames,
                    "F1 by intervals",
                    of_counts("intervals", f1),
                    at_least=0.99,
                    real=REAL_FRAMES,
                ),
            ),
        ),
    )
