"""Timing: gaps, rate, and one clock against another by its pulses; science.md B.4, Q30-Q35."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tenmin.checks.parameters import Parameters, ParameterSet
from tenmin.checks.rate import PPM, Clock, rate_ppm
from tenmin.checks.robust import robust_sigma
from tenmin.checks.single import Single, worst_of
from tenmin.clock import ClockFit, EarliestPerSecond, Line
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

MS = 1e3


class Gaps:
    """Q30: what is missing by the stream's index, seconds, since the block began.

    Unknown where neither a counter nor device times can show a loss. In the primary stream one
    gap beyond the limit of ``long_gap`` fails as well.
    """

    def __init__(self, stream: Stream, parameters: ParameterSet, *, primary: bool = False) -> None:
        self.stream, self.primary = stream, primary
        self.missing = self.longest = 0
        self._sees = stream.is_regular and (stream.counter or stream.timed)
        self._total = Single(stream.name, parameters["gaps"])
        self._single = Single(stream.name, parameters["long_gap"])
        self._next: int | None = None

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        if self._next is not None and piece.index > self._next:
            n = piece.index - self._next
            self.missing += n
            self.longest = max(self.longest, n)
        self._next = piece.index + len(piece.samples)

    def skipped(self, n: int) -> None:
        """Take the next piece for one that comes `n` samples later: they are not missing."""
        if self._next is not None:
            self._next += n

    def restart(self) -> None:
        """Forget the losses so far: what comes now belongs to the block."""
        self.missing = self.longest = 0
        self._total.restart()
        self._single.restart()

    def verdict(self, now_s: float) -> Verdict:
        """Judge the losses so far; one tick. The value told is always the total."""
        known = self._next is not None and (self._sees or self.missing > 0)
        rate = self.stream.rate_hz if known else math.nan
        total = self._total.step(self.missing / rate)
        if not self.primary:
            return total
        return replace(
            worst_of("gaps", [total, self._single.step(self.longest / rate)]), value=total.value
        )


class Arrivals:
    """The line of a stream's own seconds to the host's, by when its pieces arrived."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.restart()

    def restart(self) -> None:
        """Begin a new line."""
        self._fit, self._bins = ClockFit(), EarliestPerSecond()

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream; only its last sample arrived when it did."""
        n = len(piece.samples)
        if n == 0:
            return
        x = (piece.index + n) / self.stream.rate_hz
        point = self._bins.add(x, piece.host_ns * 1e-9, n)
        if point is not None:
            self._fit.add(point[0], point[1])

    def line(self) -> Line | None:
        """The line so far; None before it has an uncertainty."""
        return self._fit.line() if self._fit.n > 2 else None


class Rate:
    """Q31: samples for each second of the reference against the nominal rate, ppm.

    Unknown until the 95 % interval of the difference is narrower than the limit.

    Parameters
    ----------
    stream : Stream
        Regular.
    parameters : ParameterSet
    reference : Arrivals, optional
        The reference stream's; fed by its owner. None: the host's clock is the reference.
    """

    def __init__(
        self, stream: Stream, parameters: ParameterSet, reference: Arrivals | None = None
    ) -> None:
        self.arrivals, self.reference = Arrivals(stream), reference
        self._single = Single(stream.name, parameters["rate"])

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        self.arrivals.feed(piece)

    def verdict(self, now_s: float) -> Verdict:
        """Judge the rate so far; one tick. The value told carries its sign."""
        ppm, u95 = self._measured()
        warn = self._single.parameters.warn
        sure = warn is None or u95 <= warn.on
        return self._single.step(abs(ppm) if sure else math.nan, ppm)

    def _measured(self) -> tuple[float, float]:
        own = self.arrivals.line()
        if own is None:
            return math.nan, math.inf
        if self.reference is None:
            return rate_ppm(Clock(own.slope, own.ppm_u95))
        other = self.reference.line()
        if other is None:
            return math.nan, math.inf
        clocks = Clock(own.slope, own.ppm_u95), Clock(other.slope, other.ppm_u95)
        return rate_ppm(*clocks)


class Points:
    """Times of the same pulses on the reference clock and on a stream's own.

    Attributes
    ----------
    n : int
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all."""
        self.n = 0
        self._times = np.empty((1024, 2))
        self._fit = ClockFit()

    def add(self, reference_s: np.ndarray, stream_s: np.ndarray) -> None:
        """Take pulses, in order.

        Parameters
        ----------
        reference_s, stream_s : ndarray, (n,)
            Seconds of either clock; pairs with a NaN are left out.
        """
        for x, y in zip(reference_s, stream_s, strict=True):
            if not math.isfinite(x) or not math.isfinite(y):
                continue
            if self.n == len(self._times):
                self._times = np.concatenate([self._times, np.empty_like(self._times)])
            self._times[self.n] = x, y
            self._fit.add(float(x), float(y))
            self.n += 1

    def line(self) -> Line | None:
        """Stream time on reference time; None before it has an uncertainty."""
        return self._fit.line() if self.n > 2 else None

    def residuals(self) -> tuple[np.ndarray, np.ndarray]:
        """Reference times, and how far the stream's lie from the line, seconds, (n,) each."""
        line = self.line()
        if line is None:
            return np.empty(0), np.empty(0)
        x, y = self._times[: self.n].T
        return x, (y - line.origin_y) - line.slope * (x - line.origin_x)


