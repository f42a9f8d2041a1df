"""``docs/scores.json``, and ``docs/scores.md`` made from it; rows not run anew stay."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.scoring.score import Scenario, Scored

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FOUND = DOCS / "scores.md", DOCS / "scores.json"
HEAD = """# Scores

What `make score` (`python -m tests.scoring`) last found; it writes this page, and `scores.json`
from which it is made, itself. A row keeps its date until it is run anew.

Signals of known truth (`simulators/tenmin_simulators`) are written into a real ring in reads of
uneven length, read beside it, and go through the checks as in a block, faster than real time.
Targets and tolerances are those of the specification's scoring table. Seeds from 2000 on score and
are never tuned on; tuning takes seeds 1 to 40. (Until some of the rules below were chosen, seeds
from 1000 on scored; their rows are gone.) The interval is the 95 % percentile bootstrap over seeds
(2000 draws); a row passes when the *unfavourable* end of its interval reaches the target.
Rows marked *exact* have to reach it in every seed. A false-alarm rate's interval also holds the
exact Poisson limits, since no alarm in few hours says little.

Rules that the tolerances leave open:

- An event is matched with at most one finding, by the mask lattice of 0.1 s; its latency is the
  first tick at which the channel's level was raised.
- A mains verdict speaks of a window of 4 s by two ticks of three, later than the tolerated 1 s by
  rule: an episode counts as found while it lasts, and its latency has rows of its own.
- A railed channel repeats one code and so is flat as well: that counts as no false alarm.
- A check of a stream as a whole raises one alarm, not one for each channel.
- Long drowsiness is called sleep by rule; the simulated animal's truth knows drowsiness alone, so
  both count as one.
- The simulated animal settles for ten minutes, the least that any protocol of animals asks for. A
  state that is not told counts as an error for kappa, and as no claim for the calibration.
- The clean probe is a loop of 8 s whose channels change places in every turn, under a shared field.
"""
TARGET_MISSED, PASSED, NONE = "**no**", "yes", "-"


def keep(scenario: Scenario, scored: Sequence[Scored]) -> None:
    """Put the rows of a scenario into the page."""
    everything = _read()
    everything["rows"][scenario.name] = [_row(s) for s in scored]
    _write(everything)


def keep_places(scenarios: Sequence[Scenario]) -> None:
    """Name the rows that were never scored; drop those of scenarios that are no more."""
    everything = _read()
    kept = everything["rows"]
    everything["rows"] = {
        scenario.name: kept.get(scenario.name)
        or [_row(Scored(row, None, why="not scored yet")) for row in scenario.rows]
        for scenario in scenarios
    }
    _write(everything)


def keep_real(rows: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> None:
    """Put what the checks say of the recordings into the page."""
    everything = _read()
    everything["real"] = {"date": _today(), "rows": list(rows), "missing": list(missing)}
    _write(everything)


def keep_peers(rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the agreement with other programs into the page."""
    everything = _read()
    everything["peers"] = {"date": _today(), "rows": list(rows)}
    _write(everything)


def _row(scored: Scored) -> dict[str, Any]:
    row, found = scored.row, scored.estimate
    return {
        "task": row.task,
        "measure": row.measure,
        "target": target(scored),
        "result": "-" if found is None else number(found.value, row.unit),
        "interval": "-"
        if found is None
        else f"{number(found.low, '')} … {number(found.high, row.unit)}",
        "passed": scored.passed,
        "seeds": scored.n_seeds,
        "why": scored.why,
        "note": scored.note,
        "real": row.real,
        "date": _today(),
    }


def target(scored: Scored) -> str:
    """The target in words."""
    row = scored.row
    words = []
    if row.at_least is not None:
        words.append(f">= {number(row.at_least, row.unit)}")
    if row.at_most is not None:
        words.append(f"<= {number(row.at_most, row.unit)}")
    if not words:
        return "report"
    return " and ".join(words) + (", exact" if row.exact else "")


def number(value: float, unit: str) -> str:
    """Three or four figures and the unit."""
    if math.isnan(value):
        return "none"
    if math.isinf(value):
        return "never"
    digits = 4 if abs(value) < 1 else 3  # a limit of 0.9696 is not one of 0.97
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    if value and abs(value) < 0.001:
        text = f"{value:.1e}"
    return f"{text} {unit}".strip()


def printed(scored: Sequence[Scored]) -> str:
    """Rows for the terminal."""
    lines = []
    for one in scored:
        row = _row(one)
        verdict = {True: "pass", False: "FAIL", None: "    "}[one.passed]
        text = f"{verdict}  {row['task']:<44} {row['measure']:<22} {row['target']:<14}"
        lines.append(
            f"{text} {row['result']:>10}  [{row['interval']}]"
            if one.estimate
            else f"{text} {one.why}"
        )
        if one.note:
            lines.append(f"      {one.note}")
    return "\n".join(lines)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _read() -> dict[str, Any]:
    if FOUND.exists():
        return dict(json.loads(FOUND.read_text("utf-8")))
    return {"rows": {}}


def _write(everything: dict[str, Any]) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    everything["machine"] = (
        f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{memory:.0f} GiB, Python {platform.python_version()}"
    )
    FOUND.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(everything), "utf-8")


def page(everything: Mapping[str, Any]) -> str:
    """The page in full."""
    parts = [HEAD, f"Last made on {everything['machine']}.\n"]
    parts.append("## Against known truth\n")
    parts.append(_table_of_rows(everything["rows"]))
    for key, title, columns in SECTIONS:
        section = everything.get(key)
        if section:
            parts.append(f"## {title}\n\n{INTRODUCTIONS[key]} ({section['date']})\n")
            parts.append(_table(columns, [[r[c] for c in columns] for r in section["rows"]]))
            if section.get("missing"):
                parts.append("Not there, and so not looked at: " + ", ".join(section["missing"]))
    return "\n".join(parts).rstrip() + "\n"


SECTIONS = (
    ("real", "Real recordings", ("file", "documented", "what the checks say", "as documented")),
    (
        "peers",
        "Other programs on the same data",
        ("program", "data", "agreement", "where they differ"),
    ),
)
INTRODUCTIONS = {
    "real": (
        "Each fault or label that the recordings' own description documents, and what the checks "
        "say when the file is played through the ring."
    ),
    "peers": "The same question put to programs that answer it offline.",
}


def _table_of_rows(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    columns = ("task", "measure", "target", "result", "95 % interval", "passed", "seeds",
               "real data", "date")  # fmt: skip
    lines = []
    for name in rows:
        for row in rows[name]:
            verdict = {True: PASSED, False: TARGET_MISSED, None: NONE}[row["passed"]]
            if row["why"]:
                verdict = row["why"]
            lines.append(
                [
                    row["task"],
                    row["measure"],
                    row["target"],
                    row["result"],
                    row["interval"],
                    verdict,
                    row["seeds"],
                    row["real"],
                    row["date"],
                ]
            )
    notes = [
        f"- {row['task']}: {row['note']}"
        for name in rows
        for row in rows[name][:1]
        if row.get("note")
    ]
    return _table(columns, lines) + ("\n" + "\n".join(notes) + "\n" if notes else "")


def _table(columns: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    head = f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |\n"
    body = "".join(
        f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |\n" for line in lines
    )
    return head + body
