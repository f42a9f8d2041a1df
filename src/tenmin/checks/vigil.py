"""Arousal as it goes: pieces of all streams in, ten ticks a second out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.arousal.binning import Extractor, Values
from tenmin.checks.arousal.features import NAMES, Features
from tenmin.checks.arousal.human import OPEN
from tenmin.checks.arousal.join import Joiner
from tenmin.checks.arousal.roles import Role, roles
from tenmin.checks.arousal.session import HUMAN, Arousal, family
from tenmin.checks.arousal.states import LABELS, MODALITIES, Tick, coarse
from tenmin.checks.second import Scaling
from tenmin.recorder.kept import ArousalLog
from tenmin.ring import Piece
from tenmin.stream import Stream

HOLD_S = 0.1  # a tick: a call for each piece of 10 ms was a quarter of the watcher's work
CLOSED_EYES = "EC"  # condition of the protocols that ask for it


class Source:
    """One role of one stream: its samples on the way into an extractor, `HOLD_S` at once."""

    def __init__(self, role: Role, stream: Stream, extractor: Extractor) -> None:
        self.role, self.stream, self.extractor = role, stream, extractor
        self.name = f"{role.stream} {role.what}"
        scaling = Scaling.of(stream)
        columns = list(role.channels)
        # To microvolts where the role takes those, to the stream's own unit else.
        volts = 1e-6 if stream.unit == "volts" else 1.0
        self._columns = columns
        self._factor = scaling.factor[columns] * volts * role.factor
        self._offset = scaling.offset * volts * role.factor
        self._enough = HOLD_S * stream.rate_hz  # nothing is held of an irregular stream
        self._held: list[tuple[np.ndarray, np.ndarray]] = []
        self._n = 0

    def hold(self, piece: Piece, times: np.ndarray) -> bool:
        """Keep a piece; whether there is enough to be worth the while."""
        self._held.append((times, piece.samples[:, self._columns]))
        self._n += len(times)
        return self._n >= self._enough

    def flush(self) -> tuple[str, Values] | None:
        """What the extractor makes of all that was held."""
        if not self._held:
            return None
        times, samples = (np.concatenate(parts) for parts in zip(*self._held, strict=True))
        self._held, self._n = [], 0
        return self.name, self.extractor.feed(times, samples * self._factor + self._offset)


class Vigil:
    """The arousal of one block.

    Parameters
    ----------
    condition : str
        ``dot.condition`` of the protocol.
    streams : iterable of Stream
        All that deliver something.
    origin_s : float
        Where tick 0 begins, host seconds.

    Attributes
    ----------
    arousal : Arousal
        Both tracks.
    eyes : str
        ``open`` or ``closed``, as the protocol asks.
    """

    def __init__(self, condition: str, streams: Iterable[Stream], origin_s: float) -> None:
        kind = family(condition)
        self.eyes = "closed" if condition == CLOSED_EYES else OPEN
        self.arousal = Arousal(kind, eyes=self.eyes)
        by_name = {stream.name: stream for stream in streams}
        rules = self.arousal.rules
        self._sources: dict[str, list[Source]] = {}
        for role in roles(by_name.values(), kind, rules):
            extractor = role.extractor(origin_s, rules, kind == HUMAN)
            source = Source(role, by_name[role.stream], extractor)
            self._sources.setdefault(role.stream, []).append(source)
        given = {s.name: s.extractor.names for many in self._sources.values() for s in many}
        self._joiner = Joiner(origin_s, given)
        self.log: ArousalLog | None = None

    def feed(self, stream: str, piece: Piece) -> None:
        """Take a piece of a stream."""
        sources = self._sources.get(stream, ())
        if not sources:
            return
        n, rate = len(piece.samples), sources[0].stream.rate_hz
        times = np.full(n, piece.host_ns * 1e-9)
        if rate:
            times -= np.arange(n - 1, -1, -1) / rate
        for source in sources:
            if source.hold(piece, times):
                self._put(source)

    def _put(self, source: Source) -> None:
        found = source.flush()
        if found is not None:
            self._joiner.put(*found)

    def keep(self, dot: Path) -> None:
        """Keep features and live states from now on in a journal."""
        rules = self.arousal.rules
        told = rules.as_dict(), rules.sha256
        self.log = ArousalLog(dot, NAMES, self.arousal.kind, *told, eyes=self.eyes)

    def close(self) -> None:
        """The block is over."""
        if self.log is not None:
            self.log.close()

    def tick(self, now_s: float, *, settling: bool) -> dict[str, Any] | None:
        """Take what is ready, keep it, and tell the newest state as telemetry has it."""
        newest = None
        for newest, features in self.take(now_s, settling=settling):
            if self.log is not None:
                row = np.array([getattr(features, name) for name in NAMES])
                self.log.append(newest.t, row, newest.state, newest.confidence, newest.modalities)
        if newest is None:
            return None
        return {
            "state": LABELS[newest.state],
            "coarse": coarse(newest.state, newest.modalities),
            "confidence": newest.confidence,
            "modalities": [name for name, bit in MODALITIES.items() if bit & newest.modalities],
        }

    def take(self, now_s: float, *, settling: bool) -> Iterator[tuple[Tick, Features]]:
        """The ticks that are ready at `now_s`, each with its features."""
        for sources in self._sources.values():
            for source in sources:
                self._put(source)
        for t, features in self._joiner.take(now_s):
            yield self.arousal.step(t, features, settling), self.arousal.raw[-1]
