"""Rigs that cannot even be tried: the command says what is wrong and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.system.conftest import Bench, Ended
from tests.system.rigs import rig_args, write_rig


def _refused(bench: Bench, rig: Path) -> Ended:
    ended = bench.record(*rig_args(rig), "--seconds", "1")
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert not bench.out.exists()
    return ended


def test_a_rig_file_that_is_a_folder_is_refused(bench: Bench, tmp_path: Path) -> None:
    ended = _refused(bench, tmp_path)

    assert str(tmp_path) in ended.json["error"]
    assert ended.json["remedy"]


def test_a_rig_file_of_other_bytes_is_refused(bench: Bench, tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_bytes(b"\xff\xfe[rig]\x00")

    ended = _refused(bench, rig)

    assert "rig.toml" in ended.json["error"]
    assert ended.json["remedy"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may read everything"
)
def test_a_rig_file_without_permission_is_refused(bench: Bench, tmp_path: Path) -> None:
    rig = write_rig(tmp_path / "rig.toml", [{"name": "x", "driver": "lsl", "stream_name": "x"}])
    rig.chmod(0)

    assert "rig.toml" in _refused(bench, rig).json["error"]


def test_an_unknown_driver_is_named_with_those_that_are_installed(
    bench: Bench, tmp_path: Path
) -> None:
    rig = write_rig(tmp_path / "rig.toml", [{"name": "x", "driver": "treadmil", "primary": True}])

    error = _refused(bench, rig).json["error"]

    assert "treadmil" in error
    assert "treadmill" in error


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_recorded(
    bench: Bench, tmp_path: Path
) -> None:
    bench.out = tmp_path / "file"
    bench.out.write_text("no folder")

    ended = bench.record("sim:quick", "--seconds", "1", "--settle", "1", "--pads", "1")

    assert ended.code == 3
    assert str(bench.out) in ended.json["error"]
    assert "may be written" in ended.json["remedy"]
