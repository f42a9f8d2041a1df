"""The data path's second half: one thread that moves every stream into the journal."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tenmin.errors import DiskError, DiskFull, DiskTooSlow, RigError
from tenmin.eventlog import EventLog
from tenmin.pressure import STOP, TOO_SLOW, Flowing, Pressure, too_slow
from tenmin.recorder.journal import commit_all, write_block
from tenmin.recorder.reader import JournalReader
from tenmin.recorder.records import read_records
from tenmin.sources import Flow
from tenmin.tape import Tape
from tenmin.window import t0_index, window_samples

REPORT = "What was recorded is kept; send the log and the journal to whoever keeps tenmin."
ROUND_S = 0.1  # one round of reading and writing
SYNCS = 8  # streams that may wait for the disk at once
GRACE_S = 1.0  # how long the other streams may take to reach the reference's end
OVERDUE_S = 5.0  # a reference that stays silent ends the block this long after its planned end


class Recording(threading.Thread):
    """Writes every stream from the start command to the end of the post pad.

    Parameters
    ----------
    dot : Path
        The journal's folder.
    block : dict
        ``block.json`` without its streams.
    flows : dict of str to Flow
        All streams, by name.
    log : EventLog
        The acquirer's own log, open.
    resumed : dict, optional
        The ``start``, ``t0`` and ``cut`` lines of a recording that an earlier acquirer began.

    Attributes
    ----------
    pressures : dict of str to Pressure
        How much of each ring waits to be written, as `watch` has seen it.
    cut : dict of str to int, or None
        Since the disk proved too slow: the sequence number in each ring up to which the recording
        goes on. Nothing may be put into the rings any more.
    """

    def __init__(
        self,
        dot: Path,
        block: dict[str, Any],
        flows: dict[str, Flow],
        log: EventLog,
        resumed: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name="recorder", daemon=True)
        self.dot, self.block, self.flows, self.log = dot, block, flows, log
        self.reference: str = block["reference"]
        self.tapes: dict[str, Tape] = {}
        self.t0: int | None = None
        self.stop_index: int | None = None
        self.failure: RigError | None = None
        self.ended: str | None = None
        self.finished = threading.Event()
        self.pressures: dict[str, Pressure] = {}
        self.cut: dict[str, int] | None = None
        self._flowing, self._n_flowing = Flowing(), 0
        self._syncs = ThreadPoolExecutor(SYNCS, "sync")  # a thread begins when there is work
        self._asked: str | None = None
        self._asked_ns = 0
        self._opened: set[str] = set()
        self._told: dict[str, Any] = {}  # streams as block.json describes them
        self._resumed = resumed
        self._started_ns = time.monotonic_ns()
        if resumed:
            self._started_ns = resumed["start"]["host_ns"]
            if "t0" in resumed:
                self.t0, self.stop_index = resumed["t0"]["index"], resumed["stop"]
            if "cut" in resumed:
                told = resumed["cut"]
                self.failure = DiskTooSlow(told["message"], remedy=told["remedy"])
                self.cut = told["seq"]
        self._left = self._left_off() if resumed else {}

    def _left_off(self) -> dict[str, int]:
        """Sequence number up to which an earlier acquirer wrote each stream."""
        found = {}
        for name, flow in self.flows.items():
            records = read_records(self.dot / f"{name}.idx")
            if flow.ring is not None and len(records):
                found[name] = int(records[-1]["seq"] + records[-1]["n"])
        return found

    def _waiting(self) -> dict[str, tuple[int, float]]:
        """End and fill of each ring; of one left by an earlier acquirer before its file is open.

        A slow disk may take longer to open a file than the ring takes to fill.
        """
        found = {}
        for name, seq in self._left.items():
            ring = self.flows[name].ring
            assert ring is not None
            end = ring.written
            found[name] = (end, (end - seq) / ring.capacity)
        return found | {name: (tape.came, tape.fill) for name, tape in list(self.tapes.items())}

    @property
    def rate_hz(self) -> float:
        """Nominal rate of the reference stream."""
        stream = self.flows[self.reference].stream
        assert stream is not None
        return stream.rate_hz

    @property
    def t0_host_ns(self) -> int | None:
        """Host time of t0 by the reference's clock fit; None before it is known."""
        if self.t0 is None or self.reference not in self.tapes:
            return None
        return self._host_ns(self.t0)

    @property
    def window_index(self) -> int | None:
        """Device index that the reference has reached on disk."""
        tape = self.tapes.get(self.reference)
        return None if tape is None else tape.next_index

    def _begin(self) -> None:
        """Write what was decided and open a file per stream."""
        if self._resumed:
            self.log.write({"t": "restart", "host_ns": time.monotonic_ns()}, sync=True)
            self._told = JournalReader(self.dot).block["streams"]  # synced before `start` was
        self._open()
        if not self._resumed:
            self._log_start()

    def _open(self) -> None:
        """A file for every stream that is new, and its description in ``block.json``."""
        new = {
            n: f for n, f in self.flows.items() if f.stream is not None and n not in self._opened
        }
        if not new and self._opened:
            return
        for name, flow in new.items():
            if flow.ring is not None:
                resume = bool(self._resumed) and (self.dot / f"{name}.idx").exists()
                self.tapes[name] = Tape(flow, self.dot, resume)
        self._opened |= set(new)
        # A stream that an earlier acquirer described may not be back yet, or never come back.
        self._told |= {n: asdict(f.stream) for n, f in new.items() if f.stream is not None}
        write_block(self.dot, {**self.block, "streams": self._told})

    def _log_start(self) -> None:
        line = {
            "t": "start",
            "host_ns": self._started_ns,
            "reference": self.reference,
            "pad_s": self.block["pad_s"],
            "streams": sorted(self.tapes),
            "block": self.block,
        }
        self.log.write(line, sync=True)

    def run(self) -> None:
        """Rounds of reading and writing until the end."""
        try:
            self._begin()  # here, so that nobody else waits for the disk
            while self.ended is None:
                began_ns = time.monotonic_ns()
                self._round()
                self.ended = self._over(began_ns)
                if self.ended is None:
                    time.sleep(ROUND_S)
            self._close(self.ended)
        except RigError as error:
            self._broken(error)
        except OSError as error:
            self._broken(DiskError(f"Writing {self.dot} failed: {error}."))
        except Exception as error:  # a fault of ours must not stop a recording without a word
            self._broken(RigError(f"The recorder failed: {error!r}.", remedy=REPORT))
        finally:
            self._syncs.shutdown()
            self.finished.set()

    def _round(self) -> None:
        self._open()
        for name, tape in self.tapes.items():
            tape.take(self.stop_index if name == self.reference else None)
        journals = [tape.journal for tape in self.tapes.values()]
        commit_all(journals, time.monotonic(), self._syncs)
        if self.t0 is None:
            self._find_t0()
        if self.log.failure is not None:
            raise self.log.failure

    def _find_t0(self) -> None:
        first = self.tapes[self.reference].first if self.reference in self.tapes else None
        if first is None:
            return
        pad_s, rate = self.block["pad_s"], self.rate_hz
        self.t0 = t0_index(first, pad_s, rate)
        n_window = window_samples(self.block["seconds"], rate)
        self.stop_index = self.t0 + n_window + window_samples(pad_s, rate)
        line = {
            "t": "t0",
            "index": self.t0,
            "n_window": n_window,
            "stop": self.stop_index,
            "zero_index": self._zero_index(first),
            "host_ns": self._host_ns(self.t0),
        }
        self.log.write(line, sync=True)

    def _zero_index(self, first: int) -> int:
        line = self.flows[self.reference].line
        settle_s = self.block["settle_host_ns"] * 1e-9
        if line is None:
            return first - round((self._started_ns * 1e-9 - settle_s) * self.rate_hz)
        return min(first, int(line.to_stream(settle_s) * self.rate_hz))

    def _host_ns(self, index: int) -> int:
        line = self.flows[self.reference].line
        if line is not None:
            return int(line.to_host(index / self.rate_hz) * 1e9)
        first = self.tapes[self.reference].first or 0
        return self._started_ns + int((index - first) / self.rate_hz * 1e9)

    def watch(self, now_s: float) -> bool:
        """Look at what waits to be written; whether the devices must be stopped for it.

        To be asked by another thread, ten times a second: this one may wait for the disk.
        """
        if self.finished.is_set():
            return False
        tapes = list(self.tapes.items())
        if len(tapes) != self._n_flowing:
            self._n_flowing = len(tapes)
            self._flowing = Flowing()  # what a new stream counted before is no rate
        came = sum(tape.came * tape.row_bytes for _, tape in tapes)
        taken = sum(tape.done * tape.row_bytes for _, tape in tapes)
        self._flowing = self._flowing.at(now_s, came, taken)
        rings = self._waiting()
        for name, (_, fill) in rings.items():
            before = self.pressures.get(name, Pressure())
            self.pressures[name] = now = before.at(now_s, fill)
            if now.limit != before.limit:
                self._log_pressure(name, now)
        pressed = [name for name in rings if self.pressures[name].limit == STOP]
        if pressed and self.cut is None:
            self._give_up(pressed[0], {name: end for name, (end, _) in rings.items()})
        return self.cut is not None

    def _log_pressure(self, name: str, pressure: Pressure) -> None:
        told = {"stream": name, "level": pressure.name, "fill": pressure.fill}
        self.log({"t": "pressure", **told, "host_ns": time.monotonic_ns()})

    def _give_up(self, name: str, cut: dict[str, int]) -> None:
        """Decide to end with what the rings hold now, before any of it is overwritten."""
        error = too_slow(name, self.pressures[name], self._flowing)
        told = {"seq": cut, "message": error.message, "remedy": error.remedy}
        self.log({"t": "cut", **told, "host_ns": time.monotonic_ns()}, sync=True)
        self.failure, self.cut = error, cut

    def _is_cut(self) -> bool:
        """Whether everything up to the cut is written."""
        assert self.cut is not None
        return all(self.tapes[n].done >= seq for n, seq in self.cut.items() if n in self.tapes)

    def _over(self, now: int) -> str | None:
        """Why it is over, if it is, after a round that began at `now` (monotonic ns).

        A round writes all that had come when it began, however long the disk takes for it: what
        is not in the journal after it had not come by then.
        """
        if self.cut is not None:
            return TOO_SLOW if self._is_cut() else None
        if self._asked is not None and now >= self._asked_ns:
            return self._asked
        reached = self.window_index
        if self.stop_index is None:
            planned_s = self.block["seconds"] + 2 * self.block["pad_s"]
            late = now - self._started_ns > (planned_s + OVERDUE_S) * 1e9
            return "reference lost" if late else None
        if reached is not None and reached >= self.stop_index:
            self._drain(time.monotonic_ns())
            return "complete"
        if now > self._host_ns(self.stop_index) + OVERDUE_S * 1e9:
            return "reference lost"
        return None

    def _drain(self, end_ns: int) -> None:
        deadline = end_ns + int(GRACE_S * 1e9)
        while time.monotonic_ns() < deadline:
            self._round()
            behind = [
                tape
                for name, tape in self.tapes.items()
                if name != self.reference
                and tape.flow.state == "running"
                and (tape.flow.newest_ns or end_ns) < end_ns
                and tape.flow.stream is not None
                and tape.flow.stream.is_regular
            ]
            if not behind:
                return
            time.sleep(ROUND_S)

    def _close(self, reason: str) -> None:
        failed: RigError | OSError | None = None
        for tape in self.tapes.values():
            try:
                tape.journal.close()
            except (RigError, OSError) as error:
                failed = error  # the others are closed first
        if failed is not None:
            raise failed
        line = {
            "t": "end",
            "reason": reason,
            "host_ns": time.monotonic_ns(),
            "samples": {name: tape.samples for name, tape in self.tapes.items()},
        }
        if self.failure is not None:
            line |= {"message": self.failure.message, "remedy": self.failure.remedy}
        self.log.write(line, sync=True)

    def _broken(self, error: RigError) -> None:
        self.failure = error
        reasons = {DiskFull: "disk full", DiskError: "disk error"}
        self.ended = reasons.get(type(error), "recorder failed")
        with contextlib.suppress(RigError, OSError):
            # If the log cannot take the line either: a journal without an end is closed by
            # `tenmin recover`, and the failure itself goes to the operator through `failure`.
            self._close(self.ended)

    def move_end(self, stop: int) -> None:
        """Record on to device index `stop` of the reference (an extension)."""
        if self.stop_index is None or self.t0 is None:
            return
        self.stop_index = stop
        self.log({"t": "extend", "stop": stop, "host_ns": time.monotonic_ns()}, sync=True)

    def end(self, reason: str) -> None:
        """End now; everything so far is kept. What waits for a slow disk is written first."""
        self._asked_ns = time.monotonic_ns()
        self._asked = reason
