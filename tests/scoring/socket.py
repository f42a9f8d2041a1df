"""From a fault in the signal to the verdict on the telemetry socket, in a block in real time.

Simulators in processes of their own send to the real engine, acquirer and watcher; a client hears
what the engine publishes. The fault's time is the simulator's truth, on the clock that both share.
"""

from __future__ import annotations

import json
import math
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tenmin_simulators.patch import PERIOD_S

from tenmin.service.client import Client
from tenmin.verdict import FAIL, WARN
from tests.scoring.score import Row, Scenario
from tests.system.conftest import Bench, new_bench, until
from tests.system.rigs import Sim, rig_args, write_rig

WAY_S = 0.2  # from the check to the client, beyond what E.2 allows
FIRST_S = 6.0  # after t0: by then no check of a few seconds is still beginning
AFTER_S = 11.0  # after the last fault: the slowest verdict that is waited for
CLEAN_AT_LEAST_S = 2.5  # a check that was raised this short before a fault cannot tell of it


@dataclass(frozen=True)
class Planned:
    """A fault, and the verdict that tells of it.

    Attributes
    ----------
    key : str
        Under which its latency is kept.
    at_s : float
        After t0.
    kind, argument : str
        As in ``tenmin sim --fault KIND@SECONDS:ARGUMENT``.
    simulator, stream, check : str
    """

    key: str
    at_s: float
    kind: str
    argument: str
    simulator: str
    stream: str
    check: str

    def text(self, at_s: float) -> str:
        """As a simulator takes it."""
        return f"{self.kind}@{at_s:.4f}:{self.argument}"


# A check that stays raised for some seconds after a fault has them before it is needed again.
# The noise of `quick` is a short loop, which has lines of its own.
PLAN = (
    Planned("flat", 0.0, "flat", "3:3", "quick", "probe", "flat"),
    Planned("gap", 3.0, "gap", "20", "quick", "probe", "gaps"),
    Planned("frames", 4.0, "gap", "20", "camera", "camera", "frame_drops"),
    Planned("line", 5.0, "hum", "20:6", "human-eeg", "eeg", "line"),
    Planned("access", 6.0, "access", "14", "patch", "patch", "access_change"),
    Planned("flat", 15.0, "dead", "5", "quick", "probe", "flat"),
    Planned("clip", 17.0, "clip", "8:3", "quick", "probe", "saturation"),
    Planned("line", 28.0, "line", "10", "human-eeg", "eeg", "line"),
    Planned("clip", 31.0, "clip", "9:3", "quick", "probe", "saturation"),
)
SHORT = (
    Planned("flat", 0.0, "dead", "3", "quick", "probe", "flat"),
    Planned("gap", 0.5, "gap", "20", "quick", "probe", "gaps"),
)

Heard = tuple[float, str, str, str]  # host time, stream, check, level


class Listener:
    """A client that writes down when it heard which level of which check."""

    def __init__(self, client: Client) -> None:
        self.heard: list[Heard] = []
        self.t0: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._client, self._over, self._begun = client, threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for message in self._client.telemetry("snapshot", timeout_s=0.5):
            now_s = time.monotonic()
            if self._over.is_set():
                return
            if message is None:
                continue
            told = message.data
            if not self._begun and told.get("window_s"):
                self._begun = True
                self.t0.put(now_s - float(told["window_s"]))
            for one in told.get("verdicts", ()):
                self.heard.append((now_s, one["stream"], one["check"], one["level"]))

    def close(self) -> None:
        """Hear no more."""
        self._over.set()
        self._thread.join(5.0)

    def raised_s(self, fault: Planned, since_s: float) -> float:
        """When its check was first told as raised; infinite where it was not."""
        mine = (t for t, s, c, level in list(self.heard) if (s, c) == (fault.stream, fault.check)
                and level in (WARN, FAIL) and t >= since_s)  # fmt: skip
        return next(mine, math.inf)

    def latency_s(self, fault: Planned, fault_s: float) -> float:
        """Seconds until its check was raised; infinite where it was raised before, or never."""
        mine = [
            (t, level) for t, s, c, level in self.heard if (s, c) == (fault.stream, fault.check)
        ]
        before = [level for t, level in mine if fault_s - CLEAN_AT_LEAST_S < t < fault_s]
        if not before or any(level in (WARN, FAIL) for level in before):
            return math.inf
        return self.raised_s(fault, fault_s) - fault_s


@contextmanager
def block(
    folder: Path, seed: int, plan: Sequence[Planned], seconds: float
) -> Iterator[tuple[Bench, dict[str, Sim]]]:
    """A block on a plan's simulators, the first one the reference; all is ended behind it."""
    names = dict.fromkeys(fault.simulator for fault in plan)
    streams = {fault.stream for fault in plan}
    bench, sims = new_bench(folder), dict[str, Sim]()
    try:
        for k, name in enumerate(names):
            truth = str(folder / f"truth-{name}.json")
            sims[name] = Sim(name, folder, "--seed", str(seed + k), "--truth", truth)
            bench.env.update(sims[name].env)
        devices = [d for sim in sims.values() for d in sim.devices if d["name"] in streams]
        tables = [d | {"primary": d is devices[0]} for d in devices]
        rig = write_rig(folder / "rig.toml", tables)
        lengths = ("--seconds", f"{seconds:g}", "--settle", "4", "--pads", "1")
        bench.start(*bench.record_args(*rig_args(rig), *lengths))
        yield bench, sims
    finally:
        for sim in sims.values():
            sim.kill()
        bench.close()


