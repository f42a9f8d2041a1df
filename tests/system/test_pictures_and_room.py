"""A microscope and a room's sensor in one block: what their checks say of them, and the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import new_bench
from tests.system.rigs import Sim, rig_args, write_rig

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("pictures and room")]

OF_SCOPE = {"alive", "gaps", "frame_drops", "pixel_saturation", "motion", "brightness", "bleaching"}
OF_ROOM = {"alive", "gaps", "light", "sound", "temperature"}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the program says of the block."""
    folder: Path = tmp_path_factory.mktemp("pictures")
    bench = new_bench(folder)
    with Sim("imaging", folder) as scope, Sim("environment", folder) as room:
        bench.env.update(scope.env)
        tables = [*scope.devices, *(d | {"primary": False} for d in room.devices)]
        rig = write_rig(folder / "rig.toml", tables)
        lengths = ("--seconds", "6", "--settle", "3", "--pads", "1")
        try:
            yield bench.record(*rig_args(rig), *lengths).json
        finally:
            bench.close()


def checks_of(said: dict[str, Any], stream: str) -> dict[str, str]:
    return {v["check"]: v["level"] for v in said["verdicts"] if v["stream"] == stream}


def test_every_check_that_applies_speaks(said: dict[str, Any]) -> None:
    assert set(checks_of(said, "imaging")) >= OF_SCOPE
    assert set(checks_of(said, "environment")) >= OF_ROOM


def test_what_can_be_judged_in_seconds_is_known(said: dict[str, Any]) -> None:
    known = {"alive", "gaps", "frame_drops", "pixel_saturation", "motion"}
    assert {checks_of(said, "imaging")[check] for check in known} <= {"OK", "WARN"}
    assert checks_of(said, "environment")["alive"] == "OK"


def test_no_sample_is_missing(said: dict[str, Any]) -> None:
    assert {s["name"]: s["missing_samples"] for s in said["streams"]} == {
        "imaging": 0,
        "environment": 0,
    }


def test_the_file_is_valid(said: dict[str, Any]) -> None:
    assert said["validation"]["ok"]
