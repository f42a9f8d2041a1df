"""``python -m tests.scoring``: play the seeds, print the table, write ``docs/scores.md``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.scoring import (
    arousal,
    bad,
    electrodes,
    eyes,
    false_alarms,
    imaging,
    line,
    patch,
    peers,
    real,
    real_cells,
    real_clocks,
    real_electrodes,
    real_eyes,
    real_pictures,
    real_states,
    socket,
    table,
    timing,
)
from tests.scoring.score import SEEDS, NotBuilt, Scenario, Scored, score

MODULES = (electrodes, line, bad, timing, eyes, imaging, patch, arousal, false_alarms, socket)
REAL, PEERS = "real", "peers"
RECORDINGS = (
    *real.FILES,
    *real_electrodes.FILES,
    *real_eyes.FILES,
    *real_states.FILES,
    *real_clocks.FILES,
    *real_pictures.FILES,
    *real_cells.FILES,
)


def all_scenarios() -> list[Scenario]:
    """Those of every module, in the order of the page."""
    return [scenario for module in MODULES for scenario in module.scenarios()]


def outcomes(scenario: Scenario, seeds: Sequence[int], jobs: int) -> list[Any]:
    """What each seed came to.

    Raises
    ------
    NotBuilt
        What it needs does not exist.
    """
    if jobs <= 1:
        return [scenario.play(seed) for seed in seeds]
    with get_context("spawn").Pool(jobs) as pool:
        return list(pool.imap(scenario.play, seeds))


def run(scenario: Scenario, seeds: Sequence[int], jobs: int) -> list[Scored]:
    """The rows of a scenario."""
    try:
        found = outcomes(scenario, seeds, jobs)
    except NotBuilt as error:
        return [Scored(row, None, why=f"not built: {error}") for row in scenario.rows]
    return [score(row, found) for row in scenario.rows]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.scoring", description=__doc__)
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME", help="these alone")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--tune", type=int, metavar="N", help="play seeds 1 … N, and write nothing")
    parser.add_argument(
        "--peers", type=Path, metavar="PYTHON", help="interpreter with SpikeInterface and pyprep"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    options = parser.parse_args(argv)
    scenarios = all_scenarios()
    names = [*(s.name for s in scenarios), REAL, PEERS]
    if options.list:
        print("\n".join(names))
        return 0
    unknown = sorted(set(options.only or ()) - set(names))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
    if not options.tune:
        table.keep_places(scenarios)
    missed = False
    for scenario in scenarios:
        if options.only is not None and scenario.name not in options.only:
            continue
        began = time.monotonic()
        seeds = range(1, options.tune + 1) if options.tune else SEEDS[: scenario.n_seeds]
        scored = run(scenario, seeds, options.jobs)
        print(f"{scenario.name}: {len(seeds)} seeds, {time.monotonic() - began:.0f} s")
        print(table.printed(scored), flush=True)
        missed |= any(s.passed is False for s in scored)
        if not options.tune:
            table.keep(scenario, scored)
    if not options.tune and (options.only is None or REAL in options.only):
        look_at_recordings()
    if not options.tune and (options.only is None or PEERS in options.only):
        rows = peers.compare(options.peers)
        for row in rows:
            print(" | ".join(row.values()))
        table.keep_peers(rows)
    return 1 if missed else 0


def look_at_recordings() -> None:
    """Put what the checks say of the real recordings into the page."""
    rows, missing = real.look(RECORDINGS)
    for row in rows:
        print(" | ".join(row.values()))
    if missing:
        print(f"NOT LOOKED AT, there is nothing at {real.DATA}: {', '.join(missing)}")
    table.keep_real(rows, missing)


if __name__ == "__main__":
    sys.exit(main())
