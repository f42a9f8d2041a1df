"""Blinks and muscle in an EEG of the 10-20 system."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenmin.checks.bank import Bank
from tenmin.checks.lattice import MUSCLE
from tenmin.checks.setting import Setting
from tenmin.stream import Stream
from tests.scoring import signals
from tests.scoring.matching import Counts, Interval, f1, joined, match, precision, recall, runs
from tests.scoring.play import chunks_of, needed, require, watch
from tests.scoring.score import Row, Scenario, of_counts

LABELS = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8",
    "P7", "P3", "Pz", "P4", "P8", "O1", "O2",
)  # fmt: skip
SECONDS, SETTLE_S = 300.0, 60.0
BLINK_S, MUSCLE_S = 0.5, 1.0  # tolerances of the onset


def _stream() -> Stream:
    described = signals.eeg_stream(len(LABELS))
    return Stream(**{**described.__dict__, "channels": LABELS})


def play_blinks(seed: int) -> dict[str, Any]:
    """Five minutes with open eyes, 15 blinks a minute."""
    eyes, checks = needed("tenmin_simulators.eyes"), needed("tenmin.checks.blinks")
    rng = np.random.default_rng((seed, 15))
    samples = signals.eeg(rng, SECONDS, len(LABELS))
    source = eyes.Eyes(eyes.Lids(rng), LABELS, signals.EEG_HZ)
    source.add(samples, 0)
    truth = [e for e in source.events_until(SECONDS) if e.type == "blink"]
    stream, counts = _stream(), signals.eeg_counts(samples)
    banks: list[Bank] = []
    watch(
        stream,
        chunks_of(counts, stream.rate_hz, rng, index=np.arange(len(counts))),
        Setting(signals.MAINS_HZ, facts={"dot.condition": "EO_fix", "block.condition": "EO_fix"}),
        only=("blinks",),
        extra=(checks.Blinks,),
        each=lambda bank: banks.append(bank) if not banks else None,
    )
    found = [b for b in banks[0].units[0].formula.eye.blinks if not b.closure]
    there = [Interval(e.onset_s, e.offset_s) for e in truth if e.offset_s < SECONDS - 1.0]
    told = [Interval(b.onset_s, b.onset_s + b.duration_s) for b in found]
    told = [t for t in told if t.offset_s < SECONDS - 1.0]
    return {"blinks": match(there, told, BLINK_S), "there": len(there), "told": len(told)}


def _rate_error(outcomes: Any) -> float:
    there = sum(o["there"] for o in outcomes)
    return abs(sum(o["told"] for o in outcomes) / there - 1.0) * 100.0


def muscle_seen(seed: int) -> tuple[np.ndarray, list[Interval], np.ndarray]:
    """Five minutes with five episodes of muscle, after a minute of settling.

    Returns
    -------
    counts : ndarray, (n, n_channels)
        Settling included.
    truth : list of Interval
    on : ndarray of bool, (n_bins,)
        Bins that the check marks, from t0 on.
    """
    require("eeg", "muscle")
    muscle = needed("tenmin_simulators.muscle")
    rng = np.random.default_rng((seed, 16))
    samples = signals.eeg(rng, SETTLE_S + SECONDS, len(LABELS))
    source = muscle.Muscle(rng, LABELS, signals.EEG_HZ)
    source.scatter(rng, SETTLE_S + SECONDS, from_s=SETTLE_S + 2.0)
    source.add(samples, 0)
    stream, counts = _stream(), signals.eeg_counts(samples)
    seen = watch(
        stream,
        chunks_of(counts, stream.rate_hz, rng, index=np.arange(len(counts))),
        Setting(signals.MAINS_HZ),
        only=("muscle",),
        settle_s=SETTLE_S,
    )
    on = ((seen.lattice.bits() & MUSCLE) != 0).any(axis=1)
    there = [Interval(e.onset_s - SETTLE_S, e.offset_s - SETTLE_S) for e in source.events]
    return counts, there, on


def play_muscle(seed: int) -> dict[str, Counts]:
    """Matches of the episodes of muscle."""
    _, there, on = muscle_seen(seed)
    return {"muscle": match(joined(there, 0.5), runs(on, 0.1, 0.5), MUSCLE_S)}


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    return (
        Scenario(
            "blinks",
            play_blinks,
            (
                Row("blinks", "F1", of_counts("blinks", f1), at_least=0.95,
                    real="eegmmidb, without labels"),
                Row("blinks", "rate error", _rate_error, at_most=5.0, unit="%"),
            ),
        ),
        Scenario(
            "muscle",
            play_muscle,
            (
                Row("muscle episodes", "F1", of_counts("muscle", f1), at_least=0.9,
                    real="Cyton jaw clench, without labels"),
                Row("muscle episodes", "precision", of_counts("muscle", precision)),
                Row("muscle episodes", "recall", of_counts("muscle", recall)),
            ),
        ),
    )  # fmt: skip
