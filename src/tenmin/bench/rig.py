"""A rig made for one run: folders, bank, rig.toml, and a place where its driver is found."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tenmin import examples
from tenmin.bench.setting import PROBE_CHANNELS, PROBE_HZ, Setting, signal
from tenmin.bench.source import DRIVER
from tenmin.launch import EngineSpec

ENTRY = f"[tenmin.drivers]\n{DRIVER} = tenmin.bench.source:Bank\n"
INSTANCE = "bench"
ABOUT = "Metadata-Version: 2.1\nName: tenmin-bench-source\nVersion: 0\n"


@dataclass(frozen=True)
class Load:
    """What the devices of a run deliver.

    Attributes
    ----------
    devices : int
        How many, each a stream of its own.
    channels : int
        Of each.
    rate_hz, chunk_ms : float
        Of each.
    dtype : str
        Of the samples.
    simulator : str
        Instead of devices in shared memory: a simulated rig, over its real wires.
    """

    devices: int = 1
    channels: int = PROBE_CHANNELS
    rate_hz: float = PROBE_HZ
    chunk_ms: float = 10.0
    dtype: str = "int16"
    simulator: str = ""

    @property
    def bytes_per_s(self) -> float:
        """Of all devices."""
        return self.devices * self.channels * self.rate_hz * np.dtype(self.dtype).itemsize

    @property
    def text(self) -> str:
        """For a person."""
        if self.simulator:
            return f"sim:{self.simulator} over its real wires"
        many = f"{self.devices} × " if self.devices > 1 else ""
        return f"{many}{self.channels} ch × {self.rate_hz / 1000:g} kHz {self.dtype}"


@dataclass
class Place:
    """Folders of one run, and the environment in which its programs find each other."""

    setting: Setting
    load: Load
    runtime: Path = field(init=False)
    out: Path = field(init=False)
    env: dict[str, str] = field(init=False)

    def __enter__(self) -> Place:
        self.runtime = Path(tempfile.mkdtemp(prefix="b", dir=self.setting.memory))
        self.out = Path(tempfile.mkdtemp(prefix="out-", dir=self.setting.disk))
        found = self.runtime / "plugins" / "tenmin_bench_source-0.dist-info"
        found.mkdir(parents=True)
        (found / "METADATA").write_text(ABOUT, "utf-8")
        (found / "entry_points.txt").write_text(ENTRY, "utf-8")
        paths = [str(found.parent), os.environ.get("PYTHONPATH", "")]
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "TENMIN_RUNTIME_DIR": str(self.runtime),
        }
        if not self.load.simulator:
            self._write_bank()
            self._write_rig()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for folder in (self.runtime, self.out):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def rig(self) -> str:
        """The rig file, or the name of the simulated rig."""
        told = self.load.simulator
        return f"sim:{told}" if told else str(self.runtime / "rig.toml")

    @property
    def rig_id(self) -> str:
        """Its id, and the name of its folder in the runtime directory."""
        told = self.load.simulator
        return f"sim-{told}-{INSTANCE}" if told else INSTANCE

    @property
    def spec(self) -> EngineSpec:
        """What its engine is started for."""
        return EngineSpec(self.rig, self.rig_id, once=True, out=str(self.out))

    @property
    def folder(self) -> Path:
        """The engine's folder."""
        return self.runtime / self.rig_id

    def _write_bank(self) -> None:
        load = self.load
        data: np.ndarray = signal(round(load.rate_hz), load.channels)
        data.astype(load.dtype).tofile(self.runtime / "bank")

    def _write_rig(self) -> None:
        facts = examples.path_of("quick", "rig").read_text("utf-8").partition("[[device]]")[0]
        text = facts.replace("example-quick", self.rig_id)
        for n in range(self.load.devices):
            text += "\n" + "\n".join(["[[device]]", *map(_line, self._device(n).items())]) + "\n"
        (self.runtime / "rig.toml").write_text(text, "utf-8")

    def _device(self, n: int) -> dict[str, Any]:
        load = self.load
        chunks = round(1000 / load.chunk_ms)
        return {
            "name": f"probe{n}",
            "driver": DRIVER,
            "primary": n == 0,
            "bank": str(self.runtime / "bank"),
            "channels": load.channels,
            "rate_hz": load.rate_hz,
            "chunk_ms": load.chunk_ms,
            "dtype": load.dtype,
            "phase": n * max(1, chunks // load.devices) % chunks,
        }


def _line(item: tuple[str, Any]) -> str:
    key, value = item
    return f"{key} = {json.dumps(value)}"
