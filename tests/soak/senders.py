"""Senders that go away and come back: their index goes on, or begins anew."""

from __future__ import annotations

import random
import threading

import h5py
import numpy as np

from tests.soak.accounts import Rows
from tests.soak.faults import LOST, BlockFault
from tests.soak.stage import ABORTED, Device, Outcome, Stage
from tests.system.rigs import Sim

AWAY_S = (0.2, 2.0)
ON_ITS_WAY_S = 0.15
LATEST_S = 1.0  # before the end of the window, so that it mostly is back in time
SEARCH = 20_000  # samples of a new sender among which its first recorded one is looked for


def _unplug(stage: Stage, chance: random.Random) -> str:
    seconds = chance.uniform(*AWAY_S)
    stage.sims[0].tell(unplug=True)
    threading.Event().wait(seconds)
    stage.sims[0].tell(replug=True)
    return f"unplugged {stage.reference} for {seconds:.2f} s"


def _as_sent(stage: Stage, outcome: Outcome) -> list[str]:
    """The gap is what the simulator has not sent, and at most what was on its way at the cut."""
    told = next(s["gaps"] for s in outcome.streams if s["name"] == stage.reference)
    true = stage.truth()["gaps"][stage.reference]
    way = ON_ITS_WAY_S * (stage.rate_hz(outcome) or 0.0)
    for at, n in told[:1]:
        begun, missed = true[0] if true else (at, n)
        if not (begun - way <= at <= begun and at + n <= begun + missed):
            return [f"the sender's own gaps {true}, told {told}"]
    return []


def _anonymous(stage: Stage) -> None:
    """A sender that is started anew has another source id: go by names alone."""

    def edit(devices: list[Device]) -> None:
        for device in devices:
            device.pop("source_id", None)

    stage.edit.append(edit)


def _restart(stage: Stage, chance: random.Random) -> str:
    seconds = chance.uniform(*AWAY_S)
    stage.sims[0].kill()
    stage.restarted = True
    threading.Event().wait(seconds)
    (rig,) = stage.setup.rigs
    again = Sim(rig.removeprefix("sim:"), stage.folder, "--seed", str(stage.seed))
    stage.sims.append(again)
    return f"restarted the sender after {seconds:.2f} s, its index at 0"


def _restarted(stage: Stage) -> Outcome:
    """Find out which of the new sender's samples is the first one in the file."""
    outcome, name = stage.outcome(), stage.reference
    if outcome.nwb is not None:
        with h5py.File(outcome.nwb) as file:
            index = file[f"acquisition/{name}_counter/data"][()].astype(np.int64)
            steps = np.flatnonzero(np.diff(index) != 1) + 1
            if len(steps):
                first = file[f"acquisition/{name}/data"][int(steps[0])]
                stage.rows[name] = anew(stage.rows[name], int(index[steps[0]]), first)
    return outcome


def anew(rows: Rows, since: int, first: np.ndarray) -> Rows:
    """The samples of a sender that began again: index `since` is its row `first`, (n_channels,)."""
    begun = np.concatenate([rows(at, 1000).copy() for at in range(0, SEARCH, 1000)])
    found = np.flatnonzero((begun == first).all(axis=1))
    own = int(found[0]) if len(found) else 0

    def made(at: int, n: int) -> np.ndarray:
        return rows(at - since + own if at >= since else at, n)

    return made


FAULTS = (
    BlockFault(
        "sender:unplug",
        "a sender goes away for 0.2-2 s, its index goes on",
        _unplug,
        most_holes=1,
        judge=_as_sent,
        latest_s=LATEST_S,
        codes=(0, 1, LOST, ABORTED),
    ),
    BlockFault(
        "sender:restart",
        "a sender is killed and started anew, its index begins at 0",
        _restart,
        prepare=_anonymous,
        finish=_restarted,
        most_holes=1,
        latest_s=LATEST_S,
        codes=(0, 1, LOST, ABORTED),
    ),
)
