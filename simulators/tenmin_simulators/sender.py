"""One simulated stream: what its clock says is due goes over its wire, faults included."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenmin.errors import UsageError
from tenmin_simulators.damage import ELECTRICAL, ENDING, STUCK, Apply, Input, damage
from tenmin_simulators.options import Fault
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.truth import Event
from tenmin_simulators.wires import LslWire, Wire

MOST_ROWS = 8192  # what is sent at once when the computer was busy
MINUTE_S = 60.0
DRAIN_S = 0.1  # before an unplug what was pushed gets this long to leave

# samples [first, first + n), the first one at t_s of the rig's time
Make = Callable[[int, int, float], np.ndarray]
# a fault that the generator itself plays, from an index on that stands at t_s of the rig's time
Take = Callable[[Fault, int, float], None]
GOING_ON = (
    *STUCK,
    "line",
    "drift",
    "bend",
    "jitter",
    "white",
    "high_impedance",
    "bridge",
    "outside",
)
DELIVERY = (
    "gap",
    "stall",
    "disconnect",
    "burst",
    "duplicate",
    "reorder",
    "drift",
    "bend",
    "jitter",
)


@dataclass
class Origin:
    """The host time at which the rig began to deliver, once it has."""

    ns: int | None = None


@dataclass(frozen=True)
class Step:
    """Something other than sending that happens to samples [first, first + width)."""

    first: int
    width: int
    kind: str  # gap, duplicate, reorder


@dataclass(frozen=True)
class Effect:
    """Samples [since, until) are wrong."""

    since: int
    until: float
    apply: Apply


@dataclass
class Sender:
    """A regular numeric stream.

    Attributes
    ----------
    name : str
    wire : Wire
    make : function
        Gives samples by index; the array may be its own scratch.
    channels : sequence of str
        Labels, for the faults that name one.
    clock : SampleClock
    electrical : slice, optional
        Columns that see mains hum.
    hum : function, optional
        dB -> RMS in counts of the line that reads so.
    full_scale : float
        What a saturated channel shows.
    takes : mapping of str to function
        Kinds of faults that the generator itself plays.
    happened : function, optional
        Seconds since the first sample -> what has happened by itself until then.
    facts : dict
        More of the truth about this stream.
    gaps : list of [index, samples]
        What was never sent, as far as something was sent after it.
    """

    name: str
    wire: Wire
    make: Make
    channels: Sequence[str]
    clock: SampleClock
    origin: Origin
    dtype: str = "int16"
    electrical: slice | None = None
    hum: Callable[[float], float] | None = None
    full_scale: float = 32767.0
    mains_hz: float = 50.0
    seed: int = 0
    takes: Mapping[str, Take] = field(default_factory=dict)
    happened: Callable[[float], Sequence[Event]] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {"sent": 0, "overflow": 0})
    gaps: list[list[int]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start_ns: int | None = None
        self.next = 0  # index of the next sample
        self._plan: list[Step] = []
        self._effects: list[Effect] = []
        self._held_until_ns = 0
        self._unplug_at_ns: int | None = None
        self._replug_at_ns: int | None = None
        self._paused = False
        self._jitter_s = 0.0
        self._rng = np.random.default_rng((self.seed, len(self.name)))
        self._quiet: list[list[int]] = []  # not sent; a gap once something is sent after it

    # Faults ----------------------------------------------------------------------------------

    def check(self, fault: Fault) -> str:
        """Why this fault cannot happen to this stream; empty when it can."""
        kind = fault.kind
        for channel in filter(None, (fault.channel, fault.other)):
            if self._column(channel) is None:
                return f"{fault}: {self.name} has no channel {channel!r}"
        if kind == "nan" and not self.dtype.startswith("float"):
            return f"{fault}: {self.name} sends {self.dtype}, which has no NaN"
        if kind in ("line", "hum"):
            if self.hum is None:
                return f"{fault}: {self.name} is not electrical"
            # the power beside the line is measured now, once, not while it runs
            self.hum(fault.value)
        if kind in ELECTRICAL and self.electrical is None:
            return f"{fault}: {self.name} is not electrical"
        if kind == "jitter" and not isinstance(self.wire, LslWire):
            return f"{fault}: {self.name} sends no time stamps"
        known = (*DELIVERY, *STUCK, *ELECTRICAL, *ENDING, "line", *self.takes)
        return "" if kind in known else f"{fault}: {self.name} knows no {kind}"

    def place(self, fault: Fault, at_ns: int) -> None:
        """Let a fault happen at a host time, which is now or just past."""
        if why := self.check(fault):
            raise UsageError(f"{why}.")
        first = max(self.next, self._due(at_ns))
        onset_s = self.rig_s(first)
        width = 0
        if fault.kind in ("gap", "duplicate", "reorder"):
            width = round(fault.value) * (2 if fault.kind == "reorder" else 1)
            self._step(Step(first, width, fault.kind))
        elif fault.kind == "stall":
            width = round(fault.value * self.clock.rate_hz)
            self._step(Step(first, width, "gap"))
        elif fault.kind == "disconnect":
            self._unplug_at_ns = at_ns
            self._replug_at_ns = at_ns + round(fault.value * 1e9)
        elif fault.kind == "burst":
            self._held_until_ns = at_ns + round(fault.value * 1e9)
        elif fault.kind == "jitter":
            self._jitter_s = fault.value * 1e-3
        elif fault.kind == "drift":
            self._drift(fault.value, at_ns)
        elif fault.kind == "bend":
            since_s = 0.0 if self.start_ns is None else (at_ns - self.start_ns) * 1e-9
            self.clock = self.clock.bent(since_s, fault.value / MINUTE_S)
        elif fault.kind in self.takes:
            self.takes[fault.kind](fault, first, onset_s)
        else:
            ends = fault.kind in ENDING
            until = first + round(fault.lasts_s * self.clock.rate_hz) if ends else np.inf
            self._effects.append(Effect(first, until, damage(fault, self._input(fault, first))))
        self.events.append(
            {
                "type": fault.kind,
                "stream": self.name,
                "channels": [c for c in (fault.channel, fault.other) if c],
                "index": first,
                "n": width,
                "onset_s": onset_s,
                "offset_s": self._offset_s(fault, onset_s),
                "host_ns": at_ns,
                "magnitude": fault.value,
            }
        )

    def _offset_s(self, fault: Fault, onset_s: float) -> float | None:
        if fault.lasts_s:
            return onset_s + fault.lasts_s
        return None if fault.kind in GOING_ON else onset_s

    def _input(self, fault: Fault, first: int) -> Input:
        """What a fault has to know of this stream."""
        sd = np.zeros(len(self.channels))
        if fault.kind in ELECTRICAL:
            n = int(min(MOST_ROWS, max(64, 2 * self.clock.rate_hz)))
            some = self.make(first, n, self.rig_s(first))
            sd = some.std(axis=0, dtype=np.float64)
        hums = fault.kind in ("line", "hum") and self.hum is not None
        named = (self._column(c) for c in (fault.channel, fault.other) if c)
        return Input(
            rate_hz=self.clock.rate_hz,
            full_scale=self.full_scale,
            electrical=self.electrical or slice(None),
            hum_rms=self.hum(fault.value) if hums and self.hum else 0.0,
            sd=sd,
            columns=tuple(c for c in named if c is not None),
            rng=np.random.default_rng((self.seed, len(self.events), first)),
            mains_hz=self.mains_hz,
        )

    def pause(self, paused: bool) -> None:
        """Send nothing, the wire left open; what is not sent is missing."""
        self._paused = paused

    def unplug(self, now_ns: int) -> None:
        """Cut the wire at once, until `replug`."""
        self.wire.unplug()
        self._unplug_at_ns, self._replug_at_ns = now_ns, None

    def replug(self) -> None:
        """Bring the wire back."""
        self._unplug_at_ns = None
        self.wire.plug()

    # Sending ---------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        """Send what is due at `now_ns`."""
        if self._unplug_at_ns is not None and now_ns >= self._unplug_at_ns:
            self._cut(now_ns)
            return
        if not self.wire.listening():
            if self.start_ns is not None:
                self._miss(self._due(now_ns))
            return
        if self.start_ns is None:
            self.start_ns = now_ns
            if self.origin.ns is None:
                self.origin.ns = now_ns
        if self._paused:
            self._miss(self._due(now_ns))
        elif now_ns >= self._held_until_ns:
            self._send_until(self._due(now_ns))

    def rig_s(self, index: int) -> float:
        """Seconds of the rig's time at a sample; 0 before the start."""
        if self.start_ns is None or self.origin.ns is None:
            return 0.0
        return (self.start_ns - self.origin.ns) * 1e-9 + self.clock.elapsed(index)

    def truth(self) -> dict[str, Any]:
        """Clock and counts so far."""
        return {
            "rate_hz": self.clock.rate_hz,
            "ppm": self.clock.ppm,
            "steps": [list(s) for s in self.clock.steps],
            "bends": [list(b) for b in self.clock.bends],
            "start_host_ns": self.start_ns,
            "jitter_s": self._jitter_s,
            **self.counts,
            **self.facts,
        }

    def natural(self) -> list[dict[str, Any]]:
        """What has happened by itself so far, as the truth has it."""
        if self.happened is None:
            return []
        told = {(e["type"], e["index"]) for e in self.events}
        return [
            self._as_told(e)
            for e in self.happened(self.next / self.clock.rate_hz)
            if (e.type, round(e.onset_s * self.clock.rate_hz)) not in told
        ]

    def _as_told(self, event: Event) -> dict[str, Any]:
        index = round(event.onset_s * self.clock.rate_hz)
        after_s = self.clock.elapsed(index)
        return event.as_dict() | {
            "stream": self.name,
            "channels": [self.channels[c] for c in event.channels],
            "index": index,
            "n": 0,
            "host_ns": None if self.start_ns is None else self.start_ns + round(after_s * 1e9),
        }

    def _due(self, at_ns: int) -> int:
        """How many samples the clock has made by a host time."""
        if self.start_ns is None or at_ns <= self.start_ns:
            return 0
        return int(self.clock.cycles((at_ns - self.start_ns) * 1e-9))

    def _cut(self, now_ns: int) -> None:
        assert self._unplug_at_ns is not None
        self._miss(self._due(now_ns))
        if now_ns - self._unplug_at_ns >= DRAIN_S * 1e9:
            self.wire.unplug()
        if self._replug_at_ns is not None and now_ns >= self._replug_at_ns:
            self.wire.unplug()
            self.replug()
            self._replug_at_ns = None

    def _drift(self, ppm: float, at_ns: int) -> None:
        if self.start_ns is None:
            self.clock = SampleClock(self.clock.rate_hz, ppm)
        else:
            self.clock = self.clock.stepped((at_ns - self.start_ns) * 1e-9, ppm)

    def _step(self, step: Step) -> None:
        firsts = [s.first for s in self._plan]
        self._plan.insert(bisect.bisect_right(firsts, step.first), step)

    def _send_until(self, due: int) -> None:
        while self.next < due:
            step = self._plan[0] if self._plan else None
            stop = min(due, self.next + MOST_ROWS)
            if step is not None and step.first <= self.next:
                if due < self.next + step.width:
                    return
                self._perform(step)
                self._plan.pop(0)
                continue
            if step is not None:
                stop = min(stop, step.first)
            self._push(self.next, stop)
            self.next = stop

    def _perform(self, step: Step) -> None:
        first, stop = self.next, self.next + step.width
        if step.kind == "gap":
            self._missing(first, step.width)
        elif step.kind == "duplicate":
            self._push(first, stop)
            self._push(first, stop)
            self.counts["sent"] -= step.width
        else:
            middle = first + step.width // 2
            self._push(middle, stop)
            self._push(first, middle)
        self.next = stop

    def _push(self, first: int, stop: int) -> None:
        while first < stop:
            n = min(stop - first, MOST_ROWS)
            samples = self._damaged(self.make(first, n, self.rig_s(first)), first)
            assert self.start_ns is not None
            stamp = self.start_ns * 1e-9 + self.clock.elapsed(first + n - 1)
            if self._jitter_s:
                stamp += self._jitter_s * self._rng.standard_normal()
            went = self.wire.push(samples, first, stamp)
            self.counts["sent"] += went
            if went:
                self.gaps.extend(self._quiet)
                self._quiet.clear()
            if went < n:
                self.counts["overflow"] += n - went
                self._missing(first + went, n - went)
            first += n

    def _miss(self, due: int) -> None:
        """Nothing goes out until `due`."""
        if due > self.next:
            self._missing(self.next, due - self.next)
            self.next = due

    def _missing(self, first: int, n: int) -> None:
        if self._quiet and sum(self._quiet[-1]) == first:
            self._quiet[-1][1] += n
        else:
            self._quiet.append([first, n])

    def _damaged(self, samples: np.ndarray, first: int) -> np.ndarray:
        for effect in self._effects:
            start, stop = max(0, effect.since - first), min(len(samples), effect.until - first)
            if start < stop:
                effect.apply(samples[start : int(stop)], first + start - effect.since)
        return samples

    def _column(self, channel: str) -> int | None:
        if channel in self.channels:
            return list(self.channels).index(channel)
        if channel.isdecimal() and int(channel) < len(self.channels):
            return int(channel)
        return None