def latencies(
    seed: int, plan: Sequence[Planned], folder: Path, first_s: float = FIRST_S
) -> list[tuple[Planned, float]]:
    """Each fault of a plan, and how long after it a client heard of it, seconds."""
    rng = np.random.default_rng((seed, 20))
    # Where in its second a fault begins decides how long a check of whole seconds takes.
    when = [fault.at_s + first_s + float(rng.uniform()) for fault in plan]
    with block(folder, seed, plan, max(when) + AFTER_S) as (bench, sims):
        found = bench.rig_folder()
        with Client.find(found.name, runtime=bench.runtime) as client:
            listener = Listener(client)
            t0_s = listener.t0.get(timeout=90.0)
            for fault, at_s in zip(plan, when):
                zero_ns = round(t0_s * 1e9)
                sims[fault.simulator].tell(fault=fault.text(at_s), zero_ns=zero_ns)
            end_s = t0_s + max(when) + AFTER_S

            def over() -> bool:
                heard = [listener.raised_s(f, t0_s + at) < math.inf for f, at in zip(plan, when)]
                return all(heard) or time.monotonic() > end_s

            until(over, 2.0 * (max(when) + AFTER_S), 0.2)
            listener.close()
        told = {name: truth_of(folder / f"truth-{name}.json", sim) for name, sim in sims.items()}
    return [(f, listener.latency_s(f, moment_s(told[f.simulator], f, k))) for k, f in _nth(plan)]


def _nth(plan: Sequence[Planned]) -> Iterator[tuple[int, Planned]]:
    """Each fault with how many of its kind its simulator played before it."""
    for k, fault in enumerate(plan):
        same = [f for f in plan if (f.simulator, f.kind) == (fault.simulator, fault.kind)]
        yield sorted(same, key=lambda f: f.at_s).index(plan[k]), fault


def truth_of(path: Path, sim: Sim) -> Mapping[str, Any]:
    """What a simulator really did, after it was told to end in good order."""
    sim.process.terminate()
    sim.process.wait(20.0)
    return dict(json.loads(path.read_text()))


def moment_s(truth: Mapping[str, Any], fault: Planned, nth: int) -> float:
    """When a fault was in the signal: host time of its first sample, seconds."""
    events = [e for e in truth["events"] if (e["type"], e["stream"]) == (fault.kind, fault.stream)]
    index = events[nth]["index"]
    clock = truth["clocks"][fault.stream]
    since_s = index / clock["rate_hz"]
    if fault.kind == "access":  # it shows in the next test pulse
        since_s = PERIOD_S * (math.ceil(since_s / PERIOD_S - 0.5) + 0.5)
    return float(clock["start_host_ns"]) * 1e-9 + since_s


def play(seed: int) -> dict[str, list[float]]:
    """A block with every fault of the plan."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tenmin-socket-") as folder:
        for fault, late_s in latencies(seed, PLAN, Path(folder)):
            found.setdefault(fault.key, []).append(late_s)
    return found


def quantile_of(key: str, q: float) -> Callable[[Sequence[Any]], float]:
    """A quantile of the latencies under `key`, over all seeds."""

    def statistic(outcomes: Sequence[Any]) -> float:
        waits = np.concatenate([np.asarray(o[key], float) for o in outcomes])
        return float(np.quantile(waits, q, method="higher"))

    return statistic


def unheard(outcomes: Sequence[Any]) -> str:
    """How many faults no client heard of, by what they are."""
    never = {k: sum(math.isinf(t) for o in outcomes for t in o[k]) for k in outcomes[0]}
    told = ", ".join(f"{n} of {key}" for key, n in never.items() if n)
    n = sum(len(o[key]) for o in outcomes for key in o)
    return f"{n} faults; never heard of: {told or 'none'}"


# Key; what; targets of science.md E.2 for median, 95 % and worst: None where it has none.
TASKS = (
    ("flat", "dead, flat", (None, None, 2.0)),
    ("clip", "clip", (None, None, 2.0)),
    ("line", "line of 10 and 20 dB", (4.0, 6.0, None)),
    ("access", "rise of Rs by 40 %", (None, None, 10.0)),
    ("gap", "gap", (None, None, None)),
    ("frames", "frames dropped", (None, None, None)),
)
MEASURES = (("median", 0.5), ("95 %", 0.95), ("worst", 1.0))


def scenarios() -> tuple[Scenario, ...]:
    """Those of this module."""
    rows: list[Row] = []
    for key, what, targets in TASKS:
        for (measure, q), target in zip(MEASURES, targets):
            if target is None and measure == "95 %":
                continue
            most = None if target is None else target + WAY_S
            statistic = quantile_of(key, q)
            task = f"{what}: fault to telemetry"
            note = None if rows else unheard
            rows.append(Row(task, measure, statistic, at_most=most, unit="s", note=note))
    return (Scenario("socket", play, tuple(rows), n_seeds=20),)
