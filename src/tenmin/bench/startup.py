"""How long a user waits: for the help text, and for the first sample."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import numpy as np

from tenmin.bench.block import arguments
from tenmin.bench.processes import wait_until
from tenmin.bench.rig import Load, Place
from tenmin.bench.rows import Row, Spread
from tenmin.bench.setting import Setting
from tenmin.errors import RigError
from tenmin.launch import EngineSpec
from tenmin.ring import Ring
from tenmin.service.client import Client
from tenmin.system import FileLock, spawn, stop_process

FIRST_S, END_S = 60.0, 30.0


def rows(setting: Setting) -> list[Row]:
    """All rows about starting; one run before the rounds fills the caches."""
    helps = [_help() for _ in range(setting.rounds + 1)][1:]
    python = [_python() for _ in range(setting.rounds + 1)][1:]
    with Place(setting, Load()) as place:
        firsts = [_first(place) for _ in range(setting.size(setting.rounds + 1, 2))][1:]
    bare = Spread.of(np.array(helps) / np.array(python))
    return [
        Row("start-up", "`tenmin --help`", "s", Spread.of(helps), gate="≤ 0.3"),
        Row(
            "start-up",
            "`tenmin --help`",
            "s",
            Spread.of(helps),
            "python -c pass",
            Spread.of(python),
            bare,
            note="the interpreter alone",
        ),
        Row(
            "start-up",
            "`tenmin record` to the first sample in the ring",
            "s",
            Spread.of(firsts),
            gate="≤ 3",
            note="caches warm; the device's first chunk takes 10 ms",
        ),
    ]


def _help() -> float:
    return _timed([sys.executable, "-m", "tenmin", "--help"])


def _python() -> float:
    return _timed([sys.executable, "-c", "pass"])


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _first(place: Place) -> float:
    """Seconds from the command to the first sample; the engine is started by the command."""
    began = time.monotonic()
    command = spawn(
        arguments(place, 60.0), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=place.env
    )
    try:
        ring = wait_until(lambda: _filled(place), FIRST_S, 0.005)
        taken = time.monotonic() - began
        if ring is None:
            raise RigError("No sample came.", remedy="Run the bench again.")
    finally:
        _end(place)
        stop_process(command)
    return taken


def _filled(place: Place) -> Ring | None:
    path = place.folder / "rings" / "probe0.ring"
    if not path.exists():
        return None
    try:
        ring = Ring.attach(path)
    except RigError:
        return None  # it is being made
    return ring if ring.written else None


def _end(place: Place) -> None:
    """End block and engine, so that the next start finds nothing but warm caches."""
    spec: EngineSpec = place.spec
    lock = place.folder / "engine.lock"
    if FileLock.held(lock):
        with (
            contextlib.suppress(RigError),
            Client.find(spec.rig_id, runtime=place.runtime) as client,
        ):
            client.abort("measured")
            wait_until(lambda: client.status().get("snapshot", {}).get("over"), END_S, 0.05)
            client.stop()
    wait_until(lambda: not FileLock.held(lock), END_S, 0.05)
    wait_until(lambda: not FileLock.held(place.folder / "acquirer.lock"), END_S, 0.05)
