"""Missing samples of streams without a counter, from their time stamps (science.md B.4, Q30).

A stamp jitters, and what it jitters by may be more than a sampling interval: a sender stamps the
last sample of a packet when it comes to it, and the others are counted back at exactly 1 / rate.
So a step is held against a running line through the stamps, and where one step cannot tell how
much is missing, the samples behind it wait until enough of them have come to tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEAST_STEP = 0.5  # of an interval, beyond the regular one: science.md Q30, dt > 1.5 / fs
JITTERS = 5.0  # a step must also exceed so many of the stream's own jitters
MEMORY_S = 60.0  # of the line
SETTLED_S = 1.0  # of stamps before its phase is trusted
RATE_SD = 1e-3  # how far a device's rate may be from its nominal one: 29.97 for 30
LOST_SD = 0.05  # the same, once the nominal one has shown itself to be wrong
HOLD_S = 2.0  # at most this much waits, or MIN_STAMPS packets
MIN_STAMPS, NEW_STAMPS, MAX_STAMPS = 3, 5, 100  # that decide together; of a line not yet settled
PHASE_SD = 0.12  # of an interval: with it, one rounding in 10 000 goes wrong
EXACT = 0.1  # of an interval: jitters below it let each stamp decide alone
SAME_PACKET = 0.01  # of an interval: stamps so regular were counted, not measured


class StampLine:
    """A running line through (index, stamp): recursive least squares with fading memory.

    All in units of sampling intervals: `residual` of index i is how much later its stamp is than
    the nominal rate says. Innovations are clipped, so that one late packet does not bend the line.

    Attributes
    ----------
    jitter : float
        Robust SD of stamps about the line.
    seen : float
        Samples so far.
    """

    def __init__(self, rate_hz: float, index: int, time_s: float) -> None:
        self.rate_hz = rate_hz
        self._i0, self._t0 = index, time_s
        self._at = float(index)
        self._phase = self._slope = 0.0
        self._pp, self._ps, self._ss = 100.0, 0.0, RATE_SD**2
        self.jitter = 0.0
        self.seen = 0.0
        self._astray = 0.0

    @property
    def settled(self) -> bool:
        """Whether phase and jitter are known."""
        return self.seen > SETTLED_S * self.rate_hz

    def residual(self, index: np.ndarray, times: np.ndarray) -> np.ndarray:
        """How much later than the line each stamp is, intervals."""
        late = (times - self._t0) * self.rate_hz - (index - self._i0)
        return late - (self._phase + self._slope * (index - self._at))

    def uncertainty(self, index: float) -> float:
        """SD of the line at an index, intervals."""
        d = index - self._at
        variance = self._pp + 2.0 * d * self._ps + d * d * self._ss
        return min(self.jitter, 1.0) * math.sqrt(max(0.0, variance))

    def update(self, index: np.ndarray, times: np.ndarray) -> None:
        """Take stamps whose indices are settled."""
        off = self.residual(index, times)
        n = len(off)
        middle, mean = float(np.add.reduce(index)) / n, float(np.add.reduce(off)) / n
        reach = JITTERS * max(self.jitter, EXACT)
        share = max(n / (n + self.seen), 1.0 - math.exp(-n / (5.0 * self.rate_hz)))
        apart = float(np.add.reduce(np.minimum(np.abs(off), reach))) / n
        scale = 1.2533 * apart  # of a normal distribution
        if self.seen:
            self.jitter += share * (scale - self.jitter)
        self.seen += n
        self._astray = self._astray + n if abs(mean) > reach else 0.0
        if self._astray > SETTLED_S * self.rate_hz:  # a clock that was set, or another rate
            self._phase += self._slope * (middle - self._at) + mean
            self._at, self._astray = middle, 0.0
            self._pp, self._ps, self._ss = 100.0, 0.0, LOST_SD**2
            return
        self._correct(middle, max(-reach, min(reach, mean)))

    def _correct(self, at: float, innovation: float) -> None:
        d = at - self._at
        self._at = at
        self._phase += self._slope * d
        fade = math.exp(min(max(d / (MEMORY_S * self.rate_hz), 0.0), 1.0))
        self._pp = (self._pp + 2.0 * d * self._ps + d * d * self._ss) * fade
        self._ps = (self._ps + d * self._ss) * fade
        self._ss *= fade
        total = self._pp + 1.0  # as if the jitter were one interval: it is not known at first
        to_phase, to_slope = self._pp / total, self._ps / total
        self._phase += to_phase * innovation
        self._slope += to_slope * innovation
        self._ss -= to_slope * self._ps
        self._ps -= to_slope * self._pp
        self._pp -= to_phase * self._pp


@dataclass(frozen=True, slots=True)
class Missing:
    """How many samples are missing before each of those that waited.

    Attributes
    ----------
    shift : ndarray, (n_samples,), int64
        To be added to their provisional indices; never falls.
    estimated : bool
        The jitter leaves more than one answer.
    """

    shift: np.ndarray
    estimated: bool


def first_step(line: StampLine, index: np.ndarray, times: np.ndarray, before: float) -> int:
    """Position of the first sample that seems to come after missing ones; their number if none.

    Parameters
    ----------
    line : StampLine
    index : ndarray, (n_samples,)
        Provisional indices.
    times : ndarray, (n_samples,)
        Stamps, seconds.
    before : float
        Stamp of the sample before these.
    """
    least = max(LEAST_STEP, JITTERS * line.jitter)
    longest = float(times[0]) - before
    if len(times) > 1:
        longest = max(longest, float(np.maximum.reduce(times[1:] - times[:-1])))
    if longest * line.rate_hz <= 1.0 + least:  # as nearly always
        return len(times)
    steps = np.diff(times, prepend=before) * line.rate_hz
    jumps = np.flatnonzero(steps > 1.0 + least)
    if jumps.size:
        jumps = jumps[line.residual(index, times)[jumps] > least]
    return int(jumps[0]) if jumps.size else len(times)


def missing(
    line: StampLine, index: np.ndarray, times: np.ndarray, reads: np.ndarray, force: bool
) -> Missing | None:
    """How many samples are missing before those that wait; None while that is not known.

    A sender that stalls and then catches up stamps late and then less and less so: its residuals
    fall back to the line. Missing samples leave them up for good.

    Parameters
    ----------
    line : StampLine
        As it was before the step.
    index, times : ndarray, (n_samples,)
        Provisional indices and stamps of what waits.
    reads : ndarray of int
        Positions at which each read from the device begins.
    force : bool
        Decide with what there is.
    """
    off = line.residual(index, times)
    cut = np.abs(np.diff(times) * line.rate_hz - 1.0) > SAME_PACKET
    starts = np.union1d(np.flatnonzero(cut) + 1, reads)
    sizes = np.diff(starts, append=len(off))
    stamps = np.add.reduceat(off, starts) / sizes
    jitter, least = line.jitter, MIN_STAMPS
    if not line.settled:
        least = NEW_STAMPS
        if len(stamps) > 2:
            apart = np.abs(np.diff(stamps[-MAX_STAMPS:]))
            jitter = max(jitter, 1.048 * float(np.median(apart)))  # of a normal distribution
    need = min(MAX_STAMPS, max(least, math.ceil((jitter / PHASE_SD) ** 2)))
    tail = stamps[-need:]
    steady = len(tail) >= least and _steady(tail, jitter)
    full = len(off) >= HOLD_S * line.rate_hz and len(stamps) >= least
    if not (force or full or (steady and len(tail) == need)):
        return None
    if jitter < EXACT:
        # Each packet decides; but one that a later packet contradicts was only late.
        shift = np.minimum.accumulate(np.round(stamps)[::-1])[::-1]
    else:
        centre = tail.mean() if steady else np.median(stamps[len(stamps) // 2 :])
        shift = np.full(len(stamps), np.round(centre))
    if not line.settled and shift[-1] <= np.ptp(tail):
        shift = np.zeros(len(stamps))  # within what an unknown phase may explain
    sd = math.hypot(jitter / math.sqrt(len(tail)), line.uncertainty(float(index[-1])))
    uncertain = sd > 2.0 * PHASE_SD or not (steady or jitter < EXACT)
    per_sample = np.repeat(np.maximum(shift, 0.0), sizes).astype(np.int64)
    return Missing(per_sample, uncertain)


def _steady(stamps: np.ndarray, jitter: float) -> bool:
    half = len(stamps) // 2
    moved = abs(float(stamps[half:].mean()) - float(stamps[:half].mean()))
    return moved <= max(LEAST_STEP, 4.0 * jitter / math.sqrt(half))
