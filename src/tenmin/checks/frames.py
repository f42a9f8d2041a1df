"""Frames: those that are missing, and whether they balance with triggers; Q20c and Q46."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tenmin.checks.parameters import ParameterSet
from tenmin.checks.single import Single, times_of
from tenmin.checks.timing import frame_rate
from tenmin.ring import Piece
from tenmin.stream import FRAME_CHANNELS, FRAME_FLAGS, Stream
from tenmin.verdict import Verdict

MISSED, FLAG = FRAME_CHANNELS.index("missed"), FRAME_CHANNELS.index("flag")
UNCERTAIN = FRAME_FLAGS["lost"] | FRAME_FLAGS["source_gap"]


def missing_by_counter(counter: np.ndarray) -> int:
    """Frames missing by the device's own numbers, (n,), that do not wrap."""
    return int((np.diff(counter) - 1).sum()) if len(counter) else 0


def missing_by_interval(
    times: np.ndarray, fps: float | None = None, interval_medians: float = 1.5
) -> np.ndarray:
    """Frames missing before each but the first, by intervals alone.

    For streams in flight `tenmin.stamps` does better: it knows a late stamp from a lost frame.

    Parameters
    ----------
    times : ndarray, (n,)
        Seconds.
    fps : float, optional
        One over the median interval by default.
    interval_medians : float
        An interval longer than that many medians holds missing frames.

    Returns
    -------
    ndarray of int, (n - 1,)

    References
    ----------
    science.md B.3 Q20c.
    """
    intervals = np.diff(times)
    if not len(intervals):
        return np.zeros(0, np.int64)
    median = float(np.median(intervals))
    count = np.rint(intervals * (fps or 1.0 / median)).astype(np.int64) - 1
    return np.where(intervals > interval_medians * median, np.maximum(count, 0), 0)


class FrameCount:
    """Frames that came, and those that did not, of a frame clock or of a camera's stream.

    Attributes
    ----------
    n, missing : int
    uncertain : bool
        Events were lost on their way, so that the counts may be short.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream, self.clock = stream, stream.kind == "frames"
        self.n = self.missing = 0
        self.uncertain = False
        self._next: int | None = None
        self._first_s = self._last_s = math.nan

    @property
    def sees(self) -> bool:
        """Whether a loss would show."""
        return self.clock or self.stream.counter or (self.stream.timed and self.stream.is_regular)

    @property
    def rate_hz(self) -> float:
        """Nominal rate, or else the one so far."""
        nominal = frame_rate(self.stream)
        if math.isfinite(nominal) or self.n < 2 or not self._last_s > self._first_s:
            return nominal
        return (self.n + self.missing - 1) / (self._last_s - self._first_s)

    def feed(self, piece: Piece) -> None:
        """Count the frames of a piece."""
        n = len(piece.samples)
        if n == 0:
            return
        times = times_of(self.stream, piece)
        if self.n == 0:
            self._first_s = float(times[0])
        self._last_s = float(times[-1])
        self.n += n
        if self.clock:
            self.missing += int(piece.samples[:, MISSED].sum())
            self.uncertain |= bool((piece.samples[:, FLAG] & UNCERTAIN).any())
        elif self._next is not None:
            self.missing += max(0, piece.index - self._next)
        self._next = piece.index + n

    def skipped(self, n: int) -> None:
        """The `n` frames before the next piece came and were not seen."""
        if self._next is None:
            return
        self.n += n
        self._next += n
        self.uncertain |= self.clock  # what they told of missing ones was not seen either

    def restart(self) -> None:
        """What comes now belongs to the block."""
        self.n = self.missing = 0
        self.uncertain = False


class FrameDrops:
    """Q20c: share of the frames that are missing.

    Until the block's length has passed it is a share of what the block will hold, so that one
    frame lost in its first second is not taken for a tenth of it.
    """

    def __init__(self, stream: Stream, parameters: ParameterSet) -> None:
        self.count = FrameCount(stream)
        self._single = Single(stream.name, parameters["frame_drops"])

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        self.count.feed(piece)

    def skipped(self, n: int) -> None:
        """The `n` frames before the next piece came and were not seen."""
        self.count.skipped(n)

    def restart(self) -> None:
        """The block begins."""
        self.count.restart()
        self._single.restart()

    def verdict(self, now_s: float) -> Verdict:
        """Judge the frames so far; one tick."""
        count = self.count
        least = self._single.parameters["window_s"] * count.rate_hz
        if count.n == 0 or not count.sees or math.isnan(least):
            return self._single.step(math.nan)
        return self._single.step(count.missing / max(count.n + count.missing, least))


class FrameTriggers:
    """Q20c and Q46: frames against triggers, exactly.

    A frame arrives later than its trigger, so while both run only what has been missing for
    longer than that counts; once both are silent the balance is exact. Losses in between show in
    `FrameDrops` at once.

    Parameters
    ----------
    frames : Stream
        The camera's or microscope's frames.
    triggers : Stream or FrameCount
        The line that triggered or reports them; its count where its owner feeds it.
    parameters : ParameterSet
    imaging : bool
        Goes by ``imaging_triggers``, where any difference counts.
    """

    def __init__(
        self,
        frames: Stream,
        triggers: Stream | FrameCount,
        parameters: ParameterSet,
        *,
        imaging: bool = False,
    ) -> None:
        table = parameters["imaging_triggers" if imaging else "frame_triggers"]
        self.frames = FrameCount(frames)
        self.triggers = triggers if isinstance(triggers, FrameCount) else FrameCount(triggers)
        self._single = Single(frames.name, table)
        self._past: deque[tuple[float, int, int]] = deque()

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the frames."""
        self.frames.feed(piece)

    def feed_triggers(self, piece: Piece) -> None:
        """Take the next piece of the triggers."""
        self.triggers.feed(piece)

    def restart(self) -> None:
        """The block begins."""
        self.frames.restart()
        self.triggers.restart()
        self._past.clear()
        self._single.restart()

    def verdict(self, now_s: float) -> Verdict:
        """Judge the balance; one tick."""
        frames, triggers = self.frames.n, self.triggers.n
        self._past.append((now_s, frames, triggers))
        due_s = now_s - self._single.parameters["lag_s"]
        while len(self._past) > 1 and self._past[1][0] <= due_s:
            self._past.popleft()
        then_s, frames_then, triggers_then = self._past[0]
        if then_s > due_s or frames + triggers == 0:
            return self._single.step(math.nan)
        apart = max(triggers_then - frames, frames_then - triggers, 0)
        if apart == 0 and (self.frames.uncertain or self.triggers.uncertain):
            return self._single.step(math.nan)
        return self._single.step(float(apart))
