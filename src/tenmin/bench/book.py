"""What all runs of the bench have measured: ``performance.json``, beside the page made from it.

A run replaces the rows, and the lines of tables, that it has measured itself; all others stay, each
with the number of its run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenmin.bench.areas import UNMEASURED
from tenmin.bench.growth import Table
from tenmin.bench.rows import Row
from tenmin.errors import FaultyFile


@dataclass(frozen=True)
class Run:
    """How some of the rows were measured.

    Attributes
    ----------
    command : str
        What does the same again.
    rounds : int
        Of every comparison.
    machine : dict
        Of `tenmin.bench.machine.describe`, with the date and the load.
    """

    command: str
    rounds: int
    machine: dict[str, Any]


@dataclass(frozen=True)
class Lines:
    """A table whose lines come from several runs; they are ordered by what tells them apart."""

    table: Table
    runs: tuple[int, ...]

    def with_lines(self, other: Lines) -> Lines:
        """The other's lines in the place of those that they are about."""
        if other.table.head != self.table.head:
            return other
        key = self.table.key_of
        found = {
            key(line): (line, run)
            for lines in (self, other)
            for line, run in zip(lines.table.lines, lines.runs, strict=True)
        }
        ordered = [found[k] for k in sorted(found)]
        table = Table(
            self.table.title, self.table.head, [line for line, _ in ordered], self.table.keys
        )
        return Lines(table, tuple(run for _, run in ordered))


@dataclass(frozen=True)
class Book:
    """All that stands on the page.

    Attributes
    ----------
    runs : dict of int to Run
        By their numbers; only those that something stands from.
    rows : dict of tuple to (int, Row)
        By `Row.name`, with the number of the run.
    tables : dict of str to Lines
        By their titles.
    """

    runs: dict[int, Run] = field(default_factory=dict)
    rows: dict[tuple[str, str, str], tuple[int, Row]] = field(default_factory=dict)
    tables: dict[str, Lines] = field(default_factory=dict)

    def with_run(self, run: Run, found: Iterable[Row | Table]) -> Book:
        """A book in which a run has replaced what it has measured."""
        number = max(self.runs, default=0) + 1
        rows, tables = dict(self.rows), dict(self.tables)
        found = list(found)
        for area in {it.area for it in found if isinstance(it, Row)}:
            rows.pop((area, UNMEASURED, ""), None)
        for it in found:
            if isinstance(it, Row):
                rows[it.name] = number, it
            else:
                lines = Lines(it, (number,) * len(it.lines))
                before = tables.get(it.title)
                tables[it.title] = lines if before is None else before.with_lines(lines)
        used = {n for n, _ in rows.values()}.union(*(lines.runs for lines in tables.values()))
        runs = {n: known for n, known in {**self.runs, number: run}.items() if n in used}
        return Book(runs, rows, tables)

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "runs": [{"run": n, **vars(run)} for n, run in self.runs.items()],
            "rows": [{"run": n, **row.as_dict()} for n, row in self.rows.values()],
            "tables": [{**vars(it.table), "runs": it.runs} for it in self.tables.values()],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Book:
        """The book of a JSON object.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is something else.
        """
        runs = {it["run"]: Run(it["command"], it["rounds"], it["machine"]) for it in told["runs"]}
        rows = [(it["run"], Row.from_dict(it)) for it in told["rows"]]
        tables = [
            Lines(Table(it["title"], tuple(it["head"]), it["lines"], it["keys"]), tuple(it["runs"]))
            for it in told["tables"]
        ]
        unknown = {n for n, _ in rows}.union(*(it.runs for it in tables)) - runs.keys()
        if unknown:
            raise ValueError(f"it has no run {min(unknown)}")
        by_name = {row.name: (n, row) for n, row in rows}
        return cls(runs, by_name, {it.table.title: it for it in tables})


def load(path: Path) -> Book:
    """The book in a file; an empty one where there is none.

    Raises
    ------
    FaultyFile
        It is no such file.
    """
    if not path.exists():
        return Book()
    try:
        return Book.from_dict(json.loads(path.read_text("utf-8")))
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FaultyFile(
            f"{path} holds no results of the bench: {type(error).__name__}: {error}",
            remedy="Move it away, or write the page elsewhere.",
        ) from error


def save(path: Path, text: str) -> None:
    """Put a text in the place of a file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, "utf-8")
    os.replace(part, path)


def to_json(book: Book) -> str:
    """The text of the file: a line for each row, so that a change shows which one it is."""
    parts = []
    for key, lines in book.as_dict().items():
        held = ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        parts.append(f"{json.dumps(key)}: [\n{held}\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"
