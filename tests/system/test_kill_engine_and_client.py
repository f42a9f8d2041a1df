"""Engine and client die: the next engine of the rig shows the block, finishes it, then goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import PADS_S, RATE_HZ, Account, Block, account, streams_of
from tests.system.rigs import Sim, rig_args, write_rig

SECONDS = 6.0

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("kill engine and client")]


@dataclass(frozen=True)
class Later:
    """What came of a block whose engine and client were killed, on a rig that stays."""

    second: Ended
    status: Ended
    nwb: Path
    account: Account
    third: Ended


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Later]:
    """Kill both; ask the same rig for a second block at once, and for a third after the file."""
    folder = tmp_path_factory.mktemp("later")
    bench = new_bench(folder)
    try:
        with Sim("quick", folder) as sim:
            bench.env.update(sim.env)
            yield _later(bench, write_rig(folder / "rig.toml", sim.devices))
    finally:
        bench.close()


def _later(bench: Bench, rig: Path) -> Later:
    args = rig_args(rig)
    lengths = ("--seconds", f"{SECONDS:g}", "--settle", "1", "--pads", "1")
    client = bench.start(*bench.record_args(*args, *lengths, "--keep-journal"))
    block = Block.of(bench, client)
    block.recorded(1.0)
    block.kill("record", "engine")
    second = bench.record(*args, *lengths)
    status = bench.run("status", "--json")
    nwb = block.file()
    dot = next(bench.out.glob("sub-*/*.dot"))
    until((dot / "result.json").exists)  # it follows the file at once
    counted = account(nwb, streams_of(dot), 0)
    until(lambda: "snapshot" not in bench.snapshot(block.folder))
    third = bench.record(*args, "--seconds", "1", "--settle", "1", "--pads", "1")
    return Later(second, status, nwb, counted, third)


def test_a_second_block_is_refused_until_the_first_is_done(later: Later) -> None:
    assert later.second.code == 2
    assert "still being finished" in later.second.json["error"]
    assert "tenmin status" in later.second.json["remedy"]


def test_the_next_engine_shows_the_progress_of_the_block(later: Later) -> None:
    snapshot = later.status.json["snapshot"]

    assert snapshot["phase"] == "RECORDING"
    assert snapshot["bytes"]["probe"] > 0


def test_the_next_engine_makes_the_file_with_every_sample(later: Later) -> None:
    assert later.account.gaps == []
    assert later.account.recorded == round((SECONDS + 2 * PADS_S) * RATE_HZ)
    assert later.account.wrong == 0


def test_the_rig_takes_blocks_again_afterwards(later: Later) -> None:
    assert later.third.code == 0, later.third.err
    assert later.third.json["nwb"] != str(later.nwb)