def drift_ppm(points: Points, p: Parameters) -> float:
    """Q32: slope of stream time on reference time minus one, ppm.

    NaN until its 95 % interval is narrower than the limit.
    """
    line = points.line()
    if line is None or (p.warn is not None and line.ppm_u95 > p.warn.on):
        return math.nan
    return line.ppm


def jitter_ms(points: Points, p: Parameters) -> float:
    """Q33: robust SD of the pulses about the line, ms."""
    _, residuals = points.residuals()
    if len(residuals) < p["least_points"]:
        return math.nan
    return float(robust_sigma(residuals[:, None])[0]) * MS


def bend_ms(points: Points, p: Parameters) -> float:
    """Q35: largest residual of the line, smoothed over 30 s, ms."""
    times, residuals = points.residuals()
    if not len(times) or times[-1] - times[0] < p["least_s"]:
        return math.nan
    return float(np.abs(smoothed(times, residuals, p["window_s"])).max()) * MS


def smoothed(times: np.ndarray, values: np.ndarray, window_s: float) -> np.ndarray:
    """Means over windows centred on each time whose window lies within the data.

    Parameters
    ----------
    times, values : ndarray, (n,)
        Rising times, seconds.
    window_s : float

    Returns
    -------
    ndarray, (m,), m >= 1 where the data are longer than a window
    """
    half = window_s / 2.0
    inside = (times - half >= times[0]) & (times + half <= times[-1])
    low = np.searchsorted(times, times[inside] - half)
    high = np.searchsorted(times, times[inside] + half, "right")
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[high] - sums[low]) / (high - low)


class SyncCheck:
    """One of Q32-Q35: a number of the points, its hysteresis and its verdict."""

    def __init__(
        self, stream: Stream, parameters: Parameters, points: Points, measure: Callable[[], float]
    ) -> None:
        self.points, self.parameters, self._measure = points, parameters, measure
        self._single = Single(stream.name, parameters)

    def verdict(self, now_s: float) -> Verdict:
        """Judge the points so far; one tick. The value told carries its sign."""
        value = self._measure()
        return self._single.step(abs(value), value)


def sync_checks(
    stream: Stream, parameters: ParameterSet, points: Points, *, hardware: bool = True
) -> list[SyncCheck]:
    """Q32, Q33, Q34 and Q35 of one stream.

    Parameters
    ----------
    stream : Stream
    parameters : ParameterSet
    points : Points
        Its owner adds the pulses.
    hardware : bool
        Whether the pulses are edges of a line; else they are stamps of a program.
    """
    video = stream.kind == "frames" or "fps" in stream.facts
    jitter = parameters["jitter_of_pulses" if hardware else "jitter_of_stamps"]
    align = parameters["alignment_of_frames" if video else "alignment"]
    per_s = frame_rate(stream) if video else MS
    drift, bend = parameters["drift_of_clock"], parameters["bend_of_clock"]

    def apart() -> float:
        """Q34: what the drift comes to by the end of the block, ms or frames."""
        return drift_ppm(points, drift) / PPM * align["block_s"] * per_s

    return [
        SyncCheck(stream, drift, points, lambda: drift_ppm(points, drift)),
        SyncCheck(stream, jitter, points, lambda: jitter_ms(points, jitter)),
        SyncCheck(stream, align, points, apart),
        SyncCheck(stream, bend, points, lambda: bend_ms(points, bend)),
    ]


def frame_rate(stream: Stream) -> float:
    """Frames per second of a stream of frames; NaN where it is not told."""
    if stream.is_regular:
        return stream.rate_hz
    told = stream.facts.get("nominal_rate_hz") or stream.facts.get("fps") or "nan"
    return float(told)


def pair_pulses(reference_s: np.ndarray, stream_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pulses that both saw, where either may have missed some; the first are the same one.

    Parameters
    ----------
    reference_s, stream_s : ndarray, (n,), (m,)
        Rising times on either clock, seconds.

    Returns
    -------
    ndarray, ndarray, (k,)
        Those of each, pair by pair: they agree within a quarter of the usual interval after the
        offset of the pair before.
    """
    if not len(reference_s) or not len(stream_s):
        return np.empty(0), np.empty(0)
    reach = np.median(np.diff(reference_s)) / 4.0 if len(reference_s) > 1 else math.inf
    pairs, offset, i, k = [], stream_s[0] - reference_s[0], 0, 0
    while i < len(reference_s) and k < len(stream_s):
        apart = stream_s[k] - offset - reference_s[i]
        if abs(apart) <= reach:
            offset += apart
            pairs.append((reference_s[i], stream_s[k]))
            i, k = i + 1, k + 1
        elif apart < 0:
            k += 1
        else:
            i += 1
    found = np.array(pairs)
    return found[:, 0], found[:, 1]
