"""One value, one verdict: checks of a stream as a whole, of clocks, of measurements.

Such a check has ``feed(piece)`` and ``verdict(now_s)``. Each call of `verdict` is one tick of its
hysteresis. What cannot be judged is NaN, and UNKNOWN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tenmin.checks.judge import LEVEL_OF_CODE, Judge
from tenmin.checks.parameters import Parameters
from tenmin.stream import Stream
from tenmin.verdict import FAIL, LEVELS, UNKNOWN, WARN, Verdict

if TYPE_CHECKING:  # the engine judges single values, and has no need of the ring
    from tenmin.ring import Piece


class Check(Protocol):
    """What a check of a whole stream offers."""

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""

    def verdict(self, now_s: float) -> Verdict:
        """Judge at host time `now_s`, monotonic seconds: one tick."""


class Single:
    """One value's hysteresis and verdict; `tenmin.checks.unit.Unit` is the same for channels.

    Parameters
    ----------
    stream : str
        Name of the stream.
    parameters : Parameters
    """

    def __init__(self, stream: str, parameters: Parameters) -> None:
        self.stream, self.parameters = stream, parameters
        self.restart()

    def restart(self) -> None:
        """Forget all ticks: what was counted begins anew, and so does its level."""
        self._judge = Judge(self.parameters.warn, self.parameters.fail, 1)
        self.value, self.level = math.nan, UNKNOWN

    def step(self, value: float, told: float | None = None) -> Verdict:
        """Judge the value of a tick; `told` stands in the verdict in its place (its sign, say)."""
        self.level = LEVEL_OF_CODE[int(self._judge.step(np.array([value]))[0])]
        self.value = value if told is None or math.isnan(value) else told
        return self.verdict()

    def verdict(self) -> Verdict:
        """The verdict of the last tick."""
        p = self.parameters
        limit = p.fail if self.level == FAIL else p.warn or p.fail
        return Verdict(
            p.name,
            self.stream,
            self.level,
            None if math.isnan(self.value) else self.value,
            None if limit is None else limit.on,
            p.unit,
            action=p.action if self.level in (WARN, FAIL) else "",
        )


def worst_of(check: str, verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of several verdicts, under one name; the first one of equals."""
    worst = max(verdicts, key=lambda verdict: LEVELS.index(verdict.level))
    return replace(worst, check=check)


def times_of(stream: Stream, piece: Piece) -> np.ndarray:
    """Time of each sample of a piece, seconds on the finest clock it has, (n_samples,)."""
    n = len(piece.samples)
    if piece.device_time is not None:
        return np.array(piece.device_time, np.float64)
    if stream.is_regular:
        return (piece.index + np.arange(n)) / stream.rate_hz
    return np.full(n, piece.host_ns * 1e-9)
