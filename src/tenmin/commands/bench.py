"""``tenmin bench``: what the program costs on this machine, beside limits and other programs."""

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tenmin.commands.console import Console, add_json
from tenmin.errors import UsageError

AREAS = ("ring", "checks", "journal", "finaliser", "telemetry", "start-up", "growth", "pipeline")
ROUNDS, FEWEST, QUICK_ROUNDS = 9, 7, 3
SECONDS, QUICK_SECONDS = 60.0, 2.0
DEFAULT_PAGE = Path("docs") / "performance.md"


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin bench``."""
    parser.add_argument(
        "--only", nargs="+", choices=AREAS, metavar="NAME", help=f"some of: {', '.join(AREAS)}"
    )
    parser.add_argument(
        "--rounds", type=_rounds, default=ROUNDS, metavar="N", help=f"at least {FEWEST}"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="N", help="of the longest blocks"
    )
    whole = parser.add_argument_group("one block of the pipeline, instead of all of them")
    whole.add_argument("--probes", type=_count, metavar="N", help="only so many probes")
    whole.add_argument("--minutes", type=float, metavar="N", help="for so long; else --seconds")
    whole.add_argument(
        "--recycle",
        action="store_true",
        help="discard what was verified: a long block needs little room on the disk",
    )
    whole.add_argument(
        "--long",
        action="store_true",
        help="one probe for 1 and for 10 minutes: how the end grows with the length",
    )
    parser.add_argument("--quick", action="store_true", help="the shortest form; no goal counts")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="the disk to write to")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"as a page: {DEFAULT_PAGE}")
    add_json(parser)


def _rounds(text: str) -> int:
    value = int(text)
    if value < FEWEST:
        raise argparse.ArgumentTypeError(f"a median needs at least {FEWEST} rounds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least one")
    return value


def bench(args: argparse.Namespace, console: Console) -> int:
    """Measure; 1 when a gate does not hold, unless the form is the shortest."""
    from tenmin.bench import machine, report
    from tenmin.bench.setting import Setting
    from tenmin.system import runtime_dir

    if (args.minutes or args.recycle) and args.probes is None:
        raise UsageError("--minutes and --recycle belong to --probes N.")
    if (args.probes is not None or args.long) and args.only != ["pipeline"]:
        raise UsageError("--probes and --long belong to --only pipeline.")
    rounds = QUICK_ROUNDS if args.quick else args.rounds
    seconds = QUICK_SECONDS if args.quick else args.seconds
    seconds = args.minutes * 60.0 if args.minutes else seconds
    about = machine.describe()
    rows: list[Any] = []
    tables: list[Any] = []
    with (
        cleared_up(),
        tempfile.TemporaryDirectory(prefix="bench-", dir=runtime_dir()) as memory,
        tempfile.TemporaryDirectory(prefix=".tenmin-bench-", dir=args.dir or ".") as disk,
    ):
        setting = Setting(
            rounds,
            args.quick,
            Path(memory),
            Path(disk),
            seconds,
            args.probes,
            args.recycle,
            args.long,
        )
        for area in args.only or AREAS:
            console.log(f"{area} …")
            more, found = measure(area)(setting)
            tables += more
            rows += found
    about["load_after"] = machine.load()
    console.result(report.as_dict(about, rounds, rows, tables))
    console.say(report.text(rows, tables))
    if args.write:
        page = report.markdown(_command(args), about, rounds, rows, tables)
        args.write.write_text(page, "utf-8")
    return 0 if args.quick or all(row.holds is not False for row in rows) else 1


@contextlib.contextmanager
def cleared_up() -> Iterator[None]:
    """Whatever ends the bench, it removes what it wrote: SIGTERM and SIGHUP end it as ^C does."""
    names = ("SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def measure(area: str) -> Callable[[Any], tuple[list[Any], list[Any]]]:
    """What measures an area: it returns growth tables and rows."""
    from tenmin.bench import checks, growth, journals, nwb, pipeline, rings, startup, telemetry

    rows: dict[str, Callable[[Any], list[Any]]] = {
        "ring": rings.rows,
        "checks": checks.rows,
        "journal": journals.rows,
        "finaliser": nwb.rows,
        "telemetry": telemetry.rows,
        "start-up": startup.rows,
    }
    tables = {"growth": growth.tables, "pipeline": pipeline.tables}
    return tables[area] if area in tables else lambda setting: ([], rows[area](setting))


def _command(args: argparse.Namespace) -> str:
    """How to do the same again; folders of this machine stay out of it."""
    words = ["tenmin bench"]
    if args.only:
        words.append(f"--only {' '.join(args.only)}")
    words += [f"--probes {args.probes}"] if args.probes else []
    words += [f"--minutes {args.minutes:g}"] if args.minutes else []
    words += [f"--{word}" for word in ("recycle", "long") if getattr(args, word)]
    if args.quick:
        words.append("--quick")
    else:
        words.append(f"--rounds {args.rounds} --seconds {args.seconds:g}")
    if args.write:
        words.append(f"--write {DEFAULT_PAGE.as_posix()}")
    return " ".join(words)
