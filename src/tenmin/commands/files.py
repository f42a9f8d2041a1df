"""``tenmin examples``, ``protocols``, ``recover``, ``validate``: commands about files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tenmin.commands.console import Console, add_json, table
from tenmin.verdict import OK, UNKNOWN


def add_examples(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin examples``."""
    parser.epilog = "Writes DIR/<rig>/{rig,subject,protocol}.toml; files that exist are kept."
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("tenmin-examples"))
    add_json(parser)


def examples(args: argparse.Namespace, console: Console) -> int:
    """Write the example files."""
    from tenmin import examples as shipped
    from tenmin.errors import DiskError

    try:
        written = shipped.write(args.out)
    except OSError as error:
        raise DiskError(f"{args.out} cannot be written: {error}.") from error
    names = [str(path) for path in written]
    console.result({"out": str(args.out), "examples": shipped.names(), "written": names})
    for name in names:
        console.say(name)
    if not written:
        console.say(f"Everything is in {args.out} already.")
    return 0


def add_protocols(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin protocols``."""
    actions = parser.add_subparsers(dest="action", metavar="list|show|check", required=True)
    add_json(actions.add_parser("list", help="the shipped protocols"))
    shown = actions.add_parser("show", help="what one protocol asks for")
    shown.add_argument("protocol", metavar="ID", help="a shipped protocol, or a file")
    add_json(shown)
    checked = actions.add_parser("check", help="find every fault of a protocol file")
    checked.add_argument("files", metavar="FILE", nargs="+")
    add_json(checked)
    for action in (shown, checked):
        action.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def protocols(args: argparse.Namespace, console: Console) -> int:
    """List, show or check protocols."""
    return {"list": _list, "show": _show, "check": _check}[args.action](args, console)


def _list(args: argparse.Namespace, console: Console) -> int:
    from tenmin import protocol

    found = [protocol.load(name) for name in protocol.protocol_ids()]
    keys = ("id", "version", "title", "species")
    console.result({"protocols": [{key: getattr(p, key) for key in keys} for p in found]})
    console.say(table([("id", "version", "title"), *((p.id, p.version, p.title) for p in found)]))
    return 0


def _show(args: argparse.Namespace, console: Console) -> int:
    from tenmin import protocol

    found = protocol.load(args.protocol)
    console.result({**found.as_dict(), "sha256": found.sha256})
    console.say(_described(found))
    return 0


def _described(found: Any) -> str:
    timing = found.timing
    rows = [
        ("protocol", f"{found.id}, version {found.version}"),
        ("", found.title),
        ("settle", f"{timing.settle_s:g} s"),
        ("block", f"{timing.block_s:g} s, pads of {timing.pads_s:g} s"),
        ("clean time", f"{timing.clean_target_s:g} s wanted, at most {timing.hard_max_s:g} s"),
        ("extends", ", ".join(found.extend.rules) or "never, unless --extend is given"),
    ]
    rows += [("before", f"{c.id}: {c.text}") for c in found.conditions]
    rows += [(f"step {n}", step.text) for n, step in enumerate(found.steps, 1)]
    rows += [(f"says {i.id}", i.text) for i in found.instructions]
    rows += [("asks for", name) for name in found.asked_before()]
    return table(rows)


def _check(args: argparse.Namespace, console: Console) -> int:
    from tenmin import protocol
    from tenmin.errors import RigError

    results, code = [], 0
    for file in args.files:
        try:
            found = protocol.load(file)
            results.append({"file": file, "id": found.id, "ok": True, "faults": []})
            console.say(f"{file}: {found.id} can be used")
        except RigError as error:
            code = error.exit_code
            faults = list(getattr(error, "faults", ())) or [error.message]
            results.append({"file": file, "id": None, "ok": False, "faults": faults})
            console.log(f"{error.message}\n{error.remedy}")
    console.result({"ok": code == 0, "files": results})
    return code


def add_recover(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin recover``."""
    parser.add_argument("journal", type=Path, metavar="DIR", help="a folder …_ses-….dot")
    add_json(parser)


def recover(args: argparse.Namespace, console: Console) -> int:
    """Make the NWB file from a journal alone."""
    from tenmin.commands.record import summary, told
    from tenmin.outcome import latched, outcome
    from tenmin.recorder.recover import recover as make

    made = make(args.journal)
    if missing := made["missing_files"]:
        console.log(f"{args.journal} lacks {', '.join(missing)}: those streams are left out.")
    for name, n in made["spoilt"].items():
        console.log(f"{args.journal}: {n} damaged of {name}, found by checksum and left out.")
    result = outcome(args.journal, latched(args.journal), None, None)
    report = validated([Path(result["nwb"])], full=False) if result["nwb"] else None
    result["validation"] = report
    console.result(told(result))
    console.say(summary(result))
    code = int(result["exit_code"])
    return code or (0 if report is None or report["ok"] else 1)


def add_validate(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin validate``."""
    parser.add_argument("files", type=Path, metavar="FILE", nargs="+", help="NWB files")
    add_json(parser)


def validate(args: argparse.Namespace, console: Console) -> int:
    """Schema, inspector and archive; what is not installed is UNKNOWN."""
    report = validated(args.files, full=True)
    console.result(report)
    console.say(findings_text(report))
    return 0 if report["ok"] else 1


def validated(files: Sequence[Path], full: bool) -> dict[str, Any]:
    """What the validators say of some files.

    Parameters
    ----------
    files : sequence of Path
        NWB files.
    full : bool
        Also by nwbinspector and dandi, where they are installed.

    Returns
    -------
    dict
        ``ok``: nobody has anything to say, whatever its weight; ``checks``: list of check, path,
        level, message.
    """
    from tenmin import validate as validators

    if full:
        findings = validators.validate(files)
    else:
        quick = (validators.schema, validators.invariants)
        findings = [finding for path in files for ask in quick for finding in ask(path)]
    ok = all(finding.level in (OK, UNKNOWN) for finding in findings)
    return {"ok": ok, "checks": [asdict(finding) for finding in findings]}


def findings_text(report: dict[str, Any]) -> str:
    """A report for a person: a line for each thing said."""
    rows = [(c["level"], c["check"], c["message"] or "nothing to say") for c in report["checks"]]
    return table(rows)
