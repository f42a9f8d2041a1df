"""The far side of a simulated rig: a process of its own that outlives the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tenmin.errors import DeviceError
from tenmin.launch import EngineSpec
from tenmin.system import spawn, stop_process

START_S = 60.0
# Streams of one rehearsal must not be seen by another one, nor leave this machine.
LSL_CONFIG = """[lab]
SessionID = {session}
KnownPeers = {{127.0.0.1}}
[multicast]
ResolveScope = machine
[log]
level = -2
"""


class Simulation:
    """A running simulator.

    Attributes
    ----------
    devices : list of dict
        The ``[[device]]`` tables that fit it.
    env : dict
        Environment in which drivers see its streams.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], devices: list[dict[str, Any]], env: dict[str, str]
    ) -> None:
        self.process, self.devices, self.env = process, devices, env
        self._zeroed = False

    @property
    def pid(self) -> int:
        """Process id of the simulator."""
        return self.process.pid

    @classmethod
    def start(cls, folder: Path, spec: EngineSpec) -> Simulation:
        """Start the simulator and wait for its first line.

        Raises
        ------
        DeviceError
            It did not start.
        """
        config = folder / "lsl_api.cfg"
        config.write_text(LSL_CONFIG.format(session=spec.rig_id), "utf-8")
        env = {**os.environ, "LSLAPICFG": str(config)}
        args = [sys.executable, "-m", "tenmin", "sim", str(spec.simulator)]
        args += ["--seed", str(spec.seed)]
        for fault in spec.faults:
            args += ["--fault", fault]
        args += ["--truth", spec.truth or str(folder / "truth.json")]
        for name in ("engine.lock", "acquirer.lock"):
            args += ["--while-locked", str(folder / name)]
        log = folder / "simulator.log"
        with log.open("ab") as errors:
            process = spawn(
                args,
                detached=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=env,
            )
        line = _first_line(process)
        if not line:
            words = log.read_text("utf-8", "replace").strip()[-500:]
            raise DeviceError(
                f"The simulator {spec.simulator} did not start: {words or 'no word from it'}.",
                remedy="Run `tenmin sim` with the same name and options to see why.",
            )
        return cls(process, json.loads(line)["devices"], env)

    def zero(self, host_ns: int) -> None:
        """Say when the block's window begins: faults are counted from there."""
        if self._zeroed or self.process.stdin is None:
            return
        self._zeroed = True
        try:
            self.process.stdin.write(json.dumps({"fault_zero_ns": host_ns}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            # It has died; the streams that stop say so to the operator.
            self.process.stdin = None

    def stop(self) -> None:
        """End it; its truth file is complete then."""
        stop_process(self.process)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """The first line it prints, or nothing when it ends or takes too long."""
    found: list[bytes] = []

    def read() -> None:
        assert process.stdout is not None
        found.append(process.stdout.readline())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(START_S)
    if not found:
        stop_process(process)
    return found[0] if found else b""
