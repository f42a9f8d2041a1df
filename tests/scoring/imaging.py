"""Bleaching, motion and focus of two-photon images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.ring import Piece
from tenmin.stream import Stream
from tests.scoring.play import chunks_of, needed, through_ring
from tests.scoring.score import Row, Scenario, worst_of

SECONDS, RATE_HZ = 600.0, 5.0
BUILT_S = 20.0  # the reference is built from the frames of the settling
FOCUS_UM = 3.0  # SD of the focus where it is scored
PLANES_UM = np.arange(-15.0, 16.0)  # science.md A.3.4: the reference stack


def play(seed: int) -> dict[str, float]:
    """Ten minutes that bleach with a time constant of 1000 to 5000 s, and move.

    Motion counts from the mean place of the frames that the reference is built from.
    """
    imaging, generator = needed("tenmin.checks.imaging"), needed("tenmin_simulators.imaging")
    rng = np.random.default_rng((seed, 13))
    tau_s = float(rng.uniform(1000.0, 5000.0))
    n = round(SECONDS * RATE_HZ)
    scope = generator.Imaging(rng, n, rate_hz=RATE_HZ, tau_s=tau_s)
    truth = scope.truth
    motion = imaging.Motion("imaging", shipped(), truth.um_per_px, truth.offset)
    fading = imaging.Fading("imaging", shipped(), truth.offset)
    found = np.full((n, 2), np.nan)
    for i, frame in frames_of(scope, n, rng):
        found[i] = motion.feed_frame(frame, i / RATE_HZ)
        fading.feed_frame(frame, i / RATE_HZ)
    built = round(BUILT_S * RATE_HZ)
    wanted = np.stack([truth.y_um, truth.x_um], axis=1)[:n]
    off = (found * truth.um_per_px - (wanted - wanted[:built].mean(axis=0)))[built:]
    loss = fading.verdict(SECONDS).value
    return {
        "loss": np.nan if loss is None else abs(loss - truth.loss_at(SECONDS)),
        "motion": float(np.sqrt((off**2).mean())),
    }


def play_axial(seed: int) -> dict[str, float]:
    """Ten minutes of a focus that drifts, against the stack of the same field."""
    focus, generator = needed("tenmin.checks.focus"), needed("tenmin_simulators.imaging")
    rng = np.random.default_rng((seed, 14))
    n = round(SECONDS * RATE_HZ)
    scope = generator.Imaging(rng, n, rate_hz=RATE_HZ, focus_um=FOCUS_UM)
    axial = focus.Axial("imaging", shipped(), scope.stack(PLANES_UM), 1.0, scope.truth.offset)
    window, each = round(10.0 * RATE_HZ), round(RATE_HZ)
    off = []
    for i, frame in frames_of(scope, n, rng):
        axial.feed_frame(frame, i / RATE_HZ)
        if i + 1 >= window and (i + 1) % each == 0:
            off.append(axial.focus_um() - scope.truth.z_um[i + 1 - window : i + 1].mean())
    return {"z": float(np.sqrt(np.mean(np.square(off))))}


def frames_of(scope: Any, n: int, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
    """Number and picture of each frame, through a ring."""
    height, width = scope.size
    stream = Stream(
        "imaging",
        tuple(str(k) for k in range(height * width)),
        RATE_HZ,
        "n/a",
        dtype="uint16",
        counter=True,
    )
    for at in range(0, n, 32):
        part = scope.frames(at, min(32, n - at)).reshape(-1, height * width)
        index = np.arange(at, at + len(part))
        piece: Piece
        for piece in through_ring(stream, chunks_of(part, RATE_HZ, rng, index=index, first=at)):
            for k, samples in enumerate(piece.samples):
                yield piece.index + k, samples.reshape(height, width)


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    return (
        Scenario(
            "imaging",
            play,
            (
                Row("bleaching loss at 600 s", "worst error", worst_of("loss"), at_most=1.0,
                    unit="points"),
                Row("xy motion", "worst RMS error", worst_of("motion"), at_most=0.2, unit="um"),
            ),
            n_seeds=20,
        ),
        Scenario(
            "axial",
            play_axial,
            (Row("z motion", "worst RMS error", worst_of("z"), at_most=1.5, unit="um"),),
            n_seeds=20,
        ),
    )  # fmt: skip
