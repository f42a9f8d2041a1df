"""What the soak found, as tables in ``docs/soak.md``; each part of it is replaced by itself."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.soak.kills import Run
from tests.soak.long import Found

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"
TITLE = """# Soak

What `make soak` and `python -m tests.soak --long` last found. Both write this page themselves."""
KILLS, LONG = "Kills at random moments", "A long block"
MEDIAN_S, WORST_S = 2.0, 5.0  # design.md 1: the hole while an acquirer restarts


def write_kills(runs: Mapping[str, Sequence[Run]]) -> None:
    """The table of kills."""
    head = (
        "killed",
        "kills",
        "sent",
        "recorded",
        "counted as missing",
        "lost uncounted",
        "hole median / worst, s",
        "lost before the kill, worst, s",
        "valid NWB made",
    )
    rows = [_row(role, many) for role, many in runs.items()]
    text = f"""{_made()}

A block of 6 s on `sim:quick` (16 channels, 2 kHz, with a sample counter) for each kill; `kill -9`
at a random moment of its window. Every row of the file is compared with what the simulator sent
under its index; a row that differs, a sample that is neither in the file nor in its gaps, and one
that is missing at the planned end all count as lost uncounted. `all` are the record command, the
engine, both acquirers, the watcher and the finaliser; the file is then made by `tenmin recover`.

{_table(head, rows)}"""
    _replace(KILLS, text)


def _row(role: str, runs: Sequence[Run]) -> tuple[str, ...]:
    with_file = [run.account for run in runs if run.account is not None]
    holes = [a.longest_s for a in with_file if a.gaps]
    before = max((run.lost_before for run in runs), default=0) / 2000
    return (
        role,
        str(len(runs)),
        str(sum(a.sent for a in with_file)),
        str(sum(a.recorded for a in with_file)),
        str(sum(a.missing for a in with_file)),
        str(sum(run.uncounted for run in runs)),
        f"{statistics.median(holes):.2f} / {max(holes):.2f}" if holes else "none",
        f"{before:.3f}" if role == "all" else "-",
        f"{sum(run.valid for run in runs)} of {len(runs)}",
    )


def holes_held(runs: Sequence[Run]) -> bool:
    """Whether the holes of one role are as short as promised."""
    holes = [run.account.longest_s for run in runs if run.account is not None and run.account.gaps]
    return not holes or (statistics.median(holes) <= MEDIAN_S and max(holes) <= WORST_S)


def write_long(found: Found) -> None:
    """The tables of the long block."""
    memory = [
        (name, f"{early:.1f}", f"{late:.1f}", f"{late - early:+.1f}")
        for name, (early, late) in found.memory_mb.items()
    ]
    streams = [
        (
            s.name,
            str(s.samples),
            str(s.missing),
            _number(s.drift_ppm),
            _number(s.truth_ppm),
            _number(s.error_ppm),
            _number(s.u95_ppm),
        )
        for s in found.streams
    ]
    text = f"""{_made()}

`sim:mouse`, window of {found.seconds:g} s, exit code {found.exit_code}. Private memory (what only
this process holds, MB) {found.early_s:g} s into the window and at its end:

{_table(("process", "early", "end", "change"), memory)}

Samples, and drift against the reference, in ppm:

{_table(("stream", "samples", "missing", "drift", "truth", "error", "stated u95"), streams)}"""
    _replace(LONG, text)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _made() -> str:
    command = " ".join(["python -m tests.soak", *sys.argv[1:]])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = (
        f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}, "
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"
    )
    return f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, on {machine}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _replace(title: str, text: str) -> None:
    """Put a part into the page, in the place of the last one of its title."""
    old = PAGE.read_text("utf-8") if PAGE.exists() else TITLE
    parts = old.split("\n## ")[1:]
    kept = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}
    kept[title] = text
    whole = [TITLE, *(f"## {name}\n\n{kept[name]}" for name in (KILLS, LONG) if name in kept)]
    PAGE.write_text("\n\n".join(whole) + "\n", "utf-8")
    print(f"{PAGE.name}: {title}", flush=True)
