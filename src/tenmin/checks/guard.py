"""A check whose exceptions are its own affair: they make its verdict UNKNOWN, and are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenmin.checks.contract import MAX_TEXT, Check, Factory, sound
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import UNKNOWN, Verdict

IN_A_ROW = 3  # exceptions without a good second between them: the check is switched off
IN_ALL = 20  # however many good seconds lie between


class Guarded:
    """A check that raises nothing but MemoryError.

    Attributes
    ----------
    name : str
        Its identifier: that of its verdicts.
    check : Check or None
        None once it is switched off, for this stream.
    faults : list of str
        Its exceptions since its owner emptied the list.
    """

    def __init__(self, name: str, stream: Stream, check: Check | None) -> None:
        self.name, self.stream, self.check = name, stream, check
        self.faults: list[str] = []
        self._row = self._all = self._skipped = 0
        self._fault = ""  # of this second; once switched off, the last one

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        if self.check is not None:
            self._call(self.check.feed, piece)

    def skipped(self, n: int) -> None:
        """`n` samples before the next piece were overwritten before they could be seen."""
        self._skipped += n
        if self.check is not None:
            self._call(self.check.skipped, n)

    def spoilt(self, n: int) -> None:
        """The last piece, of `n` samples, was overwritten while it was looked at."""
        self._skipped += n

    def restart(self) -> None:
        """The recording begins."""
        if self.check is not None:
            self._call(self.check.restart)

    def tick(self, now_s: float) -> Verdict:
        """The check's verdict at `now_s`; UNKNOWN with the reason where there is none."""
        said = None
        if self.check is not None:
            said = self._call(self._asked, now_s)
        if self._fault:
            why = self._fault
            if self.check is None:
                why = f"Switched off for this stream: {why}"
            else:
                self._fault = ""
            self._skipped = 0
            return self._unknown(why)
        self._row = 0
        skipped, self._skipped = self._skipped, 0
        assert said is not None and self.check is not None
        if skipped and self.check.needs_every_sample:
            return self._unknown(f"The check was too slow: it did not see {skipped} samples.")
        return said

    def verdicts(self, now_s: float) -> list[Verdict]:
        """The verdict at `now_s`, as `tick`."""
        return [self.tick(now_s)]

    def anchor(self, origin: int) -> None:
        """The block's t0 is device index `origin`; checks by themselves need not know."""

    def _asked(self, now_s: float) -> Verdict:
        assert self.check is not None
        return sound(self.check.tick(now_s), self.name, self.stream.name)

    def _call(self, method: Callable[..., Any], *args: Any) -> Any:
        try:
            return method(*args)
        except MemoryError:
            raise  # the whole process has none left
        except Exception as error:  # anybody's code
            self.failed(error)
            return None

    def failed(self, error: Exception) -> None:
        """Count an exception; switch the check off when it is one too many."""
        self._fault = f"{type(error).__name__}: {error}"[:MAX_TEXT]
        self._row += 1
        self._all += 1
        self.faults.append(self._fault)
        if self._row >= IN_A_ROW or self._all >= IN_ALL:
            self.check = None

    def _unknown(self, why: str) -> Verdict:
        return Verdict(self.name, self.stream.name, UNKNOWN, action=why[:MAX_TEXT])


def guarded(name: str, stream: Stream, factory: Factory) -> list[Guarded]:
    """What a factory makes for a stream, guarded; empty where it says that it does not apply.

    A factory that raises, or makes something else, gives a check that is switched off.
    """
    try:
        made = factory(stream)
        if made is None:
            return []
        if not isinstance(made, Check):
            raise TypeError(f"{type(made).__name__} is no tenmin.checks.Check")
    except MemoryError:
        raise
    except Exception as error:  # anybody's code
        broken = Guarded(name, stream, None)
        broken.failed(error)
        return [broken]
    return [Guarded(name, stream, made)]
