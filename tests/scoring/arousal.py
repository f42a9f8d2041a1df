"""States of a simulated animal, told from wheel, camera and field; science.md C.3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from tenmin_simulators import background as bg
from tenmin_simulators import behaviour as sim

from tenmin.stream import Chunk, Stream
from tests.scoring.aroused import arousal_of
from tests.scoring.matching import calibration_error, confusion, kappa
from tests.scoring.play import chunks_of
from tests.scoring.score import Row, Scenario

SETTLE_S, SECONDS = 120.0, 600.0
WHEEL_HZ, CAMERA_HZ, FIELD_HZ = 100.0, 30.0, 1000.0
FIELD_CHANNELS = 8
N_STATES = 6
LOCOMOTION, DROWSY, ASLEEP = 5, 2, 1
LOG_PER_Z = 0.25  # of the delta ratio, log10
MOTION_PER_Z = 0.15  # of log(1 + M)
# Modalities, kappa of science.md C.3 and the states that must not be told.
DEGRADED: dict[str, tuple[tuple[str, ...], float, tuple[int, ...]]] = {
    "speed+face+LFP": (("speed", "face", "field"), 0.83, ()),
    "speed+face+pupil": (("speed", "face", "pupil"), 0.79, ()),
    "speed+LFP": (("speed", "field"), 0.68, (4,)),
    "face+pupil+LFP": (("face", "pupil", "field"), 0.57, (5,)),
    "pupil only": (("pupil",), 0.51, (5,)),
}
FULL = ("speed", "face", "pupil", "field")


def sources(
    seed: int, wanted: tuple[str, ...]
) -> tuple[sim.Behaviour, list[tuple[Stream, Iterator[Chunk]]]]:
    """Streams of an animal; the same animal whichever of them are wanted."""
    rng = np.random.default_rng((seed, 17))
    animal = sim.behave(rng, SETTLE_S + SECONDS + 10.0)
    found = []
    for name, make in (("speed", _wheel), ("face", _face), ("pupil", _pupil), ("field", _field)):
        own = np.random.default_rng((seed, 18, len(name)))
        if name in wanted:
            stream, samples = make(own, animal)
            chunks = chunks_of(samples, stream.rate_hz, own, index=np.arange(len(samples)))
            found.append((stream, chunks))
    return animal, found


def _times(rate_hz: float) -> np.ndarray:
    return np.arange(round((SETTLE_S + SECONDS + 1.0) * rate_hz)) / rate_hz


def _wheel(rng: np.random.Generator, animal: sim.Behaviour) -> tuple[Stream, np.ndarray]:
    counts = np.rint(animal.at("position_cm", _times(WHEEL_HZ)) * 100.0).astype(np.int32)
    stream = Stream(
        "wheel", ("position",), WHEEL_HZ, "meters", scale=1e-4, dtype="int32", kind="behavior",
        counter=True,
    )  # fmt: skip
    return stream, counts[:, None]


def _face(rng: np.random.Generator, animal: sim.Behaviour) -> tuple[Stream, np.ndarray]:
    z = animal.at("motion", _times(CAMERA_HZ))
    energy = np.exp(1.0 + MOTION_PER_Z * z) - 1.0
    energy *= 1.0 + 0.02 * rng.standard_normal(len(energy))
    stream = Stream(
        "face", ("motion_energy",), CAMERA_HZ, "n/a", dtype="float32", kind="behavior", counter=True
    )
    return stream, energy.astype(np.float32)[:, None]


def _pupil(rng: np.random.Generator, animal: sim.Behaviour) -> tuple[Stream, np.ndarray]:
    low, high = sim.PUPIL_MM
    mm = low + (high - low) * animal.at("pupil", _times(CAMERA_HZ))
    mm += 0.01 * rng.standard_normal(len(mm))
    stream = Stream(
        "eye", ("pupil_diameter",), CAMERA_HZ, "n/a", dtype="float32", kind="behavior", counter=True
    )
    return stream, mm.astype(np.float32)[:, None]


def _field(rng: np.random.Generator, animal: sim.Behaviour) -> tuple[Stream, np.ndarray]:
    """Background, and slow waves of 1 to 4 Hz whose power follows the animal's delta."""
    t = _times(FIELD_HZ)
    samples, _ = bg.background(rng, len(t), FIELD_HZ, bg.mixing(FIELD_CHANNELS, 4, 1.0), rms=30.0,
                               oversample=1)  # fmt: skip
    gain = 10.0 ** (LOG_PER_Z * animal.at("delta", t) / 2.0)
    slow = np.stack([_slow(rng, len(t)) for _ in range(FIELD_CHANNELS)], axis=1)
    samples += (60.0 * gain)[:, None] * slow
    stream = Stream(
        "field", tuple(f"L{c}" for c in range(FIELD_CHANNELS)), FIELD_HZ, "volts", scale=1e-7,
        dtype="int32", kind="ecephys", counter=True,
    )  # fmt: skip
    return stream, np.rint(samples * 10.0).astype(np.int32)


