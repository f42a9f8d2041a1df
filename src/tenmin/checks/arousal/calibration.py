"""What the settling says of an animal: scales of the z scores and thresholds; science.md C.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tenmin.checks.arousal.animal import Thresholds
from tenmin.checks.arousal.features import NAN, Features
from tenmin.checks.arousal.levels import Scale, border, scale
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S
from tenmin.checks.robust import MAD_TO_SIGMA

SCALED = ("motion", "delta", "emg")


@dataclass(frozen=True, slots=True)
class Calibration:
    """How features become z scores, and where their thresholds lie; stored with the track.

    Attributes
    ----------
    motion, delta, emg : Scale or None
        None while there are too few values.
    thresholds : Thresholds
    """

    motion: Scale | None
    delta: Scale | None
    emg: Scale | None
    thresholds: Thresholds

    def apply(self, raw: Features) -> Features:
        """The features of a tick with z scores; NaN where there is no scale."""
        scaled = {}
        for name in SCALED:
            its: Scale | None = getattr(self, name)
            scaled[name] = NAN if its is None else its.z(getattr(raw, name))
        return replace(raw, **scaled)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for the file."""
        return asdict(self)

    @property
    def complete(self) -> bool:
        """Whether there is any scale."""
        return any(getattr(self, name) is not None for name in SCALED)


def calibrate(raw: Sequence[Features], rules: Ruleset) -> Calibration:
    """Scales and thresholds from the ticks of the settling.

    Parameters
    ----------
    raw : sequence of Features
        As the extractors gave them.
    rules : Ruleset

    Notes
    -----
    A threshold lies where two modes part, if there are two; else at the rig's default, which
    counts in spreads of the still animal. The pupil's centre is the median of still, non-dilating
    bins, its unit their robust SD times ``unit_sd``.
    """

    def column(name: str) -> np.ndarray:
        return np.array([getattr(f, name) for f in raw], float)

    least = round(rules["settle"]["least_s"] / TICK_S)
    motion, delta, emg = (column(name) for name in SCALED)
    motion_scale, emg_scale = scaled(motion, least), scaled(emg, least)
    motion_unit = unit_of(z_of(motion, motion_scale), "motion", rules)
    emg_unit = unit_of(z_of(emg, emg_scale), "emg", rules)
    off = rules["animal"]["off"]
    still = ~(column("speed") > rules["speed"]["off"])
    if motion_scale is not None:
        still &= ~(z_of(motion, motion_scale) > off * motion_unit)
    elif emg_scale is not None:
        still &= ~(z_of(emg, emg_scale) > off * emg_unit)
    delta_scale = scaled(np.where(still, delta, np.nan), least)
    z = z_of(delta, delta_scale)
    delta_unit = unit_of(np.where(still, z, np.nan), "delta", rules)
    own = rules["pupil"]
    quiet = still & ~(z > delta_unit) & (np.abs(column("pupil_rate")) < own["still_rate"])
    centre, unit = pupil_levels(np.where(quiet, column("pupil"), np.nan), least, rules)
    thresholds = Thresholds(motion_unit, delta_unit, emg_unit, centre, unit)
    return Calibration(motion_scale, delta_scale, emg_scale, thresholds)


def scaled(values: np.ndarray, least: int) -> Scale | None:
    """The scale of values, if there are at least so many; values that are held count once."""
    return scale(np.unique(values)) if np.isfinite(values).sum() >= least else None


def z_of(values: np.ndarray, its: Scale | None) -> np.ndarray:
    """The z scores, NaN without a scale."""
    return np.full(len(values), np.nan) if its is None else (values - its.mode) / its.sigma


def unit_of(z: np.ndarray, name: str, rules: Ruleset) -> float:
    """Threshold of a z score: where two modes part, not below that of C.3; else the rig's own."""
    own, final = rules[name], rules["final"]
    at = border(z, final["ashman_d"], final["least_share"], own["unit"])
    return own["rig_unit"] if at is None else max(at, own["unit"])


def pupil_levels(quiet: np.ndarray, least: int, rules: Ruleset) -> tuple[float, float]:
    """Centre and unit of the pupil from its quiet bins; those of C.3 where these are few."""
    own = rules["pupil"]
    known = quiet[np.isfinite(quiet)]
    if len(known) < least:
        return own["centre"], own["unit"]
    centre = float(np.median(known))
    sd = MAD_TO_SIGMA * float(np.median(np.abs(known - centre)))
    return centre, min(max(own["unit_sd"] * sd, own["unit_least"]), own["unit_most"])
