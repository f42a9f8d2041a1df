"""What the soak found: ``docs/soak.json``, and ``docs/soak.md`` made from it.

A row stays as it is, with its date, until its fault is run anew with the same set-up.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.soak.faults import Fault, Run, all_faults
from tests.soak.long import MOST_GROWTH, Found
from tests.soak.stage import Setup

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FOUND = DOCS / "soak.md", DOCS / "soak.json"
FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\",]+/)+")  # of this computer: no reader has them
HEAD = """# Soak

What `make soak` and `python -m tests.soak` last found; both write this page (and `soak.json`, from
which it is made) themselves. A row keeps its date until its fault is run anew; a run that did not
keep what is promised is listed under the table with the command that repeats it.

## Faults at random moments

Each run records a block on simulated devices with all processes as in real use, does harm at a
random moment of its window, and accounts for every sample afterwards. *Sent* is what the devices
took up to the planned end of the block; what a simulator wrote down of itself is its limit where
there is no such end, never what the program tells. *Compared by* says how the rows of each stream
were held against what was sent: `values`, every value of every row with what the simulator sent
under its index; `index`, the device's own number of every row; `texts`, every marker with the ones
sent; `number`, the number of rows alone. A row that differs, a sample that is neither in the file
nor in its gaps, one that is absent at the planned end, and one that is told to be missing and is
not, all count as lost uncounted. Markers have no numbers: those sent within a hole that is told of
the reference, or until 2 s after it, count as missing with it. `kill:all` and `disk:abort` have no
planned end: what was sent before and is neither there nor told is their last column."""
COLUMNS = (
    "fault",
    "what happens",
    "block",
    "compared by",
    "runs",
    "sent",
    "recorded",
    "counted as missing",
    "lost uncounted",
    "hole median / worst, s",
    "lost before the end, worst, s",
    "valid NWB",
    "held",
    "date",
)


def keep_runs(fault: Fault, setup: Setup, runs: Sequence[Run]) -> bool:
    """Put what came of a fault into the page; whether it held."""
    row = summed(fault, setup, runs)
    everything = _read()
    everything["faults"][f"{fault.name} | {setup}"] = row
    _write(everything)
    return row["held"] == row["runs"] and not row["not_as_promised"]


def summed(fault: Fault, setup: Setup, runs: Sequence[Run]) -> dict[str, Any]:
    """One row of the table."""
    done = [run for run in runs if not run.skipped]
    holes = [run.longest_s for run in done if run.missing]
    before = [run.lost_before_s for run in done if run.lost_before_s is not None]
    broken = [f"seed {run.seed}: {words}" for run in done for words in run.broken[:2]]
    median_s = statistics.median(holes) if holes else None
    if median_s is not None and median_s > fault.median_s:
        broken.append(f"the median hole is {median_s:.2f} s")
    return {
        "fault": fault.name,
        "about": fault.about,
        "block": str(setup),
        "compared": compared(done),
        "runs": len(done),
        "sent": sum(run.sent for run in done),
        "recorded": sum(run.recorded for run in done),
        "missing": sum(run.missing for run in done),
        "uncounted": sum(run.uncounted for run in done),
        "hole_median_s": median_s,
        "hole_worst_s": max(holes, default=None),
        "lost_before_worst_s": max(before, default=None),
        "valid": sum(run.valid for run in done),
        "held": sum(run.held for run in done),
        "took_s": sum(run.took_s for run in done),
        "not_as_promised": [short(words) for words in broken],
        **_made(),
    }


def compared(runs: Iterable[Run]) -> str:
    """How each stream was compared, in words."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for stream in run.streams:
            found.setdefault(stream.checked, {})[stream.name] = None
    return "; ".join(f"{how}: {', '.join(names)}" for how, names in found.items()) or "-"


def short(words: str) -> str:
    """What went wrong in a line for the page, without the folders of this computer."""
    return " ".join(FOLDERS.sub("", words).split())[:300]


def keep_long(found: Found) -> None:
    """Put the long block into the page."""
    everything = _read()
    everything["long"] = found.as_dict() | _made()
    _write(everything)


def _read() -> dict[str, Any]:
    if FOUND.exists():
        return json.loads(FOUND.read_text("utf-8"))
    return {"faults": {}, "long": None}


def _write(everything: Mapping[str, Any]) -> None:
    FOUND.write_text(json.dumps(everything, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(everything), "utf-8")


def page(everything: Mapping[str, Any]) -> str:
    """``docs/soak.md``."""
    order = list(all_faults())
    rows = list(everything["faults"].values())
    rows.sort(key=lambda r: (order.index(r["fault"]) if r["fault"] in order else 99, r["block"]))
    parts = [HEAD, _table(COLUMNS, map(_row, rows)), _commands(rows)]
    wrong = [f"- {r['fault']} ({r['block']}): {w}" for r in rows for w in r["not_as_promised"]]
    parts += ["Not as promised:", "\n".join(wrong)] if wrong else []
    parts += [_long(everything["long"])] if everything["long"] else []
    return "\n\n".join(parts) + "\n"


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    holes, before = row["hole_median_s"], row["lost_before_worst_s"]
    return (
        row["fault"],
        row["about"],
        row["block"],
        row.get("compared", "not told"),
        str(row["runs"]),
        str(row["sent"]),
        str(row["recorded"]),
        str(row["missing"]),
        str(row["uncounted"]),
        "none" if holes is None else f"{holes:.2f} / {row['hole_worst_s']:.2f}",
        "-" if before is None else f"{before:.3f}",
        f"{row['valid']} of {row['runs']}",
        f"{row['held']} of {row['runs']}",
        row["date"],
    )


def _commands(rows: Iterable[Mapping[str, Any]]) -> str:
    made: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        made.setdefault((row["command"], row["machine"]), {})[row["fault"]] = None
    lines = [f"- `{c}` on {m}: {', '.join(names)}" for (c, m), names in made.items()]
    return "Made by\n\n" + "\n".join(lines)


def _long(found: Mapping[str, Any]) -> str:
    memory = [
        (name, f"{early:.1f}", f"{late:.1f}", f"{late / early:.3f}")
        for name, (early, late) in found["memory_mb"].items()
    ]
    names = ("drift_ppm", "truth_ppm", "error_ppm", "u95_ppm")
    streams = [
        (s["name"], str(s["samples"]), str(s["missing"]), *(_number(s[n]) for n in names))
        for s in found["streams"]
    ]
    return f"""## A long block

`{found["command"]}`, {found["date"]}, on {found["machine"]}.

`sim:mouse`, window of {found["seconds"]:g} s, exit code {found["exit_code"]}. Private memory (what
only this process holds, MB) {found["early_s"]:g} s into the window and at its end:

{_table(("process", "early", "end", "ratio"), memory)}

At most {MOST_GROWTH} is flat; the simulator is not judged.

Samples, and drift against the reference, in ppm:

{_table(("stream", "samples", "missing", "drift", "truth", "error", "stated u95"), streams)}"""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _made() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "command": " ".join(["python -m tests.soak", *sys.argv[1:]]),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": (
            f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}, "
            f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"
        ),
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
