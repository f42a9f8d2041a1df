"""What the checks have said during one block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenmin.recorder.journal import JsonLog
from tenmin.service import messages
from tenmin.verdict import UNKNOWN, WARN, Verdict, at_least_as_bad

SILENT_S = 3.0  # older verdicts say nothing about now


class Findings:
    """The newest verdicts, the worst ones of the recording, and their log.

    Parameters
    ----------
    dot : Path
        The journal's folder; the values of every second go to its ``metrics.jsonl``.

    Attributes
    ----------
    worst : dict of (str, str) to Verdict
        The worst verdict of the recording by check and stream.
    lost : dict of str to int
        Samples of each stream that the watcher could not look at.
    """

    def __init__(self, dot: Path) -> None:
        self.worst: dict[tuple[str, str], Verdict] = {}
        self.lost: dict[str, int] = {}
        self._metrics = JsonLog(dot / "metrics.jsonl")
        self._newest: tuple[Verdict, ...] = ()
        self._at_s = 0.0

    def take(self, message: messages.Verdicts, now_s: float, *, latch: bool) -> list[Verdict]:
        """Take what the watcher says; return the verdicts whose level changed.

        Raises
        ------
        RigError
            The log could not be written.
        """
        before = {(v.check, v.stream): v.level for v in self._newest}
        self._newest = tuple(Verdict(**v) for v in message.verdicts)
        self.lost, self._at_s = message.lost, now_s
        if latch:
            for verdict in self._newest:
                self._latch(verdict)
        values = [[v.check, v.stream, v.level, v.value] for v in self._newest]
        self._metrics.write({"host_s": now_s, "values": values})
        return [v for v in self._newest if before.get((v.check, v.stream)) != v.level]

    def _latch(self, verdict: Verdict) -> None:
        kept = self.worst.get((verdict.check, verdict.stream))
        if kept is None or at_least_as_bad(verdict, kept):
            self.worst[verdict.check, verdict.stream] = verdict

    def silence(self) -> None:
        """The watcher died: everything is UNKNOWN until the next one has seen something."""
        self._at_s = 0.0

    def current(self, now_s: float) -> tuple[Verdict, ...]:
        """The verdicts as they stand at `now_s`, monotonic seconds."""
        if now_s - self._at_s <= SILENT_S:
            return self._newest
        return tuple(
            replace(v, level=UNKNOWN, value=None, action="The watcher is silent.")
            for v in self._newest
        )

    def absent(self, names: Iterable[str], streams: Mapping[str, Any]) -> None:
        """Devices that may be missing and were: said, not passed over."""
        for name in names:
            why = streams[name]["error"] or "It never delivered anything."
            self.worst["alive", name] = Verdict("alive", name, WARN, None, None, "s", None, why)

    def close(self) -> None:
        """End the log."""
        self._metrics.close()
