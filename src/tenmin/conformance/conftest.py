"""Fixtures of the suite."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenmin import registry
from tenmin.conformance import reading
from tenmin.errors import RigError
from tenmin.source import Driver, Rehearsal

HANG_S = 100.0


def pytest_configure(config: pytest.Config) -> None:
    """Keep the LSL streams of this run apart from all others, if nobody has done so."""
    if "LSLAPICFG" not in os.environ:
        folder = tempfile.mkdtemp(prefix="tenmin-lsl-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder) / "lsl_api.cfg"
        path.write_text(
            f"[lab]\nSessionID = conformance-{uuid.uuid4()}\nKnownPeers = {{127.0.0.1}}\n"
            "[multicast]\nResolveScope = machine\n[log]\nlevel = -3\n",
            encoding="utf-8",
        )
        os.environ["LSLAPICFG"] = str(path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test on every driver asked for."""
    if "driver_name" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--driver", None) or registry.names(registry.DRIVERS)
    names = [asked] if isinstance(asked, str) else asked
    for name in names:
        try:
            registry.find(registry.DRIVERS, name)
        except RigError as error:
            raise pytest.UsageError(str(error)) from error
    metafunc.parametrize("driver_name", names, scope="session")


@pytest.fixture(autouse=True)
def _hang(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """End the run with a traceback where a driver never comes back."""
    with capfd.disabled():
        words = os.dup(2)  # what pytest holds back would be lost with the process
    with reading.watch(HANG_S, words):
        yield
    os.close(words)


@pytest.fixture(scope="session")
def _far_side(driver_name: str) -> Iterator[Rehearsal]:
    far_side = reading.rehearsal(driver_name)
    if far_side is None:
        pytest.skip(f"{driver_name} has no simulator with a rehearse(): nothing to read from")
    yield far_side
    far_side.close()


@pytest.fixture
def far_side(_far_side: Rehearsal) -> Iterator[Rehearsal]:
    """The far side of the wire; delivering again after each test."""
    yield _far_side
    if "unplug" in _far_side.faults:
        _far_side.replug()
    if "pause" in _far_side.faults:
        _far_side.resume()


@pytest.fixture
def made(driver_name: str, far_side: Rehearsal) -> Iterator[Driver]:
    """A driver that was not started."""
    driver = reading.make(driver_name, far_side.config)
    yield driver
    driver.stop()


@pytest.fixture
def driver(made: Driver) -> Driver:
    """A driver that was started."""
    reading.start(made)
    return made
