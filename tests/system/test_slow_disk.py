"""The tool that makes a folder slow, before anything is concluded from it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.slow_disk import SlowDiskMissing, set_speed, slow_disk_env, traffic

WRITE = """
import os, sys, time
file = open(sys.argv[1], "wb", buffering=0)
began = time.monotonic()
for _ in range(int(sys.argv[2])):
    getattr(os, sys.argv[3])(file.fileno(), *eval(sys.argv[4]))
written = time.monotonic() - began
os.fdatasync(file.fileno())
print(written, time.monotonic() - began)
"""
MB = 1_000_000


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A disk of 2 MB/s in ``slow``."""
    (tmp_path / "slow").mkdir()
    try:
        return slow_disk_env(tmp_path / "slow", 2 * MB, cache_bytes=100_000)
    except SlowDiskMissing as missing:
        pytest.skip(str(missing))


def _written(path: Path, n: int, env: dict[str, str], how: str = "write", what: str = "") -> float:
    """Seconds until `n` pieces of 100 kB are on the disk."""
    args = [sys.executable, "-c", WRITE, str(path), str(n), how, what or "[bytes(100_000)]"]
    run = subprocess.run(args, env={**os.environ, **env}, capture_output=True, text=True)
    return float(run.stdout.split()[1])


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("write", "[bytes(100_000)]"),
        ("pwrite", "[bytes(100_000), 0]"),
        ("writev", "[[bytes(60_000), bytes(40_000)]]"),
        ("pwritev", "[[bytes(60_000), bytes(40_000)], 0]"),
    ],
)
def test_a_slow_folder_takes_its_time_for_every_kind_of_write(
    how: str, what: str, env: dict[str, str], tmp_path: Path
) -> None:
    assert _written(tmp_path / "slow" / "file", 6, env, how, what) >= 0.3
    assert traffic(env).n_bytes == 600_000


def test_other_folders_are_left_alone(env: dict[str, str], tmp_path: Path) -> None:
    _written(tmp_path / "file", 6, env)

    assert traffic(env) == traffic(slow_disk_env(tmp_path, 1))


def test_a_write_below_the_cache_waits_only_when_it_is_synced(
    env: dict[str, str], tmp_path: Path
) -> None:
    assert _written(tmp_path / "slow" / "file", 1, env) >= 0.05


def test_two_programs_share_one_disk(env: dict[str, str], tmp_path: Path) -> None:
    args = [sys.executable, "-c", WRITE]
    began = time.monotonic()
    both = [
        subprocess.Popen(
            [*args, str(tmp_path / "slow" / name), "3", "write", "[bytes(100_000)]"],
            env={**os.environ, **env},
            stdout=subprocess.DEVNULL,
        )
        for name in "ab"
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert time.monotonic() - began >= 0.3


def test_a_changed_speed_frees_those_that_wait(env: dict[str, str], tmp_path: Path) -> None:
    set_speed(env, 1)  # 100 kB would take a day
    args = [sys.executable, "-c", WRITE, str(tmp_path / "slow" / "file"), "3", "write"]
    process = subprocess.Popen(
        [*args, "[bytes(100_000)]"], env={**os.environ, **env}, stdout=subprocess.DEVNULL
    )
    while traffic(env).n_bytes < 200_000:  # the second one finds the cache full
        assert process.poll() is None
    set_speed(env, 0)

    assert process.wait(30) == 0
