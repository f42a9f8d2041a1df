"""Features of several streams, put side by side tick by tick."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tenmin.checks.arousal.binning import Values
from tenmin.checks.arousal.features import Features, known
from tenmin.checks.arousal.smoothing import TICK_S

PATIENCE_S = 0.5  # what comes later than this is not waited for; E.2 asks for 0.5 s in all


class Joiner:
    """Gives a tick when all streams have told of it, or when it is too late to wait.

    Parameters
    ----------
    origin_s : float
        Where tick 0 begins, seconds.
    sources : mapping of str to tuple of str
        Names of the features that each source gives; of two that give the same one, the later
        takes precedence where it knows a value.
    patience_s : float

    Attributes
    ----------
    late : int
        Ticks of a source that came too late and were left out.
    """

    def __init__(
        self,
        origin_s: float,
        sources: Mapping[str, tuple[str, ...]],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.origin_s, self.patience_s = origin_s, patience_s
        self.late = 0
        self._names = dict(sources)
        self._done: dict[str, int | None] = dict.fromkeys(sources)
        self._waiting: dict[int, dict[str, float]] = {}
        self._next: int | None = None

    def put(self, source: str, values: Values) -> None:
        """Take what an extractor gave."""
        if not len(values):
            return
        for tick, row in enumerate(values.values.tolist(), values.first):
            if self._next is not None and tick < self._next:
                self.late += 1
                continue
            found = self._waiting.setdefault(tick, {})
            found.update(
                (name, x) for name, x in zip(self._names[source], row, strict=True) if known(x)
            )
        self._done[source] = values.first + len(values)

    def take(self, now_s: float) -> Iterator[tuple[float, Features]]:
        """The ticks that are ready at `now_s`: (end of the bin in seconds, features), in order."""
        forced = math.floor((now_s - self.patience_s - self.origin_s) / TICK_S + 1e-6)
        done = [-math.inf if tick is None else tick for tick in self._done.values()]
        limit = max(forced, min(done, default=-math.inf))
        if self._next is None and self._waiting:
            self._next = min(self._waiting)
        while self._next is not None and self._next < limit:
            found = self._waiting.pop(self._next, {})
            self._next += 1
            yield self.origin_s + self._next * TICK_S, Features(**found)
