"""The disk in the pre-flight: what it takes per second, measured and judged."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from tenmin.commands.check_disk import disk, judged
from tenmin.errors import DiskError
from tenmin.system import HERE, occupied_bytes, write_speed

PLATFORMS = [
    HERE,
    dataclasses.replace(HERE, fdatasync=False),
    dataclasses.replace(HERE, posix=False),
]


@pytest.mark.parametrize("platform", PLATFORMS, ids=["here", "fsync", "no unlink"])
def test_the_speed_of_a_disk_is_measured_and_nothing_is_left(tmp_path: Path, platform) -> None:
    found = write_speed(tmp_path, 0.05, 4 << 20, platform=platform)

    assert found is not None
    assert found > 0
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_tells_no_speed(tmp_path: Path) -> None:
    assert write_speed(tmp_path, 0.05, max_bytes=1000) is None


def test_no_more_is_written_than_allowed(tmp_path: Path, monkeypatch) -> None:
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(len(data)) or write(fd, data))
    write_speed(tmp_path, 60.0, max_bytes=3 << 20)

    assert 0 < sum(written) <= 3 << 20


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be written"):
        write_speed(tmp_path / "missing", 0.05, 1 << 20)


def test_reserved_space_counts_as_occupied(tmp_path: Path) -> None:
    path = tmp_path / "reserved"
    path.write_bytes(bytes(1 << 16))

    assert occupied_bytes([path, tmp_path / "gone"]) >= 1 << 16
    untold = dataclasses.replace(HERE, posix=False)
    assert occupied_bytes([path], platform=untold) == 1 << 16


@pytest.mark.parametrize(
    ("found", "ok", "warning"),
    [(99.0, False, False), (100.0, True, True), (149.0, True, True), (150.0, True, False)],
)
def test_a_speed_is_held_against_the_need(found: float, ok: bool, warning: bool) -> None:
    finding = judged(found * 1e6, 100e6, Path("out"))

    assert (finding.ok, finding.warning) == (ok, warning)
    assert f"takes {found:g} MB/s, 100 MB/s needed" in finding.message
    assert bool(finding.remedy) == (not ok or warning)
    assert finding.exit_code == (0 if ok else 3)


def test_a_rig_that_no_disk_can_follow_is_a_fault(tmp_path: Path) -> None:
    room, speed = disk(tmp_path / "out", 1e15)

    assert (room.ok, speed.ok) == (False, False)
    assert "--out" in speed.remedy


def test_without_its_devices_the_need_is_not_known(tmp_path: Path) -> None:
    room, speed = disk(tmp_path, None)

    assert (room.looked, speed.looked) == (False, False)
    assert "takes" in speed.message
