"""Back-pressure: how much of a stream's ring waits to be written, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tenmin.errors import DiskTooSlow
from tenmin.marks import Marks
from tenmin.recorder.files import read_log
from tenmin.verdict import FAIL, OK, WARN, Verdict

# Shares of the ring (issue 3, item 5): of the usual 10 s, 2 s, 5 s and 9 s of data.
AMBER, RED, STOP = 0.2, 0.5, 0.9
GREEN = 0.0
NAMES = {GREEN: "green", AMBER: "amber", RED: "red", STOP: "stop"}
RECOVERED = 0.5  # a level is left below this share of its limit, so that it does not flicker
KNOWN_S = 0.5  # shorter looks tell no rate
RATES_S = 10.0  # over which the disk is held against the streams
TOO_SLOW = "disk too slow"  # how such a recording ends, in acquirer.jsonl
_LEVELS = {GREEN: OK, AMBER: WARN, RED: FAIL, STOP: FAIL}


@dataclass(frozen=True, slots=True)
class Pressure:
    """One stream's ring at one moment.

    Attributes
    ----------
    fill : float
        Share of the ring that waits, 0-1.
    limit : float
        The highest of `GREEN`, `AMBER`, `RED`, `STOP` that it has reached and not recovered from.
    peak, worst : float
        Largest share since that level began, and since the recording began.
    since_s : float or None
        Host time (monotonic, seconds) at which that level began.
    """

    fill: float = 0.0
    limit: float = GREEN
    peak: float = 0.0
    worst: float = 0.0
    since_s: float | None = None

    def at(self, now_s: float, fill: float) -> Pressure:
        """The ring at `now_s`, monotonic seconds, with the share `fill` waiting."""
        fill = min(1.0, max(0.0, fill))
        limit = max(level for level in NAMES if fill >= level)
        if limit < self.limit and fill >= RECOVERED * self.limit:
            limit = self.limit
        worst = max(self.worst, fill)
        if limit == self.limit and self.since_s is not None:
            return replace(self, fill=fill, peak=max(self.peak, fill), worst=worst)
        return Pressure(fill, limit, fill, worst, now_s)

    @property
    def name(self) -> str:
        """``green``, ``amber``, ``red`` or ``stop``."""
        return NAMES[self.limit]

    def as_dict(self) -> dict[str, Any]:
        """As telemetry has it."""
        return {
            "fill": self.fill,
            "pressure": self.name,
            "pressure_peak": self.peak,
            "pressure_worst": self.worst,
            "pressure_since_s": self.since_s,
        }


@dataclass(frozen=True, slots=True)
class Flowing:
    """What came from the devices and what the disk took, bytes of all streams together."""

    marks: Marks = field(default=Marks(RATES_S))

    def at(self, now_s: float, came: int, taken: int) -> Flowing:
        """With the counters of `now_s`, monotonic seconds."""
        return Flowing(self.marks.seen(now_s, came, taken))

    @property
    def came_bytes_per_s(self) -> float:
        """What the devices delivered."""
        return max(0.0, self.marks.per_s(0))

    @property
    def taken_bytes_per_s(self) -> float:
        """What the disk took."""
        return max(0.0, self.marks.per_s(1))


def verdicts(streams: dict[str, dict[str, Any]]) -> list[Verdict]:
    """The check ``backpressure`` of each stream that is being written, from its telemetry."""
    limits = {name: limit for limit, name in NAMES.items()}
    found = []
    for name, told in streams.items():
        if "pressure" not in told:
            continue
        limit = limits[told["pressure"]]
        action = "" if limit == GREEN else "End other programs that write to this disk."
        found.append(
            Verdict(
                "backpressure",
                name,
                _LEVELS[limit],
                told["pressure_peak"],
                limit or AMBER,
                "1",
                told["pressure_since_s"],
                action,
            )
        )
    return found


def of_block(streams: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The worst of all streams: ``stream``, ``level``, ``fill``, ``worst``, ``since_s``."""
    told = {name: numbers for name, numbers in streams.items() if "pressure" in numbers}
    if not told:
        return None
    order = list(NAMES.values())
    name = max(told, key=lambda n: (order.index(told[n]["pressure"]), told[n]["fill"]))
    return {
        "stream": name,
        "level": told[name]["pressure"],
        "fill": told[name]["fill"],
        "worst": max(numbers["pressure_worst"] for numbers in told.values()),
        "since_s": told[name]["pressure_since_s"],
    }


def too_slow(name: str, pressure: Pressure, flowing: Flowing) -> DiskTooSlow:
    """Why the recording is ended before samples are overwritten unwritten."""
    waited = f"{pressure.fill:.0%} of the memory of {name} waited to be written"
    if flowing.marks.span_s < KNOWN_S:  # a new acquirer found the ring so
        return DiskTooSlow(f"The disk is too slow: {waited} when the recording was taken over.")
    came, taken = flowing.came_bytes_per_s / 1e6, flowing.taken_bytes_per_s / 1e6
    return DiskTooSlow(
        f"The disk is too slow: {came:.3g} MB/s came and it took {taken:.3g} MB/s, until {waited}."
    )


def reason_in(dot: Path) -> DiskTooSlow | None:
    """Why the recording of a journal was ended by a slow disk; None where it was not."""
    ends = [line for line in read_log(dot / "acquirer.jsonl") if line.get("t") == "end"]
    if not ends or ends[-1].get("reason") != TOO_SLOW:
        return None
    return DiskTooSlow(str(ends[-1].get("message")), remedy=ends[-1].get("remedy"))
