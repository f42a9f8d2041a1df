"""Blocks whose processes are killed, and an account of every sample that was sent to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tenmin_simulators.options import SimOptions
from tenmin_simulators.quick import build
from tenmin_simulators.sender import Sender

from tests.system.conftest import Bench, Ended, until

RATE_HZ = 2000
SETTLE_S, PADS_S = 1.0, 1.0
ROLES = ("record", "watcher", "finaliser", "engine", "acquirer", "all")
EVERYONE = ("record", "engine", "acquirer", "standby", "watcher", "finaliser")


class Block:
    """A block on ``sim:quick``, started by ``tenmin record``.

    Parameters
    ----------
    bench : Bench
        Where it runs.
    seconds : float
        Length of its window.
    seed : int
        Of the simulator: the same seed sends the same samples.
    """

    def __init__(self, bench: Bench, seconds: float = 6.0, seed: int = 0) -> None:
        self.bench, self.seed = bench, seed
        self.truth = bench.runtime / "truth.json"
        lengths = (
            "--seconds",
            f"{seconds:g}",
            "--settle",
            f"{SETTLE_S:g}",
            "--pads",
            f"{PADS_S:g}",
        )
        simulated = ("--seed", str(seed), "--truth", str(self.truth))
        self.client = bench.start(*bench.record_args("sim:quick", *lengths, *simulated))
        self.folder = bench.rig_folder()

    @classmethod
    def of(cls, bench: Bench, client: subprocess.Popen[str]) -> Block:
        """A block that was started in another way."""
        block = cls.__new__(cls)
        block.bench, block.seed, block.client = bench, 0, client
        block.folder = bench.rig_folder()
        return block

    def state(self) -> dict[str, Any]:
        """What the engine says."""
        return self.bench.snapshot(self.folder)

    def recorded(self, window_s: float) -> dict[str, Any]:
        """Wait until this much of the window is recorded; the engine's state then."""

        def reached() -> dict[str, Any] | None:
            state = self.state()
            done = state.get("snapshot", {}).get("window_s")
            return state if done is not None and done >= window_s else None

        return until(reached, 60.0, 0.02)

    def full_crew(self) -> dict[str, Any]:
        """Wait until standby, watcher and finaliser are there as well; the engine's state then."""

        def complete() -> dict[str, Any] | None:
            state = self.state()
            return state if all(pids_of(state, r) for r in EVERYONE[2:]) else None

        return until(complete, 90.0)

    @property
    def dot(self) -> Path:
        """The journal."""
        return Path(self.state()["snapshot"]["dot"])

    def kill(self, *roles: str) -> int:
        """Kill these processes with no warning; host time just before, ns."""
        state = self.state()
        pids = [pid for role in roles for pid in self.pids(role, state)]
        assert pids, f"none of {roles} runs"
        now = time.monotonic_ns()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return now

    def pids(self, role: str, state: dict[str, Any] | None = None) -> list[int]:
        """Process ids of a role, one of `EVERYONE`."""
        return [self.client.pid] if role == "record" else pids_of(state or self.state(), role)

    def end(self, timeout: float = 60.0) -> Ended:
        """Wait for the end of ``tenmin record``."""
        out, err = self.client.communicate(timeout=timeout)
        return Ended(self.client.returncode, out, err)

    def file(self, deadline_s: float = 60.0) -> Path:
        """Wait for the block's file, whoever makes it."""
        return until(lambda: next(self.bench.out.glob("sub-*/*.nwb"), None), deadline_s)


def pids_of(state: dict[str, Any], role: str) -> list[int]:
    """Process ids of a role; of two acquirers the older one has the data path."""
    if role == "engine":
        return [state["pid"]]
    numbered = sorted(
        (int(name.rsplit("-", 1)[1]), pid)
        for name, pid in state["crew"].items()
        if name.rsplit("-", 1)[0] == ("acquirer" if role == "standby" else role)
    )
    pids = [pid for _, pid in numbered]
    if role == "acquirer":
        return pids[:1]
    return pids[1:] if role == "standby" else pids


@dataclass(frozen=True)
class Account:
    """The probe's samples: what is in the file against what was sent.

    Attributes
    ----------
    first, stop : int
        Device indices recorded: [first, stop).
    recorded : int
        Rows in the file.
    gaps : list of (int, int)
        Index and length of every step of the index.
    told : list of (int, int)
        The gaps that the program counted.
    wrong : int
        Rows that are not what the simulator sent under their index.
    """

    first: int
    stop: int
    recorded: int
    gaps: list[tuple[int, int]]
    told: list[tuple[int, int]]
    wrong: int

    @property
    def sent(self) -> int:
        """Samples that the probe took between the first and the last one in the file."""
        return self.stop - self.first

    @property
    def missing(self) -> int:
        """Samples that the program says are missing."""
        return sum(n for _, n in self.told)

    @property
    def uncounted(self) -> int:
        """Samples lost that nobody counted: 0, or the program lies."""
        return self.sent - self.recorded - self.missing

    @property
    def longest_s(self) -> float:
        """Longest hole."""
        return max((n for _, n in self.gaps), default=0) / RATE_HZ


def account(nwb: Path, streams: Sequence[dict[str, Any]], seed: int) -> Account:
    """Hold the probe of a file against its simulator and against what the program says of it."""
    with h5py.File(nwb) as file:
        samples = file["acquisition/probe/data"][()]
        index = file["acquisition/probe_counter/data"][()].astype(np.int64)
    steps = np.flatnonzero(np.diff(index) != 1)
    gaps = [(int(index[k]) + 1, int(index[k + 1] - index[k]) - 1) for k in steps]
    told = next(s["gaps"] for s in streams if s["name"] == "probe")
    return Account(
        int(index[0]),
        int(index[-1]) + 1,
        len(index),
        gaps,
        [(int(i), int(n)) for i, n in told],
        _wrong(index, samples, seed),
    )


def _wrong(index: np.ndarray, samples: np.ndarray, seed: int) -> int:
    probe = build(SimOptions(seed=seed)).senders[0]
    assert isinstance(probe, Sender)
    ends = np.flatnonzero(np.diff(index) != 1) + 1
    cuts = np.union1d(ends, np.arange(0, len(index), 4096))[1:]  # the most it makes at once
    wrong = at = 0
    for piece in np.split(index, cuts):
        sent = probe.make(int(piece[0]), len(piece), 0.0)[:, :-1]
        wrong += int((sent != samples[at : at + len(piece)]).any(axis=1).sum())
        at += len(piece)
    return wrong


def streams_of(dot: Path) -> list[dict[str, Any]]:
    """What the finaliser says of each stream."""
    return json.loads((dot / "result.json").read_text())["streams"]
