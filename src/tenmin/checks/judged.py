"""Our checks of the samples of one stream as the watcher sees them: one pass, many verdicts.

A formula that raises is UNKNOWN and, after three times in a row, switched off; a pass that raises
makes all of them so. Either is told, and neither ends the watcher.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.bank import Bank
from tenmin.checks.contract import MAX_TEXT
from tenmin.checks.setting import Setting
from tenmin.recorder.kept import QualityLog
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import UNKNOWN, Verdict

IN_A_ROW = 3  # exceptions of the pass without a judged second between them
RULES_EVERY = 10  # seconds between what rules for whole blocks say
OLD_S = 2.5  # a verdict about a second that ended longer ago says nothing about now


class Judged:
    """A bank of checks with the watcher's interface.

    Parameters
    ----------
    stream : Stream
    setting : Setting

    Attributes
    ----------
    name : str
        Of its faults.
    bank : Bank or None
        None once it is switched off.
    faults : list of str
        Exceptions since the owner emptied it.
    """

    name = "quality"

    def __init__(self, stream: Stream, setting: Setting) -> None:
        self.stream, self.setting = stream, setting
        self.log: QualityLog | None = None
        self._headed = False
        self.bank: Bank | None = Bank(stream, setting)
        self.faults: list[str] = []
        self._names = [unit.parameters.name for unit in self.bank.units]
        self._row = 0
        self._fresh = False  # a second was judged of which nothing was said
        self._n_judged = 0
        self._ended_s: float | None = None  # host time of the newest second
        self._judged_s: float | None = None  # of the newest that was judged
        self._skipped = 0
        self._why = ""

    def feed(self, piece: Piece) -> None:
        """Look at the next piece of the stream; what it makes due is done by `step`."""
        if self.bank is None:
            return
        try:
            seconds = self.bank.take(piece)
        except MemoryError:
            raise
        except Exception as error:  # a fault of ours must not end the others
            self._failed(error)
            return
        if seconds:
            self._ended_s = piece.host_ns * 1e-9

    def step(self) -> bool:
        """Do a part of what is due; False when nothing was."""
        if self.bank is None:
            return False
        try:
            more = self.bank.step()
        except MemoryError:
            raise
        except Exception as error:
            self._failed(error)
            return True
        self._tell()
        return more

    def finish(self) -> None:
        """Do all that is due."""
        while self.step():
            pass

    def _tell(self) -> None:
        assert self.bank is not None
        self.faults += self.bank.faults
        self.bank.faults.clear()
        if self.bank.n_judged != self._n_judged:
            self._n_judged = self.bank.n_judged
            self._row = 0
            self._judged_s = self._ended_s
            self._fresh = True

    def _failed(self, error: Exception) -> None:
        self._why = f"{type(error).__name__}: {error}"[:MAX_TEXT]
        self.faults.append(self._why)
        self._row += 1
        if self._row >= IN_A_ROW:
            self.bank = None

    def skipped(self, n: int) -> None:
        """`n` samples before the next piece were overwritten before they could be seen."""
        self._skipped += n
        if self.bank is not None:
            self.bank.skipped(n)

    def spoilt(self, n: int) -> None:
        """The last piece, of `n` samples, was overwritten while it was looked at."""
        self._skipped += n
        if self.bank is not None:
            self.bank.spoilt()

    def keep(self, dot: Path) -> None:
        """Keep what is found from now on in a journal."""
        if self.bank is None or self.log is not None:
            return
        checks = [unit.parameters for unit in self.bank.all]
        whole = [unit.parameters.name for unit in self.bank.all if not unit.by_channel]
        self.log = QualityLog(dot, self.stream, checks, self.setting.parameters.sha256, whole)
        self.bank.judgements.clear()

    def restart(self) -> None:
        """The recording begins; t0 follows, see `anchor`."""

    def anchor(self, origin: int) -> None:
        """The block's t0 is device index `origin`."""
        if self.bank is None:
            return
        self.finish()
        if self.bank is None:
            return
        self.write()  # counted from the origin that was
        self.bank.anchor(origin)
        self._headed = False

    def write(self) -> None:
        """Put what was judged since the last time into the journal."""
        if self.bank is None:
            return
        if self.log is not None:
            grid = self.bank.front.grid
            if not self._headed and grid is not None:
                self.log.anchor(grid.origin, t0=self.bank.anchored)
                self._headed = True
            for told in self.bank.judgements:
                self.log.append(told.number, told.bits, told.values, told.levels)
                if told.number % RULES_EVERY == 0 and self.bank.anchored:
                    self.log.append_bad(self.bank.bad_by_rule())
        self.bank.judgements.clear()

    def close(self) -> None:
        """The block is over: close the journal's file."""
        self.finish()
        if self.log is None:
            return
        self.write()
        self.log.close()
        self.log = None

    def news(self) -> list[Verdict]:
        """The verdicts of a second that was just judged; none while nothing new is known."""
        fresh, self._fresh = self._fresh, False
        if not fresh or self._skipped or self.bank is None:
            return []
        return self.bank.verdicts()

    def verdicts(self, now_s: float) -> list[Verdict]:
        """The newest verdict of every check."""
        self._fresh = False
        skipped, self._skipped = self._skipped, 0
        if self.bank is None:
            return self._unknown(f"Switched off for this stream: {self._why}")
        if skipped:
            return self._unknown(f"The checks were too slow: {skipped} samples were not seen.")
        if self._judged_s is None or now_s - self._judged_s > OLD_S:
            return self._unknown("No whole second has come.")
        return self.bank.verdicts()

    def _unknown(self, why: str) -> list[Verdict]:
        return [Verdict(name, self.stream.name, UNKNOWN, action=why) for name in self._names]

    def clean(self, seconds: int) -> dict[str, Any] | None:
        """What the block has come to since t0, and its window of so many seconds.

        None where nobody knows, as of streams that are not electrical.
        """
        if self.bank is None or not self.bank.anchored or not self.stream.is_electrical:
            return None
        lattice = self.bank.lattice
        bad = np.flatnonzero(self.bank.bad_channels(0))
        return {
            "clean_s": lattice.clean_s(0),
            "judged_s": lattice.judged_s(0),
            "window_clean_s": lattice.clean_s(0, seconds),
            "bad": [self.stream.channels[c] for c in bad],
        }
