"""Dead, flat and railed channels, and pops, of an EEG and of a probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tenmin_simulators import electrodes
from tenmin_simulators.truth import Event

from tenmin.checks.grid import BINS_PER_S
from tenmin.checks.lattice import CLIP, FLAT, POP
from tenmin.checks.setting import Setting
from tenmin.stream import Stream
from tests.scoring import signals
from tests.scoring.matching import (
    BIN_S,
    Counts,
    Interval,
    f1,
    joined,
    latencies,
    match,
    precision,
    recall,
    runs,
    total,
)
from tests.scoring.play import Seen, chunks_of, require, watch
from tests.scoring.score import SIMULATED, Row, Scenario, latency, of_counts

FAULT_S = 0.5  # tolerance of the onset; science.md E.2
SECONDS, CHANNELS = 180.0, 16
PROBE_SECONDS, PROBE_CHANNELS = 30.0, 32
PAD_S = 30.0  # before and after a block; science.md 0.2
REAL = "Cyton 2016, Muse, biosignalsplux"


def spans(events: Sequence[Event], join_s: float = 0.2) -> list[Interval]:
    """Events as intervals; those that nearly touch are one."""
    return joined((Interval(e.onset_s, e.offset_s) for e in events), join_s)


def with_faults(
    rng: np.random.Generator, samples: np.ndarray, rate_hz: float, range_uv: float
) -> dict[int, list[Event]]:
    """Put a dead channel, two with flat runs and two that rail into a signal; the truth."""
    seconds = len(samples) / rate_hz
    truth = {2: [electrodes.dead(samples, rate_hz, 2, rng.uniform(0.3, 0.7) * seconds)]}
    for channel in (5, 9):
        count = max(2, round(seconds / 40.0))
        truth[channel] = electrodes.flat_runs(rng, samples, rate_hz, channel, count)
    for channel in (7, 11):
        _excursions(rng, samples, rate_hz, channel, 1.5 * range_uv)
        truth[channel] = electrodes.clip(samples, rate_hz, channel, range_uv)
    return truth


def _excursions(
    rng: np.random.Generator, samples: np.ndarray, rate_hz: float, channel: int, height: float
) -> None:
    """Movements that drive the input to the end of its range for half a second to two."""
    t = np.arange(len(samples)) / rate_hz
    slot = 10.0
    for k in range(int(t[-1] / slot)):
        onset, length = k * slot + rng.uniform(2.0, 7.0), rng.uniform(0.5, 2.0)
        up = np.clip((t - onset) / 0.02, 0, 1) * np.clip((onset + length - t) / 0.02, 0, 1)
        samples[:, channel] += rng.choice((-1.0, 1.0)) * height * up


def faults(
    stream: Stream, counts: np.ndarray, truth: dict[int, list[Event]], rng: np.random.Generator
) -> dict[str, Counts]:
    """Matches of each kind of fault."""
    index = np.arange(len(counts))
    seen = watch(
        stream,
        chunks_of(counts, stream.rate_hz, rng, index=index),
        Setting(signals.MAINS_HZ),
        only=("flat", "saturation"),
    )
    found = {"dead": Counts(), "flat": Counts(), "clip": Counts()}
    for channel in range(stream.n_channels):
        events = truth.get(channel, [])
        kind = events[0].type if events else "none"
        clipped, flat = seen.marked(CLIP, channel), seen.marked(FLAT, channel)
        there = spans(events)
        if kind == "clip":
            found["clip"] += _matched(seen, "saturation", channel, there, clipped)
            # At its end a converter repeats one code, so that there the channel is flat as well.
            flat = [f for f in flat if not any(_touch(f, t) for t in there)]
            found["flat"] += Counts(false=len(flat))
            continue
        key = "dead" if kind == "dead" else "flat"
        found[key] += _matched(seen, "flat", channel, there, flat)
        found["clip"] += Counts(false=len(clipped))
    return found


def _touch(one: Interval, other: Interval) -> bool:
    return one.onset_s <= other.offset_s + 0.2 and other.onset_s <= one.offset_s + 0.2


def _matched(
    seen: Seen, check: str, channel: int, there: list[Interval], found: list[Interval]
) -> Counts:
    counts = match(there, found, FAULT_S)
    waits = latencies(there, seen.raised(check, channel), np.array(seen.ticks_s))
    return counts + Counts(latencies_s=tuple(waits))


def play_eeg(seed: int, seconds: float = SECONDS) -> dict[str, Counts]:
    """An EEG with the faults."""
    require("eeg", "flat", "saturation")
    rng = np.random.default_rng((seed, 1))
    samples = signals.eeg(rng, seconds, CHANNELS)
    truth = with_faults(rng, samples, signals.EEG_HZ, signals.EEG_RANGE_UV)
    return faults(signals.eeg_stream(CHANNELS), signals.eeg_counts(samples), truth, rng)


def play_probe(seed: int) -> dict[str, Counts]:
    """A probe with the faults."""
    require("ecephys", "flat", "saturation")
    rng = np.random.default_rng((seed, 2))
    samples = signals.probe(rng, PROBE_SECONDS, PROBE_CHANNELS)
    range_uv = 511 * signals.PROBE_UV
    truth = with_faults(rng, samples, signals.PROBE_HZ, range_uv)
    return faults(signals.probe_stream(PROBE_CHANNELS), signals.probe_counts(samples), truth, rng)


def play_pops(seed: int) -> dict[str, Counts]:
    """An EEG with pops of 15 SD that decay fast and of 12 SD that decay slowly.

    As in a block there is a pad on either side: without one the SD of the channel is not known at
    the beginning, and what comes after a pop not at the end.
    """
    require("eeg", "pop")
    rng = np.random.default_rng((seed, 3))
    samples = signals.eeg(rng, PAD_S + SECONDS + PAD_S, 8)
    truth = {
        1: electrodes.pops(rng, samples, signals.EEG_HZ, 1, sigmas=15.0),
        4: electrodes.pops(rng, samples, signals.EEG_HZ, 4, sigmas=12.0, decay_s=1.0),
        6: electrodes.pops(rng, samples, signals.EEG_HZ, 6, sigmas=30.0),
    }
    stream = signals.eeg_stream(8)
    counts = signals.eeg_counts(samples)
    seen = watch(
        stream,
        chunks_of(counts, stream.rate_hz, rng, index=np.arange(len(counts))),
        Setting(signals.MAINS_HZ),
        only=("pop",),
        settle_s=PAD_S,
    )
    matches = []
    for channel in range(8):
        there = in_bins(truth.get(channel, []), stream.rate_hz)
        found = runs(bits_of_block(seen)[:, channel] & POP != 0, BIN_S)
        # Two pops within half a second cannot be told apart by their onsets.
        matches.append(match(joined(there, 0.4), joined(found, 0.4), FAULT_S))
    return {"pops": total(matches)}


def in_bins(events: Sequence[Event], rate_hz: float) -> list[Interval]:
    """Onsets within the block as the bins of the lattice that they fall into."""
    first = round(PAD_S * rate_hz)
    at = [(round(e.onset_s * rate_hz) - first) * BINS_PER_S // round(rate_hz) for e in events]
    n = round(SECONDS * BINS_PER_S)
    return [Interval(k * BIN_S, (k + 1) * BIN_S) for k in at if 0 <= k < n]


def bits_of_block(seen: Seen) -> np.ndarray:
    """The lattice from t0 to the block's end, without the pad after it."""
    return seen.lattice.bits()[: round(SECONDS * BINS_PER_S)]


def _rows(task: str, keys: Sequence[str], real: str = SIMULATED) -> tuple[Row, ...]:
    rows = []
    for key in keys:
        rows += [
            Row(f"{task}: {key}", "F1", of_counts(key, f1), at_least=0.99, real=real),
            Row(f"{task}: {key}", "latency p95", latency(key, 0.95), at_most=2.0, unit="s"),
            Row(f"{task}: {key}", "latency median", latency(key, 0.5), at_most=2.0, unit="s"),
        ]
    return tuple(rows)


KINDS = ("dead", "flat", "clip")
POPS = (
    Row("pops >= 10 sigma, EEG", "recall", of_counts("pops", recall), at_least=0.95),
    Row("pops >= 10 sigma, EEG", "precision", of_counts("pops", precision), at_least=0.95),
)


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    found: list[Any] = [
        Scenario("faults", play_eeg, _rows("EEG", KINDS, REAL)),
        Scenario("probe-faults", play_probe, _rows("probe", KINDS), n_seeds=20),
        Scenario("pops", play_pops, POPS),
    ]
    return tuple(found)
