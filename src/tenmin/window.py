"""The canonical window in samples of the reference clock."""

from __future__ import annotations

import math
from fractions import Fraction


def window_samples(seconds: float, rate_hz: float) -> int:
    """How many samples of the reference stream a length of time has.

    The whole number nearest to ``seconds * rate_hz``, an exact half to the even one: at 30 kHz
    ten minutes are exactly 18 000 000 samples. Where the rate does not divide into whole samples
    the window is short or long by at most half a sample; its length is always given in samples.

    Parameters
    ----------
    seconds : float
        Zero or more.
    rate_hz : float
        Nominal rate of the reference stream, more than zero.

    Raises
    ------
    ValueError
        A number is negative or not finite, or the rate is zero.
    """
    return round(_exact(seconds) * _rate(rate_hz))


def t0_index(start_index: int, pad_s: float, rate_hz: float) -> int:
    """The first index of the window: the first at least one pad after the start command.

    Parameters
    ----------
    start_index : int
        Index of the reference stream's first sample after the start command.
    pad_s : float
        The pad before the window, seconds.
    rate_hz : float
        Nominal rate of the reference stream.

    Raises
    ------
    ValueError
        A number is negative or not finite, or the rate is zero.
    """
    return start_index + math.ceil(_exact(pad_s) * _rate(rate_hz))


def _exact(seconds: float) -> Fraction:
    # By the decimals a person wrote: 0.1 s at 10 Hz is one sample, not a hair more.
    value = float(seconds)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{seconds} is no length of time")
    return Fraction(repr(value))


def _rate(rate_hz: float) -> Fraction:
    rate = _exact(rate_hz)
    if not rate:
        raise ValueError("a stream without a rate cannot be the reference")
    return rate
