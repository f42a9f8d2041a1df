"""``tenmin check``: everything that would spoil a block, before it is tried; all of it at once."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tenmin.commands.console import Console, add_json
from tenmin.commands.record import POSITIONS

RING_S = 10.0
CLOCK_RESOLUTION_S = 1e-3
EARLIEST = 1_767_225_600  # 2026-01-01: a computer whose clock shows less has lost its battery


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check, ok : str, bool
        What, and whether it is as it should be.
    message, remedy : str
        What was found; what to do, empty if nothing.
    exit_code : int
        What the command ends with if this is the worst.
    faults : tuple of str
        Each by itself where there may be several, as in a file; empty where `message` is all.
    looked : bool
        False where it could not be looked at; `message` says why and how it can be.
    warning : bool
        It spoils nothing by itself, and `remedy` makes it better.
    """

    check: str
    ok: bool
    message: str
    remedy: str = ""
    exit_code: int = 0
    faults: tuple[str, ...] = ()
    looked: bool = True
    warning: bool = False


def add_check(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin check``."""
    parser.add_argument("rig", metavar="RIG", help="path of a rig.toml, or sim:NAME")
    parser.add_argument("--protocol", metavar="ID", help="also check this protocol or its file")
    parser.add_argument("--subject", type=Path, metavar="FILE", help="also check this subject.toml")
    parser.add_argument("--position", choices=POSITIONS, default="standalone", help="as of record")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a fact, as of record"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: ./tenmin-data")
    add_json(parser)


def check(args: argparse.Namespace, console: Console) -> int:
    """Look at everything and tell all of it."""
    findings = list(_all(args))
    bad = [f for f in findings if not f.ok]
    # A wrong file comes first: while it is wrong, the rest may be so because of it.
    code = 2 if any(f.exit_code == 2 for f in bad) else max((f.exit_code for f in bad), default=0)
    told = {"rig": args.rig, "ok": not bad, "checks": [asdict(f) for f in findings]}
    console.result({**told, "exit_code": code})
    for finding in findings:
        console.say(f"{_mark(finding)}  {finding.check}: {finding.message}")
        if not finding.ok or finding.warning:
            console.say(f"      {finding.remedy}")
    n = sum(len(f.faults) or 1 for f in bad)
    console.say(f"{n} fault{'s' * (n > 1)}." if bad else _praise(findings))
    return code


def _mark(finding: Finding) -> str:
    if not finding.looked:
        return "----"
    if finding.warning:
        return "WARN"
    return "OK  " if finding.ok else "FAIL"


def _praise(findings: list[Finding]) -> str:
    left = [f.check for f in findings if not f.looked]
    if left:
        return f"No fault in what was looked at; not looked at: {', '.join(left)}."
    if any(f.warning for f in findings):
        return "No fault; what is marked WARN could be better."
    return "Everything is as it should be."


def _all(args: argparse.Namespace) -> Iterator[Finding]:
    from tenmin.commands.check_devices import devices
    from tenmin.commands.check_disk import disk
    from tenmin.commands.check_guests import guests
    from tenmin.commands.check_machine import machine
    from tenmin.errors import RigError
    from tenmin.rig import load_rig

    rig = None
    try:
        rig = load_rig(args.rig)
        yield Finding("rig", True, f"{args.rig} describes the rig {rig.id}")
    except RigError as error:
        yield failed("rig", error)
    yield from _before(args, rig)
    yield _clock()
    yield from machine()
    yield from guests()
    bytes_per_s = None
    if rig is not None:
        try:
            with _connected(rig) as there:
                streams = []
                for finding, stream in devices(there.devices, there.device_tables):
                    streams.append(stream)
                    yield finding
                if all(s is not None for s in streams):
                    bytes_per_s = sum(_bytes_per_s(s) for s in streams)
        except RigError as error:
            yield failed("devices", error)
    yield _memory(bytes_per_s)
    yield from disk(Path(args.out or "tenmin-data").absolute(), bytes_per_s)


def _before(args: argparse.Namespace, rig: Any) -> Iterator[Finding]:
    """Protocol, subject and facts, as ``tenmin record`` will want them."""
    from tenmin.commands.plan import facts_of, files_of
    from tenmin.errors import RigError
    from tenmin.protocol import load
    from tenmin.subject import Subject, load_subject

    # An unknown simulator has no examples, and is told already.
    simulated = args.rig.startswith("sim:")
    asked = (args.protocol, args.subject) if simulated and rig is None else files_of(args)
    found: dict[str, Any] = {}
    wanted = dict(zip(("protocol", "subject"), asked, strict=True))
    for name, read in (("protocol", load), ("subject", load_subject)):
        if not wanted[name]:
            continue
        try:
            found[name] = read(wanted[name])
            if getattr(args, name) is not None:
                yield Finding(name, True, f"{wanted[name]} can be used")
        except RigError as error:
            yield failed(name, error)
    faults: list[RigError] = []
    subject = found.get("subject") if wanted["subject"] else Subject()
    facts_of(args, faults, rig, subject, found.get("protocol"))
    for fault in faults:
        yield failed("facts", fault)
    if faults:
        return
    if not wanted["protocol"]:
        text = "whether any are missing was not looked at; give --protocol ID and --subject FILE"
        yield Finding("facts", True, text, looked=False)
    elif rig is None or len(found) < sum(map(bool, wanted.values())):
        text = "whether any are missing can be looked at when the files above are mended"
        yield Finding("facts", True, text, looked=False)
    else:
        yield Finding("facts", True, "all that the protocol wants before a block are there")


def failed(check: str, error: Any) -> Finding:
    """What a RigError says, as a finding."""
    faults = tuple(getattr(error, "faults", ()))
    return Finding(check, False, error.message, error.remedy, error.exit_code, faults)


def _clock() -> Finding:
    resolution = time.get_clock_info("monotonic").resolution
    if resolution > CLOCK_RESOLUTION_S:
        text = f"the monotonic clock moves in steps of {resolution * 1e3:g} ms"
        return Finding("clock", False, text, "Use Python 3.11 or newer on this system.", 3)
    if time.time() < EARLIEST:
        text = f"the computer believes it is {time.strftime('%Y-%m-%d', time.gmtime())}"
        return Finding("clock", False, text, "Set the clock, by NTP if there is a network.", 3)
    return Finding("clock", True, f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC")


@contextlib.contextmanager
def _connected(rig: Any) -> Iterator[Any]:
    """The rig, while nobody else has its devices; those of a simulated one are started for it."""
    from tenmin.errors import RigBusy
    from tenmin.launch import EngineSpec
    from tenmin.simulated import Simulation
    from tenmin.system import FileLock, runtime_dir

    folder = runtime_dir() / rig.runtime_name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / "engine.lock")
    if not lock.acquire():
        raise RigBusy(f"An engine runs on the rig {rig.id} and has its devices.")
    try:
        if not rig.simulated:
            yield rig
            return
        spec = EngineSpec(f"sim:{rig.simulator}", rig.runtime_name)
        simulation = Simulation.start(folder, spec)
        before = dict(os.environ)
        os.environ.update(simulation.env)
        with simulation.process:  # closes its pipes
            try:
                yield rig.with_devices(simulation.devices)
            finally:
                simulation.stop()
                os.environ.clear()
                os.environ.update(before)
    finally:
        lock.release()
        if rig.simulated:
            shutil.rmtree(folder, ignore_errors=True)


def _bytes_per_s(stream: Any) -> float:
    timed = 8 if stream.timed else 0
    return stream.rate_hz * (stream.bytes_per_sample + timed)


def _memory(bytes_per_s: float | None) -> Finding:
    """Room for the rings, which are mapped files in the runtime folder."""
    from tenmin.commands.check_disk import size, unknown_need
    from tenmin.errors import RigError
    from tenmin.system import free_bytes, runtime_dir

    try:
        folder = runtime_dir()
    except RigError as error:
        return failed("memory", error)
    if not os.access(folder, os.W_OK):
        text = f"{folder} cannot be written"
        return Finding("memory", False, text, "Name another by TENMIN_RUNTIME_DIR.", 3)
    if bytes_per_s is None:
        return unknown_need("memory", f"{size(free_bytes(folder))} free in {folder}")
    free, need = free_bytes(folder), bytes_per_s * RING_S
    text = f"{size(free)} free in {folder}, {size(need)} needed"
    if free < need:
        return Finding("memory", False, text, "Free it or set TENMIN_RUNTIME_DIR.", 3)
    return Finding("memory", True, text)
