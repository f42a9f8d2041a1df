"""How far a state can be believed, and which states cannot be told at all; science.md C.3."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.states import (
    ACTIVE_WAKE,
    ASLEEP,
    DROWSY,
    EMG,
    FACE,
    LFP,
    LOCOMOTION,
    PUPIL,
    QUIET_WAKE,
    SPEED,
    UNKNOWN,
)


class Latch:
    """On above one value, off below another.

    Parameters
    ----------
    on, off : float
    """

    def __init__(self, on: float, off: float) -> None:
        self.on_at, self.off_at = on, off
        self.on = False

    def step(self, value: float) -> bool:
        """Take the next value; what is not known is not on."""
        self.on = value > self.off_at if self.on else value > self.on_at
        return self.on

    def margin(self, value: float) -> float:
        """How far `value` is from the threshold that it would cross next, 0 to 1."""
        threshold = self.off_at if self.on else self.on_at
        return min(1.0, abs(value - threshold) / (self.on_at - self.off_at))


def confidence(factor: float, margins: Iterable[float]) -> float:
    """A times the mean margin of the features in use; 0 without any."""
    known = list(margins)
    return factor * sum(known) / len(known) if known else 0.0


@lru_cache(maxsize=256)
def _availability(modalities: int, table: tuple[tuple[int, float], ...]) -> float:
    if modalities & EMG and not modalities & FACE:
        modalities |= FACE  # C.3 puts the EMG in the place of the face
    fitting = [factor for needed, factor in table if needed & modalities == needed]
    return max(fitting, default=0.0)


def availability(modalities: int, rules: Ruleset) -> float:
    """The factor A of what is there: that of the best row of the table which it contains."""
    return _availability(modalities, rules.availability)


@lru_cache(maxsize=256)
def reachable(modalities: int) -> frozenset[int]:
    """States of an animal that can be told from `modalities`."""
    found = {UNKNOWN}
    if modalities & (SPEED | PUPIL | FACE | LFP | EMG):
        found.add(QUIET_WAKE)
    if modalities & SPEED:
        found.add(LOCOMOTION)
    if modalities & (FACE | PUPIL | EMG):
        found.add(ACTIVE_WAKE)
    if modalities & (LFP | PUPIL):
        found.add(DROWSY)
        if modalities & (FACE | EMG):
            found.add(ASLEEP)
    return frozenset(found)
