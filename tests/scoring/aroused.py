"""Streams through rings, extractors and the arousal of a block, as far as they are built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tenmin.ring import Piece
from tenmin.stream import Chunk, Stream
from tests.scoring.play import needed, through_ring


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
    arousal = needed("tenmin.checks.arousal")
    single = needed("tenmin.checks.single")
    rules = arousal.shipped()
    found = arousal.roles([stream for stream, _ in sources], family, rules)
    extractors = {
        f"{role.stream}:{role.what}": (role, role.extractor(start_s, rules, family == "human"))
        for role in found
    }
    joiner = arousal.Joiner(start_s, {key: e.names for key, (_, e) in extractors.items()})
    last_s = start_s
    for stream, chunks in sources:
        mine = [(k, r, e) for k, (r, e) in extractors.items() if r.stream == stream.name]
        for piece in through_ring(stream, chunks):
            times = single.times_of(stream, piece)
            last_s = max(last_s, float(times[-1]))
            for key, role, extractor in mine:
                joiner.put(key, extractor.feed(times, _values(stream, piece, role)))
    tracker = arousal.Arousal(family, rules, eyes)
    for t, features in joiner.take(last_s):
        tracker.step(t, features, settling=t <= start_s + settle_s)
    return tracker


def _values(stream: Stream, piece: Piece, role: Any) -> np.ndarray:
    values = piece.samples[:, list(role.channels)] * stream.scale + stream.offset
    return np.asarray(values * role.factor, np.float64)
