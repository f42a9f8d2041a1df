"""The operator's command dies: the block does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import Account, Block, account

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("kill client")]


@dataclass(frozen=True)
class Told:
    """What came of a block whose client was killed."""

    status: Ended
    lines: list[dict]
    nwb: Path
    account: Account


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Kill ``tenmin record``, ask for the block, follow it to its end."""
    bench = new_bench(tmp_path_factory.mktemp("client"))
    try:
        yield _killed(bench)
    finally:
        bench.close()


def _killed(bench: Bench) -> Told:
    block = Block(bench)
    block.recorded(1.0)
    block.kill("record")
    status = bench.run("status", "--json")
    attached = bench.start("attach", "--json")
    nwb = block.file()
    out, _ = attached.communicate(timeout=60)  # ends with the engine
    lines = [json.loads(line) for line in out.splitlines()]
    until(lambda: not list(bench.out.glob("sub-*/*.dot")))
    result = next(line for line in lines if line["type"] == "result")
    return Told(status, lines, nwb, account(nwb, result["streams"], block.seed))


def test_the_block_goes_on_and_status_finds_it(told: Told) -> None:
    assert told.status.code == 0
    assert told.status.json["snapshot"]["phase"] == "RECORDING"


def test_attach_follows_it_to_its_result(told: Told) -> None:
    phases = [line["phase"] for line in told.lines if line["type"] == "snapshot"]
    (result,) = (line for line in told.lines if line["type"] == "result")

    assert phases[0] == "RECORDING"
    assert phases[-1] == "SUMMARISED"
    assert (result["exit_code"], result["verified"]) == (0, True)
    assert result["nwb"] == str(told.nwb)


def test_not_one_sample_is_lost(told: Told) -> None:
    assert told.account.gaps == []
    assert (told.account.wrong, told.account.uncounted) == (0, 0)
