"""Imaging frame clocks: edges out of samples, frames out of edges, and their bookkeeping.

The algorithm of a generic TTL frame clock: hysteresis, debounce, missing and extra frames. Plain
numpy; every chunking of the same samples gives the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenmin.stream import FRAME_FLAGS

MISSED = FRAME_FLAGS["missed"]
EXTRA = FRAME_FLAGS["extra"]
IRREGULAR = FRAME_FLAGS["irregular"]
RESTART = FRAME_FLAGS["restart"]
SOURCE_GAP = FRAME_FLAGS["source_gap"]
LOST = FRAME_FLAGS["lost"]

MEDIAN_OF = 32  # intervals
ON_TIME = 0.25  # of a period
GAP_PERIODS, GAP_S = 10, 1.0  # a longer silence than both is a new acquisition


@dataclass(frozen=True)
class Threshold:
    """When a sample is active: hysteresis in counts, or one bit.

    Attributes
    ----------
    high, low : float
        At or above `high` the line is high, at or below `low` it is low, between as before.
    bit : int, optional
        Instead: this bit of an integer channel.
    inverted : bool
        Whether low is the active level (falling edges).
    """

    high: float = 0.0
    low: float = 0.0
    bit: int | None = None
    inverted: bool = False

    def marks(self, samples: np.ndarray) -> np.ndarray:
        """+1 active, -1 inactive, 0 as before; (n,) int8."""
        if self.bit is not None:
            marks = np.where((samples >> self.bit) & 1, 1, -1).astype(np.int8)
        else:
            marks = (samples >= self.high).astype(np.int8) - (samples <= self.low).astype(np.int8)
        return -marks if self.inverted else marks


class EdgeFinder:
    """Beginnings of active levels that last, as indices of the source."""

    def __init__(self, threshold: Threshold, min_width: int = 2) -> None:
        self._threshold, self._min_width = threshold, max(1, min_width)
        self._next: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._active: bool | None = None  # unknown: no edge before an inactive level was seen
        self._since: int | None = None  # beginning of an active level that has not lasted yet

    def feed(self, samples: np.ndarray, first: int) -> tuple[np.ndarray, bool]:
        """Edges that these samples complete.

        Parameters
        ----------
        samples : ndarray, (n,)
            The channel, in counts.
        first : int
            Index of the first of them.

        Returns
        -------
        edges : ndarray, int64
            Each the index of its first active sample.
        gap : bool
            Whether samples are missing before these; what was pending is forgotten then.
        """
        gap = self._next is not None and first != self._next
        if gap:
            self._reset()
        self._next = first + len(samples)
        steps, levels = self._steps(self._threshold.marks(samples), first)
        if self._since is not None:
            steps, levels = np.insert(steps, 0, self._since), np.insert(levels, 0, True)
            self._since = None
        if not len(steps):
            return steps, gap
        lasts = np.diff(steps, append=self._next) >= self._min_width
        if levels[-1] and not lasts[-1]:
            self._since = int(steps[-1])
        return steps[levels & lasts], gap

    def _steps(self, marks: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices at which the level changes, and the level then."""
        told = np.flatnonzero(marks)
        levels = marks[told] > 0
        before = self._active
        if len(levels):
            self._active = bool(levels[-1])
        changed = np.ones(len(levels), bool)
        changed[1:] = levels[1:] != levels[:-1]
        if len(levels):
            # The first level that is told after a gap is no change: when it began is unknown.
            changed[0] = before is not None and bool(levels[0]) != before
        return told[changed].astype(np.int64) + first, levels[changed]


class FrameCounter:
    """Numbers frames, and says of each what is wrong with the interval before it.

    Parameters
    ----------
    ticks_per_s : float
        Of the clock that the edges are counted in.
    rate_hz : float, optional
        Nominal frame rate; the median of the last 32 intervals where it is not known.
    min_interval : float, optional
        Ticks; an edge closer to the one before is a bounce. 0.3 nominal periods by default.
    pulses_per_frame : int
        Edges for each frame: slices of a volume, for example.
    """

    def __init__(
        self,
        ticks_per_s: float,
        rate_hz: float | None = None,
        min_interval: float | None = None,
        pulses_per_frame: int = 1,
    ) -> None:
        self._per_frame = max(1, pulses_per_frame)
        self._ticks_per_s = ticks_per_s
        self._nominal = ticks_per_s / (rate_hz * self._per_frame) if rate_hz else None
        self._least = 0.3 * (self._nominal or 0.0) if min_interval is None else min_interval
        self._intervals: list[int] = []
        self._pulse: int | None = None  # tick of the last valid edge
        self._regular: int | None = None  # of the last one that was no extra edge
        self._last: int | None = None  # tick of the last frame
        self._place, self._group = 0, -1  # of the edge in the acquisition, missing ones included
        self._frame = self._flags = 0

    @property
    def period(self) -> float | None:
        """Ticks from edge to edge."""
        if self._nominal is not None:
            return self._nominal
        return float(np.median(self._intervals)) if self._intervals else None

    def feed(self, edges: np.ndarray, flags: int = 0) -> np.ndarray:
        """Rows of the frames that these edges begin.

        Parameters
        ----------
        edges : ndarray, int64
            Ticks, rising.
        flags : int
            What is true of the first of them: SOURCE_GAP, LOST.

        Returns
        -------
        ndarray, (n, 5), int64
            frame, tick, interval (0 for the first), missed, flag.
        """
        self._flags |= flags
        rows = np.empty((len(edges), 5), np.int64)
        n = 0
        for edge in edges:
            if self._pulse is not None and edge - self._pulse < self._least:
                continue
            row = self._count(int(edge))
            if row is not None:
                rows[n] = row
                n += 1
        return rows[:n].copy()

    def _count(self, edge: int) -> tuple[int, int, int, int, int] | None:
        missed, flag = self._judge(edge)
        self._pulse = edge
        self._flags |= flag
        if flag & EXTRA:
            if self._per_frame > 1:  # which frame it would belong to is not known
                return None
        else:
            self._regular = edge
        if flag & RESTART:
            self._place, self._group, self._frame = 0, -1, 0
        self._place += missed
        before, self._group = self._group, self._place // self._per_frame
        self._place += 1
        if self._group == before:
            return None
        self._frame += 1
        interval = 0 if self._last is None else edge - self._last
        row = (self._frame, edge, interval, self._group - before - 1, self._flags)
        self._last, self._flags = edge, 0
        return row

    def _judge(self, edge: int) -> tuple[int, int]:
        """Edges missing before this one, and its flag."""
        if self._pulse is None or self._regular is None:
            return 0, 0
        since, period = edge - self._regular, self.period
        if since > max(GAP_PERIODS * (period or 0.0), GAP_S * self._ticks_per_s):
            return 0, RESTART
        if period is None:
            self._note(since)
            return 0, 0
        if edge - self._pulse < 0.5 * period and since < 0.75 * period:
            return 0, EXTRA
        periods = round(since / period)
        if periods < 1 or abs(since / period - periods) >= ON_TIME:
            return 0, IRREGULAR
        if periods == 1:
            self._note(since)
        return periods - 1, MISSED if periods > 1 else 0

    def _note(self, interval: int) -> None:
        self._intervals = [*self._intervals[1 - MEDIAN_OF :], interval]
