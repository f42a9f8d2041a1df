"""One block of the whole program on a rig of the bench, and what it cost."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tenmin import examples
from tenmin.bench.processes import Peak, Taken, Usage, wait_until
from tenmin.bench.recycle import FOLDER, LEDGER, Recycler
from tenmin.bench.rig import Load, Place
from tenmin.bench.setting import Setting
from tenmin.bench.watching import LOST, STEP_NS, SUFFIX, counts_of
from tenmin.errors import RigError
from tenmin.recorder.journal import read_log
from tenmin.service.client import Client
from tenmin.system import FileLock, spawn, stop_process

PADS_S, SETTLE_S = 1.0, 1.0
START_S, END_S = 60.0, 300.0
WHOLE = (0, 1)  # exit codes of a block that was recorded to its end
FINALISER, RECYCLING = "tenmin.recorder.finaliser", "tenmin.bench.finalising"
BUSY = "while True:\n    sum(i * i for i in range(1000))"


@dataclass(frozen=True)
class Found:
    """What one block cost and kept.

    Attributes
    ----------
    load : Load
        What came in.
    seconds : float
        Length of the window.
    latency_ms : ndarray
        Upper edges of the latency histogram's bins that are not empty, milliseconds.
    latency_n : ndarray
        Chunks in each.
    unchecked : int
        Samples that the watcher was too late for.
    missing, samples : int
        By the file, of all streams.
    cpu : dict of str to float
        Share of a core of each process while recording.
    private : dict of str to (int, int)
        Bytes of private memory at a quarter and at the end of the window.
    finaliser_peak : int
        Largest private memory of the finaliser, bytes.
    closing_s : float, optional
        From the end of the post pad to the verified file.
    recycled : int
        Bytes of journal and file that were discarded after they had been verified.
    result : dict
        What the finaliser says of its file.
    fault : str
        Why it is not the whole block that was asked for; empty when it is.
    """

    load: Load
    seconds: float
    latency_ms: np.ndarray
    latency_n: np.ndarray
    unchecked: int
    missing: int
    samples: int
    cpu: dict[str, float]
    private: dict[str, tuple[int, int]]
    finaliser_peak: int
    closing_s: float | None
    recycled: int
    result: dict[str, Any] = field(repr=False)
    fault: str = ""

    def quantile_ms(self, share: float) -> float | None:
        """The latency that this share of the chunks does not exceed."""
        total = self.latency_n.cumsum()
        if not total.size:
            return None
        return float(self.latency_ms[np.searchsorted(total, share * total[-1])])

    def late(self, limit_ms: float) -> int:
        """How many chunks were checked later than this."""
        return int(self.latency_n[self.latency_ms > limit_ms].sum())


def record(
    setting: Setting, load: Load, seconds: float, *, busy: bool = False, recycle: bool = False
) -> Found:
    """Record one block.

    Parameters
    ----------
    busy : bool
        A client in a process of its own runs plain Python all the while.
    recycle : bool
        Discard what was verified.

    Raises
    ------
    RigError
        The program refused the block or did not end it.
    """
    with (
        Place(setting, load) as place,
        recycler(place, recycle) as recycling,
        engine(place),
        disturber(busy),
    ):
        return _record(place, seconds, recycling)


@contextlib.contextmanager
def recycler(place: Place, wanted: bool) -> Iterator[Recycler | None]:
    """What discards verified bytes, while the block lasts."""
    if not wanted:
        yield None
        return
    place.env[FOLDER] = str(place.runtime)
    recycling = Recycler(place.runtime / LEDGER)
    recycling.start()
    try:
        yield recycling
    finally:
        recycling.halt()


@contextlib.contextmanager
def engine(place: Place) -> Iterator[None]:
    """The engine with its timed watcher, while the block lasts."""
    place.folder.mkdir(mode=0o700)
    (place.folder / "spec.json").write_text(json.dumps(asdict(place.spec)), "utf-8")
    with (place.folder / "engine.log").open("ab") as log:
        args = [sys.executable, "-m", "tenmin.bench.engine", str(place.folder)]
        process = spawn(args, stdout=log, stderr=log, env=place.env)
    try:
        if not wait_until((place.folder / "engine.json").exists, START_S):
            raise RigError(f"The engine did not start: {_tail(place)}", remedy="Run it again.")
        yield
    except BaseException:
        _abandon(place, process)
        raise
    finally:
        stop_process(process)
        wait_until(lambda: not FileLock.held(place.folder / "acquirer.lock"), 15.0)


def _abandon(place: Place, process: Any) -> None:
    """End every process of a block that nobody waits for: else it is recorded to its end."""
    crew: dict[str, int] = {}
    with contextlib.suppress(RigError, OSError, ValueError):  # the engine is not there yet
        state = json.loads((place.folder / "engine.json").read_text("utf-8"))
        with Client(state, name="bench") as client:
            crew = client.status()["crew"]
    stop_process(process)
    for pid in crew.values():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


@contextlib.contextmanager
def disturber(busy: bool) -> Iterator[None]:
    """A client that never rests."""
    process = spawn([sys.executable, "-c", BUSY]) if busy else None
    try:
        yield
    finally:
        if process is not None:
            stop_process(process)


def arguments(place: Place, seconds: float) -> list[str]:
    """The command that records; a simulated rig is one that runs already, which `client` finds."""
    lengths = ["--seconds", f"{seconds:g}", "--settle", f"{SETTLE_S:g}", "--pads", f"{PADS_S:g}"]
    program = "tenmin.bench.client" if place.load.simulator else "tenmin"
    told = [sys.executable, "-m", program, "record", place.rig, "--json", "--keep-journal"]
    told += ["--out", str(place.out), *lengths]
    if not place.load.simulator:
        subject = str(examples.path_of("quick", "subject"))
        told += ["--protocol", "head-fixed-acute", "--subject", subject]
    return told


def _record(place: Place, seconds: float, recycling: Recycler | None) -> Found:
    state = json.loads((place.folder / "engine.json").read_text("utf-8"))
    told, words = place.out / "told.json", place.out / "words"
    with told.open("wb") as out, words.open("wb") as errors:
        command = spawn(arguments(place, seconds), stdout=out, stderr=errors, env=place.env)
    usage = Usage()
    try:
        with Client(state, name="bench") as client:
            watched = _watch(place, client, usage, state["pid"], command, seconds)
    finally:
        stop_process(command)
    result = _result(place)
    if not result:
        why = words.read_text("utf-8", "replace")[-500:]
        why = f"{why} {_tail(place)}".replace(str(place.out), "DIR")
        raise RigError(f"The block failed: {why}", remedy="Try a shorter one.")
    streams = result["streams"]
    faults = [fault_of(place.load, seconds, command.returncode, result), watched["fault"]]
    return Found(
        load=place.load,
        seconds=seconds,
        latency_ms=watched["latency"][0],
        latency_n=watched["latency"][1],
        unchecked=watched["latency"][2],
        missing=sum(s["missing_samples"] for s in streams),
        samples=sum(s["samples"] for s in streams),
        cpu=watched["cpu"],
        private=watched["private"],
        finaliser_peak=watched["peak"],
        closing_s=_closing(result),
        recycled=recycling.bytes if recycling is not None else 0,
        result=result,
        fault="; ".join(filter(None, faults)),
    )


def fault_of(load: Load, seconds: float, exit_code: int, result: Mapping[str, Any]) -> str:
    """Why a block is not all that was asked for, by more than its file's own word.

    Parameters
    ----------
    load : Load
        What came in.
    seconds : float
        Length of the window that was asked for.
    exit_code : int
        Of ``tenmin record``; 1 is a verdict about the signals, which the bench does not judge.
    result : mapping
        ``verified``, and ``streams``: ``name``, ``samples`` and ``rate_hz`` of each in the file.

    Returns
    -------
    str
        Empty when nothing is wrong.
    """
    if exit_code not in WHOLE:
        return f"record ended with exit code {exit_code}"
    if not result["verified"]:
        return "the file was not verified"
    streams = result["streams"]
    if len(streams) < load.devices:
        return f"{len(streams)} streams of {load.devices} are in the file"
    for stream in streams:
        # What a simulated rig sends beside its probe has a measured rate, of a clock of its own.
        rate_hz = stream["rate_hz"] if load.simulator else load.rate_hz
        least = math.floor((seconds + 2 * PADS_S) * rate_hz + 1e-6)
        if stream["samples"] < least:
            return f"{stream['name']} has {stream['samples']} samples, at least {least} are due"
    return ""


def _watch(
    place: Place, client: Client, usage: Usage, engine_pid: int, command: Any, seconds: float
) -> dict[str, Any]:
    """Wait for the window, and look at what runs at its beginning, a quarter, and its end."""

    def recording() -> dict[str, Any] | None:
        state = client.status()
        told = state.get("snapshot") or {}
        started = told.get("phase") == "RECORDING" and told.get("t0_index") is not None
        return state if started or command.poll() is not None else None

    state = wait_until(recording, START_S, 0.1) or {"crew": {}}
    word = RECYCLING if FOLDER in place.env else FINALISER
    peak = Peak(usage, lambda: usage.named(engine_pid, word))
    peak.start()
    _pause(command, PADS_S + 0.5)  # the pad is no part of the window, and the finaliser has begun
    crew = client.status()["crew"] if command.poll() is None else state["crew"]
    pids = {**crew, "engine": engine_pid, "record": command.pid}
    for name in [name for name in crew if name.startswith("acquirer")]:
        apart = usage.named(crew[name], "tenmin.")  # drivers in processes of their own
        pids |= {f"isolated-{pid}": pid for pid in apart}
    before, began, counts = usage.look(pids, memory=False), time.monotonic(), _counts(place)
    _pause(command, 0.25 * seconds)
    early = usage.look(pids)
    _pause(command, began + seconds - 1.0 - time.monotonic())
    after, taken_s, counted = usage.look(pids), time.monotonic() - began, _counts(place)
    try:
        command.wait(END_S + seconds)
    except subprocess.TimeoutExpired as error:
        raise RigError(
            f"The file was not finished {END_S + seconds:.0f} s after the end of the window.",
            remedy="Run it again on a machine that has nothing else to do.",
        ) from error
    finally:
        peak.halt()
    counted -= counts
    gone = bool((counted < 0).any())  # whoever ends a block early takes its rings away
    histogram = counted[:LOST] * (not gone)
    at = np.flatnonzero(histogram)
    return {
        "fault": "the watcher's counts ended before the window" if gone else "",
        "latency": ((at + 1) * STEP_NS * 1e-6, histogram[at], max(0, int(counted[LOST]))),
        "cpu": _shares(before, after, taken_s),
        "private": {r: (early[r].private, after[r].private) for r in after if r in early},
        "peak": peak.private,
    }


def _pause(command: Any, seconds: float) -> None:
    """Wait so long, or until the command has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(max(0.0, seconds))


