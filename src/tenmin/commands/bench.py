"""``tenmin bench``: what the program costs on this machine, beside limits and other programs."""

from __future__ import annotations

import argparse
import contextlib
import math
import signal
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tenmin.bench.areas import AREAS, measure, outlived
from tenmin.commands.console import Console, add_json
from tenmin.errors import UsageError

if TYPE_CHECKING:  # the command's arguments are read without NumPy
    from tenmin.bench.book import Book, Run
    from tenmin.bench.growth import Table
    from tenmin.bench.rows import Row
    from tenmin.bench.setting import Setting

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
        "--seconds", type=_length, default=SECONDS, metavar="N", help="of the longest blocks"
    )
    whole = parser.add_argument_group("one block of the pipeline, instead of all of them")
    whole.add_argument("--probes", type=_count, metavar="N", help="only so many probes")
    whole.add_argument("--minutes", type=_length, metavar="N", help="for so long; else --seconds")
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
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help=f"as a page, with a .json beside it: {DEFAULT_PAGE}",
    )
    add_json(parser)


def _rounds(text: str) -> int:
    value = int(text)
    if value < FEWEST:
        raise argparse.ArgumentTypeError(f"a median needs at least {FEWEST} rounds")
    return value


def _length(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no length of time")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least one")
    return value


def bench(args: argparse.Namespace, console: Console) -> int:
    """Measure; 1 after an error, and when a gate does not hold in a form that counts."""
    from tenmin.bench import book, machine, pipeline
    from tenmin.bench.rows import Row
    from tenmin.system import runtime_dir

    if (args.minutes or args.recycle) and args.probes is None:
        raise UsageError("--minutes and --recycle belong to --probes N.")
    if (args.probes is not None or args.long) and args.only != ["pipeline"]:
        raise UsageError("--probes and --long belong to --only pipeline.")
    _check_folder(args.dir or Path("."), "--dir")
    known = _on_page(args.write) if args.write else book.Book()
    run = book.Run(_command(args), _rounds_of(args), machine.describe())
    found: list[Row | Table] = []
    with (
        cleared_up(),
        tempfile.TemporaryDirectory(prefix="bench-", dir=runtime_dir()) as memory,
        tempfile.TemporaryDirectory(prefix=".tenmin-bench-", dir=args.dir or ".") as disk,
    ):
        setting = _setting(args, Path(memory), Path(disk))
        pipeline.check_room(setting)
        try:
            for area in args.only or AREAS:
                console.log(f"{area} …")
                for one in _measured(area, setting, args.debug, console):
                    found.append(one)  # at once: what is interrupted keeps what it has
        finally:  # also of what is interrupted
            try:
                _keep(args.write, known, run, found)
            finally:
                _tell(console, run, found)
    rows = [one for one in found if isinstance(one, Row)]
    bad = [row for row in rows if row.failed or (row.holds is False and not args.quick)]
    return 1 if bad else 0


def _check_folder(folder: Path, option: str) -> None:
    """Whether something can be written there: better known before hours of measuring."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = f"{option}: nothing can be written to {folder}: {error.strerror}."
        raise UsageError(why, remedy="Name a folder that exists and may be written to.") from error


def _on_page(page: Path) -> Book:
    """What stands on the page already; a fault in it is found now, and not after hours."""
    from tenmin.bench import book, report

    data = page.with_suffix(".json")
    if page == data or page.is_dir():
        raise UsageError(
            f"--write: {page} is no name of a page.", remedy="Name a file such as a.md."
        )
    _check_folder(page.parent, "--write")
    known = book.load(data)
    report.markdown(known, data.name)
    return known


def _rounds_of(args: argparse.Namespace) -> int:
    return QUICK_ROUNDS if args.quick else int(args.rounds)


def _setting(args: argparse.Namespace, memory: Path, disk: Path) -> Setting:
    from tenmin.bench.setting import Setting

    seconds = QUICK_SECONDS if args.quick else args.seconds
    seconds = args.minutes * 60.0 if args.minutes else seconds
    asked = args.probes, args.recycle, args.long
    return Setting(_rounds_of(args), args.quick, memory, disk, seconds, *asked)


def _measured(area: str, setting: Setting, debug: bool, console: Console) -> Iterator[Row | Table]:
    """What an area measures; an error is told, and ends this area alone."""

    def log(error: Exception) -> None:
        if debug:
            traceback.print_exception(error)
        console.log(f"{area} failed: {type(error).__name__}: {error}")

    return outlived(area, lambda: measure(area, setting), log)


def _keep(page: Path | None, known: Book, run: Run, found: list[Row | Table]) -> None:
    """Write what was measured, if anything was."""
    from tenmin.bench import book, machine, report

    run.machine["load_after"] = machine.load()
    if page is not None and found:
        data = page.with_suffix(".json")
        whole = known.with_run(run, found)
        book.save(data, book.to_json(whole))
        book.save(page, report.markdown(whole, data.name))


def _tell(console: Console, run: Run, found: list[Row | Table]) -> None:
    """The results on stdout."""
    from tenmin.bench import report
    from tenmin.bench.book import Book
    from tenmin.bench.rows import Row

    rows = [one for one in found if isinstance(one, Row)]
    # The lines of one table come one by one.
    tables = [lines.table for lines in Book().with_run(run, found).tables.values()]
    console.result(report.as_dict(run.machine, run.rounds, rows, tables))
    console.say(report.text(rows, tables))


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
