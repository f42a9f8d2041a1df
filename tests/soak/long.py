"""Ten minutes of ``sim:mouse``: flat memory, drift as it truly is, nothing lost."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import EVERYONE, pids_of

EARLY_SHARE = 0.25  # of the window: 2.5 minutes of ten
MOST_GROWTH = 1.05  # private memory at the end against the early one: flat
OURS = EVERYONE  # the simulator is listed as well, and not judged
DRIFT_PPM = 0.5
PROGRESS_S = 30.0


@dataclass(frozen=True)
class Clock:
    """One stream: what the program says and what is true."""

    name: str
    samples: int
    missing: int
    drift_ppm: float | None
    u95_ppm: float | None
    truth_ppm: float | None

    @property
    def error_ppm(self) -> float | None:
        """Difference to the truth."""
        if self.drift_ppm is None or self.truth_ppm is None:
            return None
        return self.drift_ppm - self.truth_ppm

    @property
    def held(self) -> bool:
        """Whether nothing is missing and the drift is right."""
        if self.missing:
            return False
        return self.error_ppm is None or abs(self.error_ppm) <= DRIFT_PPM


@dataclass(frozen=True)
class Found:
    """What came of the long block."""

    seconds: float
    early_s: float
    exit_code: int
    memory_mb: dict[str, tuple[float, float]]
    streams: list[Clock]

    def as_dict(self) -> dict[str, Any]:
        """Itself as JSON has it."""
        streams = [asdict(s) | {"error_ppm": s.error_ppm} for s in self.streams]
        return asdict(self) | {"streams": streams}

    @property
    def held(self) -> bool:
        """Whether everything is as promised."""
        return self.exit_code == 0 and not self.grown and all(s.held for s in self.streams)

    @property
    def grown(self) -> list[str]:
        """Roles of our own that hold more at the end, or that could not be measured twice."""
        pairs = {role: self.memory_mb.get(role) for role in OURS}
        return [r for r, p in pairs.items() if p is None or p[1] > MOST_GROWTH * p[0]]


def record(minutes: float, seed: int) -> Found:
    """Record ``sim:mouse`` for so long, and look at its processes twice."""
    seconds = minutes * 60.0
    early_s = seconds * EARLY_SHARE
    with tempfile.TemporaryDirectory(prefix="tenmin-soak-") as folder:
        bench = new_bench(Path(folder))
        truth = Path(folder) / "truth.json"
        lengths = ("--seconds", f"{seconds:g}", "--settle", "10", "--pads", "2")
        args = bench.record_args("sim:mouse", *lengths, "--seed", str(seed), "--truth", str(truth))
        try:
            client = bench.start(*args)
            rig = bench.rig_folder(60.0)
            early = _memory(bench, rig, client.pid, early_s)
            late = _memory(bench, rig, client.pid, seconds - 1.0)
            out, err = client.communicate(timeout=600.0)
            ended = Ended(client.returncode, out, err)
            print(ended.err, flush=True)
            return Found(
                seconds,
                early_s,
                ended.code,
                {name: (early[name], late[name]) for name in early if name in late},
                _clocks(ended.json, json.loads(truth.read_text())),
            )
        finally:
            bench.close()


def _memory(bench: Bench, rig: Path, client: int, window_s: float) -> dict[str, float]:
    """Private memory of every process, MB, once so much of the window is recorded."""
    said = time.monotonic()

    def reached() -> dict[str, Any] | None:
        nonlocal said
        state = bench.snapshot(rig)
        done = state.get("snapshot", {}).get("window_s") or 0.0
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            print(f"{done:.0f} s recorded", flush=True)
        return state if done >= window_s else None

    state = until(reached, window_s + 120.0, 0.5)
    pids = {role: pids_of(state, role) for role in EVERYONE[1:]} | {"record": [client]}
    pids["simulator"] = [state["simulator"]]
    return {
        role: psutil.Process(found[0]).memory_full_info().uss / 1e6
        for role, found in pids.items()
        if found
    }


def _clocks(result: dict[str, Any], truth: dict[str, Any]) -> list[Clock]:
    clocks = truth["clocks"]
    reference = 1 + clocks[truth["primary"]]["ppm"] * 1e-6
    found = []
    for stream in result["streams"]:
        ppm = clocks.get(stream["name"], {}).get("ppm")
        true = None if ppm is None else ((1 + ppm * 1e-6) / reference - 1) * 1e6
        found.append(
            Clock(
                stream["name"],
                stream["samples"],
                stream["missing_samples"],
                stream["drift_ppm"],
                stream["drift_ppm_u95"],
                true,
            )
        )
    return found
