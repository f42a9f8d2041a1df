"""The watcher and the writer of the file die: both are started again, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tenmin.checks.quality import OWN
from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import Account, Block, account, pids_of

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("kill workers")]


@dataclass(frozen=True)
class Told:
    """What came of a block whose watcher, then whose finaliser was killed."""

    meanwhile: list[dict[str, Any]]  # verdicts while no watcher ran
    later: list[dict[str, Any]]  # verdicts of the next one
    events: list[dict[str, Any]]
    ended: Ended
    account: Account


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Kill the one, look at the verdicts, kill the other."""
    bench = new_bench(tmp_path_factory.mktemp("workers"))
    try:
        yield _killed(bench)
    finally:
        bench.close()


def _killed(bench: Bench) -> Told:
    block = Block(bench, 8.0)
    attached = bench.start("attach", "--json")
    block.recorded(1.0)
    until(lambda: "OK" in _levels(block.state()))
    block.kill("watcher")
    meanwhile = until(lambda: _unknown(block.state()))
    later = until(lambda: (s := block.state()) and "OK" in _levels(s) and _verdicts(s))
    block.full_crew()
    old = pids_of(block.state(), "finaliser")
    block.kill("finaliser")
    until(lambda: (new := pids_of(block.state(), "finaliser")) and new != old)
    ended = block.end()
    out, _ = attached.communicate(timeout=60)
    events = [line for line in map(json.loads, out.splitlines()) if line["type"] == "event"]
    nwb = ended.json["nwb"]
    return Told(meanwhile, later, events, ended, account(nwb, ended.json["streams"], block.seed))


def _verdicts(state: dict[str, Any]) -> list[dict[str, Any]]:
    """What the watcher's checks say; the engine's own verdicts do not depend on it."""
    found = state["snapshot"].get("verdicts") or []
    return [verdict for verdict in found if verdict["check"] in OWN]


def _levels(state: dict[str, Any]) -> list[str]:
    return [v["level"] for v in _verdicts(state)]


def _unknown(state: dict[str, Any]) -> list[dict[str, Any]]:
    return _verdicts(state) if set(_levels(state)) == {"UNKNOWN"} else []


def test_verdicts_are_unknown_while_nobody_watches(told: Told) -> None:
    assert {v["level"] for v in told.meanwhile} == {"UNKNOWN"}
    assert all(v["action"] for v in told.meanwhile)


def test_the_next_watcher_judges_the_same_checks(told: Told) -> None:
    assert {v["check"] for v in told.later} == {v["check"] for v in told.meanwhile}


def test_both_deaths_are_in_the_log(told: Told) -> None:
    warnings = [e["value"] for e in told.events if e["code"] == "device_warning"]

    assert any("watcher died" in text for text in warnings)
    assert any("writer of the file ended" in text for text in warnings)


def test_the_file_is_there_and_verified(told: Told) -> None:
    assert told.ended.code == 0, told.ended.err
    assert told.ended.json["journal"] is None  # only a verified file's journal is removed
    assert told.ended.json["validation"]["ok"]


def test_not_one_sample_is_lost(told: Told) -> None:
    assert told.account.gaps == []
    assert (told.account.wrong, told.account.uncounted) == (0, 0)
