"""What the tests of simulators share: a simulator in its own process, and readers of its wires."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# liblsl reads this once, before its first call, so it is set before any test is imported.
if "LSLAPICFG" not in os.environ:
    folder = tempfile.mkdtemp(prefix="tenmin-lsl-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = Path(folder) / "lsl_api.cfg"
    config.write_text(
        f"[lab]\nSessionID = test-{uuid.uuid4()}\nKnownPeers = {{127.0.0.1}}\n"
        "[multicast]\nResolveScope = machine\n[log]\nlevel = -3\n"
    )
    os.environ["LSLAPICFG"] = str(config)


class Played:
    """A running simulator, its first line and its truth."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.truth_file = folder / f"truth-{uuid.uuid4()}.json"
        command = [sys.executable, "-m", "tenmin_simulators", name]
        command += ["--truth", str(self.truth_file), *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        self.first: dict[str, Any] = json.loads(line) if line else {}

    def device(self, name: str) -> dict[str, Any]:
        """The table of one device."""
        return next(d for d in self.first["devices"] if d["name"] == name)

    def tell(self, message: dict[str, Any] | str) -> dict[str, Any]:
        """Send a command; returns the answer."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def truth(self) -> dict[str, Any]:
        """The truth file as it is now."""
        return json.loads(self.truth_file.read_text())

    def stop(self) -> dict[str, Any]:
        """End it; returns the last truth."""
        assert self.tell({"stop": True}) == {"done": "stop"}
        assert self.process.wait(20) == 0, self.process.stderr.read()
        return self.truth()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., Played]]:
    """Start simulators, and end them."""
    made: list[Played] = []

    def start(name: str, *arguments: str) -> Played:
        made.append(Played(tmp_path, name, *arguments))
        return made[-1]

    yield start
    for one in made:
        one.close()


class Heard:
    """A reader of one outlet, written for these tests: pylsl, no part of tenmin."""

    def __init__(self, device: dict[str, Any]) -> None:
        import pylsl

        found = pylsl.resolve_byprop("source_id", device["source_id"], timeout=10)
        assert len(found) == 1
        numbers = found[0].channel_format() != pylsl.cf_string
        self.inlet = pylsl.StreamInlet(found[0], max_buflen=20, recover=False, as_numpy=numbers)
        self.inlet.open_stream(timeout=10)
        self.samples: list[np.ndarray] = []
        self.times: list[np.ndarray] = []

    def pull(self) -> int:
        """Take what is there; returns how many samples that was."""
        samples, times = self.inlet.pull_chunk(timeout=0.1, max_samples=20000)
        if len(times):
            self.samples.append(np.asarray(samples))
            self.times.append(np.asarray(times))
        return len(times)

    def take(self, n: int, within_s: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
        """At least `n` samples and their times, all that came so far."""
        have, deadline = sum(map(len, self.times)), time.monotonic() + within_s
        while have < n:
            assert time.monotonic() < deadline, f"{have} of {n} samples came"
            have += self.pull()
        return np.concatenate(self.samples), np.concatenate(self.times)

    def close(self) -> None:
        self.inlet.close_stream()


@pytest.fixture
def hear() -> Iterator[Callable[[dict[str, Any]], Heard]]:
    """Open readers, and close them."""
    made: list[Heard] = []

    def opened(device: dict[str, Any]) -> Heard:
        made.append(Heard(device))
        return made[-1]

    yield opened
    for one in made:
        one.close()


def until(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"


def unwrapped(counter: np.ndarray) -> np.ndarray:
    """Device indices from a counter of 16 bits, the first one taken as it is."""
    steps = np.diff(counter.astype(np.int64)) % 65536
    first = int(counter[0]) % 65536
    return np.concatenate(([first], first + np.cumsum(steps)))


def holes(index: np.ndarray) -> list[list[int]]:
    """[index, samples] of what is missing between the first and the last index."""
    at = np.flatnonzero(np.diff(index) > 1)
    return [[int(index[k]) + 1, int(index[k + 1] - index[k] - 1)] for k in at]
