"""How often clean signals raise an alarm: fifteen hours of EEG, 600 channel-hours of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats
from tenmin_simulators import background as bg

from tenmin.checks.bank import Bank
from tenmin.checks.judge import FAIL_CODE, WARN_CODE
from tenmin.checks.setting import Setting
from tenmin.stream import Chunk, Stream
from tests.scoring import signals
from tests.scoring.play import from_t0, through_ring
from tests.scoring.score import Row, Scenario

EEG_SEEDS, EEG_HOURS, EEG_CHANNELS = 20, 0.75, 16  # 15 h in all, 240 channel-hours
PROBE_SEEDS, PROBE_S, PROBE_CHANNELS = 20, 300.0, 384  # 640 channel-hours in all
SETTLE_S = 60.0  # on top of these
PART_S = 300.0  # of EEG that is made at a time
LOOP_S = 8.0  # of the probe, played with its channels in ever other places


class Alarms:
    """Onsets of WARN and FAIL, per check; a FAIL that a WARN led to is one of each."""

    def __init__(self) -> None:
        self.onsets: dict[str, list[int]] = {}
        self.seconds = 0
        self._before: dict[str, np.ndarray] = {}

    def note(self, bank: Bank) -> None:
        """Count what has turned on in the newest second."""
        self.seconds += 1
        for unit in bank.units:
            name, codes = unit.parameters.name, unit.codes
            if not getattr(
                unit, "by_channel", True
            ):  # it raises one alarm, not one for each channel
                codes = codes.max(keepdims=True)
            before = self._before.get(name, np.zeros_like(codes))
            counts = self.onsets.setdefault(name, [0, 0])
            for k, code in enumerate((WARN_CODE, FAIL_CODE)):
                counts[k] += int(((codes >= code) & (before < code)).sum())
            self._before[name] = codes.copy()


def _played(stream: Stream, parts: Iterator[np.ndarray], rng: np.random.Generator) -> Alarms:
    bank, alarms = Bank(stream, Setting(signals.MAINS_HZ)), Alarms()
    pieces = through_ring(stream, _chunks(stream, parts, rng))
    for piece in from_t0(bank, pieces, round(SETTLE_S * stream.rate_hz)):
        for second in bank.feed(piece):
            if second.number >= 0:
                alarms.note(bank)
    return alarms


def _chunks(
    stream: Stream, parts: Iterator[np.ndarray], rng: np.random.Generator
) -> Iterator[Chunk]:
    first, per_read = 0, max(1, round(0.05 * stream.rate_hz))
    for part in parts:
        at = 0
        while at < len(part):
            n = int(rng.integers(per_read // 2, per_read + 1))
            rows = part[at : at + n]
            index = np.arange(first + at, first + at + len(rows))
            yield Chunk(rows, index, None, round((index[-1] + 1) / stream.rate_hz * 1e9))
            at += len(rows)
        first += len(part)


def _eeg_parts(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Pieces of EEG, each led over into the next within its first second."""
    n_parts = int(np.ceil((EEG_HOURS * 3600.0 + SETTLE_S) / PART_S))
    fade_n = round(signals.EEG_HZ)
    fade = np.linspace(0.0, 1.0, fade_n)[:, None]
    tail = None
    for _ in range(n_parts):
        part = signals.eeg(rng, PART_S + 1.0, EEG_CHANNELS)
        if tail is not None:
            # Powers add up to one, so that the level stays what it is.
            part[:fade_n] = np.sqrt(fade) * part[:fade_n] + np.sqrt(1.0 - fade) * tail
        tail = part[-fade_n:]
        yield signals.eeg_counts(part[:-fade_n])


def _probe_parts(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """A loop of noise whose channels change places and signs in every turn.

    The shared field keeps its sign in all channels of a turn, and its end meets its beginning.
    """
    n = round(LOOP_S * signals.PROBE_HZ)
    private = signals.probe_counts(6.0 * rng.standard_normal((n, PROBE_CHANNELS), np.float32))
    field = 40.0 * bg.coloured(rng, n, signals.PROBE_HZ, 1.5, 1, oversample=1)
    field += 12.0 * rng.standard_normal((n, 1), np.float32)
    shared = signals.probe_counts(field)
    for _ in range(int(np.ceil((PROBE_S + SETTLE_S) / LOOP_S))):
        yield np.roll(private, int(rng.integers(n)), 0)[:, rng.permutation(PROBE_CHANNELS)] + shared


def play_eeg(seed: int) -> dict[str, Any]:
    """Three quarters of an hour of resting EEG without a fault."""
    rng = np.random.default_rng((seed, 11))
    alarms = _played(signals.eeg_stream(EEG_CHANNELS), _eeg_parts(rng), rng)
    return {"alarms": alarms.onsets, "hours": alarms.seconds / 3600.0 * EEG_CHANNELS}


def play_probe(seed: int) -> dict[str, Any]:
    """Five minutes of a probe of 384 channels without a fault."""
    rng = np.random.default_rng((seed, 12))
    alarms = _played(signals.probe_stream(PROBE_CHANNELS), _probe_parts(rng), rng)
    return {"alarms": alarms.onsets, "hours": alarms.seconds / 3600.0 * PROBE_CHANNELS}


def _counted(outcomes: Any, k: int) -> tuple[int, float]:
    alarms = sum(counts[k] for o in outcomes for counts in o["alarms"].values())
    return alarms, sum(o["hours"] for o in outcomes)


def _rate(k: int) -> Any:
    def statistic(outcomes: Any) -> float:
        alarms, hours = _counted(outcomes, k)
        return alarms / hours

    return statistic


def _poisson(k: int) -> Any:
    """Exact limits of a Poisson rate; Garwood 1936, Biometrika 28:437."""

    def limits(outcomes: Any) -> tuple[float, float]:
        alarms, hours = _counted(outcomes, k)
        low = stats.chi2.ppf(0.025, 2 * alarms) / 2 if alarms else 0.0
        return low / hours, stats.chi2.ppf(0.975, 2 * alarms + 2) / 2 / hours

    return limits


def blamed(outcomes: Any) -> str:
    """Which checks raised how many alarms, in words."""
    names: dict[str, list[int]] = {}
    for outcome in outcomes:
        for name, counts in outcome["alarms"].items():
            both = names.setdefault(name, [0, 0])
            both[0] += counts[0]
            both[1] += counts[1]
    return ", ".join(f"{n}: {w} WARN, {f} FAIL" for n, (w, f) in names.items() if w or f)


def _rows(what: str) -> tuple[Row, ...]:
    unit = "/ch-h"
    return (
        Row(f"false alarms, clean {what}", "FAIL", _rate(1), at_most=0.1, unit=unit,
            limits=_poisson(1), note=blamed),
        Row(f"false alarms, clean {what}", "WARN", _rate(0), at_most=1.0, unit=unit,
            limits=_poisson(0), note=blamed),
    )  # fmt: skip


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    return (
        Scenario("false-eeg", play_eeg, _rows("EEG, 15 h"), n_seeds=EEG_SEEDS),
        Scenario("false-probe", play_probe, _rows("probe, 640 ch-h"), n_seeds=PROBE_SEEDS),
    )
