"""What the tests of the core share: streams, and waiting with a deadline."""

import ctypes
import time
import types
from dataclasses import replace

import pytest

from tenmin.stream import Stream
from tenmin.system import HERE


@pytest.fixture
def make_stream():
    """A stream of so many channels; anything else by name."""

    def make(n_channels=2, **fields):
        names = tuple(f"ch{i}" for i in range(n_channels))
        return Stream("probe", names, **{"rate_hz": 1000.0, "unit": "volts", **fields})

    return make


@pytest.fixture
def wait_for():
    """Wait until a condition holds; a test that waits in vain fails."""

    def wait(condition, timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"still not so after {timeout_s} s")
            time.sleep(0.002)

    return wait


class Kernel32:
    """What is asked of Windows, and its answers."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def __getattr__(self, name):
        def call(*args):
            self.asked.append((name, *args))
            if name == "GetExitCodeProcess":
                args[1]._obj.value = self.answers["code"]
            if name == "GetSystemPowerStatus":
                args[0]._obj[0] = self.answers["line"]
            return self.answers.get(name, 1)

        return call


@pytest.fixture
def windows(monkeypatch):
    """A platform of Windows' calls, and the calls that were made."""

    def make(**answers):
        kernel = Kernel32(**answers)
        libraries = types.SimpleNamespace(kernel32=kernel, powrprof=kernel)
        monkeypatch.setattr(ctypes, "windll", libraries, raising=False)
        name = "SetThreadExecutionState"
        platform = replace(
            HERE, posix=False, scheduler=False, mlockall=False, inhibitor=name,
            power="GetSystemPowerStatus",
        )  # fmt: skip
        return platform, kernel.asked

    return make
