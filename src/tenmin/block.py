"""The ten-minute block as a value: time and facts go in, the next block comes out.

Rules that nothing can change (science.md A.1): there is no pausing, the canonical window never
moves, an extension follows rules declared before the start and nothing else, phases never go back.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, replace
from typing import Any

from tenmin import gates as guards
from tenmin.errors import MessageRefused
from tenmin.outlook import deficits, final_labels, finish, remaining
from tenmin.phases import Event, Facts, Gate, Phase, Plan, Request, plan
from tenmin.protocol import Protocol
from tenmin.snapshot import Snapshot, flat, lights
from tenmin.verdict import UNKNOWN
from tenmin.window import t0_index, window_samples

__all__ = [
    "Block",
    "Event",
    "Facts",
    "Gate",
    "Phase",
    "Plan",
    "Request",
    "Snapshot",
    "lights",
    "plan",
    "t0_index",
    "window_samples",
]


@dataclass(frozen=True)
class Block:
    """One block at one moment.

    Attributes
    ----------
    protocol, request, plan : Protocol, Request, Plan
        What was asked for, and the numbers that follow from it.
    phase, since : Phase, float
        Where it is, and the host time (monotonic seconds) at which that began.
    settle_at, record_at : float or None
        Host times at which SETTLE and RECORDING began.
    listening_at, heard : float or None, frozenset of str
        Since when somebody listens to the streams, and which of them have delivered.
    target_s : float
        The window now planned, extensions included, reference seconds.
    gates, waiting : tuple of Gate, tuple of str
        The guards of the next transition as the last step found them; those not met, in words.
    labels : tuple of str
        What the block is marked with: ``nonstandard``, ``short``, ``gate_override``,
        ``stationarity_unknown``, ``integrity_fail_late``, ``stream_silent``, ``channels_poor``,
        ``sleep_dominated``, ``clean_time_short``, ``clean_time_unknown``, ``clean_below_300``,
        ``state_time_short`` and those of a protocol's rules.
    log : tuple of Event
        What happened in the last step only.
    cause, reason : str
        Why it was aborted: ``operator``, ``integrity``, ``never_started``, ``failed``; in words.
    silent : tuple of str
        With cause ``never_started``: the streams that delivered nothing.
    """

    protocol: Protocol
    request: Request
    plan: Plan
    phase: Phase
    since: float
    target_s: float
    settle_at: float | None = None
    record_at: float | None = None
    listening_at: float | None = None
    heard: frozenset[str] = frozenset()
    gates: tuple[Gate, ...] = ()
    waiting: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    log: tuple[Event, ...] = ()
    cause: str = ""
    reason: str = ""
    silent: tuple[str, ...] = ()

    @classmethod
    def new(cls, protocol: Protocol, request: Request, now: float) -> Block:
        """A block that has not begun, at host time `now` (monotonic seconds)."""
        numbers = plan(protocol, request)
        labels = [name for name in ("nonstandard", "short") if getattr(numbers, name)]
        return cls(
            protocol, request, numbers, Phase.IDLE, now, numbers.seconds, labels=tuple(labels)
        )

    def step(self, now: float, facts: Facts) -> Block:
        """The block at `now`, at most one phase further.

        Parameters
        ----------
        now : float
            Host time, monotonic seconds.
        facts : Facts
            What is known at this moment.
        """
        block = replace(self, log=())
        if block.phase.is_final:
            return block
        if facts.failed is not None:
            return block._aborted(now, "failed", facts.failed)
        return {
            Phase.IDLE: block._idle,
            Phase.PREFLIGHT: block._preflight,
            Phase.SETTLE: block._settle,
            Phase.READY: block._ready,
            Phase.RECORDING: block._record,
            Phase.EXTENDING: block._record,
            Phase.CLOSING: block._close,
        }[block.phase](now, facts)

    def start(self, now: float, reason: str = "") -> Block:
        """The block after the operator pressed start, in READY or, with a reason, in SETTLE.

        Raises
        ------
        MessageRefused
            It cannot start in this phase, a hard gate is not met, or a soft gate is not met and
            no reason is given.
        """
        if self.phase not in (Phase.SETTLE, Phase.READY) or not self.gates:
            raise MessageRefused(f"A block in {self.phase} cannot be started.")
        hard = [gate.text for gate in self.gates if gate.holds_up and gate.hard]
        if hard:
            raise MessageRefused(
                f"The block cannot start: {'; '.join(hard)}.",
                remedy="This cannot be overridden; mend it, or abort the block.",
            )
        unmet = [gate for gate in self.gates if gate.holds_up]
        if unmet and not reason.strip():
            raise MessageRefused(
                f"Not met: {'; '.join(gate.text for gate in unmet)}.",
                remedy="Wait, or start with a typed reason.",
            )
        block = replace(self, log=())
        for gate in unmet:
            value = json.dumps({**dataclasses.asdict(gate), "reason": reason.strip()})
            block = block._noted(now, "override", value, source="operator", latency="human")
        if unmet:
            block = block._labelled(now, "gate_override")
        return block._recording(now, "operator")

    def abort(self, now: float, reason: str) -> Block:
        """The block after the operator ended it; what was recorded is kept.

        Raises
        ------
        MessageRefused
            It has ended already.
        """
        if self.phase.is_final:
            raise MessageRefused(f"The block has ended already ({self.phase}).")
        return replace(self, log=())._aborted(now, "operator", reason.strip() or "no reason given")

    @property
    def may_restart(self) -> bool:
        """Whether starting again is offered: once, after the data failed early."""
        return self.cause == "integrity" and self.request.restarts == 0

    def again(self, now: float) -> Block:
        """A new block with the same request, from its very beginning.

        Raises
        ------
        MessageRefused
            Starting again is not offered.
        """
        if not self.may_restart:
            raise MessageRefused("This block cannot be started again; start a new one.")
        return Block.new(self.protocol, replace(self.request, restarts=1), now)

    def snapshot(self, now: float, facts: Facts, **more: Any) -> Snapshot:
        """What clients are told; `more` are fields of `Snapshot` that the engine knows."""
        return Snapshot(
            phase=str(self.phase),
            protocol=self.protocol.id,
            position=self.request.position,
            elapsed_s=max(0.0, now - self.since),
            remaining_s=remaining(self.phase, self.plan, self.target_s, now - self.since, facts),
            seconds=self.plan.seconds,
            target_s=self.target_s,
            window_s=facts.window_s,
            clean_s=facts.clean_s,
            clean_target_s=self.plan.clean_target_s,
            projected_finish_s=finish(
                self.phase, self.plan, self.target_s, now - self.since, facts
            ),
            waiting=self.waiting,
            labels=self.labels,
            gates=tuple(map(flat, self.gates)),
            lights=lights(facts.verdicts),
            verdicts=tuple(map(flat, facts.verdicts)),
            disk_free_bytes=facts.disk_free_bytes,
            disk_need_bytes=facts.disk_need_bytes,
            disk_bytes_per_s=facts.disk_bytes_per_s,
            disk_need_bytes_per_s=facts.disk_need_bytes_per_s,
            disk_left_s=facts.disk_left_s,
            disk_foreign_bytes_per_s=facts.disk_foreign_bytes_per_s,
            reason=self.reason,
            cause=self.cause,
            may_restart=self.may_restart,
            nonstandard=self.plan.nonstandard,
            **more,
        )

    # --- phases -------------------------------------------------------------------------------

    def _idle(self, now: float, facts: Facts) -> Block:
        if "subject.code" in facts.missing_facts:
            return replace(self, waiting=("no subject is chosen",))
        of = self.protocol
        value = json.dumps({"id": of.id, "version": of.version, "sha256": of.sha256})
        return self._noted(now, "protocol", value)._entered(now, Phase.PREFLIGHT)

    def _preflight(self, now: float, facts: Facts) -> Block:
        block = self
        if facts.alive_s and block.listening_at is None:
            block = replace(block, listening_at=now)
        heard = {name for name, alive_s in facts.alive_s.items() if alive_s is not None}
        block = replace(block, heard=block.heard | heard)
        silent = tuple(name for name in facts.alive_s if name not in block.heard)
        limit = self.protocol.gates.never_started_s
        if silent and block.listening_at is not None and now - block.listening_at >= limit:
            text = f"{', '.join(silent)} delivered nothing within {limit:g} s"
            return replace(block, silent=silent)._aborted(now, "never_started", text)
        block = block._guarded(guards.preflight(self.protocol, self.plan, facts))
        return block if block.waiting else block._with_gates(now)._entered(now, Phase.SETTLE)

    def _settle(self, now: float, facts: Facts) -> Block:
        block = self._guarded(self._settling(now, facts))
        return block if block.waiting else block._entered(now, Phase.READY, keep=True)

    def _ready(self, now: float, facts: Facts) -> Block:
        block = self._guarded(self._settling(now, facts))
        if block.waiting:
            return block
        if not self.request.automatic:
            return replace(block, waiting=("the operator's start",))
        return block._recording(now, "automatic")

    def _record(self, now: float, facts: Facts) -> Block:
        block = self
        for rule in self.protocol.rules:
            for verdict in facts.verdicts:
                if not guards.matches(rule, verdict, facts, now):
                    continue
                early = rule.within_s is not None and self._is_early(rule.within_s, facts)
                if rule.then == "abort" and early and self.phase is Phase.RECORDING:
                    return block._aborted(now, "integrity", guards.describe(verdict))
                block = block._labelled(now, rule.label)
                if rule.then == "end":
                    return block._ended(now, facts, guards.describe(verdict))
        if facts.window_s is None or facts.window_s < block.target_s:
            return block
        return block._at_target(now, facts)

    def _close(self, now: float, facts: Facts) -> Block:
        waiting = []
        if not facts.pad_done:
            waiting.append("the second pad")
        if not facts.closed:
            waiting.append("the journal to be closed")
        if not facts.finalised:
            waiting.append("the file to be written and verified")
        if waiting:
            return replace(self, waiting=tuple(waiting))
        return self._entered(now, Phase.SUMMARISED)

    # --- transitions --------------------------------------------------------------------------

    def _recording(self, now: float, how: str) -> Block:
        block = self
        for gate in self.gates:
            if gate.level == UNKNOWN:
                block = block._labelled(now, f"{gate.id}_unknown")
        block = block._with_gates(now)._entered(now, Phase.RECORDING, how)
        return replace(block, record_at=now)

    def _at_target(self, now: float, facts: Facts) -> Block:
        missing = deficits(self.protocol, self.plan, facts)
        due = [rule for rule in self.plan.extend if missing.get(rule, 0.0) > 0]
        if not due or self.target_s >= self.plan.hard_max_s:
            return self._closing(now, facts)
        target = min(self.target_s + self.plan.step_s, self.plan.hard_max_s)
        value = json.dumps({"rules": due, "deficits_s": missing, "target_s": target})
        block = replace(self, target_s=target)._noted(now, "extension", value)
        if block.phase is Phase.EXTENDING:
            return block
        return block._entered(now, Phase.EXTENDING)

    def _ended(self, now: float, facts: Facts, why: str) -> Block:
        """The block whose subject is lost: what was recorded so far is all there will be."""
        if not facts.window_s:
            return self._aborted(now, "integrity", why)
        block = replace(self, target_s=min(self.target_s, facts.window_s))
        if block.target_s < self.plan.seconds:
            block = block._labelled(now, "short")
        return block._closing(now, facts)

    def _closing(self, now: float, facts: Facts) -> Block:
        block = self
        for label in final_labels(self.protocol, self.plan, facts):
            block = block._labelled(now, label)
        return block._entered(now, Phase.CLOSING)

    def _aborted(self, now: float, cause: str, reason: str) -> Block:
        source, latency = ("operator", "human") if cause == "operator" else ("engine", "software")
        block = replace(self, cause=cause, reason=reason)
        block = block._noted(now, "abort", reason, source=source, latency=latency)
        return block._entered(now, Phase.ABORTED)

    def _entered(self, now: float, phase: Phase, how: str = "", *, keep: bool = False) -> Block:
        block = self._noted(now, "phase", str(phase))
        if how:
            block = block._noted(now, "start", how)
        gates = self.gates if keep else ()
        block = replace(block, phase=phase, since=now, gates=gates, waiting=())
        return replace(block, settle_at=now) if phase is Phase.SETTLE else block

    # --- parts --------------------------------------------------------------------------------

    def _settling(self, now: float, facts: Facts) -> tuple[Gate, ...]:
        settled_s = now - (self.since if self.settle_at is None else self.settle_at)
        return guards.settling(self.protocol, self.plan, facts, settled_s)

    def _guarded(self, gates: tuple[Gate, ...]) -> Block:
        waiting = tuple(gate.text for gate in gates if gate.holds_up)
        return replace(self, gates=gates, waiting=waiting)

    def _is_early(self, within_s: float, facts: Facts) -> bool:
        return facts.window_s is None or facts.window_s < within_s * self.plan.scale

    def _noted(self, now: float, code: str, value: str, **more: str) -> Block:
        return replace(self, log=(*self.log, Event(now, code, value, **more)))  # type: ignore[arg-type]

    def _labelled(self, now: float, label: str) -> Block:
        if label in self.labels:
            return self
        return replace(self, labels=(*self.labels, label))._noted(now, "label", label)

    def _with_gates(self, now: float) -> Block:
        block = self
        for gate in self.gates:
            block = block._noted(now, "gate", json.dumps(dataclasses.asdict(gate)))
        return block
