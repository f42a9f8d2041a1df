"""Devices that fail during a block: it goes on, counts what is missing, and says which device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tenmin_simulators import lsl
from tenmin_simulators.options import SimOptions

from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import Block
from tests.system.rigs import Sim, rig_args, write_rig

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("faults of streams")]

SECONDS = 8
LENGTHS = ("--seconds", str(SECONDS), "--settle", "1", "--pads", "1")


@dataclass(frozen=True)
class Told:
    """A block during which one sender was away for a while and another for good."""

    second: Ended  # a second block on the same rig meanwhile
    engine: Ended  # a second engine on the same rig meanwhile
    lost: str  # what the engine says of the treadmill
    truth: dict[str, Any]
    ended: Ended

    def stream(self, name: str) -> dict[str, Any]:
        """What the program says of one stream."""
        return next(s for s in self.ended.json["streams"] if s["name"] == name)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Pull the treadmill's plug for good, the probe's for a while; ask for a second engine."""
    folder = tmp_path_factory.mktemp("streams")
    bench = new_bench(folder)
    truth = folder / "truth.json"
    try:
        with (
            Sim("quick", folder, "--truth", str(truth)) as quick,
            Sim("treadmill", folder) as treadmill,
        ):
            bench.env.update(quick.env)
            belt = {**treadmill.devices[0], "primary": False}
            rig = write_rig(folder / "rig.toml", [*quick.devices, belt])
            yield _unplugged(bench, rig, quick, treadmill, truth)
    finally:
        bench.close()


def _unplugged(bench: Bench, rig: Path, quick: Sim, treadmill: Sim, truth: Path) -> Told:
    args = rig_args(rig)
    block = Block.of(bench, bench.start(*bench.record_args(*args, *LENGTHS)))
    block.recorded(1.0)
    treadmill.kill()
    block.recorded(2.0)
    quick.tell(unplug=True)
    until(lambda: _stream(block, "probe")["state"] != "running")
    quick.tell(replug=True)
    until(lambda: _stream(block, "probe")["state"] == "running")
    lost = until(lambda: _stream(block, "treadmill")["error"])
    second = bench.record(*args, *LENGTHS)
    engine = bench.run("engine", str(rig), "--json")
    ended = block.end()
    until(lambda: json.loads(truth.read_text())["gaps"]["probe"])
    return Told(second, engine, lost, json.loads(truth.read_text()), ended)


def _stream(block: Block, name: str) -> dict[str, Any]:
    return next(s for s in block.state()["snapshot"]["streams"] if s["name"] == name)


def test_a_sender_that_comes_back_leaves_one_counted_gap(told: Told) -> None:
    probe = told.stream("probe")

    ((index, n),) = probe["gaps"]
    start, missing = told.truth["gaps"]["probe"][0]

    # What lay unread in the inlet when the sender went away is lost with it.
    assert index <= start
    assert index + n == start + missing
    # Seconds with a hole are not clean, and the block makes up for them.
    assert probe["samples"] + probe["missing_samples"] >= (SECONDS + 2) * 2000


def test_the_window_of_a_block_with_a_gap_is_complete_but_for_the_gap(told: Told) -> None:
    probe = told.stream("probe")

    assert told.ended.json["n_window"] == SECONDS * 2000
    assert probe["window_samples"] == SECONDS * 2000 - probe["missing_samples"]


def test_an_unplugged_device_is_named_with_what_to_do(told: Told) -> None:
    assert "treadmill" in told.lost
    assert "cable" in told.lost


def test_what_an_unplugged_device_had_sent_is_kept(told: Told) -> None:
    with h5py.File(told.ended.json["nwb"]) as file:
        rows = len(file["acquisition/treadmill/data"])

    assert rows == told.stream("treadmill")["samples"] >= 2000  # a pad and a second of the window


def test_a_block_with_lost_data_is_kept_and_fails_its_gate(told: Told) -> None:
    levels = {(v["check"], v["stream"]): v["level"] for v in told.ended.json["verdicts"]}

    assert told.ended.code == 1, told.ended.err
    assert levels["gaps", "probe"] == "FAIL"
    assert levels["alive", "treadmill"] == "FAIL"


def test_a_second_block_on_the_same_rig_is_refused(told: Told) -> None:
    assert told.second.code == 2
    assert "A block is running on this rig" in told.second.json["error"]
    assert "tenmin status" in told.second.json["remedy"]


def test_a_second_engine_on_the_same_rig_is_refused(told: Told) -> None:
    assert told.engine.code == 2
    assert "An engine runs on the rig" in told.engine.json["error"]
    assert "tenmin attach" in told.engine.json["remedy"]


def test_a_reference_that_never_comes_back_ends_the_block_at_its_planned_time(
    bench: Bench, tmp_path: Path
) -> None:
    with Sim("quick", tmp_path) as quick:
        bench.env.update(quick.env)
        rig = write_rig(tmp_path / "rig.toml", quick.devices)
        args = bench.record_args(*rig_args(rig), "--seconds", "4", "--settle", "1", "--pads", "1")
        block = Block.of(bench, bench.start(*args))
        block.recorded(2.0)
        quick.kill()
        ended = block.end()

    assert ended.code == 3
    assert "probe never came back" in ended.err
    assert "mend the device" in ended.err
    with h5py.File(ended.json["nwb"]) as file:
        assert len(file["acquisition/probe/data"]) >= 3 * 2000  # a pad and two of four seconds
    (probe,) = (s for s in ended.json["streams"] if s["name"] == "probe")
    assert probe["samples"] + probe["missing_samples"] == (4 + 2) * 2000


def test_nan_is_recorded_bit_for_bit_and_does_no_harm(bench: Bench, tmp_path: Path) -> None:
    with Sim("lsl", tmp_path, "--seed", "3", "--fault", "nan@2:ch2") as sim:
        bench.env.update(sim.env)
        rig = write_rig(tmp_path / "rig.toml", [{**sim.devices[0], "kind": "eeg"}])
        ended = bench.record(*rig_args(rig), "--seconds", "3", "--settle", "1", "--pads", "1")

    # Its channels have nothing in common, which is no EEG: a check fails, and so may the block.
    assert ended.code in (0, 1), ended.err
    with h5py.File(ended.json["nwb"]) as file:
        samples = file["acquisition/simulated/data"][()]
        index = file["acquisition/simulated_counter/data"][()].astype(np.int64)
    sent = lsl.build(SimOptions(seed=3)).senders[0].make(int(index[0]), len(index), 0.0)[:, :-1]  # type: ignore[union-attr]
    sent[index >= 2 * 500, 1] = np.nan
    assert np.isnan(samples[:, 1]).any()
    np.testing.assert_array_equal(samples.view(np.uint32), sent.copy().view(np.uint32))
