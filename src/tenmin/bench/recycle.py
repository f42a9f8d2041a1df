"""Long blocks on a disk that has no room for them: what was verified is discarded at once.

`tenmin.bench.finalising` says what the finaliser has read, written and verified; a thread of the
bench gives the space of it back to the disk. Nothing that is still to be read is touched: the
journal in front of the finaliser, and the first and the last chunks of the file, which the last
look at it reads again.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from tenmin.errors import RigError
from tenmin.system.holes import punch_hole

FOLDER = "TENMIN_BENCH_RECYCLE"  # environment variable: where the finaliser's ledger is
LEDGER = "verified.jsonl"
ROOM_S = 60.0  # of samples: what a block may be behind, and the engine asks room for
EVERY_S = 0.25


class Recycler(threading.Thread):
    """Gives back what the ledger names, until it is halted.

    Parameters
    ----------
    ledger : Path
        JSON lines: ``file``, and ``spans``: a list of [first, stop), bytes.

    Attributes
    ----------
    bytes : int
        Given back so far.
    """

    def __init__(self, ledger: Path) -> None:
        super().__init__(name="recycler", daemon=True)
        self.bytes = 0
        self._ledger, self._at = ledger, 0
        self._failure: Exception | None = None
        self._halt = threading.Event()

    def run(self) -> None:
        """Follow the ledger."""
        try:
            while not self._halt.wait(EVERY_S):
                self._take()
        except (OSError, ValueError, RigError) as error:
            self._failure = error

    def _take(self) -> None:
        if not self._ledger.exists():
            return
        with self._ledger.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._at += whole
        for line in data[:whole].splitlines():
            told = json.loads(line)
            self._punch(Path(told["file"]), told["spans"])

    def _punch(self, path: Path, spans: list[list[int]]) -> None:
        if not path.exists():
            return  # the file is finished and has its name: its room does not matter any more
        with path.open("r+b") as file:
            given = sum(punch_hole(file.fileno(), first, stop) for first, stop in spans)
        if not given:
            raise RigError(
                f"The disk of {path} gives nothing back from the middle of a file.",
                remedy="Name a disk of another file system by --dir, or leave --recycle out.",
            )
        self.bytes += given

    def halt(self) -> None:
        """End.

        Raises
        ------
        RigError
            It had to end before: the disk does not give space back.
        """
        self._halt.set()
        self.join()
        if self._failure is not None:
            raise RigError(f"Recycling failed: {self._failure}", remedy="Leave --recycle out.")
