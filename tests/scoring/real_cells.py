"""Patch-clamp files: access resistance, resting potential, units."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.stream import Stream
from tests.scoring.play import Seen, chunks_of, needed, watch
from tests.scoring.real import PARTLY, Reader, Said, yes
from tests.scoring.recordings import Abf, abf

# File; as documented, that is as pyABF tells it; sweeps whose mean is one test.
ACCESS = {
    "171116sh_0011.abf": ("Ra 17 +- 0.3 MOhm, Rm 97 MOhm, by pyABF", 4),
    "18808025.abf": ("Ra rises from 23.5 to 27 MOhm, Rm above 1 GOhm, by pyABF", 4),
    "17o05026_vc_stim.abf": ("Ra 32 to 40 MOhm by pyABF: above 30, rise of 20 %", 2),
    "model_vc_step.abf": ("model cell: Ra 14.9 by pyABF, Rm 512 MOhm, perfectly stable", 4),
}


def circuit_access(cell: Abf, current: np.ndarray, n: int) -> float:
    """Rs by scipy: n exponentials through a four-pole Bessel filter, fitted from the step on, MOhm.

    Delay and corner of the filter (within a third) are fitted as well: nothing is extrapolated.
    """
    from scipy import optimize, signal

    t = np.arange(round(0.03 * cell.rate_hz)) / cell.rate_hz
    y = (current - current[: cell.step].mean())[cell.step : cell.step + len(t)]

    def through(shift_s: float, corner_hz: float, tau_s: float) -> np.ndarray:
        w = 2 * np.pi * corner_hz
        _, poles, gain = signal.bessel(4, w, analog=True, output="zpk", norm="mag")
        poles = np.append(poles, -1.0 / tau_s)
        late = t - shift_s
        parts = [
            gain / np.prod(pole - np.delete(poles, k)) * np.exp(pole * np.maximum(late, 0.0))
            for k, pole in enumerate(poles)
        ]
        return np.where(late > 0, np.sum(parts, axis=0).real, 0.0)

    def shapes(p: np.ndarray) -> np.ndarray:
        corner = cell.low_pass_hz * np.exp(p[1])
        taus = [1e6, *np.exp(p[2:])]
        return np.column_stack([through(p[0] * 1e-6, corner, tau) for tau in taus])

    def heights(p: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.linalg.lstsq(shapes(p), y, rcond=None)[0]
        return found

    start = np.array([50.0, 0.0, *np.log([2e-4, 1.5e-3, 8e-3][:n])])
    low = np.array([-50.0, -0.3, *[np.log(2e-5)] * n])
    high = np.array([400.0, 0.3, *[np.log(0.1)] * n])
    scale = np.array([20.0, 0.1, *[0.3] * n])
    found = optimize.least_squares(
        lambda p: shapes(p) @ heights(p) - y, start, x_scale=scale, bounds=(low, high)
    )
    return float(1e3 * cell.step_mv / heights(found.x).sum())


def patch(folder: Path) -> Iterator[Said]:
    """Access resistance, test by test."""
    membrane, checks = needed("tenmin.checks.membrane"), needed("tenmin.checks.patch")
    for name, (documented, n) in ACCESS.items():
        cell = abf(folder / name)
        whole = len(cell.sweeps) // n * n
        pulses = cell.sweeps[:whole].reshape(-1, n, cell.sweeps.shape[1]).mean(axis=1)
        access = checks.Access("patch", shipped())
        tests: list[Any] = []
        levels: dict[str, list[str]] = {}
        for pulse in pulses:
            test = membrane.membrane_test(
                pulse[: cell.stop], cell.rate_hz, cell.step, cell.step_mv, cell.low_pass_hz or None
            )
            tests += [test] if test is not None else []
            for verdict in access.take(test):
                levels.setdefault(verdict.check, []).append(verdict.level)
        told = [test.access_mohm for test in tests]
        alarms = "; ".join(
            f"{check} FAIL in {said.count('FAIL')}, WARN in {said.count('WARN')}"
            for check, said in levels.items()
            if "FAIL" in said or "WARN" in said
        )
        model = name.startswith("model")
        middle = np.median(cell.sweeps, axis=0)
        right = [circuit_access(cell, middle, k) for k in ((1,) if model else (2, 3))]
        near = min(right) * 0.85 < np.median(told) < max(right) * 1.15
        yield Said(
            name,
            documented,
            f"tests of {n} sweeps: Ra {told[0]:.1f} first, {told[-1]:.1f} last, median "
            f"{np.median(told):.1f} MOhm in {len(told)} of {len(pulses)} (the others UNKNOWN); "
            f"Rm {np.median([test.input_mohm for test in tests]):.0f} MOhm; "
            f"{alarms or 'no alarm'}; scipy's fit of the circuit with its filter: "
            + " or ".join(f"{r:.1f}" for r in right),
            (PARTLY if near else "**no**")
            + ": pyABF's own notes say that its test is not made for accuracy; ours agrees with "
            "the fit of the circuit"
            if near
            else "**no**: neither pyABF's nor scipy's value",
        )
    yield _resting(folder / "File_axon_2.abf")


def as_stream(cell: Abf, unit: str, scale: float) -> tuple[Stream, np.ndarray]:
    """The sweeps one after the other, as a stream of thousandths."""
    stream = Stream(
        "patch", ("cell",), cell.rate_hz, unit, scale=scale, dtype="int32", kind="patch",
        counter=True, range_counts=(-20_000_000.0, 20_000_000.0),
    )  # fmt: skip
    return stream, np.rint(cell.sweeps.reshape(-1, 1) * 1000).astype(np.int32)


def watched(cell: Abf, unit: str, scale: float, only: tuple[str, ...]) -> Seen:
    """Some checks of a cell's stream."""
    stream, counts = as_stream(cell, unit, scale)
    rng, index = np.random.default_rng(0), np.arange(len(counts))
    return watch(
        stream, chunks_of(counts, cell.rate_hz, rng, index=index), Setting(50.0), only=only
    )


