"""Checks of signal quality: small units that take pieces of a stream and answer once a second.

A check is made for one stream, is fed every piece in order and asked for its verdict at ticks.
What cannot be judged is UNKNOWN, never OK.
"""

from __future__ import annotations

from tenmin.checks.contract import Check, Factory
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

ALIVE_WARN_S, ALIVE_FAIL_S = 0.5, 2.0  # age of the newest sample of a regular stream
GAP_FAIL_TOTAL_S, GAP_FAIL_SINGLE_S = 0.1, 0.02  # science.md B.4 Q30


class Alive(Check):
    """Whether samples still arrive: the age of the newest one."""

    needs_every_sample = False

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._newest_s: float | None = None

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        self._newest_s = piece.host_ns * 1e-9

    def tick(self, now_s: float) -> Verdict:
        """Judge the age at `now_s`."""
        name = self.stream.name
        if self._newest_s is None:
            return Verdict("alive", name, UNKNOWN, None, ALIVE_WARN_S, "s", action="Start it.")
        age = now_s - self._newest_s
        if age <= ALIVE_WARN_S:
            return Verdict("alive", name, OK, age, ALIVE_WARN_S, "s")
        level, limit = (FAIL, ALIVE_FAIL_S) if age > ALIVE_FAIL_S else (WARN, ALIVE_WARN_S)
        action = "Check the cable and power of the device; recording goes on."
        return Verdict("alive", name, level, age, limit, "s", action=action)


class Gaps(Check):
    """How much is missing by the stream's index; every loss since the start of the block."""

    needs_every_sample = False  # the index tells, and what was skipped is not missing

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.missing = self.longest = 0
        self._next: int | None = None

    def skipped(self, n: int) -> None:
        """Take the next piece for one that comes `n` samples later."""
        if self._next is not None:
            self._next += n

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        if self._next is not None and piece.index > self._next:
            n = piece.index - self._next
            self.missing += n
            self.longest = max(self.longest, n)
        self._next = piece.index + len(piece.samples)

    def restart(self) -> None:
        """Forget the losses so far: what comes now belongs to the block."""
        self.missing = self.longest = 0

    def tick(self, now_s: float) -> Verdict:
        """Judge the losses so far."""
        name, rate = self.stream.name, self.stream.rate_hz
        if self._next is None:
            return Verdict("gaps", name, UNKNOWN, unit="s")
        total, single = self.missing / rate, self.longest / rate
        if total > GAP_FAIL_TOTAL_S or single > GAP_FAIL_SINGLE_S:
            level, limit = FAIL, GAP_FAIL_TOTAL_S
        elif self.missing:
            level, limit = WARN, 0.0
        else:
            return Verdict("gaps", name, OK, 0.0, 0.0, "s")
        action = "Samples are missing: check cable, network and the load of the sending computer."
        return Verdict("gaps", name, level, total, limit, "s", action=action)


def _of_regular(make: Factory) -> Factory:
    """Only for regular streams: the silence of others says nothing, and neither do their steps."""
    return lambda stream: make(stream) if stream.is_regular and not stream.is_marker else None


OWN: dict[str, Factory] = {
    "alive": _of_regular(Alive),
    "gaps": _of_regular(Gaps),
}


def checks_for(stream: Stream) -> list[Check]:
    """The checks of `OWN` that apply to a stream."""
    made = (factory(stream) for factory in OWN.values())
    return [check for check in made if check is not None]
