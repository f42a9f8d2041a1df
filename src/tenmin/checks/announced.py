"""Test pulses of an amplifier that an event tells of; science.md A.4."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

CODE = "test_pulse"


@dataclass(frozen=True, slots=True)
class Announced:
    """What an event tells of a test pulse.

    Attributes
    ----------
    host_ns : int
        When its step is, to some tens of milliseconds.
    step_mv, seconds : float
        NaN where the event does not say it.
    """

    host_ns: int
    step_mv: float
    seconds: float


def announced(value: str, onset_host_ns: int, duration_s: float) -> Announced:
    """The pulse of an event: its value is the step, ``-5`` or ``-5 mV``.

    Examples
    --------
    >>> announced("-5 mV", 1_000_000, 0.01).step_mv
    -5.0
    """
    number = re.match(r"\s*([+-]?\d+(?:\.\d+)?)", value)
    step_mv = float(number[1]) if number else math.nan
    return Announced(onset_host_ns, step_mv, duration_s or math.nan)
