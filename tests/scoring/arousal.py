"""States of a simulated animal, told from wheel, camera and field; science.md C.3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.fft import next_fast_len
from tenmin_simulators import background as bg
from tenmin_simulators import behaviour as sim

from tenmin.stream import Chunk, Stream
from tests.scoring.aroused import Extracted, extracted
from tests.scoring.matching import calibration_bins, calibration_error, confusion, kappa
from tests.scoring.play import chunks_of
from tests.scoring.score import Row, Scenario

SETTLE_S, SECONDS = 600.0, 600.0  # science.md A.2: no animal settles for less
SHORT_SETTLE_S = 120.0
WHEEL_HZ, CAMERA_HZ, FIELD_HZ = 100.0, 30.0, 250.0
FIELD_CHANNELS = 4
CHUNK_S = 0.5
N_STATES = 6
LOCOMOTION, DROWSY, ASLEEP = 5, 2, 1
LOG_PER_Z = 0.25  # of the delta ratio, log10
MOTION_PER_Z = 0.15  # of log(1 + M)
# Streams, kappa of science.md C.3 and the states that must not be told.
DEGRADED: dict[str, tuple[tuple[str, ...], float, tuple[int, ...]]] = {
    "speed+face+LFP": (("wheel", "face", "field"), 0.83, ()),
    "speed+face+pupil": (("wheel", "face", "eye"), 0.79, ()),
    "speed+LFP": (("wheel", "field"), 0.68, (4,)),
    "face+pupil+LFP": (("face", "eye", "field"), 0.57, (5,)),
    "pupil only": (("eye",), 0.51, (5,)),
}


def sources(seed: int) -> tuple[sim.Behaviour, list[tuple[Stream, Iterator[Chunk]]]]:
    """An animal and all its streams."""
    rng = np.random.default_rng((seed, 17))
    animal = sim.behave(rng, SETTLE_S + SECONDS + 15.0)
    found = []
    for k, make in enumerate((_wheel, _face, _pupil, _field)):
        own = np.random.default_rng((seed, 18, k))
        stream, samples = make(own, animal)
        index = np.arange(len(samples))
        chunks = chunks_of(samples, stream.rate_hz, own, index=index, chunk_s=CHUNK_S)
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
    wanted = len(_times(FIELD_HZ))
    t = np.arange(next_fast_len(wanted)) / FIELD_HZ
    samples, _ = bg.background(rng, len(t), FIELD_HZ, bg.mixing(FIELD_CHANNELS, 4, 1.0), rms=30.0,
                               oversample=1)  # fmt: skip
    gain = 10.0 ** (LOG_PER_Z * animal.at("delta", t) / 2.0)
    slow = np.stack([_slow(rng, len(t)) for _ in range(FIELD_CHANNELS)], axis=1)
    samples += (60.0 * gain)[:, None] * slow
    stream = Stream(
        "field", tuple(f"L{c}" for c in range(FIELD_CHANNELS)), FIELD_HZ, "volts", scale=1e-7,
        dtype="int32", kind="ecephys", counter=True,
    )  # fmt: skip
    return stream, np.rint(samples[:wanted] * 10.0).astype(np.int32)


def _slow(rng: np.random.Generator, n: int) -> np.ndarray:
    f = np.fft.rfftfreq(n, 1.0 / FIELD_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[(f < 1.0) | (f > 4.0)] = 0.0
    wave = np.fft.irfft(spectrum, n)
    return wave / wave.std()


def tracked(
    animal: sim.Behaviour,
    seen: Extracted,
    only: tuple[str, ...] | None = None,
    settle_s: float = SETTLE_S,
) -> dict[str, Any]:
    """Truth, live and final states, and confidence, tick by tick of the ten minutes from t0 on."""
    tracker = seen.told(settle_s, only=only)
    final = tracker.close()
    ticks = np.array([tick.t for tick in tracker.live])
    keep = (ticks > settle_s) & (ticks <= settle_s + SECONDS + 1e-6)
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
        "stays": [s for s in animal.states if settle_s < s.onset_s < settle_s + SECONDS - 8.0],
    }


def _low(states: np.ndarray) -> np.ndarray:
    """Long drowsiness is sleep by rule; the simulated animal knows no such difference."""
    return np.where(states == ASLEEP, DROWSY, states)


def play(seed: int) -> dict[str, Any]:
    """One animal: with all modalities, with some of them, and after a short settling."""
    animal, streams = sources(seed)
    seen = extracted(streams, "animal")
    short = tracked(animal, seen, settle_s=SHORT_SETTLE_S)
    return {
        **_whole(tracked(animal, seen)),
        "short": confusion(short["truth"], _low(short["live"]), N_STATES),
        "degraded": {
            name: _part(tracked(animal, seen, wanted), forbidden)
            for name, (wanted, _, forbidden) in DEGRADED.items()
        },
    }


def _whole(found: dict[str, Any]) -> dict[str, Any]:
    truth, live, final = found["truth"], _low(found["live"]), _low(found["final"])
    occupied = [abs(float((truth == s).mean() - (final == s).mean())) for s in range(2, N_STATES)]
    known = live != 0  # unknown is an error for kappa, but claims nothing
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
        "calibration": calibration_bins(found["confidence"][known], (live == truth)[known]),
    }


def _part(found: dict[str, Any], forbidden: tuple[int, ...]) -> dict[str, Any]:
    told = sum(int((found[track] == s).sum()) for track in ("live", "final") for s in forbidden)
    return {"table": confusion(found["truth"], _low(found["live"]), N_STATES), "told": told}


def _kappa(key: str) -> Any:
    return lambda outcomes: kappa(sum(o[key] for o in outcomes))


def _degraded(name: str) -> Any:
    return lambda outcomes: kappa(sum(o["degraded"][name]["table"] for o in outcomes))


def _told(outcomes: Any) -> float:
    return float(sum(one["told"] for o in outcomes for one in o["degraded"].values()))


def _wait(key: str, quantile: float) -> Any:
    def statistic(outcomes: Any) -> float:
        waits = [w for o in outcomes for w in o[key]]
        return float(np.quantile(waits, quantile, method="higher")) if waits else np.nan

    return statistic


def _missed(outcomes: Any) -> float:
    waits = [w for o in outcomes for key in ("locomotion", "drowsy") for w in o[key]]
    return float(np.mean(np.isinf(waits))) * 100.0 if waits else np.nan


def _calibration(outcomes: Any) -> float:
    return calibration_error(sum(o["calibration"] for o in outcomes))


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
        Row("arousal, 120 s of settling", "live kappa", _kappa("short")),
        *(
            Row(f"arousal, {name}", "live kappa", _degraded(name), at_least=limit - 0.03)
            for name, (_, limit, _) in DEGRADED.items()
        ),
        Row(part, "unreachable states told", _told, at_most=0.0, exact=True),
    )
    return (Scenario("arousal", play, (*rows, *degraded), n_seeds=120),)
