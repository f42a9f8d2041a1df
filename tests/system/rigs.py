"""Rig files for devices that a test plays itself, on wires that nobody else sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenmin import examples

LSL_CONFIG = """[lab]
SessionID = {session}
KnownPeers = {{127.0.0.1}}
[multicast]
ResolveScope = machine
[log]
level = -2
"""


def lsl_env(folder: Path) -> dict[str, str]:
    """An environment whose LSL streams only those see who have it too."""
    config = folder / "lsl_api.cfg"
    if not config.exists():
        config.write_text(LSL_CONFIG.format(session=f"test-{uuid.uuid4()}"))
    return {"LSLAPICFG": str(config)}


class Sim:
    """``tenmin sim NAME`` in a process of its own.

    Attributes
    ----------
    devices : list of dict
        The ``[[device]]`` tables that fit it.
    env : dict
        What a program needs in its environment to see it.
    """

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self.env = lsl_env(folder)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tenmin", "sim", name, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.env},
        )
        assert self.process.stdout is not None
        self.devices: list[dict[str, Any]] = json.loads(self.process.stdout.readline())["devices"]

    def tell(self, **message: object) -> None:
        """A command on its stdin: ``unplug=True``, ``pause=True``, ``replug=True``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "done" in answer, answer

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Sim:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def write_rig(path: Path, devices: Sequence[Mapping[str, Any]], rig_id: str = "") -> Path:
    """A rig file with the shipped example's facts and these devices."""
    facts = examples.path_of("quick", "rig").read_text().partition("[[device]]")[0]
    tables = ["\n".join(["[[device]]", *map(_line, table.items())]) for table in devices]
    text = facts.replace("example-quick", rig_id or f"rig-{uuid.uuid4().hex[:8]}")
    path.write_text("\n\n".join([text, *tables]) + "\n")
    return path


def _line(item: tuple[str, Any]) -> str:
    key, value = item
    if isinstance(value, Mapping):
        inside = ", ".join(map(_line, value.items()))
        return f"{key} = {{ {inside} }}"
    return f"{key} = {json.dumps(value)}"


def rig_args(rig: Path) -> tuple[str, ...]:
    """Arguments of ``tenmin record`` for a rig of `write_rig`: its path, a protocol, a subject."""
    subject = examples.path_of("quick", "subject")
    return str(rig), "--protocol", "head-fixed-acute", "--subject", str(subject)
