"""What a block needs before an engine is asked for it: rig, protocol, subject, facts."""

from __future__ import annotations

import argparse
from typing import Any

from tenmin import examples, protocol
from tenmin.commands.session import absolute
from tenmin.errors import FaultyFile, RigError, UsageError
from tenmin.launch import EngineSpec
from tenmin.rig import Rig, load_rig
from tenmin.subject import Subject, load_subject, merge, require


def plan(args: argparse.Namespace) -> tuple[EngineSpec, dict[str, Any]]:
    """The engine and the start message that a command line asks for.

    Raises
    ------
    FaultyFile
        Every fault of every file, and every missing fact, at once.
    UsageError
        An option does not fit the rig.
    """
    faults: list[RigError] = []
    rig = _try(faults, load_rig, args.rig)
    simulator = _simulator(args.rig)
    _check_options(args, simulator, faults)
    wanted, told = files_of(args)
    if not wanted:
        known = ", ".join(protocol.protocol_ids())
        faults.append(UsageError(f"No --protocol is given; one of {known}, or a file."))
    chosen = _try(faults, protocol.load, wanted) if wanted else None
    subject = _try(faults, load_subject, told) if told else Subject()
    facts = facts_of(args, faults, rig, subject, chosen)
    refuse(faults)
    assert rig is not None and facts is not None
    return spec_of(args, rig), {
        "protocol": wanted if wanted in protocol.protocol_ids() else absolute(wanted),
        "facts": facts,
        "seconds": args.seconds,
        "settle_s": args.settle,
        "pads_s": args.pads,
        "extend": args.extend,
        "position": args.position,
        "out": absolute(args.out or "tenmin-data"),
        "keep_journal": args.keep_journal,
        "client": f"tenmin {args.command}",
    }


def files_of(args: argparse.Namespace) -> tuple[Any, Any]:
    """Protocol and subject: those asked for, else the example's where the rig is simulated."""
    simulator = _simulator(args.rig)
    wanted = args.protocol or (simulator and examples.path_of(simulator, "protocol"))
    return wanted, args.subject or (simulator and examples.path_of(simulator, "subject"))


def facts_of(
    args: argparse.Namespace,
    faults: list[RigError],
    rig: Rig | None,
    subject: Subject | None,
    chosen: protocol.Protocol | None,
) -> dict[str, Any] | None:
    """What is known before the block; what contradicts itself or is missing goes to `faults`.

    A rig, subject or protocol that cannot be used is None; then nothing can be said of what is
    missing.
    """
    facts: dict[str, Any] | None = None
    if subject is not None:
        sources = (rig.facts if rig is not None else {}, subject.facts)
        facts = _try(faults, merge, *sources, settings=args.set)
    if facts is not None and rig is not None and chosen is not None:
        facts = {**facts, **_known(rig, chosen, args.position)}
        _try(faults, require, facts, chosen.asked_before(args.position))
    return facts


def spec_of(args: argparse.Namespace, rig: Rig, once: bool = True) -> EngineSpec:
    """The engine of a rig."""
    return EngineSpec(
        rig=args.rig if rig.simulated else str(absolute(args.rig)),
        rig_id=rig.runtime_name,
        once=once,
        seed=args.seed,
        faults=tuple(args.fault),
        truth=absolute(args.truth),
        out=absolute(args.out or "tenmin-data"),
    )


def engine_faults(args: argparse.Namespace) -> list[RigError]:
    """What is wrong with the options that concern the rig alone."""
    faults: list[RigError] = []
    _check_options(args, _simulator(args.rig), faults)
    return faults


def _simulator(rig: str) -> str | None:
    return rig.removeprefix("sim:") if rig.startswith("sim:") else None


def refuse(faults: list[RigError]) -> None:
    """Raise what went wrong: one error as it is, several as one."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        texts = tuple(fault.message for fault in faults)
        remedies = " ".join(dict.fromkeys(fault.remedy for fault in faults))
        raise FaultyFile(f"{len(faults)} things are wrong:", texts, remedy=remedies)


def _known(rig: Rig, chosen: protocol.Protocol, position: str) -> dict[str, Any]:
    """Facts that follow from what was asked for."""
    return {
        "rig.id": rig.id,
        "dot.position": position,
        "dot.protocol_id": chosen.id,
        "dot.condition": chosen.condition,
    }


def _check_options(args: argparse.Namespace, simulator: str | None, faults: list[RigError]) -> None:
    if simulator is None:
        given = [n for n in ("seed", "fault", "truth") if getattr(args, n)]
        if given:
            names = ", ".join(f"--{n}" for n in given)
            faults.append(UsageError(f"{names}: only a simulated rig (sim:NAME) takes these."))
    elif args.fault:
        from tenmin import registry
        from tenmin.commands.sim import options_module

        run = _try(faults, registry.load, registry.SIMULATORS, simulator)
        if run is not None:
            _try(faults, options_module(run).parse_faults, args.fault)


def _try(faults: list[RigError], call: Any, *args: Any, **options: Any) -> Any:
    """What `call` returns; its error is kept, so that all can be told together."""
    try:
        return call(*args, **options)
    except RigError as error:
        if error.message not in [f.message for f in faults]:
            faults.append(error)
        return None
