"""From a rig's name to a running engine: used by commands and hooks; needs nothing heavy."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tenmin.errors import EngineGone, RigError
from tenmin.service.client import Client
from tenmin.system import FileLock, runtime_dir, spawn

STALE_S = 3600.0  # an engine that is about to start holds no lock yet
START_S = 60.0  # a cold start compiles kernels
SIMULATED = "sim:"


@dataclass(frozen=True)
class EngineSpec:
    """What an engine needs to know before its first client calls.

    Attributes
    ----------
    rig : str
        Path of a rig.toml, or ``sim:NAME``.
    rig_id : str
        The rig's folder in the runtime directory; a simulated rig has one of its own each time.
    once : bool
        End after the first block.
    seed, faults, truth
        For simulated rigs: see ``tenmin sim``.
    out : str, optional
        Where blocks go when the client names no place.
    """

    rig: str
    rig_id: str
    once: bool = False
    seed: int = 0
    faults: tuple[str, ...] = ()
    truth: str | None = None
    out: str | None = None

    @property
    def folder(self) -> Path:
        """Where its sockets, locks and rings live."""
        return runtime_dir() / self.rig_id

    @property
    def simulator(self) -> str | None:
        """Name of the simulated rig; None for a real one."""
        return self.rig.removeprefix(SIMULATED) if self.rig.startswith(SIMULATED) else None

    def save(self) -> Path:
        """Write it where the engine finds it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / "spec.json"
        path.write_text(json.dumps(asdict(self)), "utf-8")
        return path


def load_spec(folder: Path) -> EngineSpec:
    """The spec that an engine of this folder was started with."""
    fields = json.loads((folder / "spec.json").read_text("utf-8"))
    return EngineSpec(**{**fields, "faults": tuple(fields["faults"])})


def instance_id(simulator: str) -> str:
    """A rig id for one run of a simulated rig."""
    return f"sim-{simulator}-{secrets.token_hex(4)}"


def ensure(spec: EngineSpec) -> Client:
    """A client of the rig's engine; a detached engine is started when there is none.

    Raises
    ------
    RigError
        The engine could not start; the error is the engine's own.
    """
    if not FileLock.held(spec.folder / "engine.lock"):
        spec.save()
        start_detached(spec)
    return Client.find(spec.rig_id)


def start_detached(spec: EngineSpec) -> None:
    """Start the engine in a session of its own and wait until it answers."""
    _sweep()
    failure = spec.folder / "failure.json"
    failure.unlink(missing_ok=True)
    (spec.folder / "engine.json").unlink(missing_ok=True)
    with (spec.folder / "engine.log").open("ab") as output:
        args = [sys.executable, "-m", "tenmin.engine", str(spec.folder)]
        process = spawn(args, detached=True, stdout=output, stderr=output, env=dict(os.environ))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if (spec.folder / "engine.json").exists():
            return
        if process.poll() is not None:
            raise _failure(spec.folder)
        time.sleep(0.02)
    raise EngineGone(f"The engine of {spec.rig_id} did not start within {START_S:.0f} s.")


def _sweep() -> None:
    """Remove what simulated rigs left whose every process was killed: their rings fill memory."""
    for folder in runtime_dir().glob("sim-*"):
        locks = [folder / name for name in ("engine.lock", "acquirer.lock")]
        in_use = any(FileLock.held(lock) for lock in locks)
        fresh = time.time() - folder.stat().st_mtime < STALE_S
        if not in_use and not fresh and not (folder / "block_in_progress.json").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _failure(folder: Path) -> RigError:
    """What the engine said before it ended."""
    path = folder / "failure.json"
    if path.exists():
        told = json.loads(path.read_text("utf-8"))
        error = RigError(told["message"], remedy=told["remedy"])
        error.exit_code = told["exit_code"]
        return error
    return EngineGone(
        f"The engine ended without a word; its output is in {folder / 'engine.log'}.",
        remedy="Read the end of that file.",
    )
