"""Access resistance and junction potential of patch clamp."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.stream import Stream
from tests.scoring.play import chunks_of, needed, through_ring
from tests.scoring.score import Row, Scenario, latency, worst_of

SECONDS = 60.0
AVERAGED = 4  # pulses for one measurement: two seconds
PULSE_S = 0.02
REAL = "pyABF files"
BATH = {"Na": 151.25, "K": 2.5, "Cl": 132.5, "HCO3": 25, "H2PO4": 1.25, "Ca": 2, "Mg": 1}
GLUCONATE = {"K": 140, "gluconate": 130, "Cl": 18, "Na": 8, "Mg": 4}
CESIUM = {"Cs": 130, "CH3SO3": 130, "Cl": 10, "Na": 10}
JUNCTIONS = (  # science.md B.6
    (GLUCONATE, GLUCONATE, 30.0, 0.0),
    ({"K": 150, "Cl": 150}, {"Na": 150, "Cl": 150}, 25.0, 4.357),
    ({"K": 3000, "Cl": 3000}, {"Na": 150, "Cl": 150}, 25.0, -0.873),
    (GLUCONATE, BATH, 25.0, 14.298),
    (GLUCONATE, BATH, 34.0, 14.730),
    (CESIUM, BATH, 25.0, 10.090),
)


def play(seed: int) -> dict[str, Any]:
    """A minute in which the access rises from 10 to 15 MOhm; unfiltered, 10 and 2 kHz."""
    from tests.scoring.matching import Counts

    found: dict[str, Any] = {}
    flagged = []
    for name, corner_hz in (("open", None), ("10 kHz", 10_000.0), ("2 kHz", 2000.0)):
        errors, late_s = _measured(seed, corner_hz)
        found[name] = float(np.quantile(errors, 0.95)) * 100.0
        flagged.append(late_s)
    found["flagged"] = Counts(len(flagged), 0, 0, tuple(flagged))
    return found


def _measured(seed: int, corner_hz: float | None) -> tuple[np.ndarray, float]:
    """Relative errors of the access, and how late its rise by 20 % is flagged, seconds."""
    generator, membrane = needed("tenmin_simulators.patch"), needed("tenmin.checks.membrane")
    checks = needed("tenmin.checks.patch")
    rng = np.random.default_rng((seed, 14))
    clamp = generator.Clamp(rng, SECONDS, corner_hz=corner_hz)
    truth, rate_hz = clamp.truth, clamp.rate_hz
    stream = Stream(
        "patch", ("current", "command", "reading"), rate_hz, "n/a", dtype="float64", counter=True
    )
    access = checks.Access("patch", shipped())
    n, errors, flagged = round(SECONDS * rate_hz), [], np.inf
    per_pulse = round(clamp.period_s * rate_hz)
    held: list[np.ndarray] = []
    kept = np.empty((0, 3))
    pulse = 0

    def parts() -> Any:
        for first in range(0, n, per_pulse):
            part = clamp.samples(first, min(per_pulse, n - first))
            index = np.arange(first, first + len(part))
            yield from chunks_of(part, rate_hz, rng, index=index, first=first)

    for piece in through_ring(stream, parts()):
        kept = np.concatenate([kept, piece.samples])
        while len(kept) >= per_pulse:
            current, command = kept[:per_pulse, 0], kept[:per_pulse, 1]
            kept = kept[per_pulse:]
            pulse += 1
            step = int(np.flatnonzero(np.diff(command) < -1.0)[0]) + 1
            held.append(current[step - 500 : step + round(PULSE_S * rate_hz)])
            if len(held) < AVERAGED:
                continue
            test = membrane.membrane_test(
                np.mean(held, axis=0), rate_hz, 500, generator.STEP_MV, corner_hz
            )
            held = []
            told = {v.check: v.level for v in access.take(test)}
            there = truth.rs_mohm[pulse - AVERAGED : pulse].mean()
            errors.append(np.inf if test is None else abs(test.access_mohm / there - 1.0))
            if told["access_change"] in ("WARN", "FAIL"):
                flagged = min(flagged, pulse * clamp.period_s)
    return np.array(errors), flagged - truth.crossings_s[20]


def play_junction(seed: int) -> dict[str, float]:
    """The table of known junction potentials."""
    junction = needed("tenmin.checks.junction")
    errors = [
        abs(junction.junction_potential(pipette, bath, t) - mv)
        for pipette, bath, t, mv in JUNCTIONS
    ]
    return {"error": max(errors)}


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    access = "Rs, 10 to 15 MOhm"
    return (
        Scenario(
            "patch",
            play,
            (
                Row(access, "error, 95 %, unfiltered", worst_of("open"), at_most=2.0, unit="%"),
                Row(access, "error, 95 %, 10 kHz", worst_of("10 kHz"), unit="%"),
                Row(access, "error, 95 %, 2 kHz", worst_of("2 kHz"), at_most=10.0, unit="%",
                    real=REAL),
                Row("rise of Rs by 20 %", "latest flag", latency("flagged", 1.0), at_most=10.0,
                    unit="s"),
            ),
            n_seeds=20,
        ),
        Scenario(
            "junction",
            play_junction,
            (Row("LJP, table B.6", "worst error", worst_of("error"), at_most=0.01, unit="mV",
                 exact=True, real="formula"),),
            n_seeds=1,
        ),
    )  # fmt: skip
