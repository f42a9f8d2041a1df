"""What the checks have said during one block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenmin.crew import CHECK
from tenmin.eventlog import EventLog
from tenmin.service import messages
from tenmin.verdict import UNKNOWN, WARN, Verdict, at_least_as_bad

SILENT_S = 3.0  # older verdicts say nothing about now
GAUGED_S = 1.0  # between the engine's own values in the log
LONG_AGO = float("-inf")

Key = tuple[str, str]  # check, stream


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict, who gave it, and when: host time, monotonic seconds."""

    verdict: Verdict
    source: str
    at_s: float


class Findings:
    """The newest verdicts, the worst ones of the recording, and their log.

    A source is a role of the crew: ``watcher``, or ``check:NAME`` for a check of another
    distribution. The silence of one does not touch what the others say.

    Parameters
    ----------
    dot : Path
        The journal's folder; the values of every second go to its ``metrics.jsonl``.

    Attributes
    ----------
    worst : dict of (str, str) to Verdict
        The worst verdict of the recording by check and stream.
    lost : dict of str to dict of str to int
        By source and stream: samples that were not looked at.
    arousal : dict or None
        The live state: ``state``, ``coarse``, ``confidence``, ``modalities``.
    clean : dict of str to dict
        By electrical stream, since t0: clean and judged seconds, bad channels.
    delays : dict of str to dict of str to dict
        By source and stream: how late the checks were in the last second, see `tenmin.delays`.
    """

    def __init__(self, dot: Path) -> None:
        self.worst: dict[Key, Verdict] = {}
        self.lost: dict[str, dict[str, int]] = {}
        self.delays: dict[str, dict[str, dict[str, float]]] = {}
        self.clean: dict[str, dict[str, Any]] = {}
        self.arousal: dict[str, Any] | None = None
        self._metrics = EventLog()
        self._metrics.open(dot / "metrics.jsonl")
        self._said: dict[Key, Said] = {}
        self._levels: dict[Key, str] = {}  # as last returned by `changes`
        self._why: dict[str, str] = {}  # of sources that are silent
        self._gauged_s = LONG_AGO

    def take(self, source: str, message: messages.Verdicts, now_s: float) -> None:
        """Take what a source says.

        Raises
        ------
        RigError
            The log could not be written.
        """
        self.lost.setdefault(source, {}).update(message.lost)
        late = {name: delay.model_dump() for name, delay in message.delays.items()}
        kept = self.delays.get(source, {}).items()
        self.delays[source] = {n: delay for n, delay in kept if n not in message.lost} | late
        self.clean.update({name: told.model_dump() for name, told in message.clean.items()})
        self._why.pop(source, None)
        self._said.pop((source.removeprefix(CHECK), ""), None)
        said = [Verdict(**verdict.model_dump()) for verdict in message.verdicts]
        if not said:
            return
        for verdict in said:
            self._said[verdict.check, verdict.stream] = Said(verdict, source, now_s)
        values = [[v.check, v.stream, v.level, v.value] for v in said]
        self._note(now_s, values)

    def gauge(self, verdicts: Iterable[Verdict], now_s: float) -> None:
        """Take what the engine itself finds, at any pace; it is logged once a second.

        Raises
        ------
        RigError
            The log could not be written.
        """
        found = list(verdicts)
        for verdict in found:
            self._said[verdict.check, verdict.stream] = Said(verdict, "engine", now_s)
        if found and now_s - self._gauged_s >= GAUGED_S:
            self._gauged_s = now_s
            values = [[v.check, v.stream, v.level, v.value] for v in found]
            self._note(now_s, values)

    def _note(self, now_s: float, values: list[list[Any]]) -> None:
        self._metrics({"host_s": now_s, "values": values})
        if self._metrics.failure is not None:
            raise self._metrics.failure

    def silence(self, source: str, why: str = "") -> None:
        """A source died: what it said is UNKNOWN until it says something again."""
        self._why[source] = why
        if source == "watcher":
            self.arousal = None
        self.delays.pop(source, None)
        mine = [key for key, said in self._said.items() if said.source == source]
        for key in mine:
            self._said[key] = replace(self._said[key], at_s=LONG_AGO)
        if not mine and source.startswith(CHECK):  # it never said anything
            name = source.removeprefix(CHECK)
            self._said[name, ""] = Said(Verdict(name, "", UNKNOWN), source, LONG_AGO)

    def current(self, now_s: float) -> tuple[Verdict, ...]:
        """The verdicts as they stand at `now_s`, monotonic seconds."""
        return tuple(self._as_of(said, now_s) for said in self._said.values())

    def _as_of(self, said: Said, now_s: float) -> Verdict:
        if now_s - said.at_s <= SILENT_S:
            return said.verdict
        silent = f"The {said.source.replace(':', ' ')} is silent."
        why = self._why.get(said.source) or silent
        return replace(said.verdict, level=UNKNOWN, value=None, action=why)

    def changes(self, now_s: float, *, latch: bool) -> list[Verdict]:
        """The verdicts whose level has changed since the last call.

        Parameters
        ----------
        now_s : float
            Host time, monotonic seconds.
        latch : bool
            Whether what stands now counts for `worst`: the block is being recorded.
        """
        changed = []
        for verdict in self.current(now_s):
            key = verdict.check, verdict.stream
            if latch:
                self._latch(verdict)
            if self._levels.get(key) != verdict.level:
                self._levels[key] = verdict.level
                changed.append(verdict)
        return changed

    def _latch(self, verdict: Verdict) -> None:
        kept = self.worst.get((verdict.check, verdict.stream))
        if kept is None or at_least_as_bad(verdict, kept):
            self.worst[verdict.check, verdict.stream] = verdict

    def absent(self, names: Iterable[str], streams: Mapping[str, Any]) -> None:
        """Devices that may be missing and were: said, not passed over."""
        for name in names:
            why = streams[name]["error"] or "It never delivered anything."
            self.worst["alive", name] = Verdict("alive", name, WARN, None, None, "s", None, why)

    def close(self) -> None:
        """End the log."""
        self._metrics.close()
