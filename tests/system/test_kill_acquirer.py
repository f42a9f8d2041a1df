"""The data path dies: its standby takes over, and the hole is one counted gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import pytest

from tests.system.conftest import Bench, Ended, new_bench
from tests.system.killing import PADS_S, RATE_HZ, Account, Block, account

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("kill acquirer")]

SECONDS = 8.0
WORST_S = 5.0  # design.md 1


@dataclass(frozen=True)
class Told:
    """What came of a block whose acquirer was killed."""

    killed_ns: int
    truth: dict[str, Any]
    ended: Ended
    account: Account


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Kill it in the middle of the window."""
    bench = new_bench(tmp_path_factory.mktemp("acquirer"))
    try:
        yield _killed(bench)
    finally:
        bench.close()


def _killed(bench: Bench) -> Told:
    block = Block(bench, SECONDS)
    block.full_crew()
    block.recorded(2.0)
    killed_ns = block.kill("acquirer")
    ended = block.end()
    truth = json.loads(block.truth.read_text())
    nwb = ended.json["nwb"]
    return Told(killed_ns, truth, ended, account(nwb, ended.json["streams"], block.seed))


def test_the_hole_is_one_counted_gap(told: Told) -> None:
    assert len(told.account.gaps) == 1
    assert told.account.told == told.account.gaps


def test_what_was_sent_is_recorded_or_counted_as_missing(told: Told) -> None:
    planned = round((SECONDS + 2 * PADS_S) * RATE_HZ)

    # Seconds with a hole are not clean, and the block makes up for them.
    assert told.account.sent >= planned
    assert told.account.recorded + told.account.missing == told.account.sent
    assert told.account.wrong == 0


def test_no_marker_is_lost_but_those_of_the_hole(told: Told) -> None:
    probe, ((index, n),) = told.truth["clocks"]["probe"], told.account.gaps
    began, hole, over, ended = (
        probe["start_host_ns"] * 1e-9 + i / RATE_HZ
        for i in (told.account.first, index, index + n, told.account.stop)
    )
    # an LSL outlet of texts is found a little later than one of numbers
    sent = [e["host_s"] for e in told.truth["events"] if e["type"] == "marker"]
    outside = [s for s in sent if began < s < hole - 0.1 or over + 1.5 < s < ended - 0.1]
    markers = next(s for s in told.ended.json["streams"] if s["name"] == "markers")

    assert 0 < len(outside) <= markers["samples"] <= len(sent)


def test_every_sample_from_before_the_kill_is_kept(told: Told) -> None:
    ((index, _),) = told.account.gaps
    probe = told.truth["clocks"]["probe"]
    at_kill = (told.killed_ns - probe["start_host_ns"]) * 1e-9 * RATE_HZ

    # what the sender had not sent yet, or was in the wire, is not the acquirer's: 0.5 s at most
    assert index >= at_kill - 0.5 * RATE_HZ


def test_the_hole_is_no_longer_than_promised(told: Told) -> None:
    assert 0 < told.account.longest_s <= WORST_S


def test_the_block_ends_as_planned_and_says_that_it_has_a_gap(told: Told) -> None:
    gaps = next(v for v in told.ended.json["verdicts"] if v["check"] == "gaps")

    assert told.ended.code == 1, told.ended.err
    assert told.ended.json["n_window"] == SECONDS * RATE_HZ
    assert (gaps["stream"], gaps["level"]) == ("probe", "FAIL")


def test_the_file_names_the_hole_among_its_invalid_times(told: Told) -> None:
    with h5py.File(told.ended.json["nwb"]) as file:
        table = file["intervals/invalid_times"]
        rows = zip(table["reason"].asstr()[()], table["stream"].asstr()[()])
        holes = [reason for reason, stream in rows if "gap" in reason and stream == "probe"]

    assert len(holes) == 1
