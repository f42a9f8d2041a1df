"""The acquirer: devices to rings to journal, and nothing else.

``python -m tenmin.acquirer FOLDER NAME`` is started by the engine, twice: one works, the other
waits, imported and warmed, to take over when the first dies. When the engine dies during a
recording, the acquirer records on to the planned end and closes the journal.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from tenmin import ring
from tenmin.apart import isolated_names
from tenmin.errors import RigBusy, RigError
from tenmin.eventlog import EventLog
from tenmin.isolation import Isolated, RemoteFlow
from tenmin.parent import Parent
from tenmin.recorder.journal import read_log
from tenmin.recording import Recording
from tenmin.rig import device_configs
from tenmin.service.link import WorkerLink
from tenmin.source import is_derived
from tenmin.sources import Flow, Source, make_driver
from tenmin.system import Awake, Bell, FileLock, behave, free_bytes, freeze_garbage

PROGRESS_S = 0.1
CLOCK_PAIR_S = 60.0
SILENCE_S = 0.3  # for a driver's process to end, while the last tenth of a ring, 1 s, is filled
LOCK_WAIT_S = 3.0  # a killed acquirer's lock is free at once; a dying one needs a moment
LOCK_LOOK_S = 0.02
ORPHAN_CHECK_S = 0.5


class Acquirer:
    """One block's data path, driven by the engine's messages.

    Parameters
    ----------
    folder : Path
        The rig's folder in the runtime directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = FileLock(folder / "acquirer.lock")
        self.log = EventLog()
        self.flows: dict[str, Flow] = {}
        self.sources: list[Source | Isolated] = []
        self.recording: Recording | None = None
        self.spool: dict[str, Any] = {}
        self._ended: str | None = None  # how an earlier acquirer ended the journal
        self._bell = Bell(folder / "watcher.wake")
        self._pair_at = 0.0
        self._measured = False  # after the block
        self._silenced_s: float | None = None  # since when devices are stopped before their time
        self._rings_told: set[str] = set()

    def begin(self, spool: dict[str, Any]) -> None:
        """Open the devices; go on with a recording that an earlier acquirer left."""
        deadline = time.monotonic() + LOCK_WAIT_S
        while not self.lock.acquire():
            if time.monotonic() > deadline:
                raise RigBusy(f"Another acquirer holds the rig {self.folder.name}.")
            time.sleep(LOCK_LOOK_S)
        self.spool = spool
        self._make_sources(spool)
        if spool["restarted"]:
            for flow in self.flows.values():
                flow.restore()
            self._resume(spool, _written(Path(spool["dot"]) / "acquirer.jsonl"))
        if self._relieved():
            self._silenced_s = time.monotonic()
            return  # the rings are full: what they hold is written, and nothing more
        for source in self.sources:
            source.start()

    def _resume(self, spool: dict[str, Any], written: dict[str, Any]) -> None:
        """Go on where an earlier acquirer was killed, with orders that it may have missed."""
        if written or spool["settling"]:
            self.settle()
        if "end" in written:
            self._ended = written["end"]["reason"]
        elif "start" in written:
            self.record(written["start"]["block"], written)
        elif spool["block"] is not None:
            self.record(spool["block"])

    def _make_sources(self, spool: dict[str, Any]) -> None:
        rings = self.folder / "rings"
        rings.mkdir(exist_ok=True)
        configs = device_configs(spool["devices"])
        apart = isolated_names(configs)
        remote = {name for names in apart.values() for name in names}
        for config in configs:
            kind = RemoteFlow if config.name in remote else Flow
            self.flows[config.name] = kind(config, rings, self.log)
            self.flows[config.name].wake = self._bell.ring
        for names in apart.values():
            flows = [cast(RemoteFlow, self.flows[name]) for name in names]
            tables, again = spool["devices"], bool(spool["restarted"])
            self.sources.append(Isolated(flows, tables, self.folder, again))
        for config in configs:
            flow = self.flows[config.name]
            if config.name in remote:
                continue
            driver = make_driver(config)
            if is_derived(config):
                parent = config.source.split(":")[0]
                self.flows[parent].derived.append((driver, flow))
            else:
                self.sources.append(Source(driver, flow))

    def settle(self) -> None:
        """Open the log: clock points, markers and gaps are kept from now on."""
        self.log.open(Path(self.spool["dot"]) / "acquirer.jsonl")
        self._clock_pair()
        self._tell_rings()
        for flow in self.flows.values():
            if flow.impedance:  # measured when it was opened, before this log was
                self.log(flow.impedance)

    def _tell_rings(self) -> None:
        """Log how the memory of each new ring is mapped."""
        for name, granted in self._mapped().items():
            if name not in self._rings_told:
                self._rings_told.add(name)
                self.log({"t": "ring", "stream": name, **granted})

    def _mapped(self) -> dict[str, dict[str, str]]:
        return {n: flow.ring.granted for n, flow in self.flows.items() if flow.ring is not None}

    def _clock_pair(self) -> None:
        self._pair_at = time.monotonic() + CLOCK_PAIR_S
        utc = datetime.now(UTC).isoformat()
        self.log({"t": "clock_pair", "host_ns": time.monotonic_ns(), "utc": utc}, sync=True)

    def record(self, block: dict[str, Any], resumed: dict[str, Any] | None = None) -> None:
        """Write everything from now on."""
        self.spool["block"] = block
        self.recording = Recording(Path(self.spool["dot"]), block, self.flows, self.log, resumed)
        self.recording.start()

    def tick(self) -> None:
        """Do what is due by the clock."""
        if self._relieved():
            self._silence()
        elif self.recording is not None and self.recording.finished.is_set():
            self._measure()
        if self._pair_at > 0:
            self._tell_rings()
            if time.monotonic() >= self._pair_at:
                self._clock_pair()

    def _measure(self) -> None:
        """Once: the impedances after the block, of devices that this process reads."""
        if not self._measured:
            self._measured = True
            for source in self.sources:
                if isinstance(source, Source):
                    source.measure()

    def granted(self) -> dict[str, Any]:
        """What the system gave to its rings, and to drivers in processes of their own."""
        apart = [source for source in self.sources if isinstance(source, Isolated)]
        drivers = {source.name_of_device: source.granted for source in apart}
        return {"rings": self._mapped(), "drivers": drivers}

    def _relieved(self) -> bool:
        """Whether the devices must be silent, so that the disk can take what is in the rings."""
        return self.recording is not None and self.recording.watch(time.monotonic())

    def _silence(self) -> None:
        """Stop the devices; a driver's process that does not end is killed for it."""
        now = time.monotonic()
        if self._silenced_s is None:
            self._silenced_s = now
            for source in self.sources:
                source.halt()
        elif now - self._silenced_s > SILENCE_S:
            for source in self.sources:
                if isinstance(source, Isolated) and source.is_alive():
                    source.kill()

    def fatal(self) -> RigError | None:
        """What makes going on pointless, if anything does."""
        for source in self.sources:
            if source.fatal is not None:
                return source.fatal
        return self.recording.failure if self.recording is not None else None

    def progress(self) -> dict[str, Any]:
        """Counters of every stream, and how far the block has come."""
        now = time.monotonic_ns()
        recording = self.recording
        streams = {n: flow.numbers(now) for n, flow in self.flows.items()}
        if recording is not None:
            for name, tape in recording.tapes.items():
                streams[name] |= tape.numbers()
            for name, pressure in list(recording.pressures.items()):
                streams[name] |= pressure.as_dict()
        dot = self.spool.get("dot")
        return {
            "streams": streams,
            "granted": self.granted(),
            "clock_points_s": min(
                (f.clock_span_s for f in self.flows.values() if f.has_clock), default=0.0
            ),
            "t0": recording.t0 if recording else None,
            "t0_host_ns": recording.t0_host_ns if recording else None,
            "reached": recording.window_index if recording else None,
            "stop": recording.stop_index if recording else None,
            "rate_hz": recording.rate_hz if recording else None,
            "ended": recording.ended if recording and recording.finished.is_set() else self._ended,
            "free_bytes": free_bytes(Path(dot)) if dot and Path(dot).exists() else None,
        }

    def close(self) -> None:
        """Stop all devices and end the log."""
        for source in self.sources:
            source.halt()
        if self.recording is not None and not self.recording.finished.is_set():
            self.recording.end("aborted")
            self.recording.finished.wait(10.0)
        for source in self.sources:
            if source.is_alive():
                source.join(5.0)
        if self._pair_at > 0:
            self._clock_pair()
        self.log.close()
        for flow in self.flows.values():
            flow.close()
        self.lock.release()


