"""What the tests of drivers share: an LSL session of their own, outlets, and waiting."""

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

import numpy as np
import pytest

from tenmin.errors import StreamStalled
from tests.drivers import outlet as far_side

# liblsl reads this once, before its first call, so it is set before any test is imported.
_FOLDER = Path(tempfile.mkdtemp(prefix="tenmin-lsl-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_CONFIG = _FOLDER / "lsl_api.cfg"
_CONFIG.write_text(
    f"[lab]\nSessionID = test-{uuid.uuid4()}\nKnownPeers = {{127.0.0.1}}\n"
    "[multicast]\nResolveScope = machine\n[log]\nlevel = -3\n"
)
os.environ["LSLAPICFG"] = str(_CONFIG)


class Outlet:
    """An LSL outlet in another process that sends what it is told to."""

    def __init__(self, **settings: object) -> None:
        own = str(uuid.uuid4())
        self.settings = {"name": f"out-{own}", "source_id": own, **settings}
        self._process = subprocess.Popen(
            [sys.executable, far_side.__file__, json.dumps(self.settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def push(self, n: int) -> np.ndarray:
        """Send the next `n` samples; they are `far_side.pattern`."""
        return self._tell(f"push {n}")

    def skip(self, n: int) -> None:
        """Count `n` samples as taken without sending them."""
        self._tell(f"skip {n}")

    def texts(self, *texts: str) -> None:
        """Send one sample per text."""
        self._tell("texts " + json.dumps(texts))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n"


@pytest.fixture
def outlet() -> Iterator[Callable[..., Outlet]]:
    """Make outlets, and end them."""
    made: list[Outlet] = []

    def make(**settings: object) -> Outlet:
        made.append(Outlet(**settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def gather(driver, n: int, within_s: float = 10.0):
    """Chunks of at least `n` samples in all; stalls are waited out."""
    chunks, have, deadline = [], 0, time.monotonic() + within_s
    while have < n:
        assert time.monotonic() < deadline, f"{have} of {n} samples came"
        try:
            chunks.append(driver.read())
        except StreamStalled:
            continue
        have += len(chunks[-1])
    return chunks


def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + within_s
    pause = time.monotonic
    while not condition():
        assert pause() < deadline, "it did not happen in time"
