"""The engine: supervises the workers, moves the block through its phases, answers clients.

``python -m tenmin.engine FOLDER`` reads ``FOLDER/spec.json`` (see `tenmin.launch`). No sample
passes through this process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from tenmin import __version__, parent
from tenmin.crew import Crew, Worker
from tenmin.errors import EngineGone, MessageRefused, RigBusy, RigError
from tenmin.granted import Granted
from tenmin.guests import Guests
from tenmin.job import Job
from tenmin.launch import EngineSpec, load_spec
from tenmin.orphan import Orphan, unfinished
from tenmin.rig import Rig, load_rig
from tenmin.service import messages
from tenmin.service.server import Request, Server, WorkerMessage
from tenmin.simulated import Simulation
from tenmin.system import FileLock, writable_caches

LOOK_S = 0.05  # how often it looks whether a worker has died; messages wake it at once
TICK_S = 0.1
LINGER_S = 10.0  # after its last block an engine waits for clients that want the result
UNASKED_S = 60.0  # how long an engine that was started for one block waits for its start
MAX_DEATHS = 10  # of one role within a block
FINISHED = {"message": "The block of an earlier engine, which died, is finished."}


class Engine:
    """One rig, one block at a time.

    Parameters
    ----------
    folder : Path
        The rig's folder in the runtime directory.
    spec : EngineSpec
        What it was started for.
    """

    def __init__(self, folder: Path, spec: EngineSpec) -> None:
        self.folder, self.spec = folder, spec
        self.rig: Rig = load_rig(spec.rig, instance=spec.rig_id.rsplit("-", 1)[-1])
        self.simulation: Simulation | None = None
        self.job: Job | None = None
        self.orphan: Orphan | None = unfinished(folder)
        self.result: dict[str, Any] | None = None
        self.crew = Crew(folder, os.environ)
        self.guests = Guests(self.crew)
        self.server = Server(folder)
        self.granted = Granted()
        self._stopping = False
        self._idle_since: float | None = None
        self._tick_at = 0.0

    def run(self) -> int:
        """Serve until stopped, or until the last block of an engine that lives for one."""
        self._announce()
        self._finish_orphan()
        if self.orphan is None:
            self._man()
        self._write_state(None)
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._asked_to_end)
        while not self._over():
            for item in self.server.poll(min(LOOK_S, self._tick_at - time.monotonic())):
                if isinstance(item, Request):
                    self._answer(item)
                else:
                    self._hear(item)
            self._supervise()
            if time.monotonic() >= self._tick_at:
                self._tick_at = time.monotonic() + TICK_S
                self.granted.keep(self._busy())
                self._tick()
        return self._end()

    def _announce(self) -> None:
        parent.announce(self.folder, self.server.addresses["workers"], uuid4().hex)

    def _write_state(self, dot: Path | None) -> None:
        """Say where this engine is, and which journal it is responsible for."""
        state = {
            "pid": os.getpid(),
            "rig_id": self.spec.rig_id,
            "rig": self.spec.rig,
            "started_utc": datetime.now(UTC).isoformat(),
            "version": __version__,
            "dot": None if dot is None else str(dot),
            **self.server.addresses,
        }
        part = self.folder / "engine.json.part"
        part.write_text(json.dumps(state), "utf-8")
        part.replace(self.folder / "engine.json")

    def _man(self) -> None:
        """Start the far side of a simulated rig, and the workers."""
        if self.spec.simulator is not None and self.simulation is None:
            self.simulation = Simulation.start(self.folder, self.spec)
            self.crew = self.guests.crew = Crew(self.folder, self.simulation.env)
            self.rig = self.rig.with_devices(self.simulation.devices)
        for role in ("acquirer", "watcher"):
            if not self.crew.of(role):
                self.crew.start_linked(role, f"tenmin.{role}")

    def _asked_to_end(self, *_: Any) -> None:
        self._stopping = True

    # Requests --------------------------------------------------------------------------------

    def _answer(self, request: Request) -> None:
        message = request.message
        try:
            request.reply(self._do(message))
        except RigError as error:
            request.refuse(error)
        except Exception as error:  # a block may be running: no request may end it
            traceback.print_exc()
            request.refuse(MessageRefused(f"`{message.type}` failed in the engine: {error!r}."))

    def _do(self, message: messages.Request) -> dict[str, Any]:
        if isinstance(message, messages.Hello | messages.Status):
            return self._state()
        if isinstance(message, messages.Start):
            return self._start(message)
        if isinstance(message, messages.Result):
            return {"result": self.result}
        if isinstance(message, messages.Stop):
            if self._busy():
                raise MessageRefused("A block is running.", remedy="Abort it first, or wait.")
            self._stopping = True
            return {}
        if self.job is None or self.job.over:
            raise MessageRefused("No block is running.", remedy="Start one first.")
        return self.job.obey(message)

    def _busy(self) -> bool:
        return self.orphan is not None or (self.job is not None and not self.job.over)

    def _start(self, message: messages.Start) -> dict[str, Any]:
        if self.orphan is not None:
            raise RigBusy(f"An earlier block is still being finished: {self.orphan.dot}.")
        if self._busy():
            raise RigBusy("A block is running on this rig.")
        self._man()  # an engine that had to finish a dead one's block has no workers yet
        self.result, self._idle_since = None, None
        whom = (self.crew, self.server, self.granted, self.guests)
        self.job = Job.start(message, self.rig, self.spec, self.folder, *whom)
        self._write_state(self.job.dot)
        return {"dot": str(self.job.dot), "rig": self.rig.id}

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "rig": self.rig.id,
            "version": __version__,
            "pid": os.getpid(),
            "ready": bool(self.crew.of("acquirer")) and self.crew.of("acquirer")[0].ready,
            "crew": {w.name: w.process.pid for w in self.crew.workers.values()},
            "simulator": self.simulation.pid if self.simulation else None,
            "deaths": self.crew.deaths,
            "granted": self.granted.told(self.crew, self.job.progress if self.job else {}),
        }
        if self.orphan is not None:
            state["snapshot"] = self.orphan.snapshot()
        elif self.job is not None:
            state["snapshot"] = self.job.snapshot()
        return state

    # Workers ---------------------------------------------------------------------------------

    def _hear(self, item: WorkerMessage) -> None:
        worker = self.crew.workers.get(item.worker)
        if worker is None:
            return
        if isinstance(item.message, messages.Ready):
            worker.ready, worker.granted = True, item.message.granted
            if worker.watches and self.job is not None:
                self.job.man_watcher(worker)
            if worker.role == "acquirer":
                self._acquirer_ready()
        elif self.job is not None:
            self.job.hear(worker, item.message)
        if self.guests.has(worker):
            self.guests.hear(worker, item.message, time.monotonic())

    def _acquirer_ready(self) -> None:
        if self.job is not None:
            self.job.man_acquirer()
        if len(self.crew.of("acquirer")) < 2 and not self._stopping:
            self.crew.start_linked("acquirer", "tenmin.acquirer")  # the standby
        if not self._stopping:
            self.guests.man()  # only now: their imports delay nobody's start

    def _supervise(self) -> None:
        for worker in self.crew.died():
            self.server.forget(worker.name)
            words = self.crew.last_words(worker)
            if self.guests.has(worker):
                self._guest_died(worker, words)
                continue
            if self.job is not None:
                self.job.lost(worker, words)
            vital = worker.role != "finaliser"  # the file can be made later as well
            if vital and self.crew.deaths.get(worker.role, 0) > MAX_DEATHS:
                self._give_up(worker.role, words)
                continue
            if worker.role == "acquirer" and not self.crew.of("acquirer"):
                self.crew.start_linked("acquirer", "tenmin.acquirer")
            elif worker.role == "acquirer":
                self.crew.later("acquirer", "tenmin.acquirer")
            elif worker.role == "watcher":
                self.crew.later("watcher", "tenmin.watcher")
        self.guests.step(time.monotonic())
        self.crew.start_due()

    def _guest_died(self, worker: Worker, words: str) -> None:
        fault = self.guests.died(worker, words)
        if self.job is not None:
            self.job.fault(fault)

    def _give_up(self, role: str, words: str) -> None:
        error = EngineGone(
            f"The {role} died {MAX_DEATHS + 1} times; its last words: {words[-300:]!r}.",
            remedy="What was recorded is kept; report the last words.",
        )
        if self.job is not None:
            self.job.fail(error)

    # Time ------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.orphan is not None:
            self._finish_orphan()
            return
        if self.job is None:
            if self.result is not None:  # whose client may come only now
                self.server.publish("snapshot", {"phase": "IDLE", "over": True, **FINISHED})
            return
        self.job.step()
        if self.simulation is not None and self.job.t0_host_ns is not None:
            self.simulation.zero(self.job.t0_host_ns)
        self.server.publish("snapshot", self.job.snapshot())
        if self.job.over and self.result is None:
            self.result = self.job.result
            self.server.publish("result", self.result or {})
            self._write_state(None)
            self.crew.deaths.clear()

    def _finish_orphan(self) -> None:
        """One step towards the file of a dead engine's block."""
        if self.orphan is None:
            return
        self.orphan.step()
        self.server.publish("snapshot", self.orphan.snapshot())
        if self.orphan.over:
            self.result = self.orphan.result
            self.server.publish("result", self.result or {})
            self.orphan = None
            if not self.spec.once:
                self._man()

    def _over(self) -> bool:
        if self._stopping:
            return True
        if not self.spec.once or self._busy():
            return False
        # Its client died before it asked for anything, or the last block is over.
        patience = UNASKED_S if self.result is None else LINGER_S
        self._idle_since = self._idle_since or time.monotonic()
        return time.monotonic() - self._idle_since > patience

    def _end(self) -> int:
        """End in good order; a block that runs is left to its acquirer, which ends as planned."""
        self.granted.keep(False)
        if self.job is not None and not self.job.over:
            self.server.close()
            return 0
        self.crew.dismiss()
        if self.simulation is not None:
            self.simulation.stop()
        (self.folder / "engine.json").unlink(missing_ok=True)
        self.server.close()
        # The rings fill memory, and a simulated rig's folder is used only once.
        shutil.rmtree(self.folder / "rings", ignore_errors=True)
        if self.spec.simulator is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return 0


def main() -> int:
    """Entry point of the process."""
    folder = Path(sys.argv[1])
    lock = FileLock(folder / "engine.lock")
    try:
        if not lock.acquire():
            raise RigBusy(f"Another engine runs on the rig {folder.name}.")
        writable_caches()  # before any worker is started: each would compile all kernels itself
        return Engine(folder, load_spec(folder)).run()
    except RigError as error:
        _tell_failure(folder, error)
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception as error:
        traceback.print_exc()
        _tell_failure(folder, EngineGone(f"The engine failed: {error!r}."))
        return 3
    finally:
        lock.release()


def _tell_failure(folder: Path, error: RigError) -> None:
    """Leave the reason where the process that started this one looks for it."""
    told = {"message": error.message, "remedy": error.remedy, "exit_code": error.exit_code}
    (folder / "failure.json").write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
