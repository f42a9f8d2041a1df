"""What the settling says of an animal: scales of the z scores and thresholds; science.md C.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tenmin.checks.arousal.animal import Thresholds
from tenmin.checks.arousal.features import NAN, Features
from tenmin.checks.arousal.levels import Scale, border, middle_scale, scale, two_modes
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.smoothing import TICK_S
from tenmin.checks.robust import MAD_TO_SIGMA

SCALED = ("motion", "delta", "emg")
FEW = "too few values, threshold as shipped"
ONE = "one mode only, threshold as shipped for a rig"
RESTLESS = "few bins at rest, measured in others as well"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How features become z scores, and where their thresholds lie; stored with the track.

    Attributes
    ----------
    motion, delta, emg : Scale or None
        None while there are too few values.
    thresholds : Thresholds
    notes : tuple of str
        Where a default stands in for what the ticks did not show.
    """

    motion: Scale | None
    delta: Scale | None
    emg: Scale | None
    thresholds: Thresholds
    notes: tuple[str, ...] = ()

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


def calibrate(
    raw: Sequence[Features],
    rules: Ruleset,
    places: tuple[np.ndarray, np.ndarray] | None = None,
) -> Calibration:
    """Scales and thresholds from the ticks of the settling.

    Parameters
    ----------
    raw : sequence of Features
        As the extractors gave them.
    rules : Ruleset
    places : tuple of ndarray, (n_ticks,), optional
        The pupil's place in its range and its rate, instead of those in `raw`.

    Notes
    -----
    Where two modes of a feature part, the lower one is the still or waking animal's: it gives the
    scale, and the threshold lies between the two; else all values give the scale, and the
    threshold is the rig's default, which counts in spreads. Delta is looked at while the animal
    is still, the pupil while it is still, awake and the pupil rests: its centre is the median of
    such bins, its unit their robust SD times ``unit_sd``. What rests on too little is noted.
    """

    def column(name: str) -> np.ndarray:
        return np.array([getattr(f, name) for f in raw], float)

    least = round(rules["settle"]["least_s"] / TICK_S)
    pupil, rate = (column("pupil"), column("pupil_rate")) if places is None else places
    standing = ~(column("speed") > rules["speed"]["off"])
    found, moving = {}, ~standing
    for name in ("motion", "emg"):
        values = column(name)
        found[name] = level = body_level(values, standing, name, least, rules)
        if not (name == "emg" and found["motion"].scale):
            moving = moving | (z_of(values, level.scale) > rules["animal"]["off"] * level.unit)
    still = lasting(~moving, round(rules["animal"]["still_s"] / TICK_S))
    delta = column("delta")
    found["delta"] = level = brain_level(delta, still, least, rules)
    if level.scale is not None:
        awake = still & ~(z_of(delta, level.scale) > level.unit)
    else:
        told = np.isfinite(column("speed")) | np.isfinite(column("motion"))
        awake = still & ~small(np.where(still & told, pupil, np.nan), rules)
    rests = np.abs(rate) < rules["pupil"]["still_rate"]
    centre, unit, note = pupil_levels(pupil, (awake & rests, awake, ~moving), rules)
    motion, emg, delta_ = (found[name] for name in ("motion", "emg", "delta"))
    thresholds = Thresholds(motion.unit, delta_.unit, emg.unit, centre, unit)
    notes = [f"{name}: {its.note}" for name, its in found.items() if its.note]
    notes += [f"pupil: {note}"] if note else []
    return Calibration(motion.scale, delta_.scale, emg.scale, thresholds, tuple(notes))


@dataclass(frozen=True, slots=True)
class Level:
    """The scale of a feature, its threshold as a z score, and what it is short of."""

    scale: Scale | None
    unit: float
    note: str = ""


def body_level(
    values: np.ndarray, standing: np.ndarray, name: str, least: int, rules: Ruleset
) -> Level:
    """The level of motion or muscle: of what stands, if this parts; else of running as well."""
    found = level_of(np.where(standing, values, np.nan), name, least, rules)
    return found if not found.note else level_of(values, name, least, rules)


def brain_level(values: np.ndarray, still: np.ndarray, least: int, rules: Ruleset) -> Level:
    """The level of delta while the animal is still; of all bins where it hardly ever was."""
    found = level_of(np.where(still, values, np.nan), "delta", least, rules)
    if found.scale is None and np.isfinite(values).sum() >= least:
        found = replace(level_of(values, "delta", least, rules), note=RESTLESS)
    return found


def level_of(values: np.ndarray, name: str, least: int, rules: Ruleset) -> Level:
    """Scale of the lower of two modes and the border between them; values held count once."""
    own, final = rules[name], rules["final"]
    make = middle_scale if name == "delta" else scale
    if np.isfinite(values).sum() < least:
        return Level(None, own["unit"], FEW if np.isfinite(values).any() else "")
    known = np.unique(values[np.isfinite(values)])
    modes = two_modes(known)
    parted = modes is not None and modes.ashman_d > final["ashman_d"]
    if modes is not None and parted and modes.share >= final["least_share"]:
        its = make(known[known < modes.middle])
        if its and its.z(modes.middle) >= own["unit"]:
            return Level(its, its.z(modes.middle))
    its = make(known)
    least_unit = own.get("least_log", 0.0) / its.sigma if its else 0.0
    return Level(its, max(own["rig_unit"], least_unit), ONE)


def small(pupil: np.ndarray, rules: Ruleset) -> np.ndarray:
    """Where a still animal's pupil lies in the lower of two modes, (n_ticks,), bool."""
    final = rules["final"]
    at = border(pupil, final["ashman_d"], final["least_share"], -np.inf)
    return np.zeros(len(pupil), bool) if at is None else pupil < at


def lasting(values: np.ndarray, n: int) -> np.ndarray:
    """Where values were true for the last `n` as well, (n_ticks,), bool."""
    false = np.where(values, -n, np.arange(len(values)))
    return np.arange(len(values)) - np.maximum.accumulate(false) >= n if len(values) else values


def z_of(values: np.ndarray, its: Scale | None) -> np.ndarray:
    """The z scores, NaN without a scale."""
    return np.full(len(values), np.nan) if its is None else (values - its.mode) / its.sigma


def pupil_levels(
    pupil: np.ndarray, kinds: Sequence[np.ndarray], rules: Ruleset
) -> tuple[float, float, str]:
    """Centre, unit and note of the pupil: of the first kind of bins that are not too few.

    Parameters
    ----------
    pupil : ndarray, (n_ticks,)
    kinds : sequence of ndarray of bool, (n_ticks,)
        The strictest one first.
    rules : Ruleset
    """
    own = rules["pupil"]
    least = round(own["least_quiet_s"] / TICK_S)
    for kind in kinds:
        known = pupil[kind & np.isfinite(pupil)]
        if len(known) >= least:
            centre = float(np.median(known))
            sd = MAD_TO_SIGMA * float(np.median(np.abs(known - centre)))
            unit = min(max(own["unit_sd"] * sd, own["unit_least"]), own["unit_most"])
            return centre, unit, "" if kind is kinds[0] else RESTLESS
    return own["centre"], own["unit"], FEW if np.isfinite(pupil).any() else ""
