"""The writer of a block's file: a process that is started again until the file is whole."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tenmin.crew import Crew
from tenmin.recorder.account import UNFINISHED

TRIES = 3  # once the journal is closed
AGAIN_S = 1.0


class Filing:
    """The finaliser of one journal; the recording never depends on it.

    Attributes
    ----------
    done : bool
        The file is there, and holds all that will ever be in the journal.
    given_up : bool
        It could not be made from the closed journal.
    last_words : str
        What the finaliser said when it last ended without a file.
    """

    def __init__(self, dot: Path, crew: Crew) -> None:
        self.dot, self.crew = dot, crew
        self.done = self.given_up = False
        self.last_words = ""
        self._tries = 0
        self._due = 0.0

    def step(self, ended: bool, closed: bool) -> None:
        """Start the finaliser when there is something to follow and none runs.

        Parameters
        ----------
        ended : bool
            The journal says that it is complete.
        closed : bool
            Nobody writes it any more.
        """
        if self.done or self.given_up or self.crew.of("finaliser"):
            return
        if time.monotonic() < self._due or not (self.dot / "block.json").exists():
            return
        self._tries += closed
        if self._tries > TRIES:
            self.given_up = True
            return
        follow = () if ended else ("--follow",)
        self.crew.start("finaliser", "tenmin.recorder.finaliser", str(self.dot), *follow)

    def ended(self, words: str, closed: bool) -> None:
        """The finaliser has ended, and these were its last words."""
        self.done = self._is_whole(closed)
        if not self.done:
            self.last_words = words
            self._due = time.monotonic() + AGAIN_S

    def _is_whole(self, closed: bool) -> bool:
        """Whether the file is there and will not miss anything.

        A finaliser gives up when nobody writes for some seconds. Where the next acquirer came
        only then, its file is an incomplete one.
        """
        path = self.dot / "result.json"
        if not path.exists():
            return False
        result = json.loads(path.read_text("utf-8"))
        if closed or result["reason"] != UNFINISHED:
            return True
        path.unlink()
        (self.dot.parent / result["nwb"]).unlink(missing_ok=True)
        return False
