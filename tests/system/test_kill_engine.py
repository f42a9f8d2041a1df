"""The engine dies: the acquirer records on to the planned end, and the file is made later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest

from tests.system.conftest import Ended, new_bench
from tests.system.killing import PADS_S, RATE_HZ, Account, Block, account

SECONDS = 6.0

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("kill engine")]


@dataclass(frozen=True)
class Told:
    """What came of a block whose engine was killed."""

    ended: Ended
    nwb: Path
    account: Account


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Kill the engine alone."""
    bench = new_bench(tmp_path_factory.mktemp("engine"))
    try:
        block = Block(bench, SECONDS)
        block.recorded(1.0)
        block.kill("engine")
        ended = block.end()
        nwb = Path(ended.json["nwb"])
        yield Told(ended, nwb, account(nwb, ended.json["streams"], block.seed))
    finally:
        bench.close()


def test_the_client_says_what_happened_and_what_goes_on(told: Told) -> None:
    assert "The engine has died." in told.ended.err
    assert "goes on to its planned end" in told.ended.err


def test_the_client_lets_a_new_engine_make_the_file(told: Told) -> None:
    assert told.ended.code == 0, told.ended.err
    assert told.ended.json["validation"]["ok"]


def test_the_block_ends_as_planned_and_nothing_is_lost(told: Told) -> None:
    assert told.account.gaps == []
    assert told.account.recorded == round((SECONDS + 2 * PADS_S) * RATE_HZ)
    assert told.account.wrong == 0


def test_the_acquirer_asks_for_a_computer_that_stays_awake_in_the_engines_place(told: Told) -> None:
    with h5py.File(told.nwb) as file:
        lines = file["scratch/journal_log"].asstr()[()].splitlines()

    granted = [line for line in map(json.loads, lines) if line["t"] == "granted"]
    assert granted
    assert granted[-1]["sleep"]
