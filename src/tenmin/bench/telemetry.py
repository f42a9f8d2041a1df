"""What telemetry costs: a snapshot published by the engine, and parsed by a screen."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from tenmin.bench.rows import Row, Spread
from tenmin.bench.setting import Setting
from tenmin.service.client import Client
from tenmin.service.server import Server

SNAPSHOTS_HZ = 10.0
STREAMS = (1, 8, 32)


def rows(setting: Setting) -> list[Row]:
    """All rows about telemetry."""
    found = []
    for n_streams in STREAMS:
        sent, parsed, size = _measure(setting, snapshot(n_streams))
        for what, taken in (("publish", sent), ("receive and parse", parsed)):
            text = f"{what} a snapshot of {n_streams} streams"
            note = f"{size / 1000:.1f} kB; {np.median(taken) * SNAPSHOTS_HZ * 100:.2f} % of a core"
            found.append(Row("telemetry", text, "µs", Spread.of(taken * 1e6), note=note))
    return found


def _measure(setting: Setting, told: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """Seconds for publishing and for parsing, in each round, and the size in bytes."""
    repeat = setting.size(50, 5)
    sent, parsed = np.zeros(setting.rounds), np.zeros(setting.rounds)
    folder = setting.memory / "telemetry"
    folder.mkdir(mode=0o700, exist_ok=True)
    server = Server(folder)
    try:
        with Client(server.addresses, name="bench") as client:
            heard = client.telemetry("snapshot", timeout_s=0.05)
            while next(heard) is None:  # until the subscription has come through
                server.publish("snapshot", told)
            while next(heard) is not None:
                continue
            for turn in range(setting.rounds):
                for _ in range(repeat):
                    began = time.perf_counter()
                    server.publish("snapshot", told)
                    between = time.perf_counter()
                    next(heard)
                    sent[turn] += between - began
                    parsed[turn] += time.perf_counter() - between
    finally:
        server.close()
    return sent / repeat, parsed / repeat, len(json.dumps(told))


def snapshot(n_streams: int) -> dict[str, Any]:
    """A snapshot as of a recording of many streams."""
    streams = [
        {
            "name": f"probe{n}",
            "state": "running",
            "error": "",
            "kind": "ecephys",
            "rate_hz": 30000.0,
            "channels": 384,
            "bytes_per_s": 23040000.0,
            "required": True,
            "received": 9_000_000,
            "received_missing": 0,
            "age_s": 0.0123,
            "alive_s": 300.123,
            "clock_ppm": 1.2345,
            "clock_residual_s": 1.2e-5,
            "duplicates": 0,
            "reordered": 0,
            "samples": 9_000_000,
            "bytes": 6_912_000_000,
            "missing": 0,
            "n_gaps": 0,
            "gaps": [],
            "fill": 0.0051,
            "overrun": 0,
        }
        for n in range(n_streams)
    ]
    verdicts = [
        {
            "check": check,
            "stream": stream["name"],
            "level": "OK",
            "value": 0.0123,
            "limit": 0.5,
            "unit": "s",
            "onset_s": 1234.5,
            "action": "",
        }
        for stream in streams
        for check in ("alive", "gaps", "saturation")
    ]
    told: dict[str, Any] = {
        "phase": "RECORDING",
        "window_s": 300.0,
        "target_s": 600.0,
        "waiting": [],
        "over": False,
        "error": None,
    }
    return {**told, "streams": streams, "verdicts": verdicts}