def _shares(before: dict[str, Taken], after: dict[str, Taken], taken_s: float) -> dict[str, float]:
    return {
        role: (after[role].cpu_s - before[role].cpu_s) / max(taken_s, 1e-3)
        for role in after
        if role in before
    }


def _counts(place: Place) -> np.ndarray:
    """The histograms of all streams, added up."""
    # Of a simulated rig only the probe: its other streams are slower and have other chunks.
    paths = sorted((place.folder / "rings").glob(f"probe*{SUFFIX}"))
    total = np.zeros(LOST + 1, np.int64)
    for path in paths:
        total += counts_of(path)
    return total


def _result(place: Place) -> dict[str, Any]:
    """What the finaliser says of its file, and where the journal is; empty when there is none."""
    found = list(place.out.glob("sub-*/*.dot/result.json"))
    if not found:
        return {}
    return {**json.loads(found[0].read_text("utf-8")), "journal": str(found[0].parent)}


def _closing(result: dict[str, Any]) -> float | None:
    """Seconds from the end of the post pad to ``result.json``, written after the read-back."""
    dot = Path(result["journal"] or "")
    found = {line["t"]: line for line in read_log(dot / "acquirer.jsonl")}
    if "t0" not in found or not (dot / "result.json").exists():
        return None
    reference = found["start"]["reference"]
    rate_hz = next(s["rate_hz"] for s in result["streams"] if s["name"] == reference)
    t0 = found["t0"]
    end_ns = t0["host_ns"] + (t0["stop"] - t0["index"]) / rate_hz * 1e9
    done_ns = (dot / "result.json").stat().st_mtime_ns - time.time_ns() + time.monotonic_ns()
    return (done_ns - end_ns) * 1e-9


def _tail(place: Place) -> str:
    return (place.folder / "engine.log").read_text("utf-8", "replace")[-500:]
