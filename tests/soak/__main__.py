"""``python -m tests.soak``: faults at random moments of blocks; by ``--long``, ten minutes of one.

Every run says what was sent, recorded, lost and when. What came of it all is written to
``docs/soak.md``.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from tenmin_simulators.options import parse_fault

from tenmin.errors import UsageError
from tests.soak import long, report
from tests.soak.both import Unfit, both
from tests.soak.faults import BlockFault, Fault, Run, all_faults
from tests.soak.stage import Setup

TRIES = 3  # of a run whose block never began


def main() -> int:
    """Run what was asked for; 0 when something was run and everything held."""
    told = arguments()
    known = all_faults()
    if told.list:
        print("\n".join(f"{name:24} {fault.about}" for name, fault in known.items()))
        return 0
    chosen = [] if told.long and not told.fault else choose(known, told.fault)
    held = [found for fault in chosen if (found := run_many(fault, told)) is not None]
    if told.long:
        found = long.record(told.minutes, told.seed)
        print(found, flush=True)
        if told.page:
            report.keep_long(found)
        held.append(found.held)
    if not held:
        print("Nothing was run: every fault was skipped.", file=sys.stderr)
    return 0 if held and all(held) else 1


def choose(known: dict[str, Fault], asked: list[str]) -> list[Fault]:
    """The faults of these names; all, if none is named.

    ``kill`` stands for all of ``kill:…``; ``A+B`` is the fault A and then B in one block.
    """
    if not asked:
        return list(known.values())
    chosen = []
    for word in asked:
        first, _, second = word.partition("+")
        found = _named(known, first)
        chosen += [_both(f, s) for f in found for s in _named(known, second)] if second else found
    return chosen


def _named(known: dict[str, Fault], word: str) -> list[Fault]:
    found = [f for n, f in known.items() if n == word or n.startswith(f"{word}:")]
    if not found:
        raise SystemExit(f"No fault {word!r}; --list names them.")
    return found


def _both(one: Fault, two: Fault) -> BlockFault:
    for fault in (one, two):
        if not isinstance(fault, BlockFault):
            raise SystemExit(f"{fault.name} is no fault within a block: it cannot be one of two.")
    try:
        return both(one, two)
    except Unfit as why:
        raise SystemExit(f"{why}.") from None


def run_many(fault: Fault, told: argparse.Namespace) -> bool | None:
    """As many runs of a fault as were asked for; whether all held, None if none could be run."""
    setup = setup_of(told)
    deadline = None if told.limit is None else time.monotonic() + told.limit * 60.0

    def one(k: int) -> Run | None:
        if deadline is not None and time.monotonic() > deadline:
            return None
        seed = told.seed + k
        for _ in range(TRIES):
            run = fault.once(setup, seed, random.Random(f"{seed} {fault.name}"))
            print(f"{fault.name:20} {k + 1:3} {run}", flush=True)
            if not run.unbegun:
                break
        return run

    with ThreadPoolExecutor(told.jobs) as pool:
        first = one(0)
        times = told.times if fault.most is None else min(told.times, fault.most)
        more = 0 if first is None or first.skipped else times - 1
        rest = pool.map(one, range(1, more + 1))
        runs = [run for run in (first, *islice(rest, more)) if run is not None]
    if all(run.skipped for run in runs):
        return None
    return report.keep_runs(fault, setup, runs) if told.page else all(run.held for run in runs)


def setup_of(told: argparse.Namespace) -> Setup:
    """What the command line says is recorded."""
    return Setup(
        rigs=tuple(told.rig or Setup.rigs),
        channels=told.channels,
        rate_hz=told.rate,
        seconds=told.seconds,
        settle_s=told.settle,
        pads_s=told.pads,
        faults=tuple(told.sim_fault),
    )


def _times(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of runs: at least 1")
    return int(text)


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0.0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time: more than 0 minutes")
    return minutes


def _rig(text: str) -> str:
    if not text.startswith("sim:") and not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text} is neither sim:NAME nor a file")
    return text


def _sim_fault(text: str) -> str:
    try:
        parse_fault(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    add, usual = parser.add_argument, Setup()
    add(
        "--fault",
        action="append",
        default=[],
        metavar="NAME",
        help="only this; A+B: both in a block; repeatable",
    )
    add("--list", action="store_true", help="name all faults")
    add("--times", type=_times, default=20, help="runs of each fault (default 20)")
    add("--seed", type=int, default=1, help="of the first run; run k has seed + k")
    add(
        "--limit", type=_minutes, metavar="MINUTES", help="no run of a fault begins later than this"
    )
    add("--jobs", type=_times, default=1, help="runs side by side (default 1)")
    add("--rig", action="append", type=_rig, metavar="sim:NAME|FILE", help="repeatable")
    add("--channels", type=int, help="of the primary stream of each simulator")
    add("--rate", type=float, metavar="HZ", help="of the primary stream of each simulator")
    add("--seconds", type=float, default=usual.seconds, help="of the window (default 6)")
    add("--settle", type=float, default=usual.settle_s, help="seconds (default 1)")
    add("--pads", type=float, default=usual.pads_s, help="seconds (default 1)")
    add("--sim-fault", action="append", type=_sim_fault, default=[], metavar="KIND@SECONDS[:ARG]")
    add("--long", action="store_true", help="record sim:mouse for --minutes; no faults but --fault")
    add("--minutes", type=_minutes, default=10.0, help="of --long (default 10)")
    add("--no-page", dest="page", action="store_false", help="leave docs/soak.md as it is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
