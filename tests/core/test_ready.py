"""A worker that may write nowhere but in the runtime folder still becomes ready."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tenmin
from tenmin import parent, system
from tenmin.service.messages import Ready
from tenmin.service.server import Server, WorkerMessage
from tenmin.system import FileLock


@pytest.fixture
def read_only(tmp_path):
    """Environment of a program whose installation, home and caches cannot be written.

    Folders that are files refuse everybody, even one who may write everywhere.
    """
    file = tmp_path / "no folder"
    file.touch()
    package = tmp_path / "installed" / "tenmin"
    shutil.copytree(
        Path(tenmin.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in (package, *(p for p in package.rglob("*") if p.is_dir())):
        (folder / "__pycache__").touch()
    environ = {n: v for n, v in os.environ.items() if not n.startswith(("XDG_", "NUMBA_"))}
    return {
        **environ, "PYTHONPATH": str(package.parent), "HOME": str(file),
        "XDG_CACHE_HOME": str(file), "NUMBA_CACHE_DIR": str(file),
        "TENMIN_RUNTIME_DIR": str(tmp_path),
    }  # fmt: skip


@pytest.fixture
def engine(tmp_path_factory):
    """What a worker needs of an engine: its lock, its address, and somebody who listens."""
    folder = tmp_path_factory.mktemp("rig")
    server = Server(folder)
    parent.announce(folder, server.addresses["workers"], "first")
    with FileLock(folder / "engine.lock"):
        yield folder, server
    server.close()


@pytest.mark.parametrize("role", ["watcher", "acquirer"])
def test_a_worker_whose_folders_are_read_only_becomes_ready(engine, read_only, wait_for, role):
    folder, server = engine
    words = folder / "words"
    with words.open("wb") as output:
        worker = system.spawn(
            [sys.executable, "-m", f"tenmin.{role}", str(folder), role],
            stdout=output, stderr=output, env=read_only,
        )  # fmt: skip
    heard = []

    def is_ready():
        assert worker.poll() is None, words.read_text()
        items = [item for item in server.poll(0.02) if isinstance(item, WorkerMessage)]
        heard.extend(item.message for item in items if isinstance(item.message, Ready))
        return heard

    try:
        wait_for(is_ready, 90.0)
        assert heard[0].granted["kernels"] == "not cached, compiled anew"
        assert heard[0].granted["priority"]
    finally:
        system.stop_process(worker)


def test_an_engine_gives_its_workers_a_cache_where_their_own_cannot_be_written(read_only):
    program = (
        "from tenmin.system import writable_caches; writable_caches()\n"
        "from tenmin import ring; print(ring.cached())\n"
    )
    del read_only["NUMBA_CACHE_DIR"]
    done = subprocess.run(
        [sys.executable, "-c", program], env=read_only, capture_output=True, text=True, timeout=100
    )
    assert done.stdout.strip() == "cached in a folder of the user", done.stderr
