"""``tenmin checks``: what is checked, by which rule, against which limits, where."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tenmin.checks.judge import Threshold
from tenmin.checks.lattice import BITS
from tenmin.checks.parameters import Parameters, ParameterSet, load
from tenmin.commands.console import Console, add_json, table
from tenmin.errors import UnknownName
from tenmin.rig import load_rig

HEAD = """# Checks

Made by `tenmin checks list --markdown` from `src/tenmin/checks/parameters.toml`; do not edit it.
What a lab changes for a rig: [describe a rig](../how-to/describe-a-rig.md).

A level turns on beyond the limit in n of m seconds (2 of 3 unless told otherwise) and off again
after some seconds on the good side of the second limit; a check without a limit tells its value
and no level worse than OK. What cannot be judged is UNKNOWN.
"""


def add_checks(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin checks``."""
    parser.add_argument("what", choices=("list", "show"))
    parser.add_argument("id", nargs="?", metavar="ID", help="of a check: line, or Q04")
    parser.add_argument("--rig", metavar="FILE", help="with the changes of a rig's own file")
    parser.add_argument("--markdown", action="store_true", help="the page docs/reference/checks.md")
    add_json(parser)


def checks(args: argparse.Namespace, console: Console) -> int:
    """Run it."""
    known = load(load_rig(args.rig).checks if args.rig else None)
    found = list(known.checks.values()) if args.id is None else _named(args.id, known)
    console.result({"version": known.version, "checks": [described(p) for p in found]})
    if args.markdown:
        console.say(page(known).rstrip())
    elif args.what == "show" or args.id is not None:
        console.say("\n\n".join("\n".join(_shown(p)) for p in found))
    else:
        console.say(table([(p.id, p.name, p.what) for p in found]))
    return 0


def _named(name: str, known: ParameterSet) -> list[Parameters]:
    """The checks of a name, or of an id of the specification."""
    found = [p for p in known.checks.values() if name in (p.name, p.id)]
    if not found:
        near = difflib.get_close_matches(name, known.checks, n=3)
        guess = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownName(f"There is no check {name!r}.{guess}", remedy="See `tenmin checks list`.")
    return found


def described(p: Parameters) -> dict[str, Any]:
    """All of a check as JSON has it."""
    bits = [bit for bit, value in BITS.items() if value == p.bit]
    return {**asdict(p), "bit": bits[0] if bits else None}


def _shown(p: Parameters) -> Iterator[str]:
    yield f"{p.name} ({p.id})"
    yield f"  what       {p.what}"
    yield f"  where      {p.where}"
    yield f"  formula    {p.reference}"
    yield f"  unit       {p.unit}"
    for level in ("warn", "fail"):
        if (threshold := getattr(p, level)) is not None:
            yield f"  {level.upper():10} {rule(threshold, p.unit)}"
    for name, value in p.values.items():
        yield f"  {name} = {value:g}"
    yield f"  action     {p.action}"


def rule(t: Threshold, unit: str) -> str:
    """When a level turns on and off, in words."""
    side = "<" if t.below else ">"
    return f"{side} {_with(t.on, unit)}, {t.n_on} of {t.m_on} s; off at {t.off:g}, {t.n_off} s"


def limit(t: Threshold | None) -> str:
    """The limit of a level, short."""
    return "" if t is None else f"{'<' if t.below else '>'} {t.on:g}"


def _with(value: float, unit: str) -> str:
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"


def page(known: ParameterSet) -> str:
    """The reference page: a table of all checks."""
    lines = [HEAD, "| id | check | what | WARN | FAIL | unit | where | formula |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for p in known.checks.values():
        unit = "" if p.unit == "1" else p.unit
        cells = [p.id, f"`{p.name}`", p.what, limit(p.warn), limit(p.fail), unit, p.where]
        lines.append("| " + " | ".join([*cells, p.reference]) + " |")
    return "\n".join(lines) + "\n"
