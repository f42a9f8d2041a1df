"""Block protocols: what each preparation asks for, loaded from TOML and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from tenmin.errors import FaultyFile, UnknownName
from tenmin.facts import KINDS, wish
from tenmin.lines import at_line, nearest, read_toml
from tenmin.protocol_faults import Known, contradictions
from tenmin.protocol_parts import (
    CONDITIONS,
    EQUIPMENT,
    LETTERS,
    Condition,
    EventCode,
    Extend,
    Field,
    Gates,
    Instruction,
    Rule,
    StateTarget,
    Step,
    Timing,
)
from tenmin.schema import Fault, build, entry

SHIPPED = Path(__file__).parent / "protocols"
T = TypeVar("T")


@dataclass(frozen=True)
class Protocol:
    """What one preparation asks of a block.

    Attributes
    ----------
    id, version, title : str
        Name, version of the file, one line for people.
    species : str
        ``human``, ``animal`` or ``tissue``.
    letters : tuple of str
        Columns of science.md A.5 that apply: H A E 2 P S N.
    condition : str
        ``dot.condition`` of science.md A.5.
    eyes : str
        What the subject is told to do with the eyes: ``open``, ``closed``, ``none``.
    equipment : tuple of str
        What is always there, so that its facts are required: ``screen``, ``probe`` ...
    more_fields : tuple of str
        Facts required beyond those of the letters.
    reports : tuple of str
        What is told in the file without a target: ``burst_suppression_ratio`` ...
    events : tuple of str
        Codes offered to the operator.
    vocabulary : tuple of EventCode
        All codes: the shared ones and those of the protocol.
    """

    timing: Timing  # first: to a type checker the others have defaults
    id: str = entry(identifier=True)
    version: str = entry(identifier=True)
    title: str = entry()
    species: str = entry(choices=("human", "animal", "tissue"))
    letters: tuple[str, ...] = entry(choices=LETTERS)
    condition: str = entry(choices=CONDITIONS)
    steps: tuple[Step, ...] = entry(named_by="id")
    extend: Extend = dataclasses.field(default=Extend())
    gates: Gates = dataclasses.field(default=Gates())
    eyes: str = entry("none", choices=("open", "closed", "none"))
    equipment: tuple[str, ...] = entry((), choices=EQUIPMENT)
    more_fields: tuple[str, ...] = entry(())
    reports: tuple[str, ...] = entry(())
    events: tuple[str, ...] = entry(())
    conditions: tuple[Condition, ...] = entry((), named_by="id")
    states: tuple[StateTarget, ...] = entry(())
    rules: tuple[Rule, ...] = entry((), named_by="id")
    instructions: tuple[Instruction, ...] = entry((), named_by="id")
    vocabulary: tuple[EventCode, ...] = entry((), named_by="code")

    @property
    def required_fields(self) -> tuple[str, ...]:
        """Facts that the file of such a block must hold, whoever gives them."""
        return self._required(("tenmin", "rig", "operator", "after"), self.equipment)

    def asked_before(
        self, position: str = "standalone", equipment: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Facts that must have a value before the settling: those of the rig and the operator.

        Parameters
        ----------
        position : str
            Of the block in the day's programme; all but ``standalone`` belong to a task.
        equipment : collection of str
            What this rig has beyond `Protocol.equipment`: ``camera``, ``wheel`` ...
        """
        task = () if position == "standalone" else ("task",)
        return self._required(("rig", "operator"), (*self.equipment, *equipment, *task))

    @property
    def asked_after(self) -> tuple[str, ...]:
        """Facts that are asked for when the block is over."""
        return self._required(("after",), self.equipment)

    def _required(self, given: Collection[str], present: Collection[str]) -> tuple[str, ...]:
        found = [
            field.key
            for field in fields()
            if field.given in given
            and (field.applies_to(self.letters) or field.key in self.more_fields)
            and (not field.when or field.when in present)
        ]
        known = {field.key for field in fields()}
        own = [key for key in self.more_fields if key not in known]
        return (*found, *(own if "operator" in given else ()))

    def as_dict(self) -> dict[str, Any]:
        """Everything in it as JSON has it, shared parts and required facts included."""
        plain = json.loads(json.dumps(dataclasses.asdict(self)))
        return {**plain, "required_fields": list(self.required_fields)}

    @property
    def sha256(self) -> str:
        """Hash of all parameters, over canonical JSON."""
        canonical = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class _Fields:
    fields: tuple[Field, ...] = entry(named_by="key")


@dataclass(frozen=True)
class _Events:
    events: tuple[EventCode, ...] = entry(named_by="code")


@dataclass(frozen=True)
class _Rules:
    rules: tuple[Rule, ...] = entry(named_by="id")


@cache
def fields() -> tuple[Field, ...]:
    """Every fact of science.md A.5, in its order."""
    return _read(_Fields, SHIPPED / "_fields.toml").fields


