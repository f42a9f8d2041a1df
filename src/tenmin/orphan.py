"""A block whose engine died: its acquirer records on; the next engine waits, then finishes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tenmin.dot import discard_journal
from tenmin.errors import EngineGone, JournalDamaged
from tenmin.outcome import latched, outcome
from tenmin.pressure import reason_in
from tenmin.recorder.journal import read_log
from tenmin.system import FileLock, spawn

TRIES = 3
IN_PROGRESS = "block_in_progress.json"  # in the rig's folder: the journal that is being written


class Orphan:
    """An unfinished journal, followed until its file is there.

    Attributes
    ----------
    dot : Path
        The journal.
    keep_journal : bool
        It stays when the file is there.
    result : dict or None
        Once `over`: what the finaliser says, or why there is nothing.
    """

    def __init__(self, folder: Path, dot: Path, keep_journal: bool = False) -> None:
        self.folder, self.dot, self.keep_journal = folder, dot, keep_journal
        self.over = False
        self.result: dict[str, Any] | None = None
        self._finaliser: subprocess.Popen[bytes] | None = None
        self._tries = 0

    @property
    def recording(self) -> bool:
        """Whether its acquirer still records."""
        return FileLock.held(self.folder / "acquirer.lock")

    def step(self) -> None:
        """Wait for the acquirer, then run the finaliser until there is a result."""
        result = self.dot / "result.json"
        if self.recording or FileLock.held(self.dot / "finaliser.lock"):
            return
        if not (self.dot / "block.json").exists():
            self._drop()
        elif result.exists():
            error = reason_in(self.dot)
            self._made(outcome(self.dot, latched(self.dot), None, error))
        elif self._finaliser is None or self._finaliser.poll() is not None:
            self._again()

    def _again(self) -> None:
        if self._tries == TRIES:
            error = JournalDamaged(f"The file could not be made from {self.dot}.")
            self._end(outcome(self.dot, latched(self.dot), None, error))
            return
        self._tries += 1
        args = [sys.executable, "-m", "tenmin.recorder.finaliser", str(self.dot)]
        with (self.folder / "finaliser.log").open("ab") as output:
            self._finaliser = spawn(args, stdout=output, stderr=output)

    def _made(self, result: dict[str, Any]) -> None:
        """The file is there: its journal goes, as after any other block."""
        if result["verified"] and not self.keep_journal:
            discard_journal(self.dot)
            result = {**result, "journal": None}
        self._end(result)

    def _drop(self) -> None:
        """Nothing was recorded: a folder of empty logs would only look like a journal."""
        error = EngineGone(
            "The engine died before the recording began; nothing was recorded.",
            remedy="Start the block again.",
        )
        result = outcome(self.dot, (), None, error)
        if self.keep_journal or (self.dot / "acquirer.jsonl").exists():
            self._end(result)  # the settling's notes, clock points and metrics
            return
        if self.dot.exists():
            discard_journal(self.dot)
        self._end({**result, "journal": None})

    def _end(self, result: dict[str, Any]) -> None:
        self.result, self.over = result, True
        (self.folder / IN_PROGRESS).unlink(missing_ok=True)

    def snapshot(self) -> dict[str, Any]:
        """What clients may know: the progress stands in the journal itself."""
        lines = {line["t"]: line for line in read_log(self.dot / "acquirer.jsonl")}
        sizes = {path.stem: path.stat().st_size for path in self.dot.glob("*.bin")}
        return {
            "phase": "RECORDING" if self.recording else "CLOSING",
            "message": "An earlier engine died; its block is being finished.",
            "dot": str(self.dot),
            "bytes": sizes,
            "t0_index": lines.get("t0", {}).get("index"),
        }


def unfinished(folder: Path) -> Orphan | None:
    """The block that the last engine of this folder left behind, if it did."""
    path = folder / IN_PROGRESS
    if not path.exists():
        return None
    try:
        left = json.loads(path.read_text("utf-8"))
        return Orphan(folder, Path(left["dot"]), left.get("keep_journal", False))
    except (ValueError, TypeError, KeyError):
        # Torn by a power cut: the journal is where it was, `tenmin recover` takes it.
        path.unlink()
        return None