def _resting(path: Path) -> Said:
    seen = watched(abf(path), "volts", 1e-6, ("resting", "units"))
    values, codes = seen.value("resting")[:, 0], seen.level("resting")[:, 0]
    first = [int(np.flatnonzero(codes >= k)[0]) if (codes >= k).any() else None for k in (2, 3)]
    unit = (seen.level("units") >= 2).sum()
    return Said(
        path.name,
        "rest drifts from -55 to -47 mV in 1200 s",
        f"change of the median of 10 s: {values[np.isfinite(values)][-1]:.1f} mV at the end, "
        f"at most {np.nanmax(np.abs(values)):.1f}; WARN from {first[0]} s, FAIL from {first[1]} s; "
        f"units WARN in {unit} s",
        yes(first[0] is not None and not unit),
    )


def wrong_unit(path: Path) -> Iterator[Said]:
    """Current clamp that was saved in pA."""
    cell = abf(path)
    for unit, scale, words in (
        ("millivolts", 1e-3, "as the potential that current clamp records, mV"),
        ("picoamperes", 1e-3, "as the current that the file says, pA"),
    ):
        seen = watched(cell, unit, scale, ("units", "leak"))
        known = np.isfinite(seen.value("units")[:, 0])
        on = seen.raised("units", 0)
        leak = seen.raised("leak", 0) if "leak" in seen.codes else np.zeros(1, bool)
        worst = np.nanmax(seen.value("units"))
        yield Said(
            path.name,
            f"wrong unit (pA, -1600 to +800); {words}",
            f"units: {worst:.1f} times its limit, raised in {on.sum()} of {known.sum()} s"
            + (f"; leak FAIL in {leak.sum()} s" if leak.any() else ""),
            yes(bool(on.any()))
            if unit == "millivolts"
            else PARTLY + ": nanoamperes can be; leak finds no cell in it"
            if leak.any() and not on.any()
            else yes(bool(on.any())),
        )


FILES: tuple[tuple[str, Reader], ...] = (
    ("patch_abf", patch),
    ("patch_abf/opto_aps_bad_units.abf", wrong_unit),
)
