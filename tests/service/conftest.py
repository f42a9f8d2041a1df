"""A small engine for the tests of the service: it answers, publishes, and does nothing else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenmin.errors import RigBusy
from tenmin.service.keys import Remote
from tenmin.service.server import Request, Server, WorkerMessage
from tenmin.system import FileLock

PATIENCE_S = 10.0


def wait_for(what: Callable[[], Any]) -> Any:
    """The first true answer of `what`; fails after ten seconds."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        pause.wait(0.005)
    return found


class Engine:
    """Holds the lock, writes engine.json, and serves in a thread until it is closed."""

    def __init__(self, runtime: Path, rig_id: str = "rig", remote: Remote | None = None) -> None:
        self.folder = runtime / rig_id
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(self.folder / "engine.lock")
        assert self.lock.acquire()
        self.server = Server(self.folder, remote)
        self.addresses = self.server.addresses
        described = {"rig_id": rig_id, "rig": f"sim:{rig_id}", **self.addresses}
        (self.folder / "engine.json").write_text(json.dumps(described), "utf-8")
        self.requests: list[Any] = []
        self.heard: list[WorkerMessage] = []
        self.mute = False
        self.free = threading.Event()  # cleared: the engine is busy with something else
        self.free.set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        n = 0
        while not self._end.is_set():
            for item in self.server.poll(0.02):
                if isinstance(item, Request):
                    self._answer(item)
                else:
                    self.heard.append(item)
            if not self.mute:
                self.server.publish("snapshot", {"n": n})
                self.server.publish("event", {"code": "comment", "n": n})
                n += 1

    def _answer(self, request: Request) -> None:
        self.free.wait(PATIENCE_S)
        self.requests.append(request.message)
        if request.message.type == "start":
            request.refuse(RigBusy("A block is running.", remedy="Wait for it."))
        else:
            request.reply({"type": request.message.type, "count": len(self.requests)})

    def close(self) -> None:
        if not self._end.is_set():
            self._end.set()
            self._thread.join()
            self.server.close()
            self.lock.release()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TENMIN_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def engine_of(runtime: Path) -> Iterator[Callable[..., Engine]]:
    started: list[Engine] = []

    def start(rig_id: str = "rig", remote: Remote | None = None) -> Engine:
        started.append(Engine(runtime, rig_id, remote))
        return started[-1]

    yield start
    for engine in started:
        engine.close()


@pytest.fixture
def engine(engine_of: Callable[..., Engine]) -> Engine:
    return engine_of()


@pytest.fixture
def server(runtime: Path) -> Iterator[Server]:
    with Server(runtime) as made:
        yield made


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    return wait_for
