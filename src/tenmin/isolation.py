"""A driver in a process of its own: a vendor library that dies makes a gap in its stream only.

``python -m tenmin.isolation SPEC`` reads one device, and what is derived from it, into the same
rings. It tells the acquirer what happens as JSON lines on its standard output, and ends when the
acquirer closes its standard input.
"""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from tenmin import crashes, ring
from tenmin.errors import DeviceLost, RigError
from tenmin.rig import device_configs
from tenmin.ring import Ring
from tenmin.sources import Flow, Source, make_driver
from tenmin.stream import Stream
from tenmin.system import IMPORTS, Bell, FileLock, behave, spawn, stop_process

TELL_S = 0.1  # between two lines of numbers
HUNG_S = 6.0  # without a line, or in one `read`, for longer: the process is hung, and is ended
START_S = 30.0  # before its first line: it may have to compile kernels, and loads the library
PREDECESSOR_S = 2 * HUNG_S  # until an earlier process of this device, even a hung one, has ended
RETRY_S = 0.5
GRACE_S = 2.0
COUNTERS = (
    "state",
    "error",
    "alive_since_ns",
    "newest_ns",
    "n_received",
    "missing",
    "n_gaps",
)


class RemoteFlow(Flow):
    """A stream that another process puts into its ring; its numbers come as lines."""

    duplicates = reordered = 0

    def told(self, line: dict[str, Any]) -> None:
        """Take a line of the process about this stream."""
        if line["t"] == "opened":
            self._opened(line["described"])
        elif line["t"] == "numbers":
            for name in COUNTERS:
                setattr(self, name, line[name])
            self.duplicates, self.reordered = line["duplicates"], line["reordered"]
        else:
            self.log(line)
            if line["t"] == "impedance" and "ohm" in line:
                self.impedance = line
            if line["t"] == "clock":
                self._fit.add(line["x"], line["y"])
                if self._fit.n >= 2:
                    self.line = self._fit.line()

    def _opened(self, described: dict[str, Any]) -> None:
        stream = Stream.from_dict(described)
        if self.ring is None and not stream.is_marker:
            self.ring = Ring.attach(self.path)
        self.stream = stream

    def restore(self) -> None:
        """Look into the ring of a process that died; its successor goes on writing there."""
        self.taken_over = True
        if self.path.exists():
            self.ring = Ring.attach(self.path)
            self.stream = self.ring.stream

    def flush(self) -> None:
        """Nothing waits here: the other process flushes."""

    def numbers(self, now_ns: int) -> dict[str, Any]:
        """As of any stream."""
        own = {"duplicates": self.duplicates, "reordered": self.reordered, "isolated": True}
        return {**super().numbers(now_ns), **own}


