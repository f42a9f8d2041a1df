"""Which channels are bad at the end of a block, and how much of it was clean."""

from __future__ import annotations

from typing import Any

import numpy as np
from tenmin_simulators import background as bg
from tenmin_simulators import electrodes

from tenmin.checks.bank import Bank
from tenmin.checks.setting import Setting
from tests.scoring import signals
from tests.scoring.matching import balanced_accuracy, confusion
from tests.scoring.play import Seen, chunks_of, require, watch
from tests.scoring.score import Row, Scenario, mean_of, worst_of

EEG_SECONDS, EEG_CHANNELS = 180.0, 32
PROBE_SECONDS, PROBE_CHANNELS = 48.0, 64
CLEAN_SECONDS, CLEAN_CHANNELS = 300.0, 16
CLEAN_RANGE_UV = 500.0  # of an amplifier with a high-pass
SETTLE_S = 60.0  # before the block, without faults
PAD_S = 30.0  # after the block; science.md 0.2
SETTLING_S = 0.1  # masked after a gap; science.md B.6b has the oracle do the same
SITES = 8  # outside of the brain, at the end of the shank
REAL = "Cyton 2016, Muse"


def _accuracy(outcomes: Any) -> float:
    table = sum((confusion(o["truth"], o["found"], 2) for o in outcomes), np.zeros((2, 2)))
    return balanced_accuracy(table)


def _seen(stream: Any, counts: np.ndarray, rng: np.random.Generator, settle_s: float = 0.0) -> Seen:
    index = np.arange(len(counts))
    chunks = chunks_of(counts, stream.rate_hz, rng, index=index)
    return watch(stream, chunks, Setting(signals.MAINS_HZ), settle_s=settle_s)


def play_eeg(seed: int) -> dict[str, np.ndarray]:
    """An EEG with seven channels that are bad, and seven whose faults are too small for that."""
    require("eeg", "flat", "saturation", "loud", "line")
    rng = np.random.default_rng((seed, 5))
    rate_hz = signals.EEG_HZ
    whole = signals.eeg(rng, SETTLE_S + EEG_SECONDS, EEG_CHANNELS)
    samples = whole[round(SETTLE_S * rate_hz) :]
    bad, slight = np.split(rng.permutation(EEG_CHANNELS)[:14], 2)
    n = len(samples)
    electrodes.dead(samples, rate_hz, bad[0], 0.4 * EEG_SECONDS)
    electrodes.dead(samples, rate_hz, bad[1], 0.7 * EEG_SECONDS)
    for channel in bad[2:4]:
        electrodes.high_impedance(rng, samples, rate_hz, channel, noise_rms=80.0, line_rms=60.0)
    for channel in bad[4:6]:
        electrodes.white(rng, samples, rate_hz, channel, rms=300.0)
    electrodes.flat_runs(rng, samples, rate_hz, bad[6], 12, (6.0, 9.0))
    for channel in slight[:3]:
        electrodes.flat_runs(rng, samples, rate_hz, channel, 4, (0.5, 1.5))
    for channel in slight[3:5]:
        electrodes.pops(rng, samples, rate_hz, channel, per_min=1.0)
    for channel in slight[5:]:
        hum = bg.line(0, n, rate_hz, [(30.0, 55.0, 0.5)], ramp_s=0.0)
        samples[:, channel] += hum
    truth = np.zeros(EEG_CHANNELS, int)
    truth[bad] = 1
    seen = _seen(signals.eeg_stream(EEG_CHANNELS), signals.eeg_counts(whole), rng, SETTLE_S)
    return {"truth": truth, "found": seen.bad.astype(int)}


