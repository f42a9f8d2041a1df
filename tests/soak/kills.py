"""One block, one kill at a random moment, and what came of it."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tenmin.errors import RigError
from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import (
    EVERYONE,
    PADS_S,
    RATE_HZ,
    Account,
    Block,
    account,
    streams_of,
)

SECONDS = 6.0
LOST_S = 0.5  # design.md 1: of what was sent before everything died


@dataclass(frozen=True)
class Run:
    """What came of one kill.

    Attributes
    ----------
    role : str
        Who was killed.
    at_s : float
        When, in seconds of the window.
    account : Account or None
        The samples; None when there is no file.
    planned : int or None
        Samples that should have been recorded; None where everything died.
    lost_before : int
        Samples sent before everything died that are not in the file.
    valid : bool
        Schema and invariants hold.
    note : str
        How it failed.
    """

    role: str
    at_s: float
    account: Account | None
    planned: int | None
    lost_before: int = 0
    valid: bool = False
    note: str = ""

    @property
    def uncounted(self) -> int:
        """Samples that are lost and that nobody counted."""
        if self.account is None:
            return self.planned or 0
        short = 0 if self.planned is None else max(0, self.planned - self.account.sent)
        return self.account.uncounted + self.account.wrong + short

    @property
    def held(self) -> bool:
        """Whether what is promised of this kill held."""
        if self.account is None or not self.valid or self.uncounted:
            return False
        if self.role != "acquirer" and self.account.gaps:
            return False
        return self.lost_before <= LOST_S * RATE_HZ and len(self.account.gaps) <= 1

    def __str__(self) -> str:
        if self.account is None:
            return f"killed at {self.at_s:5.2f} s: NO FILE. {self.note}"
        found = self.account
        text = (
            f"killed at {self.at_s:5.2f} s: sent {found.sent}, recorded {found.recorded}, "
            f"missing {found.missing}, uncounted {self.uncounted}"
        )
        holes = ", ".join(f"{n} at {index}" for index, n in found.gaps)
        text += f", holes: {holes}" if holes else ""
        text += f", lost before the kill: {self.lost_before}" if self.role == "all" else ""
        return text + ("" if self.held else f"  NOT AS PROMISED {self.note}")


def kill_once(role: str, seed: int, moments: random.Random) -> Run:
    """Record a block on ``sim:quick`` and kill one role, or all, somewhere in its window."""
    at_s = moments.uniform(0.0, SECONDS)
    with tempfile.TemporaryDirectory(prefix="tenmin-soak-") as folder:
        bench = new_bench(Path(folder))
        try:
            return _killed(bench, role, seed, at_s)
        except (AssertionError, RigError, subprocess.TimeoutExpired) as error:
            return Run(role, at_s, None, None, note=f"{error!r} {_logs(bench)}")
        finally:
            bench.close()


def _killed(bench: Bench, role: str, seed: int, at_s: float) -> Run:
    block = Block(bench, SECONDS, seed)
    block.full_crew()
    block.recorded(at_s)
    if role == "all":
        return _all(bench, block, at_s)
    block.kill(role)
    return _one(bench, block, role, at_s)


def _logs(bench: Bench) -> str:
    """The end of what every process printed."""
    client = bench.running[0]
    client.kill()  # it may wait for ever
    said = client.communicate()[1].strip()[-1000:]
    logs = sorted(bench.runtime.glob("*/*.log"))
    told = {log.name: log.read_text("utf-8", "replace").strip()[-1000:] for log in logs}
    return "\n".join(f"{n}: {text}" for n, text in {"client": said, **told}.items() if text)


def _one(bench: Bench, block: Block, role: str, at_s: float) -> Run:
    planned = round((SECONDS + 2 * PADS_S) * RATE_HZ)
    if role == "record":
        nwb = block.file()
        until(lambda: not list(bench.out.glob("sub-*/*.dot")))
        result = until(lambda: _result(bench, block))
        report = bench.run("validate", str(nwb), "--json").json
        valid = all(c["level"] == "OK" for c in report["checks"] if c["check"] == "schema")
        return Run(role, at_s, account(nwb, result["streams"], block.seed), planned, valid=valid)
    ended = block.end(timeout=120.0)
    told = ended.json
    if told.get("nwb") is None:
        return Run(role, at_s, None, planned, note=_words(ended))
    counted = account(Path(told["nwb"]), told["streams"], block.seed)
    return Run(role, at_s, counted, planned, valid=told["validation"]["ok"], note=_words(ended))


def _result(bench: Bench, block: Block) -> dict | None:
    from tenmin.service.client import Client

    with Client.find(block.folder.name, runtime=bench.runtime) as client:
        return client.result()["result"]


def _all(bench: Bench, block: Block, at_s: float) -> Run:
    dot = block.dot
    killed_ns = block.kill(*EVERYONE)
    recovered = bench.run("recover", str(dot), "--json")
    told = recovered.json
    if told.get("nwb") is None:
        return Run("all", at_s, None, None, note=_words(recovered))
    probe = json.loads(block.truth.read_text())["clocks"]["probe"]
    sent = int((killed_ns - probe["start_host_ns"]) * 1e-9 * RATE_HZ)
    counted = account(Path(told["nwb"]), streams_of(dot), block.seed)
    lost = max(0, sent - counted.stop)
    return Run("all", at_s, counted, None, lost, told["validation"]["ok"], _words(recovered))


def _words(ended: Ended) -> str:
    return f"exit {ended.code}: {ended.err.strip()[-400:]}"
