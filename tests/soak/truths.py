"""What simulators say that they sent, for the account of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tenmin_simulators.timing import SampleClock

SLACK_S = 0.1  # a stream that is no reference begins and ends by its own clock
EDGE_S = 0.3  # nearer to the end of a block a marker may be on its way
LOST_S = 0.5  # design.md 1: what the journal of a block that was cut short may lack at its end
AGAIN_S = 2.0  # after a hole, the most until the inlet of markers is there again


@dataclass(frozen=True)
class Sent:
    """One regular stream.

    Attributes
    ----------
    n : int
        Samples that its clock has made so far.
    start_s : float
        Host time of sample 0.
    clock : SampleClock
    """

    n: int
    start_s: float
    clock: SampleClock

    def at_s(self, index: int) -> float:
        """Host time of a sample."""
        return self.start_s + self.clock.elapsed(index)


@dataclass(frozen=True)
class Texts:
    """One stream of markers: their texts, and the host time of each."""

    texts: tuple[str, ...]
    at_s: tuple[float, ...]


@dataclass(frozen=True)
class Span:
    """A file on the host's clock, seconds.

    Attributes
    ----------
    began_s, ended_s : float
    edge_s : float
        So long before its end a marker may be absent.
    holes : tuple of (float, float)
        Begin and end of what the program tells to be missing of the reference.
    """

    began_s: float
    ended_s: float
    edge_s: float
    holes: tuple[tuple[float, float], ...] = ()

    def promises(self, at_s: float) -> bool:
        """Whether a marker of that time has to be in the file, or in a hole."""
        return self.began_s + EDGE_S <= at_s <= self.ended_s - self.edge_s

    def hides(self, at_s: float) -> bool:
        """Whether a hole explains why it is absent."""
        return any(a - EDGE_S <= at_s <= b + AGAIN_S for a, b in self.holes)


@dataclass(frozen=True)
class Marked:
    """Markers that were sent, that are absent in a hole, and that are not what was sent."""

    sent: int
    missing: int
    wrong: int


def markers(got: Sequence[str], truth: Texts, span: Span) -> Marked:
    """Hold the markers of a file against those sent.

    Those from the first recorded one to the last, and all that the span promises, were sent. One
    that is recorded twice, not in its order or not as sent is wrong. Those of the settling, and of
    the time in which a reference that is gone is waited for, may be there.
    """
    order = {text: k for k, text in enumerate(truth.texts)}
    places = [order.get(text, -1) for text in got]
    wrong = places.count(-1) + sum(0 <= b <= a for a, b in pairwise(places))
    here = {k for k in places if k >= 0}
    due = {k for k, at_s in enumerate(truth.at_s) if span.promises(at_s)}
    known = here | due
    sent = range(min(known), max(known) + 1) if known else range(0)
    absent = [k for k in sent if k not in here]
    missing = sum(span.hides(truth.at_s[k]) for k in absent)
    return Marked(len(sent), missing, wrong)


def truths_of(told: Mapping[str, Any], suffix: str = "") -> dict[str, Sent | Texts]:
    """Every stream of one simulator's truth file; `suffix` is what their names end with here."""
    found: dict[str, Sent | Texts] = {}
    for name, clock in told["clocks"].items():
        if name in told["next_index"] and clock["start_host_ns"] is not None:
            steps = tuple((float(at), float(ppm)) for at, ppm in clock["steps"])
            made = SampleClock(clock["rate_hz"], clock["ppm"], steps)
            n = told["next_index"][name]
            found[name + suffix] = Sent(n, clock["start_host_ns"] * 1e-9, made)
        elif name in told["gaps"]:
            mine = [e for e in told["events"] if e["type"] == "marker" and e["stream"] == name]
            times = tuple(e["host_s"] for e in mine)
            found[name + suffix] = Texts(tuple(e["value"] for e in mine), times)
    return found
