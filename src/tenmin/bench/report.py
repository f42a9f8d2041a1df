"""The results as a page, as lines for a terminal, and as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tenmin.bench.growth import Table
from tenmin.bench.rows import Row, Spread

HEAD = ("what", "ours", "against", "theirs", "ratio", "gate", "aim", "holds", "note")
INTRODUCTION = """# Performance

Made by `{command}`; not edited by hand.

Every comparison runs both sides once in each of {rounds} rounds, in an order that turns; the
figures are medians with the smallest and the largest in brackets, and a ratio is formed inside
each round. Times: how many times longer the other side takes. Speeds: how many times faster ours
is. Where a gate reads ≤, smaller is better. "holds" is about the gate; "aim" stands there when the
aim is reached as well. Absolute figures move with whatever else the machine does; ratios do so far
less. Blocks of the whole program are one measurement each, with the source in shared memory unless
a wire is named; the source's own work is part of the acquirer's. Their latency counts from the
moment a chunk was complete at the device.
"""
MACHINE = """## Machine

{processor}, {cores} cores, {memory_gb} GB, {system}, Python {python}, tenmin {tenmin}, {date}.
Programs that wanted a core in the minute before: {load}; in the last minute: {load_after}.

Versions: {versions}.
"""


def as_dict(
    machine: Mapping[str, Any], rounds: int, rows: Sequence[Row], tables: Sequence[Table]
) -> dict[str, Any]:
    """All of it, for a machine."""
    return {
        "machine": dict(machine),
        "rounds": rounds,
        "rows": [row.as_dict() for row in rows],
        "growth": [asdict(table) for table in tables],
        "failed": [row.what for row in rows if row.holds is False],
    }


def markdown(
    command: str,
    machine: Mapping[str, Any],
    rounds: int,
    rows: Sequence[Row],
    tables: Sequence[Table],
) -> str:
    """The page ``docs/performance.md``."""
    told = {**machine, "versions": _versions(machine["versions"])}
    parts = [INTRODUCTION.format(command=command, rounds=rounds), MACHINE.format(**told)]
    for area in dict.fromkeys(row.area for row in rows):
        lines = [cells(row) for row in rows if row.area == area]
        parts.append(f"## {area.capitalize()}\n\n{_grid(HEAD, lines)}")
    for table in tables:
        parts.append(f"## {table.title}\n\n{_grid(table.head, table.lines)}")
    parts.append(_summary(rows))
    parts.append(f"## Again\n\n```sh\n{command}\n```")
    return "\n".join(part.rstrip() + "\n" for part in parts)


def text(rows: Sequence[Row], tables: Sequence[Table]) -> str:
    """Lines for a terminal."""
    lines = [" | ".join((row.area, *cells(row))) for row in rows]
    for table in tables:
        lines += ["", table.title, " | ".join(table.head)]
        lines += [" | ".join(map(_cell, line)) for line in table.lines]
    return "\n".join(lines)


def cells(row: Row) -> tuple[str, ...]:
    """One row as texts."""
    held = {None: "–", True: "yes", False: "**no**"}[row.holds]
    if row.reaches and row.holds is not False:
        held = "aim"
    return (
        row.what,
        _spread(row.ours, row.unit),
        row.against,
        _spread(row.theirs, row.unit),
        _spread(row.ratio, ""),
        row.gate,
        row.aim,
        held,
        " ".join(row.note.split()),
    )


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    if value == 0:
        return "0"
    digits = f"{value:.3g}"
    if "e" in digits:
        digits = f"{value:.0f}" if abs(value) >= 1 else digits
    whole, _, rest = digits.partition(".")
    if whole.lstrip("-").isdigit() and len(whole.lstrip("-")) > 4:
        whole = f"{int(whole):,}".replace(",", " ")
    return f"{whole}.{rest}" if rest else whole


def _spread(of: Spread | None, unit: str) -> str:
    if of is None:
        return ""
    shown = f"{number(of.median)} {unit}".strip()
    return shown if of.n < 2 else f"{shown} ({number(of.low)}–{number(of.high)})"


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _grid(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    shown = [[_cell(cell).replace("|", "\\|") for cell in line] for line in lines]
    rows = [list(head), ["---"] * len(head), *shown]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _versions(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _summary(rows: Sequence[Row]) -> str:
    judged = [row for row in rows if row.holds is not None]
    failed = [row for row in judged if not row.holds]
    lines = [f"## Gates\n\n{len(judged) - len(failed)} of {len(judged)} gates hold."]
    if failed:
        lines.append("Those that do not:\n")
        lines += [f"- {row.what}{_against(row)}: {_judged(row)}, gate {row.gate}" for row in failed]
    open_ = [row for row in rows if row.gate and row.holds is None]
    if open_:
        lines.append("\nNot measured:\n")
        lines += [f"- {row.what}{_against(row)}: {row.note}" for row in open_]
    return "\n".join(lines)


def _against(row: Row) -> str:
    return f" against {row.against}" if row.against else ""


def _judged(row: Row) -> str:
    of = row.ratio or row.ours
    return _spread(of, "" if row.ratio else row.unit)
