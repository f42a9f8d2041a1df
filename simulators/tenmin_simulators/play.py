"""Runs a rig: paces its streams, listens to commands, places faults, writes the truth."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenmin.errors import RigError, UsageError
from tenmin_simulators.behaviour import Behaviour
from tenmin_simulators.control import Control, Locks, say
from tenmin_simulators.markers import MarkerSender
from tenmin_simulators.options import UNTIMED, Fault, SimOptions, parse_fault
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.truth import TruthFile

TICK_S = 0.01
LATE_S = 0.05  # a wake-up later than this is counted


@dataclass
class Rig:
    """Everything that one simulator process plays.

    Attributes
    ----------
    name : str
        As in ``tenmin sim NAME``.
    endpoint : str
        How the primary stream is reached.
    senders : sequence
        The primary stream first.
    devices : list of dict
        ``[[device]]`` tables of a rig.toml that fits.
    origin : Origin
        Shared by all senders.
    behaviour : Behaviour, optional
        What the simulated animal does.
    more_clocks, more_truth : functions, optional
        Clocks without a sender; further keys of the truth.
    drop_frames : function, optional
        Places a gap in the imaging frames, which are no stream of their own.
    """

    name: str
    endpoint: str
    senders: Sequence[Sender | MarkerSender]
    devices: list[dict[str, Any]]
    origin: Origin
    behaviour: Behaviour | None = None
    more_clocks: Callable[[], dict[str, Any]] = dict
    more_truth: Callable[[], dict[str, Any]] = dict
    drop_frames: Callable[[Fault, int], None] | None = None

    def sender(self, stream: str) -> Sender | MarkerSender | None:
        """The stream of that name; the primary one for an empty name."""
        if not stream:
            return self.senders[0]
        return next((s for s in self.senders if s.name == stream), None)

    def check(self, fault: Fault) -> str:
        """Why a fault cannot happen here; empty when it can."""
        if self.drop_frames and fault.stream == "frames":
            return "" if fault.kind == "gap" else f"{fault}: frames can only have gaps"
        sender = self.sender(fault.stream)
        if sender is None:
            names = ", ".join(s.name for s in self.senders)
            return f"{fault}: there is no stream {fault.stream!r} among {names}"
        return sender.check(fault)


@dataclass
class Player:
    """One run of a rig."""

    rig: Rig
    options: SimOptions
    waiting: list[tuple[Fault, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.zero_ns: int | None = None
        self.late: dict[str, float] = {"most_s": 0.0, "ticks": 0}
        self._check_all()
        self._truth = TruthFile(self.options.truth) if self.options.truth else None
        for fault in self.options.faults:
            if fault.kind in UNTIMED and not fault.at_s:
                self._place(fault, time.monotonic_ns())
            else:
                self.waiting.append((fault, None))

    def _check_all(self) -> None:
        wrong = [why for fault in self.options.faults if (why := self.rig.check(fault))]
        if wrong:
            raise UsageError(f"{'; '.join(wrong)}.", remedy="Correct the faults and start again.")

    def run(self, control: Control) -> None:
        """Play until told to stop, or until nobody holds the locks."""
        locks = Locks(self.options.while_locked)
        for sender in self.rig.senders:
            sender.wire.plug()
        self.write_truth(last=True)  # a folder that cannot be written shows before anything else
        say({"endpoint": self.rig.endpoint, "devices": self.rig.devices, "pid": os.getpid()})
        wake = next_second = time.monotonic()
        while not control.stopped.is_set():
            for message in control.commands():
                self.obey(message, control)
            self.tick(time.monotonic_ns())
            now = time.monotonic()
            if now >= next_second:
                self.write_truth()
                next_second = now + 1.0
                if locks.abandoned():
                    break
            wake = self._sleep(wake + TICK_S)

    def tick(self, now_ns: int) -> None:
        """Place the faults whose time has come, then send what is due."""
        zero = self.zero_ns
        if zero is None and not self.options.while_locked:
            zero = self.rig.origin.ns
        still = []
        for fault, own_zero in self.waiting:
            base = own_zero if own_zero is not None else zero
            if base is not None and now_ns >= base + round(fault.at_s * 1e9):
                self._place(fault, base + round(fault.at_s * 1e9))
            else:
                still.append((fault, own_zero))
        self.waiting = still
        for sender in self.rig.senders:
            sender.tick(now_ns)

    def obey(self, message: dict[str, Any], control: Control) -> None:
        """Do what a line on stdin says, and answer on stdout."""
        try:
            done = self._obey(message, control)
        except (RigError, TypeError, ValueError) as e:
            say({"refused": message, "why": str(e)})
        else:
            say({"done": done})

    def _obey(self, message: dict[str, Any], control: Control) -> str:
        now_ns = time.monotonic_ns()
        if "complaint" in message:
            raise UsageError(message["complaint"])
        if message.get("stop"):
            control.stopped.set()
            return "stop"
        if "fault_zero_ns" in message:
            self.zero_ns = int(message["fault_zero_ns"])
            return "fault_zero_ns"
        if "fault" in message:
            fault = parse_fault(str(message["fault"]))
            if why := self.rig.check(fault):
                raise UsageError(f"{why}.")
            self.waiting.append((fault, int(message.get("zero_ns", now_ns))))
            return "fault"
        sender = self.rig.sender(str(message.get("stream", "")))
        if sender is None:
            raise UsageError(f"There is no stream {message['stream']!r}.")
        if "pause" in message:
            sender.pause(bool(message["pause"]))
            return "pause"
        if message.get("unplug"):
            sender.unplug(now_ns)
            return "unplug"
        if message.get("replug"):
            sender.replug()
            return "replug"
        raise UsageError(f"No command: {message}.")

    def _place(self, fault: Fault, at_ns: int) -> None:
        if fault.stream == "frames" and self.rig.drop_frames:
            self.rig.drop_frames(fault, at_ns)
            return
        sender = self.rig.sender(fault.stream)
        assert sender is not None  # checked before
        sender.place(fault, at_ns)

    def _sleep(self, until: float) -> float:
        left = until - time.monotonic()
        if left > 0:
            time.sleep(left)
            return until
        self.late["most_s"] = max(self.late["most_s"], -left)
        self.late["ticks"] += -left > LATE_S
        # What was late is sent in one piece at the next tick; old ticks are not made up for.
        return until if -left < TICK_S else time.monotonic()

    def write_truth(self, *, last: bool = False) -> None:
        """Write the truth file, if one was asked for."""
        if self._truth is not None:
            self._truth.write(self.truth(), last=last)

    def truth(self) -> dict[str, Any]:
        """What has really happened so far."""
        rig = self.rig
        elapsed = (time.monotonic_ns() - rig.origin.ns) * 1e-9 if rig.origin.ns else 0.0
        clocks = {s.name: s.truth() for s in rig.senders} | rig.more_clocks()
        first = rig.senders[0]
        return {
            "simulator": rig.name,
            "seed": self.options.seed,
            "origin_host_ns": rig.origin.ns,
            "fault_zero_ns": self.zero_ns if self.zero_ns is not None else rig.origin.ns,
            "events": [event for s in rig.senders for event in (*s.events, *s.natural())],
            "gaps": {s.name: s.gaps for s in rig.senders},
            "clocks": clocks,
            "states": rig.behaviour.states_until(elapsed) if rig.behaviour else [],
            "samples_sent": {name: clock["sent"] for name, clock in clocks.items()},
            "next_index": {s.name: s.next for s in rig.senders if isinstance(s, Sender)},
            "primary": first.name,
            "late": self.late,
            **rig.more_truth(),
        }


def play(rig: Rig, options: SimOptions) -> int:
    """Run a rig until SIGTERM, SIGINT, ``{"stop": true}`` or free locks; returns the exit code.

    Raises
    ------
    RigError
        A wire, a fault or the truth file cannot be had.
    """
    player = Player(rig, options)
    control = Control()
    control.listen()
    gc.freeze()
    try:
        player.run(control)
    finally:
        for sender in rig.senders:
            close = getattr(sender.wire, "close", sender.wire.unplug)
            close()
        player.write_truth(last=True)
    return 0
