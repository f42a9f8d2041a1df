"""Checks of another distribution that loop, leak, raise, crash or dawdle: only they suffer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import pytest

from tests.system.conftest import Ended, new_bench
from tests.system.killing import Account, Block, account

STRANGER = Path(__file__).parents[1] / "stranger" / "checks"
SECONDS = 16.0
PIP = (
    *(sys.executable, "-m", "pip", "install", "--quiet"),
    *("--no-deps", "--no-build-isolation", "--no-index"),
)

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("third-party checks")]


@dataclass(frozen=True)
class Told:
    """What came of a block beside which all of the stranger's checks ran."""

    ended: Ended
    account: Account
    verdicts: list[dict[str, Any]]  # the worst ones, as attached clients are told
    events: list[dict[str, Any]]  # as they stand in the file
    state: dict[str, Any]  # near the end of the recording

    def worst(self, check: str, stream: str = "probe") -> dict[str, Any]:
        """The worst verdict of a check."""
        found = {(v["check"], v["stream"]): v for v in self.verdicts}
        return found[check, stream]

    def faults(self, check: str) -> list[str]:
        """What the log says of a check."""
        told = [e["value"] for e in self.events if e["code"] == "check_fault"]
        return [text for text in told if text.startswith(check)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stranger's checks installed, as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "checks"
    shutil.copytree(STRANGER, source)  # whoever builds leaves files beside the sources
    subprocess.run([*PIP, "--target", str(folder), str(source)], check=True)
    return folder


@pytest.fixture(scope="module")
def told(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Run all of them beside one block."""
    bench = new_bench(tmp_path_factory.mktemp("checks"))
    bench.env["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(installed), bench.env.get("PYTHONPATH")])
    )
    try:
        block = Block(bench, SECONDS)
        attached = bench.start("attach", "--json")
        bench.wait_phase(block.folder, "RECORDING", deadline_s=90.0)
        state = block.recorded(SECONDS - 1)
        ended = block.end(timeout=90.0)
        out, _ = attached.communicate(timeout=60)
        lines = [json.loads(line) for line in out.splitlines()]
        result = next(line for line in lines if line["type"] == "result")
        nwb = ended.json["nwb"]
        found = account(nwb, ended.json["streams"], block.seed)
        yield Told(ended, found, result["verdicts"], _events(nwb), state)
    finally:
        bench.close()


def _events(nwb: str) -> list[dict[str, Any]]:
    with h5py.File(nwb) as file:
        text = file["scratch/journal_events"].asstr()[()]
    return [json.loads(line) for line in text.splitlines()]


def test_not_one_sample_is_lost(told: Told) -> None:
    assert told.account.gaps == []
    assert (told.account.wrong, told.account.uncounted) == (0, 0)


def test_the_block_ends_as_without_them(told: Told) -> None:
    assert told.ended.code == 0, told.ended.err
    assert told.ended.json["validation"]["ok"]


@pytest.mark.parametrize("check", ["alive", "gaps", "saturation"])
def test_the_watchers_own_verdicts_are_never_unknown(told: Told, check: str) -> None:
    assert told.worst(check)["level"] == "OK"


def test_no_other_process_dies(told: Told) -> None:
    assert {role for role in told.state["deaths"] if not role.startswith("check:")} == set()


def test_a_check_that_works_gives_its_verdicts(told: Told) -> None:
    given = {(v["check"], v["stream"]): v for v in told.state["snapshot"]["verdicts"]}

    assert given["stranger.good", "probe"]["level"] == "OK"
    assert given["stranger.good", "probe"]["value"] is not None


def test_a_check_that_loops_is_ended_and_the_line_is_told(told: Told) -> None:
    assert told.worst("stranger.loops", "")["level"] == "UNKNOWN"
    assert any(
        "it looped" in t and "stranger_checks.py" in t for t in told.faults("stranger.loops")
    )


def test_a_check_that_leaks_is_ended(told: Told) -> None:
    assert any("GB of memory" in text for text in told.faults("stranger.leaks"))


def test_a_check_that_raises_is_switched_off_with_its_words(told: Told) -> None:
    worst = told.worst("stranger.raises")

    assert worst["level"] == "UNKNOWN"
    assert "Switched off" in worst["action"]
    assert "ZeroDivisionError" in worst["action"]
    assert len(told.faults("stranger.raises")) == 3


def test_a_check_that_crashes_is_switched_off_after_three_deaths(told: Told) -> None:
    assert len(told.faults("stranger.segfaults")) == 3
    assert "Switched off" in told.faults("stranger.segfaults")[-1]
    assert "SIGSEGV" in told.worst("stranger.segfaults", "")["action"]


def test_a_check_that_is_too_slow_drops_samples_and_says_so(told: Told) -> None:
    worst = told.worst("stranger.slow")

    assert worst["level"] == "UNKNOWN"
    assert "too slow" in worst["action"]
    assert told.state["snapshot"]["checks_lost"]["stranger.slow"]["probe"] > 0


def test_a_check_that_cannot_be_imported_is_told(told: Told) -> None:
    assert "stranger_library" in told.worst("stranger.missing", "")["action"]
    assert len(told.faults("stranger.missing")) == 1


def test_a_name_of_our_own_checks_is_refused(told: Told) -> None:
    (fault,) = told.faults("gaps")

    assert "tenmin's own" in fault
