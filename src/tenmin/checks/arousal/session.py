"""The arousal of one block, from the settling to the final track."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tenmin.checks.arousal import final, human
from tenmin.checks.arousal.animal import Animal
from tenmin.checks.arousal.calibration import Calibration, calibrate
from tenmin.checks.arousal.features import NAMES, Features, known
from tenmin.checks.arousal.human import Human, Personal, personal
from tenmin.checks.arousal.levels import Scale
from tenmin.checks.arousal.network import Network
from tenmin.checks.arousal.pupil import Place, settled_pupil
from tenmin.checks.arousal.ruleset import Ruleset, shipped
from tenmin.checks.arousal.smoothing import TICK_S
from tenmin.checks.arousal.states import Tick
from tenmin.checks.arousal.suppression import Anaesthetised
from tenmin.checks.robust import MAD_TO_SIGMA

HUMAN, ANIMAL, ANAESTHESIA, IN_VITRO = "human", "animal", "anaesthesia", "in_vitro"
FAMILIES = {  # conditions of protocols
    "EO_fix": HUMAN,
    "EC": HUMAN,
    "headfixed_taskfree": ANIMAL,
    "freely_moving": ANIMAL,
    "anaesth": ANAESTHESIA,
    "exvivo": IN_VITRO,
    "invitro": IN_VITRO,
}


def family(condition: str) -> str:
    """Whose rules a protocol's condition asks for.

    Raises
    ------
    KeyError
        No rules are known for it.
    """
    return FAMILIES[condition]


class Arousal:
    """Features in, ticks out: the live track as it goes, the final one when closed.

    Parameters
    ----------
    kind : str
        As of `family`.
    rules : Ruleset, optional
    eyes : str
        ``open`` or ``closed``; people only.

    Attributes
    ----------
    times : list of float
    raw : list of Features
        As the extractors gave them, and the pupil's place in its range as known then.
    live : list of Tick
        Never changed afterwards.
    """

    def __init__(self, kind: str, rules: Ruleset | None = None, eyes: str = human.OPEN) -> None:
        self.kind, self.rules = kind, rules or shipped()
        self.times: list[float] = []
        self.raw: list[Features] = []
        self.live: list[Tick] = []
        self._eyes = eyes
        self._n_settle = 0
        self._frozen = self._has_pupil = False
        self._calibration = calibrate([], self.rules)
        self._final_calibration: Calibration | None = None
        self._personal = Personal()
        self._scale: Scale | None = None
        self._tracker = self._new()
        self._place = Place(self.rules)

    @classmethod
    def again(
        cls,
        kind: str,
        times: Sequence[float],
        raw: Sequence[Features],
        settling: int,
        rules: Ruleset | None = None,
        eyes: str = human.OPEN,
    ) -> Arousal:
        """A block whose features were kept: it can be closed, and has no live track.

        Parameters
        ----------
        kind : str
        times : sequence of float
            Of the ticks, seconds.
        raw : sequence of Features
            As `raw` of the one that saw them.
        settling : int
            How many of them came before the block began.
        rules : Ruleset, optional
        eyes : str
        """
        made = cls(kind, rules, eyes)
        made.times, made.raw = list(times), list(raw)
        made._has_pupil = any(known(f.pupil_size) for f in raw)
        own, n = made.rules["settle"], len(raw)
        frozen = max(settling + 1, math.ceil(own["freeze_s"] / TICK_S - 1e-6))
        made._n_settle = frozen if frozen <= n else n - n % made._between(n)
        if made._n_settle:
            made._estimate(made.raw[: made._n_settle])
        return made

    def _new(self) -> Animal | Human | Anaesthetised | Network:
        if self.kind == HUMAN:
            return Human(self.rules, self._personal, self._eyes)
        if self.kind == IN_VITRO:
            return Network(self.rules, self._scale)
        if self.kind == ANAESTHESIA:
            return Anaesthetised(self.rules, self._calibration.thresholds)
        return Animal(self.rules, self._calibration.thresholds)

    def step(self, t: float, raw: Features, settling: bool) -> Tick:
        """The live state at `t`, seconds.

        Parameters
        ----------
        t : float
            End of the bin; ticks come in order, 0.1 s apart.
        raw : Features
            As the extractors gave them.
        settling : bool
            Whether the block has not begun. What is learnt until then is frozen; where the
            settling was too short it goes on until there is a minute.
        """
        if known(raw.pupil_size):
            self._has_pupil = True
        if self._has_pupil:
            p, rate = self._place.step(raw.pupil_size)
            raw = replace(raw, pupil=p, pupil_rate=rate)
        self.times.append(t)
        self.raw.append(raw)
        self._learn(settling)
        tick = self._tracker.step(t, self._calibration.apply(raw))
        self.live.append(tick)
        return tick

    def _learn(self, settling: bool) -> None:
        if self._frozen:
            return
        own, n = self.rules["settle"], len(self.raw)
        enough = n * TICK_S >= own["freeze_s"]
        self._frozen = enough and not settling
        if self._frozen:
            self._place.freeze()
        if self._frozen or n % self._between(n) == 0:
            self._n_settle = n
            self._estimate(self.raw)

    def _between(self, n: int) -> int:
        """How many ticks lie between two estimates after `n`: each one goes through them all."""
        own = self.rules["settle"]
        late = n * TICK_S >= own["later_s"]
        return round((own["later_every_s"] if late else own["every_s"]) / TICK_S)

    def _estimate(self, raw: list[Features]) -> None:
        tracker = self._tracker
        if isinstance(tracker, Human):
            self._personal = personal(raw, self.rules)
            tracker.know(self._personal)
        elif isinstance(tracker, Network):
            tracker.scale = self._scale = _activity(raw)
        else:
            # Places in the range of now: those of earlier ticks were in narrower ones.
            self._calibration = calibrate(raw, self.rules, self._places(raw))
            tracker.thresholds = self._calibration.thresholds

    def close(self) -> tuple[Tick, ...]:
        """The final track, as many ticks as the live one."""
        tracker = self._tracker
        if isinstance(tracker, Human):
            # What was told before the person's levels were known is told again with them.
            again = Human(self.rules, self._personal, self._eyes)
            ticks = [again.step(t, f) for t, f in zip(self.times, self.raw, strict=True)]
            return human.finish(ticks, again.epochs, self.rules)
        told = self.features()
        given = (self._final_calibration or self._calibration).thresholds
        if isinstance(tracker, Animal):
            return final.finish(self.times, told, self.rules, given)
        if isinstance(tracker, Network):
            afresh: Network | Anaesthetised = Network(self.rules, self._scale)
        else:
            afresh = Anaesthetised(self.rules, given)
        return tuple(afresh.step(t, f) for t, f in zip(self.times, told, strict=True))

    def features(self) -> list[Features]:
        """The features of all ticks, with what is known in the end: for the file."""
        if self.kind in (HUMAN, IN_VITRO):
            return self.raw
        raw = self._placed(self.raw)
        # Settling and block together: what the settling did not show, the block may.
        found = self._final_calibration = calibrate(raw, self.rules)
        return [found.apply(f) for f in raw]

    def _places(self, raw: list[Features]) -> tuple[np.ndarray, np.ndarray] | None:
        """The pupil's place in the range of these ticks, and its rate."""
        if not self._has_pupil:
            return None
        return settled_pupil(np.array([f.pupil_size for f in raw], float), self.rules)

    def _placed(self, raw: list[Features]) -> list[Features]:
        """Ticks with the pupil's place in the range of them all."""
        places = self._places(raw)
        if places is None:
            return raw
        both = zip(raw, *(column.tolist() for column in places), strict=True)
        return [replace(f, pupil=p, pupil_rate=r) for f, p, r in both]

    @property
    def calibration(self) -> Calibration:
        """Scales and thresholds of the live track."""
        return self._calibration

    def settings(self) -> dict[str, Any]:
        """What the track rests on: rules, hash, and what was learnt in the settling."""
        return {
            "family": self.kind,
            "ruleset_version": self.rules.version,
            "ruleset_sha256": self.rules.sha256,
            "settle_ticks": self._n_settle,
            "calibration": self._calibration.as_dict(),
            "final_calibration": _dict(self._final_calibration),
            "personal": asdict(self._personal),
            "activity": _dict(self._scale),
            "vigilance_ruleset": human.NOTE if self.kind == HUMAN else "",
        }


def matrix(features: list[Features]) -> np.ndarray:
    """Features as an array, (n_ticks, n_features), columns as `NAMES`."""
    return np.array([[getattr(f, name) for name in NAMES] for f in features], float).reshape(
        -1, len(NAMES)
    )


def _dict(value: Calibration | Scale | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)


def _activity(raw: list[Features]) -> Scale | None:
    values = np.array([f.activity for f in raw], float)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    middle = float(np.median(values))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))
    # A silent network has no spread; a Poisson count has at least that of its mean.
    return Scale(middle, max(sigma, middle**0.5, 1.0))
