"""What a block is told and what it says: phases, facts, requests, gates, events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tenmin.errors import UsageError
from tenmin.protocol import Protocol
from tenmin.protocol_parts import POSITIONS
from tenmin.verdict import FAIL, Verdict

SHORTEST_S = 1.0  # settle and pads never shrink below it (design.md 3)


class Phase(StrEnum):
    """The parts of a block (science.md A.1), in the order in which they may follow each other."""

    IDLE = "IDLE"
    PREFLIGHT = "PREFLIGHT"
    SETTLE = "SETTLE"
    READY = "READY"
    RECORDING = "RECORDING"
    EXTENDING = "EXTENDING"
    CLOSING = "CLOSING"
    SUMMARISED = "SUMMARISED"
    ABORTED = "ABORTED"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self in (Phase.SUMMARISED, Phase.ABORTED)

    @property
    def is_recording(self) -> bool:
        """Whether the window, or the pad before it, is being recorded."""
        return self in (Phase.RECORDING, Phase.EXTENDING)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the operator asks for beyond the protocol.

    Attributes
    ----------
    seconds : float, optional
        Length of the window; None for the protocol's. Targets and hard maximum scale with it.
    settle_s : float, optional
        Replaces the settle timer and caps what every gate waits for; None for the protocol's.
    pads_s : float, optional
        Length of each pad; None for the protocol's.
    extend : bool
        Declares both extension rules, whatever the protocol declares.
    position : str
        Where in the day's programme: ``before_task``, ``between``, ``after_task``, ``standalone``.
    automatic : bool
        Start as soon as the gates are met; else `Block.start` is awaited.
    restarts : int
        How often this block was started again after an abort; the offer is made once.

    Raises
    ------
    UsageError
        A number is not finite or out of range, or the position is unknown.
    """

    seconds: float | None = None
    settle_s: float | None = None
    pads_s: float | None = None
    extend: bool = False
    position: str = "standalone"
    automatic: bool = True
    restarts: int = 0

    def __post_init__(self) -> None:
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"A block of {self.seconds:g} s cannot be recorded.")
        for name, value in (("settle", self.settle_s), ("pads", self.pads_s)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"--{name} {value:g} is no length of time.")
        if self.position not in POSITIONS:
            raise UsageError(f"{self.position!r} is no position; one of {', '.join(POSITIONS)}.")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the engine knows at one tick.

    Attributes
    ----------
    alive_s : mapping of str to float or None
        Required stream to seconds of unbroken delivery; None when it has delivered nothing yet.
        Empty until the acquirer listens.
    verdicts : tuple of Verdict
        The newest of every check.
    missing_facts : tuple of str
        Required metadata without a value.
    disk_free_bytes, disk_need_bytes : int
        Free space, and what the block is expected to take.
    disk_bytes_per_s, disk_need_bytes_per_s : float or None, float
        What the disk was found to take, None while unknown; what the rig needs.
    disk_measuring : bool
        That is being found out.
    disk_left_s, disk_foreign_bytes_per_s : float or None, float
        Seconds until the disk is full as things go, None while it does not fill; what other
        programs write to it.
    clock_points_s : float
        Seconds of clock points of the stream that has fewest.
    window_s : float or None
        Reference seconds since t0 by sample count, None before t0.
    clean_s : float or None
        Clean seconds since t0; None while no check of the signal tells.
    states_s : mapping of str to float, or None
        State of science.md C.1 to seconds in it since t0; None while nothing tells.
    bad_share : float or None
        Share of the channels that are bad; None while nothing tells.
    reference : str
        Name of the primary stream.
    pad_done, closed, finalised : bool
        The second pad is recorded; the journal is closed; the file is there and verified.
    failed : str or None
        Why the block cannot go on: the reference is lost, the disk is full ...
    """

    alive_s: Mapping[str, float | None] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    missing_facts: tuple[str, ...] = ()
    disk_free_bytes: int = 0
    disk_need_bytes: int = 0
    disk_bytes_per_s: float | None = None
    disk_need_bytes_per_s: float = 0.0
    disk_measuring: bool = False
    disk_left_s: float | None = None
    disk_foreign_bytes_per_s: float = 0.0
    clock_points_s: float = 0.0
    window_s: float | None = None
    clean_s: float | None = None
    states_s: Mapping[str, float] | None = None
    bad_share: float | None = None
    reference: str = ""
    pad_done: bool = False
    closed: bool = False
    finalised: bool = False
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """One guard of a transition.

    Attributes
    ----------
    id : str
        ``facts``, ``alive``, ``integrity``, ``disk``, ``sync``, ``settle``, ``clock``,
        ``disk_speed`` ...
    level : str
        OK, FAIL (it holds the block up) or UNKNOWN (nothing tells; it does not hold it up).
    hard : bool
        Cannot be overridden.
    text : str
        What is waited for, in words for the operator.
    value, limit : float or None
        What was measured, and what it was held against.
    unit : str
        Unit of both.
    """

    id: str
    level: str
    hard: bool
    text: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""

    @property
    def holds_up(self) -> bool:
        """Whether the block waits for it."""
        return self.level == FAIL


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the log; `as_dict` gives it as ``events.jsonl`` has it.

    Attributes
    ----------
    onset_s : float
        Host time, monotonic seconds.
    code, value : str
        A code of the event vocabulary, and what belongs to it (JSON where it is more than a text).
    source : str
        ``engine`` or ``operator``.
    latency : str
        ``hardware``, ``software`` or ``human``.
    """

    onset_s: float
    code: str
    value: str = ""
    source: str = "engine"
    latency: str = "software"
    duration_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of one block: the protocol's, or scaled and capped for a rehearsal.

    Attributes
    ----------
    seconds, settle_s, pads_s, clean_target_s, hard_max_s, step_s : float
        Window, settle timer, each pad, clean-time target, longest window, step of an extension.
    scale : float
        `seconds` over the protocol's length; state targets and rules scale with it.
    alive_s, clock_s : float
        What the gates demand.
    extend : tuple of str
        Declared extension rules: ``clean_time``, ``state``.
    rehearsal : bool
        The settling was shortened or replaced: a gate that judges the signal does not outlast it.
    nonstandard : bool
        A length is not the protocol's own.
    short : bool
        The length is the protocol's short form.
    """

    seconds: float
    settle_s: float
    pads_s: float
    clean_target_s: float
    hard_max_s: float
    step_s: float
    scale: float
    alive_s: float
    clock_s: float
    extend: tuple[str, ...]
    rehearsal: bool
    nonstandard: bool
    short: bool


def plan(protocol: Protocol, request: Request) -> Plan:
    """The numbers of a block (design.md 4: what a rehearsal scales and caps)."""
    timing, gates = protocol.timing, protocol.gates
    seconds = timing.block_s if request.seconds is None else float(request.seconds)
    settle_s = timing.settle_s if request.settle_s is None else float(request.settle_s)
    pads_s = timing.pads_s if request.pads_s is None else float(request.pads_s)
    settle_s, pads_s = max(SHORTEST_S, settle_s), max(SHORTEST_S, pads_s)
    cap = math.inf if request.settle_s is None else settle_s
    scale = seconds / timing.block_s
    own = (timing.block_s, timing.short_s or timing.block_s)
    lengths_differ = (settle_s, pads_s) != (timing.settle_s, timing.pads_s)
    return Plan(
        seconds=seconds,
        settle_s=settle_s,
        pads_s=pads_s,
        clean_target_s=timing.clean_target_s * seconds / timing.block_s,
        hard_max_s=timing.hard_max_s * seconds / timing.block_s,
        step_s=protocol.extend.step_s * seconds / timing.block_s,
        scale=scale,
        alive_s=min(gates.alive_s, cap),
        clock_s=min(gates.clock_s, cap),
        extend=("clean_time", "state") if request.extend else protocol.extend.rules,
        rehearsal=request.settle_s is not None and settle_s != timing.settle_s,
        nonstandard=seconds not in own or lengths_differ,
        short=timing.short_s is not None and seconds == timing.short_s,
    )
