"""Whole blocks: the program as a user runs it, in processes of its own, on simulated rigs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass
class Bench:
    """A runtime folder and an output folder of one test, and the program run in them."""

    runtime: Path
    out: Path
    env: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *args: str, around: Sequence[str] = (), **env: str) -> subprocess.Popen[str]:
        """Start ``tenmin`` with these arguments, by the command `around` it if there is one."""
        process = subprocess.Popen(
            [*around, sys.executable, "-m", "tenmin", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**self.env, **env},
        )
        self.running.append(process)
        return process

    def run(self, *args: str, timeout: float = 100.0, **env: str) -> Ended:
        """Run ``tenmin`` to its end."""
        process = self.start(*args, **env)
        out, err = process.communicate(timeout=timeout)
        return Ended(process.returncode, out, err)

    def record(self, rig: str, *args: str, timeout: float = 100.0, **env: str) -> Ended:
        """Run ``tenmin record --json``."""
        return self.run(*self.record_args(rig, *args), timeout=timeout, **env)

    def record_args(self, rig: str, *args: str) -> list[str]:
        """The arguments of a record command that writes into this bench."""
        return ["record", rig, "--json", "--out", str(self.out), *args]

    def rig_folder(self, deadline_s: float = 30.0) -> Path:
        """The folder of the one engine that runs here."""
        return until(lambda: next(self.runtime.glob("*/engine.json"), None), deadline_s).parent

    def snapshot(self, folder: Path) -> dict[str, Any]:
        """What the engine says now."""
        from tenmin.service.client import Client

        with Client.find(folder.name, runtime=self.runtime) as client:
            return client.status()

    def wait_phase(self, folder: Path, *phases: str, deadline_s: float = 60.0) -> dict[str, Any]:
        """Wait until the block is in one of these phases; return the engine's state."""

        def reached() -> dict[str, Any] | None:
            state = self.snapshot(folder)
            return state if state.get("snapshot", {}).get("phase") in phases else None

        return until(reached, deadline_s)

    def close(self) -> None:
        """End everything that this bench started."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for path in self.runtime.glob("*/engine.json"):
            state = json.loads(path.read_text())
            _kill(state["pid"])
        kill_users_of(self.runtime)
        shutil.rmtree(self.runtime, ignore_errors=True)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on its stdout."""
        return json.loads(self.out)


def until(ask: Callable[[], Any], deadline_s: float = 30.0, every_s: float = 0.05) -> Any:
    """The first true answer of `ask`; fails when none comes in time."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(every_s)
    raise AssertionError(f"Nothing came of it within {deadline_s} s.")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_users_of(folder: Path) -> None:
    """End the processes whose command line names `folder`: what a failed test left behind."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            named = str(folder).encode() in path.read_bytes()
        except OSError:
            continue
        if named and int(path.parent.name) != os.getpid():
            _kill(int(path.parent.name))


def new_bench(folder: Path) -> Bench:
    """A bench that writes into `folder`, with a runtime path short enough for sockets."""
    runtime = Path(tempfile.mkdtemp(prefix="tm-"))
    return Bench(runtime, folder / "out", {**os.environ, "TENMIN_RUNTIME_DIR": str(runtime)})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench of one test."""
    made = new_bench(tmp_path)
    yield made
    made.close()
