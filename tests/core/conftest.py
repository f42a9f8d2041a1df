"""What the tests of the core share: streams, and waiting with a deadline."""

import time

import pytest

from tenmin.stream import Stream


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
