"""``python -m tests.soak``: kills at random moments; by ``--long``, ten minutes of ``sim:mouse``.

Everything is printed as it happens; what came of it is written to ``docs/soak.md``.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.soak import long, report
from tests.soak.kills import Run, kill_once
from tests.system.killing import ROLES


def main() -> int:
    """Run what was asked for; 0 when everything held."""
    told = arguments()
    chosen = [told.only] if told.only else list(ROLES)
    runs = {role: kill_many(role, told) for role in chosen} if told.kills else {}
    if runs:
        report.write_kills(runs)
    found = long.record(told.minutes, told.seed) if told.long else None
    if found is not None:
        report.write_long(found)
    held = all(run.held for many in runs.values() for run in many)
    held = held and all(report.holes_held(many) for many in runs.values())
    return 0 if held and (found is None or found.held) else 1


def kill_many(role: str, told: argparse.Namespace) -> list[Run]:
    """As many kills of a role as were asked for."""
    moments = random.Random(f"{told.seed} {role}")
    runs = []
    deadline = None if told.limit is None else time.monotonic() + told.limit * 60.0
    while len(runs) < told.kills and (deadline is None or time.monotonic() < deadline):
        run = kill_once(role, seed=told.seed + len(runs), moments=moments)
        runs.append(run)
        print(f"{role:10} {len(runs):3} {run}", flush=True)
    return runs


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="kills of each role (default 10)")
    parser.add_argument("--only", choices=ROLES, help="only this role")
    parser.add_argument("--limit", type=float, metavar="MINUTES", help="at most this long a role")
    parser.add_argument("--long", action="store_true", help="record sim:mouse for --minutes")
    parser.add_argument("--minutes", type=float, default=10.0, help="of --long (default 10)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
