"""Pupils and calcium imaging of the real recordings."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.stream import Stream
from tests.scoring.play import chunks_of, needed, through_ring, watch
from tests.scoring.real import Reader, Said, yes


def pupil_checks(trace: np.ndarray, names: tuple[str, ...], rate_hz: float) -> list[Any]:
    """Verdicts of Q20 on pupils, after the last sample."""
    module = needed("tenmin.checks.pupil")
    stream = Stream("eye", names, rate_hz, "n/a", dtype="float64", kind="behavior", counter=True)
    made = [module.PupilLost(stream, shipped()), module.PupilNoise(stream, shipped())]
    rng, index = np.random.default_rng(0), np.arange(len(trace))
    for piece in through_ring(stream, chunks_of(trace, rate_hz, rng, index=index)):
        for check in made:
            check.feed(piece)
    # Two of three ticks raise a level.
    return [[check.verdict(float(k)) for k in range(3)][-1] for check in made]


def eyelink(path: Path) -> Iterator[Said]:
    """Forty seconds of both eyes of a person: the pupil is zero in a blink."""
    with gzip.open(path, "rt") as file:
        rows = [line.split() for line in file if line[:1].isdigit()]

    def number(text: str) -> float:
        return np.nan if text == "." else float(text)

    area = np.array([[number(row[3]), number(row[6])] for row in rows])
    gaze = np.array([[number(row[1]), number(row[4])] for row in rows])
    lost, noise = pupil_checks(area, ("pupil_left", "pupil_right"), 500.0)
    share = (~(area > 0)).mean(axis=0)
    yield Said(
        path.name,
        "human pupil with blinks: pupil 0, gaze missing 2-3 %",
        f"pupil_lost {lost.level} {lost.value:.1%} (zero in {share[0]:.1%} and {share[1]:.1%}, "
        f"gaze missing in {np.isnan(gaze).mean():.1%}); pupil_snr {noise.level} "
        + (f"{noise.value:.0f}" if noise.value is not None else ""),
        yes(lost.level == "OK" and abs(lost.value - share.max()) < 0.001),
    )


def rodent(path: Path) -> Iterator[Said]:
    """Two hundred frames of a mouse's pupil."""
    raw = np.load(path)[:, :1]
    rate_hz = 30.0  # not told; of the camera of the same rig
    lost, noise = pupil_checks(raw, ("pupil_diameter",), rate_hz)
    yield Said(
        path.name,
        "200 frames of a mouse's pupil, 23 NaN",
        f"pupil_lost {lost.level} {lost.value:.1%} of {len(raw) / rate_hz:.0f} s (30 Hz taken); "
        f"pupil_snr {noise.level}: needs 10 s",
        yes(abs(lost.value * len(raw) - 23) < 0.5),
    )


def light(traces: np.ndarray, rate_hz: float, dark: str | None) -> tuple[str, int]:
    """What brightness and bleaching say, and how many seconds there were."""
    stream = Stream(
        "rois", tuple(f"roi{k}" for k in range(traces.shape[1])), rate_hz, "n/a", dtype="float64",
        kind="behavior", counter=True, facts={} if dark is None else {"dark_offset": dark},
    )  # fmt: skip
    rng, index = np.random.default_rng(0), np.arange(len(traces))
    chunks = chunks_of(traces, rate_hz, rng, index=index)
    seen = watch(stream, chunks, Setting(50.0), only=("brightness", "bleaching"))
    words = []
    for name in ("brightness", "bleaching"):
        known, on = np.isfinite(seen.value(name)), seen.level(name) >= 2
        words.append(
            f"{name} raised in {on[known].mean():.0%} of the seconds and traces that are judged"
            if known.any()
            else f"{name} UNKNOWN"
        )
    return ", ".join(words), len(seen.ticks_s)


def miniscope(path: Path) -> Iterator[Said]:
    """Twenty minutes of ten neurons seen by a miniscope, stamped evenly."""
    file = h5py.File(io.BytesIO(gzip.decompress(path.read_bytes())))
    series = file["processing/ophys/Fluorescence/RoiResponseSeries"]
    data, stamps = series["data"][:].astype(float), series["timestamps"][:]
    missing = int(needed("tenmin.checks.frames").missing_by_interval(stamps).sum())
    words, judged = light(data, 30.0, None)
    yield Said(
        path.name,
        "10 ROIs, 35 790 frames of 30 Hz, 1193 s; regular, no drops",
        f"{len(stamps)} frames, {missing} missing by intervals; {judged} s; {words}: the "
        "dark level is not told, and these are traces without a baseline",
        yes(missing == 0 and "UNKNOWN" in words),
    )


def two_photon(folder: Path) -> Iterator[Said]:
    """Fluorescence of a plane, and how each frame had to be shifted."""
    traces, is_cell = np.load(folder / "F.npy").T, np.load(folder / "iscell.npy")[:, 0] > 0
    shifts = np.load(folder / "ops_subset.npz")
    words, judged = light(traces[:, is_cell].astype(float), 10.0, "0")
    moved = np.hypot(shifts["xoff"], shifts["yoff"])
    yield Said(
        "suite2p_A0662/F.npy, ops_subset.npz",
        "20 cells, 2000 frames of 10 Hz; registration shifts are real motion of the brain",
        f"{judged} s; {words}, a dark level of 0 taken; the shifts (RMS "
        f"{np.sqrt((moved**2).mean()):.1f}, at most {moved.max():.0f} pixels) are not judged: "
        "motion is measured in pictures, which are not there, and micrometres a pixel are not told",
        "simulated only: motion",
    )


FILES: tuple[tuple[str, Reader], ...] = (
    ("pupil_eyelink/002_rlmw_samples_short.asc.gz", eyelink),
    ("behaviour_ibl/pupil_diameter.npy", rodent),
    ("ophys_calcium/A6512-210915.nwb.gz", miniscope),
    ("ophys_calcium/suite2p_A0662", two_photon),
)
