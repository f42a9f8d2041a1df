"""What a check is: the contract of our own and of those of other distributions.

An entry point of the group ``tenmin.checks`` names a factory: a class or function that is called
with a `Stream` and gives a `Check` for it, or None where it does not apply. How to write one is in
``docs/how-to/write-a-check.md``.
"""

from __future__ import annotations

import math
import numbers
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tenmin.errors import MalformedData
from tenmin.stream import Stream
from tenmin.verdict import LEVELS, Verdict

if TYPE_CHECKING:
    from tenmin.ring import Piece

MAX_TEXT = 500  # characters of a verdict's action
# Names without a dot are tenmin's own, those of later versions included.
NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
MAX_NAME = 60  # characters


class Check(ABC):
    """One check of one stream.

    It is fed every piece of the stream in order, and asked for its verdict once a second, whether
    or not anything came. What it cannot judge is UNKNOWN, never OK. Its windows, its hysteresis
    and its thresholds are its own affair. Methods that come with later versions have a body here.

    Attributes
    ----------
    needs_every_sample : bool
        A second of which samples were not seen, since the check was too slow for them, is UNKNOWN
        whatever it says. False for a check that is right nevertheless.
    """

    needs_every_sample: ClassVar[bool] = True

    @abstractmethod
    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream.

        Parameters
        ----------
        piece : Piece
            ``index``, device index of its first sample: a jump is a gap of the stream, or what
            `skipped` has told just before; ``samples``, (n_samples, n_channels), raw counts;
            ``device_time``, (n_samples,), float64, seconds, or None; ``host_ns``, arrival.
            The arrays are read-only views of memory that is written again: copy what is kept.
        """

    @abstractmethod
    def tick(self, now_s: float) -> Verdict:
        """Judge at host time `now_s`, monotonic seconds."""

    def restart(self) -> None:  # noqa: B027  (most checks need not know)
        """The recording begins: what came before it does not count."""

    def skipped(self, n: int) -> None:  # noqa: B027
        """The `n` samples before the next piece exist, and this check came too late for them."""


Factory = Callable[[Stream], Check | None]


def sound(said: object, check: str, stream: str) -> Verdict:
    """What a check said, if that is a verdict of its own about its own stream.

    Numbers become floats, those that are not finite None; a long text is cut.

    Raises
    ------
    MalformedData
        It is not; the message says in what.
    """
    if not isinstance(said, Verdict):
        raise _wrong(f"tick gave a {type(said).__name__} where a Verdict is wanted.")
    if (said.check, said.stream) != (check, stream):
        raise _wrong(
            f"It gave a verdict of {said.check!r} about {said.stream!r}; "
            f"its own name is {check!r} and its stream {stream!r}."
        )
    if said.level not in LEVELS:
        raise _wrong(f"{said.level!r} is no level; levels are {', '.join(LEVELS)}.")
    if not isinstance(said.unit, str) or not isinstance(said.action, str):
        raise _wrong("The unit and the action of a verdict are texts.")
    return replace(
        said,
        value=_finite(said.value),
        limit=_finite(said.limit),
        unit=said.unit[:MAX_TEXT],
        action=said.action[:MAX_TEXT],
        onset_s=None,
    )


def _finite(number: object) -> float | None:
    if number is None:
        return None
    if not isinstance(number, numbers.Real):
        raise _wrong(f"A value and a limit are numbers, not {type(number).__name__}.")
    found = float(number)
    return found if math.isfinite(found) else None


def _wrong(what: str) -> MalformedData:
    return MalformedData(what, remedy="Tell whoever wrote this check.")


def fault_of_name(name: str) -> str:
    """Why a check of another distribution may not have this name; empty where it may."""
    if len(name) <= MAX_NAME and NAME.fullmatch(name):
        return ""
    return (
        f"The name {name!r} is not of the form lab.check: small letters, digits and underscores, "
        f"with a dot, {MAX_NAME} characters at most; names without a dot are tenmin's own"
    )
