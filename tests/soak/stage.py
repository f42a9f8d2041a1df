"""One block with its simulators and its processes, as the harness sets it up and watches it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from tenmin_simulators.options import SimOptions, parse_fault

from tenmin.crew import CHECK
from tenmin.service.client import Client
from tests.soak.accounts import Rows, Stream, account, rows_of
from tests.soak.truths import Sent, Texts, truths_of
from tests.system.conftest import Ended, kill_users_of, new_bench, until
from tests.system.killing import Block, streams_of
from tests.system.rigs import Sim, rig_args, write_rig
from tests.system.strangers import install

SIMULATED = "sim:"
Device = dict[str, Any]
JOINED = {"PYTHONPATH": os.pathsep, "LD_PRELOAD": " "}  # several faults add to these

ABORTED = 4  # exit code of a block that gave up: a primary stream that is silent early on


@dataclass(frozen=True)
class Setup:
    """What is recorded, and how long.

    Attributes
    ----------
    rigs : tuple of str
        ``sim:NAME``, several play side by side; or one path of a ``rig.toml``.
    channels, rate_hz : optional
        Of the primary stream of each simulator; its own otherwise.
    seconds, settle_s, pads_s : float
        Window, settling, each pad.
    faults : tuple of str
        What goes wrong in the simulators besides, as in ``tenmin sim --fault``.
    """

    rigs: tuple[str, ...] = ("sim:quick",)
    channels: int | None = None
    rate_hz: float | None = None
    seconds: float = 6.0
    settle_s: float = 1.0
    pads_s: float = 1.0
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = ["+".join(r.removeprefix(SIMULATED) for r in self.rigs)]
        parts += [f"{self.channels} ch"] if self.channels else []
        parts += [f"{self.rate_hz:g} Hz"] if self.rate_hz else []
        return ", ".join([*parts, f"{self.seconds:g} s", *self.faults])

    @property
    def planned_s(self) -> float:
        """Seconds that the file holds."""
        return self.seconds + 2 * self.pads_s

    def options(self, seed: int) -> SimOptions:
        """What each simulator is told."""
        faults = tuple(parse_fault(text) for text in self.faults)
        return SimOptions(rate_hz=self.rate_hz, channels=self.channels, seed=seed, faults=faults)


@dataclass(frozen=True)
class Outcome:
    """What is left of a block.

    Attributes
    ----------
    nwb : Path or None
        Its file.
    streams : list of dict
        What the program says of each.
    valid : bool
        Schema and invariants hold.
    words : str
        What the program said at the end.
    planned_s : float or None
        Seconds that it should hold; None where it was cut short.
    n_window : int or None
        Samples of the reference in the window, missing ones included.
    code : int
        Exit code of the command that made it.
    verdicts : list of dict
        The worst of each check.
    """

    nwb: Path | None
    streams: list[dict[str, Any]]
    valid: bool
    words: str
    planned_s: float | None
    n_window: int | None = None
    code: int = 0
    verdicts: list[dict[str, Any]] = field(default_factory=list)


class Stage:
    """A block of `Setup` in a folder of its own; `begin` it, do harm, `outcome`.

    Attributes
    ----------
    env : dict
        Environment of simulators and program; change it before `begin`.
    edit : list of function
        Each gets the ``[[device]]`` tables before they are written, and changes them.
    sims : list of Sim
    block : Block
    rows : dict
        Stream -> what makes its samples again.
    killed_ns : int or None
        Host time at which everything was killed, or told to end, if it was.
    ended_s : float
        Wall time at which the last command had ended.
    restarted : bool
        A simulator was started anew; what it says of itself fits only a part of the file.
    dot : Path
        The journal; kept here by what needs it after the engine's death.
    """

    def __init__(self, setup: Setup, seed: int, folder: Path) -> None:
        self.setup, self.seed, self.folder = setup, seed, folder
        self.bench = new_bench(folder)
        self.env = self.bench.env
        self.edit: list[Callable[[list[Device]], None]] = []
        self.sims: list[Sim] = []
        self.rows: dict[str, Rows] = {}
        self.reference = ""
        self.killed_ns: int | None = None
        self.ended_s = 0.0
        self.restarted = False
        self.dot = Path()
        self.rig = Path()
        self.block: Block

    # Start and end ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the simulators, then ``tenmin record``."""
        self.plug_in()
        args = self.bench.record_args(*rig_args(self.rig), *self.lengths())
        self.block = Block.of(self.bench, self.bench.start(*args))

    def plug_in(self) -> None:
        """Start the simulators and write the rig that fits them."""
        (only, *more) = self.setup.rigs
        if not only.startswith(SIMULATED):
            assert not more, "a rig.toml is recorded alone"
            self.rig = Path(only).absolute()
            return
        devices = [d for k, rig in enumerate(self.setup.rigs) for d in self._simulate(k, rig)]
        for change in self.edit:
            change(devices)
        self.reference = next(d["name"] for d in devices if d.get("primary"))
        self.rig = write_rig(self.folder / "rig.toml", devices)

    def _simulate(self, k: int, rig: str) -> list[Device]:
        name, setup = rig.removeprefix(SIMULATED), self.setup
        told = ["--seed", str(self.seed + k), "--truth", str(self.truth_file(k))]
        told += ["--channels", str(setup.channels)] if setup.channels else []
        told += ["--rate", str(setup.rate_hz)] if setup.rate_hz else []
        told += [word for fault in setup.faults for word in ("--fault", fault)]
        sim = Sim(name, self.folder, *told)
        self.sims.append(sim)
        self.env.update(sim.env)
        again = _suffix(k)
        known = {d["name"] for d in sim.devices}
        self.rows |= {n + again: r for n, r in rows_of(name, setup.options(self.seed + k)).items()}
        return [_renamed(device, again, known) for device in sim.devices]

    def truth_file(self, k: int = 0) -> Path:
        """Where the k-th simulator writes what it really did."""
        return self.folder / f"truth-{k}.json"

    def truth(self, k: int = 0) -> dict[str, Any]:
        """What the k-th simulator really did, as of its last second."""
        return json.loads(self.truth_file(k).read_text())

    def truths(self) -> dict[str, Sent | Texts]:
        """What every simulator did until the last command had ended; empty where none can say."""
        if self.restarted:
            return {}
        found: dict[str, Sent | Texts] = {}
        for k, sim in enumerate(self.sims):
            until(lambda k=k, sim=sim: sim.process.poll() is not None or self._is_new(k), 30.0)
            found |= truths_of(self.truth(k), _suffix(k))
        return found

    def _is_new(self, k: int) -> bool:
        return self.truth_file(k).stat().st_mtime > self.ended_s

    def add_env(self, more: Mapping[str, str]) -> None:
        """Change the environment; what another fault preloads or installs stays."""
        for key, value in more.items():
            before = self.env.get(key)
            joined = key in JOINED and before and value not in before
            self.env[key] = JOINED[key].join((value, before)) if joined else value

    def install(self, module: str, entry_points: str) -> None:
        """Install a stranger's distribution for the program."""
        self.add_env(install(self.folder / f"site-{module}", module, entry_points))

    def lengths(self) -> tuple[str, ...]:
        """Arguments of ``tenmin record``: how long everything is."""
        lengths = {"seconds": "seconds", "settle": "settle_s", "pads": "pads_s"}
        pairs = [(f"--{word}", f"{getattr(self.setup, key)}") for word, key in lengths.items()]
        return tuple(word for pair in pairs for word in pair)

    def close(self) -> None:
        """End everything, also what names a folder of this block and belongs to nobody now."""
        for sim in self.sims:
            sim.kill()
        self.bench.close()
        kill_users_of(self.folder)

    # While it runs ---------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the engine says."""
        return self.block.state()

    def recorded(self, window_s: float) -> dict[str, Any]:
        """Wait until so much of the window is recorded; the engine's state then."""
        return self.block.recorded(window_s)

    def full_crew(self) -> None:
        """Wait until standby, watcher and finaliser run as well."""
        self.block.full_crew()

    def pids(self, role: str) -> list[int]:
        """Process ids of a role: of `EVERYONE`, ``simulator``, ``driver`` (isolated), ``check``."""
        if role == "simulator":
            return [sim.process.pid for sim in self.sims]
        if role == "driver":
            owners = [psutil.Process(pid) for pid in self.block.pids("acquirer")]
            below = [child for owner in owners for child in owner.children()]
            return [c.pid for c in below if "tenmin.isolation" in c.cmdline()]
        if role == "check":
            crew = self.state()["crew"].items()
            return [pid for name, pid in crew if name.startswith(CHECK)]
        return self.block.pids(role)

    def kill(self, *roles: str) -> int:
        """Kill these processes with no warning; host time just before, ns."""
        return self.block.kill(*roles)

    def logs(self) -> str:
        """The end of what every process printed; the client is ended for it."""
        if not self.bench.running:
            return ""
        client = self.bench.running[0]
        client.kill()  # it may wait for ever
        said = client.communicate()[1].strip()[-1000:] if not client.stderr.closed else ""
        files = sorted(self.bench.runtime.glob("*/*.log"))
        told = {log.name: log.read_text("utf-8", "replace").strip()[-1000:] for log in files}
        return "\n".join(f"{n}: {text}" for n, text in {"client": said, **told}.items() if text)

    # What came of it -------------------------------------------------------------------------

    def outcome(self, timeout: float = 120.0) -> Outcome:
        """Wait for the end of ``tenmin record``, and take its word for what there is."""
        return self.told(self.block.end(timeout), self.setup.planned_s)

    def told(self, ended: Ended, planned_s: float | None) -> Outcome:
        """What a command says that has made the file."""
        self.ended_s = time.time()
        words = f"exit {ended.code}: {ended.err.strip()[-400:]}"
        said = ended.json if ended.out.strip() else {}
        nwb = None if said.get("nwb") is None else Path(said["nwb"])
        valid = nwb is not None and said["validation"]["ok"]
        streams = said.get("streams") or []
        if ended.code == ABORTED:
            planned_s = None  # what came until then is all that is promised
        n, verdicts = said.get("n_window"), said.get("verdicts") or []
        return Outcome(nwb, streams, valid, words, planned_s, n, ended.code, verdicts)

    def orphaned(self) -> Outcome:
        """What the engine makes when nobody waits for it any more."""
        nwb = self.block.file()
        until(lambda: not list(self.bench.out.glob("sub-*/*.dot")))
        result = until(self._result)
        self.ended_s = time.time()
        said = self.bench.run("validate", str(nwb), "--json").json
        valid = all(c["level"] == "OK" for c in said["checks"] if c["check"] == "schema")
        n_window = result["n_window"]
        return Outcome(nwb, result["streams"], valid, "", self.setup.planned_s, n_window)

    def _result(self) -> dict[str, Any] | None:
        with Client.find(self.block.folder.name, runtime=self.bench.runtime) as client:
            return client.result()["result"]

    def recovered(self, dot: Path) -> Outcome:
        """What ``tenmin recover`` makes of a journal."""
        made = self.told(self.bench.run("recover", str(dot), "--json"), None)
        streams = streams_of(dot) if made.nwb else []
        return replace(made, streams=streams)

    def rate_hz(self, outcome: Outcome) -> float | None:
        """Rate of the reference, if the program says it."""
        told = [s for s in outcome.streams if s["name"] == self.reference]
        return told[0]["rate_hz"] if told else None

    def account(self, outcome: Outcome) -> tuple[Stream, ...]:
        """Every sample of every stream of its file."""
        if outcome.nwb is None:
            return ()
        planned_s, known = outcome.planned_s, self.truths()
        return account(outcome.nwb, outcome.streams, self.rows, planned_s, self.reference, known)


def _suffix(k: int) -> str:
    """What the names of the k-th simulator's devices end with: names are unique in a rig."""
    return str(k + 1) if k else ""


def _renamed(device: Mapping[str, Any], suffix: str, known: set[str]) -> Device:
    """A device of a further simulator: another name, no reference, its sources renamed as well."""
    if not suffix:
        return dict(device)
    named = dict(device) | {"name": device["name"] + suffix, "primary": False}
    source, _, channel = str(device.get("source", "")).partition(":")
    if source in known:
        named["source"] = f"{source}{suffix}:{channel}"
    return named
