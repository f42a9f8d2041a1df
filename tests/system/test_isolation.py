"""A device whose driver runs in a process of its own, which dies as native code does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import Block
from tests.system.rigs import Sim, rig_args, write_rig

SECONDS = 6.0
LENGTHS = ("--seconds", f"{SECONDS:g}", "--settle", "1", "--pads", "1")

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("isolation")]


@dataclass(frozen=True)
class Died:
    """A block during which the process of the probe's driver got a segmentation fault."""

    ended: Ended
    acquirers: int  # that have died
    granted: dict[str, str]  # as `tenmin status --json` tells while it records

    @property
    def probe(self) -> dict:
        """What the program says of the probe."""
        return next(s for s in self.ended.json["streams"] if s["name"] == "probe")


def isolated_pids(folder: Path) -> list[int]:
    """Processes of isolated devices of one rig."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"tenmin.isolation" in words and str(folder).encode() in words:
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Died]:
    """Let the probe's process die in the second second of the window."""
    folder = tmp_path_factory.mktemp("isolation")
    bench = new_bench(folder)
    try:
        with Sim("quick", folder) as sim:
            bench.env.update(sim.env)
            devices = [{**d, "isolate": d["name"] == "probe"} for d in sim.devices]
            yield _died(bench, write_rig(folder / "rig.toml", devices))
    finally:
        bench.close()


def _died(bench: Bench, rig: Path) -> Died:
    client = bench.start(*bench.record_args(*rig_args(rig), *LENGTHS))
    block = Block.of(bench, client)
    state = block.recorded(1.0)
    (pid,) = isolated_pids(block.folder)
    os.kill(pid, signal.SIGSEGV)
    until(lambda: isolated_pids(block.folder) not in ([], [pid]))
    out, err = client.communicate(timeout=60)
    ended = Ended(client.returncode, out, err)
    return Died(ended, state["deaths"].get("acquirer", 0), state["granted"])


def test_the_death_of_a_driver_makes_one_gap_in_its_own_stream(died: Died) -> None:
    assert len(died.probe["gaps"]) == 1
    assert {s["name"]: len(s["gaps"]) for s in died.ended.json["streams"]} == {
        "probe": 1,
        "markers": 0,
    }


def test_the_hole_is_short_and_every_other_sample_is_there(died: Died) -> None:
    ((_, missing),) = died.probe["gaps"]
    with h5py.File(died.ended.json["nwb"]) as file:
        counter = file["acquisition/probe_counter/data"][()]

    assert missing <= 5 * 2000
    assert counter[-1] - counter[0] + 1 == len(counter) + missing
    assert np.all(np.diff(counter) > 0)


def test_the_window_reaches_its_planned_end(died: Died) -> None:
    assert died.ended.json["n_window"] == round(SECONDS * 2000)
    assert died.probe["window_samples"] == died.ended.json["n_window"] - sum(
        n for _, n in died.probe["gaps"]
    )


def test_the_acquirer_lives_on(died: Died) -> None:
    assert died.acquirers == 0


def test_what_every_process_was_granted_is_told_while_it_records(died: Died) -> None:
    roles = ("acquirer", "watcher", "finaliser", "driver probe")
    assert {f"{role}.priority" for role in roles} <= set(died.granted)


def test_what_was_granted_stands_in_the_file(died: Died) -> None:
    with h5py.File(died.ended.json["nwb"]) as file:
        table = file["analysis/granted"]
        found = dict(zip(table["item"].asstr()[()], table["granted"].asstr()[()]))

    told = {k: v for k, v in died.granted.items() if not k.startswith(("standby", "finaliser"))}
    assert {k: found.get(k) for k in told} == told
    assert {"host.sleep", "host.power", "acquirer.memory_lock", "acquirer.gc"} <= set(found)
    assert {"rings.mapping", "acquirer.kernels", "finaliser.priority"} <= set(found)