def _written(path: Path) -> dict[str, Any]:
    """The last line of each kind that an earlier acquirer wrote."""
    if not path.exists():
        return {}
    lines: dict[str, Any] = {line["t"]: line for line in read_log(path)}
    if "t0" in lines:
        lines["stop"] = lines.get("extend", lines["t0"])["stop"]
    return lines


def _read(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text("utf-8"))


class Worker:
    """The process: messages in, progress out, until the engine says quit or is gone."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.parent = Parent(folder)
        self.link = WorkerLink(self.parent.endpoint, name)
        self.acquirer: Acquirer | None = None
        self._progress_at = self._orphan_at = 0.0
        self._orphaned = self._told = False
        self._awake: Awake | None = None
        self._sleep = ""

    def run(self) -> int:
        """Serve until it is over."""
        granted = {"kernels": ring.cached(), **behave("acquirer")}
        self.link.send("ready", pid=os.getpid(), granted=granted)
        while True:
            for message in self.link.receive(self._due_s()):
                if message.type == "quit":
                    return self._quit()
                self._obey(message)
            if self._over():
                return self._quit()
            self._report()

    def _due_s(self) -> float:
        """Seconds until there is something to do; a message wakes it before."""
        due = self._orphan_at  # all that a standby looks after
        if self.acquirer is not None:
            due = min(due, self._progress_at)
        return max(0.0, due - time.monotonic())

    def _obey(self, message: Any) -> None:
        try:
            if message.type == "go":
                self.acquirer = Acquirer(self.folder)
                self.acquirer.begin(_read(message.spool))
                freeze_garbage()
            elif self.acquirer is None:
                return
            elif message.type == "settle":
                self.acquirer.settle()
            elif message.type == "record":
                self.acquirer.record(_read(message.spool)["block"])
            elif message.type == "stop_at" and self.acquirer.recording:
                self.acquirer.recording.move_end(message.index)
            elif message.type == "abort" and self.acquirer.recording:
                self.acquirer.recording.end("aborted")
        except RigError as error:
            self._fail(error)

    def _fail(self, error: RigError) -> None:
        self.link.send(
            "failed",
            message=error.message,
            remedy=error.remedy,
            exit_code=error.exit_code,
            code=type(error).__name__,
        )

    def _report(self) -> None:
        now = time.monotonic()
        if self.acquirer is None or now < self._progress_at:
            return
        self._progress_at = now + PROGRESS_S
        self.acquirer.tick()
        fatal = self.acquirer.fatal()
        if fatal is not None and not self._told:
            self._told = True
            self._fail(fatal)
        self.link.send("progress", data=self.acquirer.progress())

    def _over(self) -> bool:
        """Without its engine a recording goes on to its end; anything else is pointless."""
        now = time.monotonic()
        if now >= self._orphan_at:
            self._orphan_at = now + ORPHAN_CHECK_S
            self._orphaned = self.parent.gone
        if not self._orphaned:
            return False
        recording = self.acquirer.recording if self.acquirer else None
        if recording is None or recording.finished.is_set():
            return True
        self._stay_awake()
        return False

    def _stay_awake(self) -> None:
        """Keep the computer awake in the place of the engine, which is gone."""
        if self._awake is None:
            self._awake = Awake()
        if self._sleep != self._awake.granted and self.acquirer is not None:
            self._sleep = self._awake.granted
            told = {"t": "granted", "who": "acquirer", "sleep": self._sleep}
            self.acquirer.log({**told, "host_ns": time.monotonic_ns()})

    def _quit(self) -> int:
        if self._awake is not None:
            self._awake.close()
        if self.acquirer is not None:
            self.acquirer.close()
        self.link.send("done")
        self.link.close()
        return 0


def _end_with_its_thread(died: threading.ExceptHookArgs) -> None:
    """End this process when a thread of ours dies of an exception: the standby takes over.

    With a dead listener or recorder it would look alive and lose data. Threads that a driver
    starts are the driver's affair: their exceptions are printed, as ever.
    """
    threading.__excepthook__(died)
    if died.exc_type is not SystemExit and _begun_in(died.exc_traceback).startswith("tenmin."):
        sys.stderr.flush()
        os._exit(RigError.exit_code)


def _begun_in(trace: TracebackType | None) -> str:
    """Module of a thread's own first function."""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module != threading.__name__:
            return module
        trace = trace.tb_next
    return ""


def main() -> int:
    """Entry point of the process."""
    faulthandler.enable()  # a crash of native code leaves the place as its last words
    threading.excepthook = _end_with_its_thread
    ring.warm()
    with contextlib.suppress(KeyboardInterrupt):  # the terminal's Ctrl-C is for the client
        return Worker(Path(sys.argv[1]), sys.argv[2]).run()
    return 4


if __name__ == "__main__":
    sys.exit(main())
