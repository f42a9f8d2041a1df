"""Clocks, wheels, light pulses and cells of the real recordings."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.stream import Chunk, Stream
from tests.scoring.aroused import arousal_of
from tests.scoring.matching import balanced_accuracy, confusion, kappa
from tests.scoring.play import chunks_of, needed, watch
from tests.scoring.real import NO, PARTLY, Reader, Said, yes
from tests.scoring.recordings import abf, biosignalsplux, seconds_of

LOCOMOTION = 5
WALL = "%Y-%m-%d_%H:%M:%S.%f"


def drift(reference_s: np.ndarray, stream_s: np.ndarray) -> tuple[float, str]:
    """Drift of a stream, ppm, and the verdicts of Q32 to Q35 in words."""
    timing = needed("tenmin.checks.timing")
    points = timing.Points()
    points.add(reference_s, stream_s)
    stream = Stream("device", ("t",), 1.0, "n/a")
    checks = timing.sync_checks(stream, shipped(), points, hardware=False)
    # Two of three ticks raise a level.
    said = [[check.verdict(float(k)) for k in range(3)][-1] for check in checks]
    words = ", ".join(
        f"{v.check} {v.level}" + (f" {v.value:.2f} {v.unit}" if v.value is not None else "")
        for v in said
    )
    return points.line().ppm, words


def encoder(folder: Path) -> Iterator[Said]:
    """104 ppm between the encoder's clock and the host's; and a camera of -215 ppm."""
    with gzip.open(folder / "_iblrig_encoderPositions.raw.ssv.gz", "rt") as file:
        rows = [line.split() for line in file]
    device = np.array([float(r[1]) for r in rows]) * 1e-3
    # The file is written in units of a microsecond on the first field; see the ratio of the two.
    host = np.array([_iso(r[3]) for r in rows])
    host -= host[0]
    device -= device[0]
    scale = round(float(host[-1] / device[-1]), 3)
    device *= 10.0 ** np.round(np.log10(scale))
    keep = np.concatenate(([True], np.diff(device) > 0))
    ppm, words = drift(host[keep], device[keep])
    polyfit = (np.polyfit(host[keep] - host.mean(), device[keep], 1)[0] - 1) * 1e6
    yield Said(
        "_iblrig_encoderPositions.raw.ssv.gz",
        "104 ppm drift between device and host",
        f"{ppm:.1f} ppm (numpy's fit: {polyfit:.1f}); {words}",
        yes(abs(abs(ppm) - 104) < 3),
    )
    lines = (folder / "_iblrig_bodyCamera.timestamps.ssv").read_text().splitlines()
    host = np.array([_iso(line.split()[0]) for line in lines])
    packed = np.array([int(line.split()[1]) for line in lines], np.int64)
    camera = ((packed >> 25) & 127) + ((packed >> 12) & 8191) / 8000.0
    camera += (packed & 4095) / 3072.0 / 8000.0
    camera = np.unwrap(camera, period=128.0)
    ppm, words = drift(host - host[0], camera - camera[0])
    frames = needed("tenmin.checks.frames")
    missing = int(frames.missing_by_interval(camera).sum())
    yield Said(
        "_iblrig_bodyCamera.timestamps.ssv",
        "-215 ppm camera against host, no dropped frame",
        f"{ppm:.1f} ppm, {missing} frames missing by intervals of the camera's clock; {words}",
        yes(abs(abs(ppm) - 215) < 5 and missing == 0),
    )


def _iso(text: str) -> float:
    head, _, tail = text.partition(".")
    digits = "".join(c for c in tail[:7] if c.isdigit())
    zone = tail[len(digits) :]
    return datetime.fromisoformat(f"{head}.{digits[:6]}{zone}").timestamp() + int(
        digits[6:] or 0
    ) * 10.0 ** -len(digits)


def teensy(folder: Path) -> Iterator[Said]:
    """19 ppm between board and host, and one sync pulse that is missing."""
    timing = needed("tenmin.checks.timing")
    lines = (folder / "20-21-09_01-13-2023.csv").read_text().splitlines()[5:]
    parts = [line.split(",") for line in lines if line[:2] == "20"]
    host = seconds_of([p[0].strip() for p in parts], WALL)
    board = np.array([float(p[1]) for p in parts]) * 1e-3
    ppm, words = drift(host, board - board[0])
    yield Said(
        "20-21-09_01-13-2023.csv",
        "19 ppm drift",
        f"{ppm:.1f} ppm; {words}",
        yes(abs(abs(ppm) - 19) < 3),
    )
    lines = (folder / "20-21-09_01-13-2023_sync.csv").read_text().splitlines()[5:]
    pulses = np.array([float(line.split(",")[1]) for line in lines if line[:2] == "20"]) * 1e-3
    period = float(np.median(np.diff(pulses)))
    missing = needed("tenmin.checks.frames").missing_by_interval(pulses)
    n = len(pulses) + int(missing.sum())
    sent = pulses[0] + period * np.arange(n)
    here, _ = timing.pair_pulses(sent, pulses)
    yield Said(
        "20-21-09_01-13-2023_sync.csv",
        "1183 sync events every 110 ms, one missing (221 ms)",
        f"{len(pulses)} pulses, {missing.sum()} missing by intervals; paired with an even train: "
        f"{len(here)} pairs of {n} sent",
        PARTLY + ": the file has " + f"{int((np.diff(pulses) > 0.2).sum())} intervals of 221 ms"
        if int(missing.sum()) == int((np.diff(pulses) > 0.2).sum()) == 2
        else NO,
    )


def wheels(folder: Path) -> Iterator[Said]:
    """Onsets and offsets of movement, checked by hand; the state is locomotion or not."""
    found = np.load(folder / "wheel_test_1.npz")
    t, position = found["t"] - found["t"][0], found["pos"]
    onsets, offsets = found["move_onsets"] - found["t"][0], found["move_offsets"] - found["t"][0]
    stream = Stream(
        "wheel", ("position",), 0.0, "meters", scale=0.01, dtype="float64", kind="behavior",
        timed=True,
    )  # fmt: skip
    chunks = [
        Chunk(
            position[a : a + 50, None], None, t[a : a + 50], round(t[min(a + 49, len(t) - 1)] * 1e9)
        )
        for a in range(0, len(t), 50)
    ]
    tracker = arousal_of([(stream, iter(chunks))], "animal", 0.0)
    ticks = np.array([tick.t for tick in tracker.live])
    states = np.array([tick.state for tick in tracker.live])
    middle = ticks - 0.05
    moving = np.zeros(len(ticks), int)
    for a, b in zip(onsets, offsets):
        moving[(middle >= a) & (middle < b)] = 1
    speed = np.array([f.speed for f in tracker.raw])
    # The rule asks for 2 cm/s; hands mark any movement.
    table = confusion(moving, (states == LOCOMOTION).astype(int), 2)
    fast = [float(np.nanmax(speed[(middle >= a) & (middle < b + 0.3)], initial=0.0))
            for a, b in zip(onsets, offsets)]  # fmt: skip
    run = np.array(fast) > 2.0
    hit = [bool((states[(middle >= a) & (middle < b + 1.0)] == LOCOMOTION).any())
           for a, b in zip(onsets, offsets)]  # fmt: skip
    yield Said(
        "wheel_test_1.npz",
        f"{len(onsets)} movements, onsets and offsets checked by hand",
        f"kappa {kappa(table):.2f}, balanced accuracy {balanced_accuracy(table):.2f} by bin "
        f"against any movement; {int(run.sum())} movements pass 2 cm/s, "
        f"{int(np.array(hit)[run].sum())} of these are called locomotion; of the "
        f"{int((~run).sum())} slower ones "
        f"{int(np.array(hit)[~run].sum())}",
        yes(bool(np.array(hit)[run].mean() >= 0.9)),
    )


def miniscope(path: Path) -> Iterator[Said]:
    """Ten minutes of a wheel with movement and stillness; the radius is not told."""
    with gzip.open(path, "rt") as file:
        parts = [line.strip().split(",") for line in file if line.strip()]
    t = seconds_of([p[0] for p in parts], WALL)
    counts = np.array([float(p[1]) for p in parts])
    stream = Stream(
        "wheel", ("position",), 0.0, "meters", scale=1e-5, dtype="float64", kind="behavior",
        timed=True,
    )  # fmt: skip
    chunks = (
        Chunk(
            counts[a : a + 20, None], None, t[a : a + 20], round(t[min(a + 19, len(t) - 1)] * 1e9)
        )
        for a in range(0, len(t), 20)
    )
    tracker = arousal_of([(stream, chunks)], "animal", 0.0)
    states = np.array([tick.state for tick in tracker.live])
    seconds = np.floor(t).astype(int)
    still = np.array([np.ptp(counts[seconds == s]) == 0 if (seconds == s).any() else False
                      for s in range(seconds[-1] + 1)])  # fmt: skip
    tick_s = np.array([min(int(tick.t - 0.05), len(still) - 1) for tick in tracker.live])
    wrong = float((states[still[tick_s]] == LOCOMOTION).mean()) if still.any() else 0.0
    yield Said(
        path.name,
        "609.9 s with movement and stillness, no labels; 0.01 mm a count is taken",
        f"locomotion {np.mean(states == LOCOMOTION):.0%} of {len(states) / 10:.0f} s; in seconds "
        f"without one count of movement: {wrong:.1%}",
        yes(wrong < 0.05 and abs(len(states) / 10 - t[-1]) < 1.0),
    )


def lights(folder: Path) -> Iterator[Said]:
    """Two hubs that saw the same flashes: started apart, and joined by a cable."""
    timing = needed("tenmin.checks.timing")
    for names, documented, joined in (
        (("sync_light_1.h5", "sync_light_2.h5"), "offset to be found from the light", False),
        (("sync_cable_light.h5", "sync_cable_light.h5"), "joined by a cable: control", True),
    ):
        edges = []
        for k, name in enumerate(names):
            counts, _ = biosignalsplux(folder / name, "channel_1", k if joined else 0)
            middle = (np.percentile(counts, 2) + np.percentile(counts, 98)) / 2.0
            edges.append(np.flatnonzero(np.diff((counts > middle).astype(int)) == 1) / 1000.0)
        one, other = timing.pair_pulses(*edges)
        apart = other - one
        spread = float(np.ptp(apart)) * 1e3 if len(apart) else np.nan
        yield Said(
            " + ".join(sorted(set(names))),
            documented,
            f"{len(edges[0])} and {len(edges[1])} flashes, {len(one)} paired; offset "
            f"{np.median(apart) if len(apart) else np.nan:.3f} s, spread {spread:.0f} ms",
            yes(bool(len(one)) and spread < (20 if joined else 60)),
        )


ACCESS = {
    "171116sh_0011.abf": ("Ra 17 +- 0.3 MOhm", "OK"),
    "18808025.abf": ("Ra rises 23.5 to 27 MOhm", "FAIL"),
    "17o05026_vc_stim.abf": ("Ra 32 to 40 MOhm: fails 30 MOhm and 20 % change", "FAIL"),
    "model_vc_step.abf": ("model cell, Ra 14.9 by pyabf, stable", "OK"),
}


def patch(folder: Path) -> Iterator[Said]:
    """Access resistance sweep by sweep; drift of the resting potential."""
    membrane, checks = needed("tenmin.checks.membrane"), needed("tenmin.checks.patch")
    for name, (documented, expected) in ACCESS.items():
        cell = abf(folder / name)
        access = checks.Access("patch", shipped())
        told: list[Any] = []
        levels: dict[str, list[str]] = {}
        for sweep in cell.sweeps:
            test = membrane.membrane_test(
                sweep[: cell.stop], cell.rate_hz, cell.step, cell.step_mv, cell.low_pass_hz or None
            )
            for verdict in access.take(test):
                levels.setdefault(verdict.check, []).append(verdict.level)
            if test is not None:
                told.append(test.access_mohm)
        words = "; ".join(
            f"{check} FAIL in {said.count('FAIL')}, WARN in {said.count('WARN')}"
            for check, said in levels.items()
            if "FAIL" in said or "WARN" in said
        )
        failed = "FAIL" in levels["access"]
        yield Said(
            name,
            documented,
            f"Ra {min(told):.1f} to {max(told):.1f}, median {np.median(told):.1f} MOhm in "
            f"{len(told)} of {len(cell.sweeps)} sweeps; {words or 'no alarm'}",
            yes(failed == (expected == "FAIL")),
        )
    yield from _resting(folder / "File_axon_2.abf")


def _resting(path: Path) -> Iterator[Said]:
    checks = needed("tenmin.checks.patch")
    cell = abf(path)
    mv = cell.sweeps[0]
    stream = Stream(
        "patch", ("Vm",), cell.rate_hz, "volts", scale=1e-6, dtype="int32", kind="patch",
        counter=True, range_counts=(-200_000.0, 200_000.0),
    )  # fmt: skip
    counts = np.rint(mv * 1000).astype(np.int32)[:, None]
    seen = watch(
        stream,
        chunks_of(counts, cell.rate_hz, np.random.default_rng(0), index=np.arange(len(counts))),
        Setting(50.0),
        only=("resting",),
        extra=(checks.Resting,),
    )
    values, codes = seen.value("resting")[:, 0], seen.level("resting")[:, 0]
    first = [int(np.flatnonzero(codes >= k)[0]) if (codes >= k).any() else None for k in (2, 3)]
    yield Said(
        path.name,
        "rest drifts from -55 to -47 mV in 1200 s",
        f"change of the median of 10 s: {values[np.isfinite(values)][-1]:.1f} mV at the end, "
        f"at most {np.nanmax(np.abs(values)):.1f}; WARN from {first[0]} s, FAIL from {first[1]} s",
        yes(first[0] is not None),
    )


def units(path: Path) -> Iterator[Said]:
    """Current clamp that was saved in pA."""
    cell = abf(path)
    yield Said(
        path.name,
        "wrong unit (pA, -1600 to +800)",
        f"values {cell.sweeps.min():.0f} to {cell.sweeps.max():.0f}: no check judges units; the "
        "driver's description of the stream has to be right",
        "no check",
    )


FILES: tuple[tuple[str, Reader], ...] = (
    ("behaviour_ibl/session_ephys", encoder),
    ("behaviour_wheel_teensy", teensy),
    ("behaviour_ibl", wheels),
    ("behaviour_wheel_teensy/miniscope_wheel_2018-08-18.csv.gz", miniscope),
    ("sync_biosignalsplux", lights),
    ("patch_abf", patch),
    ("patch_abf/opto_aps_bad_units.abf", units),
)
