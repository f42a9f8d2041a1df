"""Everything dies at once, as when somebody trips over the cable of a computer with a good disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.conftest import Bench, Ended, new_bench
from tests.system.killing import EVERYONE, RATE_HZ, Account, Block, account, streams_of

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("kill all")]

LOST_S = 0.5  # design.md 1


@dataclass(frozen=True)
class Told:
    """What is left of a block all of whose processes were killed."""

    first_files: list[Path]
    recovered: Ended
    sent_at_kill: float
    account: Account


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Kill client, engine, both acquirers, watcher and finaliser; then ``tenmin recover``."""
    bench = new_bench(tmp_path_factory.mktemp("all"))
    try:
        yield _killed(bench)
    finally:
        bench.close()


def _killed(bench: Bench) -> Told:
    block = Block(bench)
    block.full_crew()
    block.recorded(2.0)
    dot = block.dot
    killed_ns = block.kill(*EVERYONE)
    files = list(bench.out.glob("sub-*/*.nwb"))
    recovered = bench.run("recover", str(dot), "--json")
    probe = json.loads(block.truth.read_text())["clocks"]["probe"]
    sent = (killed_ns - probe["start_host_ns"]) * 1e-9 * RATE_HZ
    nwb = Path(recovered.json["nwb"])
    return Told(files, recovered, sent, account(nwb, streams_of(dot), block.seed))


def test_no_half_made_file_has_the_name_of_a_whole_one(told: Told) -> None:
    assert told.first_files == []


def test_recover_makes_a_valid_file_and_says_that_it_is_cut_short(told: Told) -> None:
    assert told.recovered.json["validation"]["ok"]
    assert told.recovered.json["journal"]
    assert told.recovered.code == 1


def test_at_most_half_a_second_before_the_kill_is_lost(told: Told) -> None:
    assert told.account.stop >= told.sent_at_kill - LOST_S * RATE_HZ


def test_what_is_left_is_what_was_sent(told: Told) -> None:
    assert told.account.gaps == []
    assert (told.account.wrong, told.account.uncounted) == (0, 0)
