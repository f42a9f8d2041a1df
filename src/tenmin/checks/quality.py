"""Whether a stream delivers; what its samples say stands in the other modules."""

from __future__ import annotations

from tenmin.checks.contract import Check, Factory
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

ALIVE_WARN_S, ALIVE_FAIL_S = 0.5, 2.0  # age of the newest sample of a regular stream
ALIVE_WARN_SAMPLES, ALIVE_FAIL_SAMPLES = 2, 5  # of a slow one: intervals that must have passed too


class Alive(Check):
    """Whether samples still arrive: the age of the newest one."""

    needs_every_sample = False

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._newest_s: float | None = None
        self._warn_s = max(ALIVE_WARN_S, ALIVE_WARN_SAMPLES / stream.rate_hz)
        self._fail_s = max(ALIVE_FAIL_S, ALIVE_FAIL_SAMPLES / stream.rate_hz)

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        self._newest_s = piece.host_ns * 1e-9

    def tick(self, now_s: float) -> Verdict:
        """Judge the age at `now_s`."""
        name = self.stream.name
        if self._newest_s is None:
            return Verdict("alive", name, UNKNOWN, None, self._warn_s, "s", action="Start it.")
        age = now_s - self._newest_s
        if age <= self._warn_s:
            return Verdict("alive", name, OK, age, self._warn_s, "s")
        level, limit = (FAIL, self._fail_s) if age > self._fail_s else (WARN, self._warn_s)
        action = "Check the cable and power of the device; recording goes on."
        return Verdict("alive", name, level, age, limit, "s", action=action)


def _of_regular(make: Factory) -> Factory:
    """Only for regular streams: the silence of others says nothing, and neither do their steps."""
    return lambda stream: make(stream) if stream.is_regular and not stream.is_marker else None


OWN: dict[str, Factory] = {
    "alive": _of_regular(Alive),
}
