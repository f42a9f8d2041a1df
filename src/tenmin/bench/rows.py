"""One line of the table: what was measured, beside what, and which goals it has to reach."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tenmin.errors import RigError

COMPARE = {"≥": operator.ge, "≤": operator.le}
FOLDERS = re.compile(r"(?<![\w/.])/(?:[^\s/'\",:;)]+/)+")


@dataclass(frozen=True)
class Spread:
    """Median and range of what the rounds gave.

    Attributes
    ----------
    median, low, high : float
        Of all rounds; low and high are the smallest and the largest.
    n : int
        Rounds.
    """

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Spread:
        """The spread of these values, at least one."""
        found = np.asarray(values, float)
        return cls(float(np.median(found)), float(found.min()), float(found.max()), found.size)


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure with a limit.

    Attributes
    ----------
    area : str
        The part of the program: ``ring``, ``journal`` …
    what : str
        What was done.
    unit : str
        Of `ours` and `theirs`.
    ours, theirs : Spread, optional
        None where nothing was measured; `note` says why.
    against : str
        The limit or the peer; empty for a figure of our own.
    ratio : Spread, optional
        Formed inside each round; above 1 is better for us unless the goal reads ``≤``.
    gate, aim : str
        What must hold, and what would be good: ``≥ 0.8``; empty where there is none. They judge
        the ratio, or `ours` where there is no ratio.
    note : str
        What a reader has to know beside it.
    failed : bool
        An error ended what was to be measured; `note` tells which. It does not hold then, gate or
        not.
    """

    area: str
    what: str
    unit: str = ""
    ours: Spread | None = None
    against: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    gate: str = ""
    aim: str = ""
    note: str = ""
    failed: bool = False

    @property
    def name(self) -> tuple[str, str, str]:
        """What tells it from all other rows: area, what, and against what."""
        return self.area, self.what, self.against

    @property
    def judged(self) -> float | None:
        """What the goals are about."""
        of = self.ratio or (self.ours if not self.against else None)
        return None if of is None else of.median

    @property
    def holds(self) -> bool | None:
        """Whether the gate holds; None without a gate or without a figure."""
        return False if self.failed else meets(self.judged, self.gate)

    @property
    def reaches(self) -> bool | None:
        """Whether the aim is reached as well."""
        return False if self.failed else meets(self.judged, self.aim)

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "holds": self.holds, "reaches_aim": self.reaches}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Row:
        """A row from its JSON; what is no field of a row is ignored.

        Raises
        ------
        KeyError, TypeError
            A field is missing, or is something else.
        """
        fields = {key: told[key] for key in cls.__dataclass_fields__}
        for key in ("ours", "theirs", "ratio"):
            fields[key] = None if fields[key] is None else Spread(**fields[key])
        return cls(**fields)


def meets(value: float | None, goal: str) -> bool | None:
    """Whether a value meets a goal such as ``≤ 15 ms``; None where either is missing."""
    found = _parsed(goal)
    if value is None or found is None:
        return None
    return bool(COMPARE[found[0]](value, found[1]))


def limit_of(goal: str) -> float | None:
    """The number in a goal; None where there is no goal."""
    found = _parsed(goal)
    return None if found is None else found[1]


def _parsed(goal: str) -> tuple[str, float] | None:
    found = re.match(r"([≥≤])\s*([\d ]*\.?\d+)", goal)
    return None if found is None else (found[1], float(found[2].replace(" ", "")))


def missing(area: str, what: str, against: str, why: str) -> Row:
    """A row for something that could not be measured here."""
    return Row(area, what, against=against, note=why)


def why(error: Exception) -> str:
    """What an error says, in one line and without the folders of this machine."""
    text = error.message if isinstance(error, RigError) else f"{type(error).__name__}: {error}"
    return "failed: " + FOLDERS.sub("", " ".join(text.split()))
