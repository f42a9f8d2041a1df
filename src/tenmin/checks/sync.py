"""A sync line that several streams recorded: its pulses, their pairs, whether it is there.

A stream records one when its device table in rig.toml says so in ``facts``: ``sync_channel``,
the channel's name, and ``sync_threshold``, in the stream's unit. Where the reference stream does
as well, Q32-Q35 of `tenmin.checks.timing` judge the pulses that both saw.
"""

from __future__ import annotations

import math

import numpy as np

from tenmin.checks.parameters import ParameterSet
from tenmin.checks.peers import Peers
from tenmin.checks.single import Single
from tenmin.checks.timing import Points, SyncCheck, pair_pulses
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

NEAR = 0.25  # of the usual interval: how far apart by arrival the first common pulse may be


def has_sync(stream: Stream) -> bool:
    """Whether a stream records a sync line, and says how."""
    channel, threshold = stream.facts.get("sync_channel"), stream.facts.get("sync_threshold")
    return stream.is_regular and channel in stream.channels and threshold is not None


class Pulses:
    """The rising edges of a stream's sync line.

    Attributes
    ----------
    times, arrivals : list of float
        Each edge on the stream's own clock, and when it reached the host, seconds.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        c = self._channel = stream.channels.index(stream.facts["sync_channel"])
        scales = stream.channel_scales or (1.0,) * stream.n_channels
        threshold = float(stream.facts["sync_threshold"])
        self._threshold = (threshold - stream.offset) / (stream.scale * scales[c])  # counts
        self._next: int | None = None
        self._high = True
        self.restart()

    def restart(self) -> None:
        """Forget the pulses so far."""
        self.times: list[float] = []
        self.arrivals: list[float] = []

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream; an edge within a gap is not seen."""
        n = len(piece.samples)
        if n == 0:
            return
        high = np.asarray(piece.samples[:, self._channel]) > self._threshold
        before = self._high if piece.index == self._next else True
        edges = np.flatnonzero(high & ~np.concatenate([[before], high[:-1]]))
        self._next, self._high = piece.index + n, bool(high[-1])
        rate = self.stream.rate_hz
        self.times += [(piece.index + int(k)) / rate for k in edges]
        self.arrivals += [piece.host_ns * 1e-9 - (n - 1 - int(k)) / rate for k in edges]

    @property
    def interval_s(self) -> float:
        """The usual time between two pulses; NaN before there are two."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else math.nan


class Pairs:
    """The pulses of a stream beside those of the reference, as they come.

    Attributes
    ----------
    points : Points
    """

    def __init__(self, own: Pulses, peers: Peers) -> None:
        self.own, self.peers = own, peers
        self.points = Points()
        self.restart()

    def restart(self) -> None:
        """Begin anew with the pulses that come from now on."""
        self.points.restart()
        self._at: tuple[int, int] | None = None  # of the last pair, reference and own

    def update(self) -> None:
        """Pair what has come since the last call."""
        reference = self.peers.pulses.get(self.peers.primary)
        if reference is None:
            return
        if self._at is None:
            self._at = _first_common(reference, self.own)
            if self._at is None:
                return
            i, k = self._at
            self.points.add(
                np.array(reference.times[i : i + 1]), np.array(self.own.times[k : k + 1])
            )
        i, k = self._at
        ours, theirs = np.array(self.own.times[k:]), np.array(reference.times[i:])
        if len(ours) < 2 or len(theirs) < 2:
            return
        x, y = pair_pulses(theirs, ours)  # the last pair is the first one of both
        if len(x) > 1:
            self.points.add(x[1:], y[1:])
            self._at = (
                i + int(np.searchsorted(theirs, x[-1])),
                k + int(np.searchsorted(ours, y[-1])),
            )


def _first_common(reference: Pulses, own: Pulses) -> tuple[int, int] | None:
    """The first pulse that reached the host from both at about the same time, by position."""
    interval = reference.interval_s
    if math.isnan(interval):
        return None
    theirs = np.array(reference.arrivals)
    for k, at in enumerate(own.arrivals):
        i = int(np.abs(theirs - at).argmin())
        if abs(theirs[i] - at) <= NEAR * interval:
            return i, k
    return None


class Paired:
    """One of Q32-Q35 of a stream, by the pairs of its pulses."""

    def __init__(self, pairs: Pairs, check: SyncCheck) -> None:
        self._pairs, self._check = pairs, check

    def feed(self, piece: Piece) -> None:
        """The pulses take the pieces."""

    def restart(self) -> None:
        """The recording begins: its pulses are the ones that count."""
        self._pairs.restart()

    def verdict(self, now_s: float) -> Verdict:
        """Judge the pairs so far; one tick."""
        self._pairs.update()
        return self._check.verdict(now_s)


class Sync:
    """Whether pulses come: how long ago the last one was, in usual intervals.

    Unknown before the interval is known: by the fact ``sync.pulse_period_s``, or two pulses.
    """

    def __init__(self, pulses: Pulses, parameters: ParameterSet, period_s: object = None) -> None:
        self.pulses = pulses
        known = isinstance(period_s, int | float) and not isinstance(period_s, bool)
        self._period_s = float(period_s) if known else None  # type: ignore[arg-type]
        self._single = Single(pulses.stream.name, parameters["sync"])
        self._interval, self._newest = math.nan, math.nan

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        self.pulses.feed(piece)

    def restart(self) -> None:
        """The recording begins: the pulses before it are forgotten, but not that there were any."""
        self._look()
        self.pulses.restart()

    def _look(self) -> None:
        if self.pulses.arrivals:
            self._newest = self.pulses.arrivals[-1]
        if not math.isnan(interval := self.pulses.interval_s):
            self._interval = interval

    def verdict(self, now_s: float) -> Verdict:
        """Judge the silence of the line; one tick."""
        self._look()
        period = self._period_s or self._interval
        return self._single.step(max(0.0, now_s - self._newest) / period)
