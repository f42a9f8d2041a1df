"""One block as the engine runs it: facts in, phases on, orders to the workers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from tenmin import protocol as protocols
from tenmin import subject as subjects
from tenmin.block import Block
from tenmin.checks.parameters import load
from tenmin.crew import CHECK, Crew, Worker
from tenmin.disk_watch import DiskWatch
from tenmin.dot import (
    bytes_needed,
    discard_half_made,
    discard_journal,
    make_folder,
    nwb_name,
    session_id,
)
from tenmin.errors import DeviceLost, EngineGone, MessageRefused, RigError, StreamNeverStarted
from tenmin.eventlog import EventLog
from tenmin.facts import known, missing, reasons
from tenmin.filing import Filing
from tenmin.findings import Findings
from tenmin.gauges import Gauges
from tenmin.granted import Granted
from tenmin.guests import Fault, Guests
from tenmin.hearsay import event_of
from tenmin.hopeless import hopeless, never_came
from tenmin.launch import EngineSpec
from tenmin.orders import Orders
from tenmin.orphan import IN_PROGRESS
from tenmin.outcome import outcome
from tenmin.phases import Event, Facts, Phase
from tenmin.phases import Request as BlockRequest
from tenmin.pressure import TOO_SLOW, of_block, reason_in, verdicts
from tenmin.recorder.journal import write_json
from tenmin.rig import Rig
from tenmin.service import messages
from tenmin.service.server import Server
from tenmin.software import versions
from tenmin.verdict import OK, Verdict
from tenmin.window import window_samples

ENDED = (Phase.SUMMARISED, Phase.ABORTED)
RUNNING = (Phase.RECORDING, Phase.EXTENDING, Phase.CLOSING)


class Job:
    """A block from its start command to its file.

    Attributes
    ----------
    dot : Path
        The journal's folder.
    block : Block
        Where it stands.
    over : bool
        Whether nothing more will happen.
    result : dict or None
        What ``record --json`` prints, once it is over.
    """

    def __init__(
        self,
        request: messages.Start,
        rig: Rig,
        spec: EngineSpec,
        folder: Path,
        crew: Crew,
        server: Server,
        granted: Granted,
        guests: Guests,
    ) -> None:
        self.rig, self.folder, self.crew, self.server = rig, folder, crew, server
        self.granted, self.guests = granted, guests
        self.request = request
        self.protocol = protocols.load(request.protocol or default_protocol(rig))
        self.facts = subjects.merge(rig.facts, request.subject, request.facts)
        asked = self.protocol.asked_before(request.position)
        self.absent = tuple(missing(self.facts, asked))
        self.now = self._began_s = time.monotonic()
        self.block = Block.new(self.protocol, _block_request(request), self.now)
        code = str(self.facts.get("subject.code") or "unknown")
        out = Path(request.out or spec.out or "tenmin-data").absolute()
        self.dot = make_folder(out, code, rig.simulated)
        self.events = EventLog()  # a slow disk must not keep the engine from its clients
        self.events.open(self.dot / "events.jsonl")
        self.findings = Findings(self.dot)
        self.disk = DiskWatch(self.dot)
        self.disk.look(self.now, {}, recording=False)
        self.filing = Filing(self.dot, crew)
        self.progress: dict[str, Any] = {"streams": {}}
        self.error: RigError | None = None
        self.result: dict[str, Any] | None = None
        self.over = False
        self.parameters = load(rig.checks)
        setting: dict[str, Any] = {
            "mains_hz": rig.mains_hz,
            "facts": {**known(self.facts), "dot.condition": self.protocol.condition},
            "primary": rig.primary.name,
            "parameters": None if rig.checks is None else str(rig.checks),
        }
        self.gauges = Gauges(self.parameters, setting["facts"], rig.primary.name)
        self._gauged: list[Verdict] = []
        self.orders = Orders(folder, self.dot, rig.device_tables, setting, crew, server)
        self._anchor: dict[str, Any] | None = None  # t0, once the watchers know it
        self._ended = self._reached_end = False

    @classmethod
    def start(cls, *args: Any) -> Job:
        """Make the folder, tell the workers, and return the running block."""
        job = cls(*args)
        left = {"dot": str(job.dot), "keep_journal": job.request.keep_journal}
        write_json(job.folder / IN_PROGRESS, left)
        rings = job.folder / "rings"
        for old in rings.glob("*") if rings.exists() else ():
            old.unlink()
        job.man_acquirer()
        for fault in job.guests.begin():
            job.fault(fault)
        for role in job.guests.waited_for:
            job.findings.silence(role, "It has not said anything yet.")
        for worker in job.crew.watchers():
            job.man_watcher(worker)
        return job

    # Workers ---------------------------------------------------------------------------------

    def man_acquirer(self) -> None:
        """Give the data path to the oldest acquirer that is ready, if nobody has it."""
        if not (self.orders.held or self.over or self._ended) and self.orders.give():
            self._repeat_orders()

    def _repeat_orders(self) -> None:
        """Tell a new acquirer what is not in its spool and the last one may not have heard."""
        if self.block.phase is Phase.ABORTED:
            self.orders.tell("abort", reason="aborted")
        elif self.block.phase in RUNNING and self.block.target_s != self.block.plan.seconds:
            self._extend()

    def man_watcher(self, worker: Worker) -> None:
        """Let a watcher watch."""
        if worker.ready:
            self.server.tell(worker.name, "go", spool=str(self.orders.path))
            if self._anchor is not None:
                self.server.tell(worker.name, "anchor", **self._anchor)
            if self.guests.has(worker):
                self.guests.watch(worker, time.monotonic())

    def fault(self, fault: Fault) -> None:
        """A check of another distribution died: its verdict is UNKNOWN, and nothing else."""
        if not self.over:
            self.findings.silence(CHECK + fault.check, fault.text)
            self._log_fault(fault.check, fault.text)

    def _log_fault(self, check: str, text: str, stream: str = "") -> None:
        about = f"{check} of {stream}" if stream else check
        self._log(Event(time.monotonic(), "check_fault", f"{about}: {text}"))

    def lost(self, worker: Worker, words: str) -> None:
        """A worker has died, or ended as told."""
        if worker.role == "finaliser":
            self._finaliser_ended(words)
        elif not worker.leaving and not self.over:
            value = f"{worker.role} died and is started again"
            self._log(Event(time.monotonic(), "device_warning", value))
            if worker.role == "watcher":
                self.findings.silence("watcher")
            if self.orders.of(worker):
                self.orders.lost()
                self.man_acquirer()

    def _finaliser_ended(self, words: str) -> None:
        self.filing.ended(words, self._closed)
        if not self.filing.done:
            value = f"the writer of the file ended: {words[-300:] or 'no word from it'}"
            self._log(Event(time.monotonic(), "device_warning", value))

    @property
    def _closed(self) -> bool:
        """Whether nobody writes the journal any more."""
        return self._ended or (self.block.phase in ENDED and not self.orders.held)

    def _unwritten(self) -> None:
        remedy = f"The journal is kept; run `tenmin recover {self.dot}`."
        if self.error is not None:  # as a full disk, which ended the block and its file
            self.error.remedy += f" {remedy}"
            return
        words = self.filing.last_words[-500:] or "no word why"
        self.fail(EngineGone(f"The file could not be written: {words}.", remedy=remedy))

    def hear(self, worker: Worker, message: messages.FromWorker) -> None:
        """Take what a worker says."""
        if self.over:
            return
        if isinstance(message, messages.Progress) and self.orders.of(worker):
            self.progress = message.data
            self._tell_t0()
            if message.data.get("ended"):
                self._journal_ended(message.data["ended"])
        elif isinstance(message, messages.Verdicts):
            self._take_verdicts(worker, message)
        elif isinstance(message, messages.Arousal):
            self.findings.arousal = message.model_dump(exclude={"v", "type"})
        elif isinstance(message, messages.Log) and message.line.get("t") == "check_fault":
            line = message.line
            self._log_fault(str(line["check"]), str(line["text"]), str(line["stream"]))
        elif isinstance(message, messages.Failed) and not self.guests.has(worker):
            error = RigError(message.message, remedy=message.remedy)
            error.exit_code = message.exit_code
            self.fail(error)

    def _tell_t0(self) -> None:
        """Let the watchers count their seconds from t0, once it is known."""
        index, host_ns = self.progress.get("t0"), self.t0_host_ns
        if self._anchor is not None or index is None or host_ns is None:
            return
        self._anchor = {
            "stream": self.rig.primary.name,
            "index": index,
            "host_ns": host_ns,
            "seconds": self.block.plan.seconds,
        }
        for worker in self.crew.of("watcher"):
            self.server.tell(worker.name, "anchor", **self._anchor)

    def _journal_ended(self, reason: str) -> None:
        self._ended, self._reached_end = True, reason == "complete"
        if reason == TOO_SLOW and (error := reason_in(self.dot)) is not None:
            self.fail(error)
        if reason == "reference lost":
            told = self.progress["streams"].get(self.rig.primary.name, {}).get("error")
            self.fail(
                DeviceLost(
                    f"The reference stream {self.rig.primary.name} never came back: "
                    f"{told or 'it sends nothing'}",
                    remedy="The block ended at its planned time and what came is in the file; "
                    "mend the device, then record again.",
                )
            )

    def _take_verdicts(self, worker: Worker, message: messages.Verdicts) -> None:
        try:
            self.findings.take(worker.role, message, time.monotonic())
        except RigError as error:
            self.fail(error)

    def _judge(self) -> None:
        """Log verdicts that have changed, by what was said or by silence."""
        # What is missing after the journal's end is missing in no file.
        # Before t0 windows of some seconds begin anew, and nothing of it is in any summary.
        t0 = self.t0_host_ns
        begun = t0 is not None and self.now * 1e9 >= t0
        recording = self.block.phase in RUNNING and begun and not self._ended
        for verdict in self.findings.changes(self.now, latch=recording):
            self._log(Event(self.now, "verdict", json.dumps(asdict(verdict))))

    def _look_at_disk(self) -> None:
        """Its speed before the recording; while recording, whether it keeps up and lasts."""
        streams, began_s = self.progress["streams"], self.block.record_at
        self.disk.look(self.now, streams, recording=began_s is not None)
        if self.block.phase is Phase.SETTLE:
            self.disk.measure()
        if began_s is None:
            return
        end_s = began_s + self.block.target_s + 2 * self.block.plan.pads_s
        found = self.disk.verdict(self.now, max(0.0, end_s - self.now))
        if found.level != OK and found.onset_s == self.now:
            self._log(Event(self.now, "device_warning", found.action))
        self._gauged = [*verdicts(streams), found]

    def _gauge(self) -> None:
        """What the engine finds itself."""
        found = self.gauges.verdicts(self.progress["streams"], self.now)
        try:
            self.findings.gauge([*found, *self._gauged], self.now)
        except RigError as error:
            self.fail(error)

    # Commands --------------------------------------------------------------------------------

    def obey(self, message: messages.Request) -> dict[str, Any]:
        """Carry out a client's command."""
        now = time.monotonic()
        if isinstance(message, messages.ConfirmStart):
            self._move(self.block.start(now, message.reason))
        elif isinstance(message, messages.Abort):
            self._move(self.block.abort(now, message.reason or "asked to"))
        elif isinstance(message, messages.Note | messages.Event):
            self._happened(event_of(message, now, self._began_s))
        else:
            raise MessageRefused(f"{message.type} is not for a running block.")
        return {"phase": self.block.phase.name}

    def _happened(self, event: Event) -> None:
        """Log what a client says, and tell it to the checks."""
        self._log(event)
        told = {
            "code": event.code,
            "value": event.value,
            "onset_host_ns": round(event.onset_s * 1e9),
            "duration_s": event.duration_s,
        }
        for worker in self.crew.of("watcher"):
            self.server.tell(worker.name, "happened", **told)

    def fail(self, error: RigError) -> None:
        """Something makes going on pointless; what was recorded is kept."""
        if self.error is None:
            self.error = error  # the next step of the block finds it among its facts

    # Time ------------------------------------------------------------------------------------

    @property
    def t0_host_ns(self) -> int | None:
        """Host time of t0; None before it is known."""
        return self.progress.get("t0_host_ns")

    def step(self) -> None:
        """Do what is due."""
        if self.over:
            return
        self.now = time.monotonic()
        if not self.filing.given_up:
            self.filing.step(self._ended, self._closed)
            if self.filing.given_up:
                self._unwritten()
        self._look_at_disk()
        self._gauge()
        streams, reference = self.progress["streams"], self.rig.primary.name
        error = hopeless(self.block, streams, reference, str(self.dot.parent), self.now)
        if error is not None:
            self.fail(error)
        self._judge()
        self._move(self.block.step(self.now, self._known()))
        if self.block.phase is Phase.ABORTED and self.error is None:
            self.error = self._why_aborted()
        if self.block.phase in ENDED:
            self._finish()

    def _why_aborted(self) -> RigError | None:
        silent = [n for n, s in self.progress["streams"].items() if s["required"] and s["error"]]
        silent += [
            n
            for n, s in self.progress["streams"].items()
            if s["required"] and not s["received"] and n not in silent and s["rate_hz"] != 0
        ]
        if self.orders.settle_ns is None and silent:
            told = "; ".join(
                f"{n}: {self.progress['streams'][n]['error'] or 'nothing came'}" for n in silent
            )
            return StreamNeverStarted(f"No data from {told}")
        return None

    def _move(self, block: Block) -> None:
        before, self.block = self.block, block
        for event in block.log:
            self._log(event)
        if block.phase is not before.phase:
            self._entered(block.phase)
        if block.target_s != before.target_s and block.phase in RUNNING:
            self._extend()
        self.block = replace(self.block, log=())

    def _entered(self, phase: Phase) -> None:
        if phase is Phase.SETTLE:
            self.orders.settle(time.monotonic_ns())
        elif phase is Phase.RECORDING:
            self.disk.restart()
            for name in never_came(self.progress["streams"]):
                told = f"{name} delivers nothing; the block goes on without it"
                self._log(Event(time.monotonic(), "device_warning", told))
            self.granted.look()  # since the settling began, somebody may have pulled a plug
            self.orders.record(self._block_json())
            for worker in self.crew.watchers():
                self.server.tell(worker.name, "record", spool=str(self.orders.path))
        elif phase is Phase.ABORTED:
            self.orders.tell("abort", reason="aborted")

    def _extend(self) -> None:
        t0, rate = self.progress.get("t0"), self.progress.get("rate_hz")
        if t0 is None or not rate:
            return
        stop = t0 + window_samples(self.block.target_s, rate)
        stop += window_samples(self.block.plan.pads_s, rate)
        self.orders.tell("stop_at", index=stop)

    def _known(self) -> Facts:
        streams: Mapping[str, Any] = self.progress["streams"]
        reached, t0 = self.progress.get("reached"), self.progress.get("t0")
        rate = self.progress.get("rate_hz")
        window = None if t0 is None or reached is None else max(0.0, (reached - t0) / rate)
        if self._reached_end:
            window = max(window or 0.0, self.block.target_s)
        needed = bytes_needed(streams, self.block.target_s + 2 * self.block.plan.pads_s)
        return Facts(
            alive_s={
                n: s["alive_s"] if s["alive_s"] > 0 else None
                for n, s in streams.items()
                if s["required"]
            },
            reference=self.rig.primary.name,
            verdicts=self.findings.current(self.now),
            missing_facts=self.absent,
            disk_need_bytes=needed,
            **self.disk.facts(),
            clock_points_s=self.progress.get("clock_points_s") or 0.0,
            window_s=window,
            clean_s=self._clean_s,
            pad_done=self._ended,
            closed=self._ended,
            finalised=self.filing.done,
            failed=None if self.error is None else str(self.error),
        )

    @property
    def _clean_s(self) -> float | None:
        """Clean seconds of the reference since t0; None while nobody knows."""
        told = self.findings.clean.get(self.rig.primary.name)
        return None if told is None or not told["judged_s"] else float(told["clean_s"])

    def _finish(self) -> None:
        recorded = (self.dot / "block.json").exists()
        if recorded and not self._closed:
            return  # the acquirer closes the journal first
        if recorded and not self.filing.done and not self.filing.given_up:
            return
        self.over = True
        for log in (self.events, self.findings):
            try:
                log.close()
            except RigError as error:
                self.fail(error)
        self.findings.absent(never_came(self.progress["streams"]), self.progress["streams"])
        discard_half_made(self.dot)
        self.result = outcome(self.dot, self.findings.worst.values(), self.block, self.error)
        if not recorded:
            self.result |= {
                "simulated": self.rig.simulated,
                "nonstandard": self.block.plan.nonstandard,
                "seconds_asked": self.block.plan.seconds,
            }
        self.orders.dismiss()
        (self.folder / IN_PROGRESS).unlink(missing_ok=True)
        if not self._worth_keeping(recorded):
            discard_journal(self.dot)
            self.result["journal"] = None

    def _worth_keeping(self, recorded: bool) -> bool:
        """Whether the journal stays: nothing is deleted that is not in a verified file."""
        if self.request.keep_journal:
            return True
        if not recorded:
            return self.orders.settle_ns is not None
        assert self.result is not None
        return self.block.phase is Phase.ABORTED or not self.result["verified"]

    # Files -----------------------------------------------------------------------------------

    def _block_json(self) -> dict[str, Any]:
        kinds = [s["kind"] for s in self.progress["streams"].values()]
        return {
            "identifier": str(uuid4()),
            "created_utc": datetime.now(UTC).isoformat(),
            "simulated": self.rig.simulated,
            "nonstandard": self.block.plan.nonstandard,
            "software": versions(),
            "disk": self.disk.told(),
            "granted": self.granted.told(self.crew, self.progress) | self.disk.granted(),
            "position": self.request.position,
            "seconds": self.block.plan.seconds,
            "pad_s": self.block.plan.pads_s,
            "settle_host_ns": self.orders.settle_ns,
            "reference": self.rig.primary.name,
            "nwb": nwb_name(self.dot, kinds),
            "session_id": session_id(self.dot),
            "rig": self.rig.as_dict(),
            "protocol": self.protocol.as_dict(),
            "facts": known(self.facts),
            "unknown_facts": reasons(self.facts),
            "subject": subjects.of_nwb(self.facts),
            "hashes": {
                "rig": self.rig.sha256,
                "protocol": self.protocol.sha256,
                "checks": self.parameters.sha256,
            },
            "checks": self.parameters.as_dict(),
        }

    def _log(self, event: Event) -> None:
        self.events(event.as_dict(), sync=event.code == "phase")
        if self.events.failure is not None:
            self.fail(self.events.failure)
        self.server.publish("event", event.as_dict())

    def snapshot(self) -> dict[str, Any]:
        """What clients see, ten times a second."""
        pressed = of_block(self.progress["streams"])
        told = self.block.snapshot(self.now, self._known(), backpressure=pressed).as_dict()
        streams = [{"name": n, **numbers} for n, numbers in self.progress["streams"].items()]
        return {
            **told,
            "streams": streams,
            "simulated": self.rig.simulated,
            "dot": str(self.dot),
            "over": self.over,
            "error": None if self.error is None else str(self.error),
            "t0_index": self.progress.get("t0"),
            "arousal": self.findings.arousal,
            "watcher_lost": self.findings.lost.get("watcher", {}),
            "watcher_delays": self.findings.delays.get("watcher", {}),
            "checks_lost": {
                role.removeprefix(CHECK): lost
                for role, lost in self.findings.lost.items()
                if role.startswith(CHECK)
            },
            "granted": self.granted.told(self.crew, self.progress),
        }


def default_protocol(rig: Rig) -> str:
    """Protocol of a rig whose client names none: the shipped example's."""
    from tenmin import examples

    return str(examples.path_of(rig.simulator or "quick", "protocol"))


def _block_request(request: messages.Start) -> BlockRequest:
    return BlockRequest(
        seconds=request.seconds,
        settle_s=request.settle_s,
        pads_s=request.pads_s,
        extend=request.extend,
        position=request.position,
    )