class Isolated(threading.Thread):
    """Keeps the process of one device alive and passes on what it says.

    Parameters
    ----------
    flows : sequence of RemoteFlow
        The device's own, then those derived from it.
    tables : sequence of dict
        All ``[[device]]`` tables of the rig.
    folder : Path
        The rig's folder in the runtime directory.
    restored : bool
        An earlier acquirer has written to the rings already.

    Attributes
    ----------
    deaths : int
        How often the process has ended unasked.
    granted : dict of str to str
        What the system gave to the process, in words.
    """

    def __init__(
        self,
        flows: Sequence[RemoteFlow],
        tables: Sequence[dict[str, Any]],
        folder: Path,
        restored: bool,
    ) -> None:
        self.name_of_device = flows[0].config.name
        super().__init__(name=f"isolated {self.name_of_device}", daemon=True)
        self.flows = {flow.config.name: flow for flow in flows}
        self.fatal: RigError | None = None
        self.deaths = 0
        self.granted: dict[str, str] = {}
        self._tables, self._folder, self._restored = list(tables), folder, restored
        self._halt = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._told: RigError | None = None  # why it is about to end, by its own words
        self._heard_s = time.monotonic()
        self._patience_s = START_S

    @property
    def pid(self) -> int | None:
        """Process id; None while there is none."""
        return None if self._process is None else self._process.pid

    def run(self) -> None:
        """Start it, listen to it, start it again."""
        while not self._halt.is_set() and self.fatal is None:
            try:
                why = self._listen()
            except Exception as error:  # else nobody would listen any more, and nobody know
                why = error if isinstance(error, RigError) else self._unheard(error)
                self._end_at_once()
            if not self._halt.is_set() and self.fatal is None:
                self._died(why)
                self._halt.wait(RETRY_S)

    def _listen(self) -> RigError:
        """Start the process and take what it says until it ends; why it did."""
        words = self._folder / f"isolated-{self.name_of_device}.log"
        with words.open("ab") as errors:
            args = [sys.executable, "-m", "tenmin.isolation", str(self._spec())]
            pipe = subprocess.PIPE
            process = spawn(args, stdin=pipe, stdout=pipe, stderr=errors, below=IMPORTS)
        self._process, self._told = process, None
        self._heard_s, self._patience_s = time.monotonic(), START_S
        if self._halt.is_set():  # meanwhile, and it was not there to be ended
            self.halt()
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        assert process.stdin is not None and process.stdout is not None
        with process.stdin, process.stdout:
            for line in _lines(process.stdout):
                self._heard_s, self._patience_s = time.monotonic(), HUNG_S
                self._take(line)
        silent_s = time.monotonic() - self._heard_s
        return self._told or crashes.ended(
            self.name_of_device, process.wait(), silent_s, self._patience_s
        )

    def _unheard(self, error: Exception) -> RigError:
        return DeviceLost(
            f"Nobody could listen to the process of {self.name_of_device}: {error!r}.",
            remedy="It is tried again. Free memory and disk; else report these words.",
        )

    def _end_at_once(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def _spec(self) -> Path:
        path = self._folder / f"isolated-{self.name_of_device}.json"
        spec = {
            "devices": self._tables,
            "names": list(self.flows),
            "folder": str(self._folder),
            "restored": self._restored,
        }
        path.write_text(json.dumps(spec), "utf-8")
        self._restored = True
        return path

    def _take(self, line: dict[str, Any]) -> None:
        if line["t"] == "ending":
            self._told = RigError(line["message"], remedy=line["remedy"])
            self._told.exit_code = line["exit_code"]
            if line["fatal"] and self.flows[self.name_of_device].stream is None:
                self.fatal = self._told
        elif line["t"] == "granted":
            self.granted = line["granted"]
        else:
            self.flows[line["stream"]].told(line)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the process when it hangs: a library may block for ever."""
        while process.poll() is None and not self._halt.wait(TELL_S):
            if time.monotonic() - self._heard_s > self._patience_s:
                process.kill()

    def _died(self, error: RigError) -> None:
        self.deaths += 1
        for name, flow in self.flows.items():
            flow.lost(error)
            now = time.monotonic_ns()
            flow.log({"t": "reconnect", "stream": name, "reason": str(error), "host_ns": now})

    def halt(self) -> None:
        """Let the process close its device and end; `join` waits for it."""
        self._halt.set()
        process = self._process
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            threading.Thread(target=_end, args=(process,), daemon=True).start()

    def kill(self) -> None:
        """End its process at once: nothing more may come into the rings."""
        self._halt.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        stop_process(process, GRACE_S)


def _lines(stream: Any) -> Iterator[dict[str, Any]]:
    """The whole lines; what a dying process left torn is no JSON and is left out."""
    for raw in stream:
        try:
            yield json.loads(raw)
        except ValueError:
            continue


# The other process ---------------------------------------------------------------------------


class Teller:
    """Writes lines to the acquirer; never to what a vendor's library prints to."""

    def __init__(self) -> None:
        self._out: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._lock = threading.Lock()
        self.broken = threading.Event()

    def __call__(self, line: dict[str, Any]) -> None:
        """Write one line."""
        text = json.dumps(line).encode() + b"\n"
        with self._lock:
            try:
                self._out.write(text)
            except OSError:
                self.broken.set()  # the acquirer is gone; this process ends


def main() -> int:
    """Entry point of the process."""
    faulthandler.enable()  # a crash of native code leaves the place as its last words
    _die_after(START_S)
    spec = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    tell = Teller()
    try:
        source = _work(spec, tell)
    except Exception as error:  # whatever it is, the operator hears of it
        traceback.print_exc()
        lasting = isinstance(error, RigError) and not isinstance(error, DeviceLost)
        tell(_ending(error, fatal=lasting))
        return 1
    source.halt()
    source.join(GRACE_S)
    if source.is_alive():  # it hangs, and might do so in what ends the interpreter, too
        sys.stderr.flush()
        os._exit(1)
    return 0


def _die_after(seconds: float) -> None:
    """End this process, with its stacks printed, unless this is called again in time.

    A thread of C does it: a library that hangs with the lock of the interpreter hinders every
    thread of Python, and the process would outlive its acquirer and keep the ring's lock.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)


def _ending(error: Exception, fatal: bool) -> dict[str, Any]:
    """The last line; `fatal` ends the block if the device has never been open."""
    if not isinstance(error, RigError):
        error = DeviceLost(f"The driver's process failed: {error!r}.", remedy="Report these words.")
    told = {"message": error.message, "remedy": error.remedy, "exit_code": error.exit_code}
    return {"t": "ending", "fatal": fatal, **told}


def _work(spec: dict[str, Any], tell: Teller) -> Source:
    """Read the device until the acquirer closes our standard input."""
    folder, names = Path(spec["folder"]), spec["names"]
    ring.warm()
    configs = {c.name: c for c in device_configs(spec["devices"]) if c.name in names}
    lock = FileLock(folder / "rings" / f"{names[0]}.writer")
    _wait_for(lock)
    bell = Bell(folder / "watcher.wake")
    flows = {name: Flow(config, folder / "rings", tell) for name, config in configs.items()}
    own, *others = (flows[name] for name in names)
    for flow in flows.values():
        flow.wake = bell.ring
        if spec["restored"]:
            flow.restore()
    for flow in others:
        own.derived.append((make_driver(flow.config), flow))
    source = Source(make_driver(own.config), own)
    tell({"t": "granted", "granted": {"kernels": ring.cached(), **behave("driver")}})
    _die_after(HUNG_S)
    source.start()
    _serve(source, flows, tell)
    return source


def _wait_for(lock: FileLock) -> None:
    """Let a predecessor end first: a ring has one writer."""
    deadline = time.monotonic() + PREDECESSOR_S
    while not lock.acquire():
        if time.monotonic() > deadline:
            raise DeviceLost(
                "An earlier process of this device still writes into its ring.",
                remedy="It is tried again; end the processes of earlier blocks on this rig.",
            )
        time.sleep(TELL_S)


def _serve(source: Source, flows: dict[str, Flow], tell: Teller) -> None:
    """Tell the numbers until the acquirer closes our standard input."""
    closed = threading.Event()
    threading.Thread(target=_wait_for_end, args=(closed,), daemon=True).start()
    known: set[str] = set()
    while not closed.wait(TELL_S) and not tell.broken.is_set():
        _die_after(HUNG_S)
        for name, flow in flows.items():
            if flow.stream is not None and name not in known:
                known.add(name)
                tell({"t": "opened", "stream": name, "described": asdict(flow.stream)})
            tell(_numbers(name, flow))
        if source.fatal is not None:
            tell(_ending(source.fatal, fatal=True))
            return
        since = source.read_since_s
        if since is not None and time.monotonic() - since > HUNG_S:
            faulthandler.dump_traceback()
            why = f"has not returned from one read for {HUNG_S:g} s"
            tell(_ending(crashes.hung(source.flow.config.name, why), fatal=False))
            sys.stderr.flush()
            os._exit(1)  # what hangs might hinder any other way to end


def _numbers(name: str, flow: Flow) -> dict[str, Any]:
    counters = {key: getattr(flow, key) for key in COUNTERS}
    found = flow.indexer
    counters["duplicates"] = found.duplicates if found else 0
    counters["reordered"] = found.reordered if found else 0
    return {"t": "numbers", "stream": name, **counters}


def _wait_for_end(closed: threading.Event) -> None:
    sys.stdin.buffer.read()
    closed.set()


if __name__ == "__main__":
    sys.exit(main())
