"""The results as a page, as lines for a terminal, and as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tenmin.bench.areas import AREAS
from tenmin.bench.book import Book, Run
from tenmin.bench.growth import Table
from tenmin.bench.rows import Row, Spread, limit_of

HEAD = ("what", "ours", "against", "theirs", "ratio", "gate", "aim", "holds", "note")
CLOSE = 0.02  # of its gate: a figure so near shows one digit more
INTRODUCTION = """# Performance

Made by `tenmin bench --write`, from [{data}]({data}); not edited by hand.
A run replaces what it has measured itself; "run" is its number in the [table of runs](#runs) at
the end.

Every comparison runs both sides once in each round, in an order that turns; the figures are
medians with the smallest and the largest in brackets, and a ratio is formed inside each round.
Times: how many times longer the other side takes. Speeds: how many times faster ours is. Where a
gate reads ≤, smaller is better. "holds" is about the gate; "aim" stands there when the aim is
reached as well. Absolute figures move with whatever else the machine does; ratios do so far less.
Blocks of the whole program are one measurement each, with the source in shared memory unless a wire
is named; the source's own work is part of the acquirer's. Their latency counts from the moment a
chunk was complete at the device.
"""
RUN_HEAD = ("run", "date", "command", "rounds", "load before", "load after", "machine")
MACHINE = "{processor}, {cores} cores, {memory_gb} GB, {system}, Python {python}, tenmin {tenmin}"


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


def markdown(book: Book, data: str) -> str:
    """The page ``docs/performance.md``.

    Parameters
    ----------
    book : Book
        What it shows.
    data : str
        Name of the file beside the page that the book is kept in.
    """
    rows = [row for _, row in book.rows.values()]
    parts = [INTRODUCTION.format(data=data)]
    order = {area: n for n, area in enumerate(AREAS)}
    for area in sorted({row.area for row in rows}, key=lambda area: order.get(area, len(order))):
        lines = [(*cells(row), n) for n, row in book.rows.values() if row.area == area]
        parts.append(f"## {area.capitalize()}\n\n{_grid((*HEAD, 'run'), lines)}")
    for found in book.tables.values():
        lines = [(*line, n) for line, n in zip(found.table.lines, found.runs, strict=True)]
        parts.append(f"## {found.table.title}\n\n{_grid((*found.table.head, 'run'), lines)}")
    parts.append(_summary(rows))
    parts.append(_runs(book.runs))
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _runs(runs: Mapping[int, Run]) -> str:
    """What the numbers of the runs stand for; loads are programs that wanted a core in a minute."""
    lines, versions = [], dict[str, list[str]]()
    for n, run in sorted(runs.items()):
        of = run.machine
        about = (of["date"], f"`{run.command}`", run.rounds, of["load"], of["load_after"])
        lines.append((n, *about, MACHINE.format(**of)))
        versions.setdefault(_versions(of["versions"]), []).append(str(n))
    told = "\n\n".join(f"Versions, run {', '.join(of)}: {v}." for v, of in versions.items())
    why = "Load: programs that wanted a core in the last minute, before and after the run."
    return f"## Runs\n\n{why}\n\n{_grid(RUN_HEAD, lines)}\n{told}"


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
    near = digits(row)
    return (
        row.what,
        _spread(row.ours, row.unit, 3 if row.ratio else near),
        row.against,
        _spread(row.theirs, row.unit),
        _spread(row.ratio, "", near),
        row.gate,
        row.aim,
        held,
        " ".join(row.note.split()),
    )


def digits(row: Row) -> int:
    """How many digits what is judged needs: one more where it is close to its gate.

    Where even that reads like the gate without being it, as many as tell the two apart.
    """
    limit, value = limit_of(row.gate), row.judged
    if limit is None or value is None or abs(value - limit) > CLOSE * abs(limit):
        return 3
    apart = (n for n in range(4, 17) if float(f"{value:.{n}g}") != limit)
    return 4 if value == limit else next(apart, 17)


def number(value: float, count: int = 3) -> str:
    """Three digits that count, or another number of them, thousands apart."""
    if value == 0:
        return "0"
    shown = f"{value:.{count}g}"
    if "e" in shown:
        shown = f"{value:.0f}" if abs(value) >= 1 else shown
    whole, _, rest = shown.partition(".")
    if whole.lstrip("-").isdigit() and len(whole.lstrip("-")) > 4:
        whole = f"{int(whole):,}".replace(",", " ")
    return f"{whole}.{rest}" if rest else whole


def _spread(of: Spread | None, unit: str, count: int = 3) -> str:
    if of is None:
        return ""
    shown = f"{number(of.median, count)} {unit}".strip()
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
        lines += [f"- {row.what}{_against(row)}: {_judged(row)}" for row in failed]
    open_ = [row for row in rows if row.gate and row.holds is None]
    if open_:
        lines.append("\nNot measured:\n")
        lines += [f"- {row.what}{_against(row)}: {row.note}" for row in open_]
    return "\n".join(lines)


def _against(row: Row) -> str:
    return f" against {row.against}" if row.against else ""


def _judged(row: Row) -> str:
    shown = _spread(row.ratio or row.ours, "" if row.ratio else row.unit, digits(row))
    told = [shown, row.gate and f"gate {row.gate}", row.note if row.failed else ""]
    return ", ".join(filter(None, told))