def _probe(seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """A probe with dead and noisy sites, and some above the brain: counts and truth."""
    require("ecephys", "similarity")
    rng = np.random.default_rng((seed, 6))
    samples = signals.probe(rng, PROBE_SECONDS, PROBE_CHANNELS)
    n = len(samples)
    bad = rng.choice(np.arange(3, PROBE_CHANNELS - SITES - 3, 4), 5, replace=False)
    for channel in bad[:3]:
        samples[:, channel] = 1.5 * rng.standard_normal(n, np.float32)
    for channel in bad[3:]:
        gain = 3.0  # of an open input, that sees what all see and more
        samples[:, channel] = gain * samples[:, channel] + 40.0 * rng.standard_normal(n, np.float32)
    outside = slice(PROBE_CHANNELS - SITES, PROBE_CHANNELS)
    samples[:, outside] = 10.0 * bg.coloured(rng, n, signals.PROBE_HZ, 1.5, SITES, oversample=1)
    samples[:, outside] += 8.0 * rng.standard_normal((n, SITES), np.float32)
    truth = np.zeros(PROBE_CHANNELS, int)
    truth[bad] = 1
    truth[outside] = 1
    return signals.probe_counts(samples), truth, rng


def play_probe(seed: int) -> dict[str, np.ndarray]:
    """That probe through all checks."""
    counts, truth, rng = _probe(seed)
    seen = _seen(signals.probe_stream(PROBE_CHANNELS), counts, rng)
    return {"truth": truth, "found": seen.bad.astype(int)}


def probe_labels(seed: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """That probe's counts, which channels are bad, and the label of each by Q07."""
    counts, truth, rng = _probe(seed)
    labels: list[tuple[str, ...]] = [()]
    chunks = chunks_of(counts, signals.PROBE_HZ, rng, index=np.arange(len(counts)))

    def keep(bank: Bank) -> None:
        labels[0] = bank.units[0].formula.labels  # type: ignore[attr-defined]

    stream = signals.probe_stream(PROBE_CHANNELS)
    watch(stream, chunks, Setting(signals.MAINS_HZ), only=("similarity",), each=keep)
    return counts, truth, labels[0]


def play_clean(seed: int) -> dict[str, float]:
    """Five minutes with two gaps, movement on most channels at times, and one dead channel.

    A second is clean by the vocabulary when nothing is missing in it and four fifths of the
    channels that are not bad are free of faults in it. After a gap filters settle, which counts as
    one.
    """
    require("eeg", "flat", "saturation")
    rng = np.random.default_rng((seed, 7))
    rate_hz = signals.EEG_HZ
    whole = signals.eeg(rng, SETTLE_S + CLEAN_SECONDS + PAD_S, CLEAN_CHANNELS)
    t0 = round(SETTLE_S * rate_hz)
    samples = whole[t0:]
    n_seconds = int(CLEAN_SECONDS)
    spoilt = np.zeros(n_seconds, bool)
    electrodes.dead(samples, rate_hz, 3, 0.3 * CLEAN_SECONDS)
    for onset in (60.0, 150.0, 240.0):
        first, length = onset + rng.uniform(0, 20), rng.uniform(2.0, 8.0)
        a, b = round(first * rate_hz), round((first + length) * rate_hz)
        samples[a:b, 4:12] = CLEAN_RANGE_UV  # eight of sixteen channels rail
        spoilt[int(first) : int(np.ceil(first + length))] = True
    keep = np.ones(len(whole), bool)
    for onset in (100.0, 200.0):
        first, length = onset + rng.uniform(0, 20), rng.uniform(0.2, 3.0)
        a, b = round(first * rate_hz), round((first + length) * rate_hz)
        keep[t0 + a : t0 + b] = False
        settled = b + round(SETTLING_S * rate_hz)
        spoilt[a // round(rate_hz) : (settled - 1) // round(rate_hz) + 1] = True
    stream = signals.eeg_stream(CLEAN_CHANNELS, range_uv=CLEAN_RANGE_UV)
    counts = signals.eeg_counts(whole, CLEAN_RANGE_UV)
    chunks = chunks_of(counts[keep], rate_hz, rng, index=np.arange(len(counts))[keep])
    seen = watch(stream, chunks, Setting(signals.MAINS_HZ), settle_s=SETTLE_S)
    found = seen.lattice.clean_s(0, n_seconds)
    return {"error": abs(float(found) - float((~spoilt).sum()))}


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    label = "bad-channel label at the end"
    return (
        Scenario(
            "bad-eeg",
            play_eeg,
            (Row(f"{label}, EEG", "balanced accuracy", _accuracy, at_least=0.97, real=REAL),),
        ),
        Scenario(
            "bad-probe",
            play_probe,
            (Row(f"{label}, dead/noisy/out probe", "balanced accuracy", _accuracy, at_least=0.95),),
            n_seeds=20,
        ),
        Scenario(
            "clean-time",
            play_clean,
            (
                Row("clean time", "worst error", worst_of("error"), at_most=2.0, unit="s"),
                Row("clean time", "mean error", mean_of("error"), at_most=2.0, unit="s"),
            ),
        ),
    )
