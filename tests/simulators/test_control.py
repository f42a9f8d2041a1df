"""Locks that keep a simulator alive."""

import time

import pytest
from tenmin_simulators import control

from tests.simulators.conftest import until

fcntl = pytest.importorskip("fcntl")


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "engine.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path, file


def test_a_lock_is_held_until_its_holder_lets_go(lock):
    path, file = lock
    assert control.held(path)
    fcntl.flock(file, fcntl.LOCK_UN)
    assert not control.held(path)


def test_a_lock_file_that_is_not_there_is_held_by_nobody(tmp_path):
    assert not control.held(tmp_path / "none.lock")


def test_without_locks_a_simulator_is_never_abandoned():
    assert not control.Locks([]).abandoned()


def test_a_simulator_outlives_its_last_lock_by_some_seconds(lock, play):
    path, file = lock
    quick = play("quick", "--while-locked", str(path), str(path.with_name("acquirer.lock")))
    writes = set()
    until(lambda: writes.add(quick.truth_file.stat().st_mtime_ns) or len(writes) >= 3)
    assert quick.process.poll() is None
    fcntl.flock(file, fcntl.LOCK_UN)
    released = time.monotonic()
    assert quick.process.wait(20) == 0
    assert time.monotonic() - released > control.UNLOCKED_S - 1.5