@cache
def shared_events() -> tuple[EventCode, ...]:
    """The event vocabulary that all protocols have (science.md A.4)."""
    return _read(_Events, SHIPPED / "_events.toml").events


@cache
def shared_rules() -> tuple[Rule, ...]:
    """The rules that hold for every block (science.md A.7)."""
    return _read(_Rules, SHIPPED / "_rules.toml").rules


def protocol_ids() -> tuple[str, ...]:
    """Names of the shipped protocols, sorted."""
    found = (path.stem for path in SHIPPED.glob("*.toml"))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(id_or_path: str | os.PathLike[str]) -> Protocol:
    """A shipped protocol by its id, or a lab's own by the path of its TOML file.

    Raises
    ------
    UnknownName
        It is neither.
    FaultyFile
        The file cannot be used; every fault with its line.
    """
    name = os.fspath(id_or_path)
    if name in protocol_ids():
        return _load(SHIPPED / f"{name}.toml")
    path = Path(name)
    if path.suffix == ".toml" or path.parent != Path() or path.exists():
        return _load(path)
    raise UnknownName(
        f"There is no protocol {name!r}.",
        remedy=f"Name one of {', '.join(protocol_ids())}, or the path of a TOML file.",
    )


def describe(protocol: Protocol) -> str:
    """A protocol in words, for ``tenmin protocols show``."""
    timing, lines = protocol.timing, [f"{protocol.id}, version {protocol.version}", protocol.title]
    lines += ["", f"parameter hash  {protocol.sha256}", ""]
    short = "" if timing.short_s is None else f" (or {timing.short_s:g} s, flagged short)"
    rules = " or ".join(protocol.extend.rules).replace("_", " ")
    step = f"in steps of {protocol.extend.step_s:g} s to at most {timing.hard_max_s:g} s"
    lines += [
        f"settling        {timing.settle_s:g} s",
        f"window          {timing.block_s:g} s{short}, a pad of {timing.pads_s:g} s on either side",
        f"clean time      {timing.clean_target_s:g} s wanted",
        f"extension       {f'by {rules}, {step}' if rules else 'never'}",
    ]
    lines += [f"state           {_target(target)}" for target in protocol.states]
    lines += [f"reported        {', '.join(protocol.reports)}"] if protocol.reports else []
    lines += ["", "Before the settling:"]
    lines += [f"  - {c.text}{_for(c.at_least_s)}" for c in protocol.conditions]
    lines += ["", "Steps:"]
    lines += [f"  {n:2}. [{s.at}] {s.text}" for n, s in enumerate(protocol.steps, 1)]
    for told in protocol.instructions:
        lines += ["", f"Instruction {told.id} ({told.language}):", f"  {told.text}"]
    lines += ["", "Events offered to the operator:", f"  {', '.join(protocol.events)}"]
    lines += ["", "Facts required before the settling:"]
    lines += [f"  {wish(key)}" for key in protocol.asked_before()]
    if protocol.asked_after:
        lines += ["", "Facts asked for afterwards:"]
        lines += [f"  {wish(key)}" for key in protocol.asked_after]
    return "\n".join(lines)


def _target(target: StateTarget) -> str:
    limits = [f"at least {target.at_least_s:g} s"] if target.at_least_s is not None else []
    limits += [f"at most {target.at_most_s:g} s"] if target.at_most_s is not None else []
    text = f"{' or '.join(target.states)} {' and '.join(limits)}"
    return text if target.enforced else f"{text} (recommended)"


def _for(at_least_s: float | None) -> str:
    return "" if at_least_s is None else f", for at least {at_least_s:g} s"


def _load(path: Path) -> Protocol:
    own = _read(Protocol, path)
    return dataclasses.replace(
        own,
        rules=(*shared_rules(), *own.rules),
        vocabulary=(*shared_events(), *own.vocabulary),
    )


def _read(cls: type[T], path: Path) -> T:
    text, table = read_toml(path)
    faults: list[Fault] = []
    value = build(cls, table, faults)
    if cls is Protocol:
        faults += contradictions(table, _known())
    if faults or value is None:
        raise _refusal(path, text, faults)
    return value


def _known() -> Known:
    return Known(
        fields=frozenset((*KINDS, *(field.key for field in fields()))),
        codes=frozenset(event.code for event in shared_events()),
        rules=frozenset(rule.id for rule in shared_rules()),
    )


def _refusal(path: Path, text: str, faults: list[Fault]) -> FaultyFile:
    ordered = sorted(faults, key=lambda fault: nearest(text, fault.path) or 0)
    return FaultyFile(
        f"{path} is not a usable protocol:",
        tuple(at_line(text, fault.path, fault.text) for fault in ordered),
        remedy="Mend every line named above, then run `tenmin protocols check` on the file.",
    )
