"""A stranger's driver that cannot even be made: the fault is told, nothing is recorded.

Drivers that fail during a block: ``test_fault_processes.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.drivers import ENTRY_POINTS
from tests.system.conftest import Bench
from tests.system.rigs import lsl_env, rig_args, write_rig
from tests.system.strangers import install

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("faults of drivers")]


def test_a_driver_that_cannot_be_made_is_named_with_its_exception(
    bench: Bench, tmp_path: Path
) -> None:
    bench.env.update(lsl_env(tmp_path), **install(tmp_path / "site", "frail_board", ENTRY_POINTS))
    board = {"name": "board", "driver": "frail", "whole": False, "primary": True}
    rig = write_rig(tmp_path / "rig.toml", [board])

    ended = bench.record(*rig_args(rig), "--seconds", "6", "--settle", "1", "--pads", "1")

    assert ended.code == 3
    assert "frail" in ended.err
    assert "KeyError('calibration')" in ended.err
    assert "Traceback" not in ended.err
    assert ended.json["nwb"] is None