def _slow(rng: np.random.Generator, n: int) -> np.ndarray:
    f = np.fft.rfftfreq(n, 1.0 / FIELD_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[(f < 1.0) | (f > 4.0)] = 0.0
    wave = np.fft.irfft(spectrum, n)
    return wave / wave.std()


def tracked(seed: int, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Truth, live and final states, and confidence, tick by tick from t0 on."""
    animal, streams = sources(seed, wanted)
    tracker = arousal_of(streams, "animal", SETTLE_S)
    final = tracker.close()
    ticks = np.array([tick.t for tick in tracker.live])
    keep = (ticks > SETTLE_S) & (ticks <= SETTLE_S + SECONDS + 1e-6)
    live = np.array([tick.state for tick in tracker.live])[keep]
    done = np.array([tick.state for tick in final])[keep]
    sure = np.array([tick.confidence for tick in tracker.live])[keep]
    bins = np.rint(ticks[keep] / sim.LATTICE_S).astype(int) - 1
    return {
        "truth": animal.code[bins].astype(int),
        "live": live,
        "final": done,
        "confidence": sure,
        "t": ticks[keep],
        "stays": [s for s in animal.states if SETTLE_S < s.onset_s < SETTLE_S + SECONDS - 8.0],
    }


def _low(states: np.ndarray) -> np.ndarray:
    """Long drowsiness is sleep by rule; the simulated animal knows no such difference."""
    return np.where(states == ASLEEP, DROWSY, states)


def play(seed: int) -> dict[str, Any]:
    """One animal with all modalities."""
    found = tracked(seed, FULL)
    truth, live, final = found["truth"], _low(found["live"]), _low(found["final"])
    occupied = [abs(float((truth == s).mean() - (final == s).mean())) for s in range(2, N_STATES)]
    known = live != 0
    waits: dict[int, list[float]] = {LOCOMOTION: [], DROWSY: []}
    for stay in found["stays"]:
        if stay.code in waits:
            inside = (found["t"] > stay.onset_s) & (found["t"] <= stay.offset_s + 1.0)
            on = found["t"][inside & (live == stay.code)]
            waits[stay.code].append(float(on[0] - stay.onset_s) if len(on) else np.inf)
    return {
        "live": confusion(truth, live, N_STATES),
        "final": confusion(truth, final, N_STATES),
        "occupancy": max(occupied),
        "locomotion": waits[LOCOMOTION],
        "drowsy": waits[DROWSY],
        "confidence": found["confidence"][known],
        "right": (live == truth)[known].astype(float),
    }


def play_degraded(seed: int) -> dict[str, Any]:
    """The same animal with fewer modalities."""
    found = {}
    for name, (wanted, _, forbidden) in DEGRADED.items():
        one = tracked(seed, wanted)
        truth, live = one["truth"], _low(one["live"])
        told = sum(int((one[track] == s).sum()) for track in ("live", "final") for s in forbidden)
        # A state that cannot be told is what it merges into.
        merged = truth.copy()
        for state in forbidden:
            merged[truth == state] = {4: 3, 5: 4}[state]
        found[name] = {
            "table": confusion(truth, live, N_STATES),
            "merged": confusion(merged, live, N_STATES),
            "told": told,
        }
    return found


def _kappa(key: str) -> Any:
    return lambda outcomes: kappa(sum(o[key] for o in outcomes))


def _degraded(name: str) -> Any:
    return lambda outcomes: kappa(sum(o[name]["table"] for o in outcomes))


def _told(outcomes: Any) -> float:
    return float(sum(one["told"] for o in outcomes for one in o.values()))


def _wait(key: str, quantile: float) -> Any:
    def statistic(outcomes: Any) -> float:
        waits = [w for o in outcomes for w in o[key]]
        return float(np.quantile(waits, quantile, method="higher")) if waits else np.nan

    return statistic


def _missed(outcomes: Any) -> float:
    waits = [w for o in outcomes for key in ("locomotion", "drowsy") for w in o[key]]
    return float(np.mean(np.isinf(waits))) * 100.0 if waits else np.nan


def _calibration(outcomes: Any) -> float:
    return calibration_error(
        np.concatenate([o["confidence"] for o in outcomes]),
        np.concatenate([o["right"] for o in outcomes]),
    )


def _occupancy(outcomes: Any) -> float:
    return float(np.mean([o["occupancy"] for o in outcomes]))


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    full, part = "arousal, all modalities", "arousal without some"
    wheel = "wheel_test_1 (locomotion)"
    rows = (
        Row(full, "live kappa", _kappa("live"), at_least=0.78),
        Row(full, "final kappa", _kappa("final"), at_least=0.93),
        Row(full, "occupancy error, final", _occupancy, at_most=0.03),
        Row(full, "locomotion median", _wait("locomotion", 0.5), at_most=0.5, unit="s", real=wheel),
        Row(full, "locomotion p95", _wait("locomotion", 0.95), at_most=0.8, unit="s", real=wheel),
        Row(full, "drowsy median", _wait("drowsy", 0.5), at_most=7.0, unit="s"),
        Row(full, "stays missed", _missed, at_most=5.0, unit="%"),
        Row("confidence", "calibration error", _calibration, at_most=0.1),
    )
    degraded = (
        *(
            Row(f"arousal, {name}", "live kappa", _degraded(name), at_least=limit - 0.03)
            for name, (_, limit, _) in DEGRADED.items()
        ),
        Row(part, "unreachable states told", _told, at_most=0.0, exact=True),
    )
    return (
        Scenario("arousal", play, rows),
        Scenario("arousal-degraded", play_degraded, degraded, n_seeds=20),
    )
