"""Streams through rings, extractors and the arousal of a block, as far as they are built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenmin.ring import Piece
from tenmin.stream import Chunk, Stream
from tests.scoring.play import needed, through_ring


@dataclass(frozen=True)
class Extracted:
    """The features of streams, as they came out of the ring.

    Attributes
    ----------
    family : str
    start_s, last_s : float
        When bin 0 begins, and the last sample's time.
    names : dict of str to tuple of str
        Features of each extractor, by stream and role.
    values : dict of str to list of Values
    """

    family: str
    start_s: float
    last_s: float
    names: dict[str, tuple[str, ...]]
    values: dict[str, list[Any]]

    def told(
        self, settle_s: float, *, only: Iterable[str] | None = None, eyes: str = "open"
    ) -> Any:
        """An `Arousal` that has seen these features.

        Parameters
        ----------
        settle_s : float
            The block begins after it.
        only : iterable of str, optional
            Names of the streams that are there; all by default.
        """
        arousal = needed("tenmin.checks.arousal")
        there = None if only is None else set(only)
        keys = [k for k in self.names if there is None or k.split(":")[0] in there]
        joiner = arousal.Joiner(self.start_s, {key: self.names[key] for key in keys})
        for key in keys:
            for values in self.values[key]:
                joiner.put(key, values)
        tracker = arousal.Arousal(self.family, arousal.shipped(), eyes)
        for t, features in joiner.take(self.last_s):
            tracker.step(t, features, settling=t <= self.start_s + settle_s)
        return tracker


def extracted(
    sources: Sequence[tuple[Stream, Iterable[Chunk]]], family: str, start_s: float = 0.0
) -> Extracted:
    """The features of streams that went through their rings.

    Raises
    ------
    NotBuilt
        There is no arousal yet.
    """
    arousal = needed("tenmin.checks.arousal")
    single = needed("tenmin.checks.single")
    rules = arousal.shipped()
    found = arousal.roles([stream for stream, _ in sources], family, rules)
    extractors = {
        f"{role.stream}:{role.what}": (role, role.extractor(start_s, rules, family == "human"))
        for role in found
    }
    made: dict[str, list[Any]] = {key: [] for key in extractors}
    last_s = start_s
    for stream, chunks in sources:
        mine = [(k, r, e) for k, (r, e) in extractors.items() if r.stream == stream.name]
        for piece in through_ring(stream, chunks):
            times = single.times_of(stream, piece)
            last_s = max(last_s, float(times[-1]))
            for key, role, extractor in mine:
                made[key].append(extractor.feed(times, _values(stream, piece, role)))
    names = {key: e.names for key, (_, e) in extractors.items()}
    return Extracted(family, start_s, last_s, names, made)


def arousal_of(
    sources: Sequence[tuple[Stream, Iterable[Chunk]]],
    family: str,
    settle_s: float,
    *,
    eyes: str = "open",
    start_s: float = 0.0,
) -> Any:
    """An `Arousal` that has seen streams from `start_s` on; its block begins after the settling.

    Raises
    ------
    NotBuilt
        There is no arousal yet.
    """
    return extracted(sources, family, start_s).told(settle_s, eyes=eyes)


def _values(stream: Stream, piece: Piece, role: Any) -> np.ndarray:
    values = piece.samples[:, list(role.channels)] * stream.scale + stream.offset
    return np.asarray(values * role.factor, np.float64)
