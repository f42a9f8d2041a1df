"""What a check says: a level, and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL, UNKNOWN = "OK", "WARN", "FAIL", "UNKNOWN"
LEVELS = (OK, UNKNOWN, WARN, FAIL)  # from best to worst


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one check for one stream.

    Attributes
    ----------
    check : str
        Identifier: ``alive``, ``gaps``, ``saturation`` ...
    stream : str
        Name of the stream.
    level : str
        ``OK``, ``WARN``, ``FAIL`` or ``UNKNOWN``; unknown is never shown as OK.
    value, limit : float or None
        What was measured, and the limit it was held against.
    unit : str
        Unit of both.
    onset_s : float or None
        Host time (monotonic, seconds) since when this level holds.
    action : str
        What the operator should do; empty when nothing.
    """

    check: str
    stream: str
    level: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    onset_s: float | None = None
    action: str = ""


def at_least_as_bad(one: Verdict, other: Verdict) -> bool:
    """Whether the level of `one` is the other's or a worse one."""
    return LEVELS.index(one.level) >= LEVELS.index(other.level)


def worst(levels: list[str] | tuple[str, ...]) -> str:
    """The worst of several levels; UNKNOWN when there is none."""
    return max(levels, key=LEVELS.index) if levels else UNKNOWN
