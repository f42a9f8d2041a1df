"""Checks of a distribution that tenmin does not know: one that works, and what can go wrong.

STRANGER_CHECKS names those that apply, separated by commas; all where it is not set.
"""

import ctypes
import os
import time

import numpy as np

from tenmin.checks import FAIL, OK, UNKNOWN, Check, Verdict


class Good(Check):
    """Mean of the newest second against the range."""

    name = "stranger.good"

    def __init__(self, stream):
        self.stream = stream
        self._sum = self._n = 0

    def feed(self, piece):
        self._sum += int(piece.samples.sum(dtype=np.int64))
        self._n += piece.samples.size

    def tick(self, now_s):
        if not self._n:
            return Verdict(self.name, self.stream.name, UNKNOWN, unit="counts")
        mean, self._sum, self._n = self._sum / self._n, 0, 0
        level = OK if abs(mean) < 30_000 else FAIL
        return Verdict(self.name, self.stream.name, level, mean, 30_000.0, "counts")


class Loops(Good):
    """Never comes back."""

    name = "stranger.loops"

    def feed(self, piece):
        while True:
            pass


class Leaks(Good):
    """Keeps ever more."""

    name = "stranger.leaks"
    kept = []  # noqa: RUF012

    def feed(self, piece):
        self.kept.append(np.ones(20_000_000, np.uint8))


class Raises(Good):
    """Divides by zero."""

    name = "stranger.raises"

    def feed(self, piece):
        return 1 // 0


class Segfaults(Good):
    """Reads where nothing is."""

    name = "stranger.segfaults"

    def feed(self, piece):
        ctypes.string_at(0)


class Slow(Good):
    """Takes longer for a piece than the piece is."""

    name = "stranger.slow"

    def feed(self, piece):
        super().feed(piece)
        time.sleep(0.4)


def _factory(kind):
    def make(stream):
        asked = os.environ.get("STRANGER_CHECKS")
        wanted = asked is None or kind.name in asked.split(",")
        return kind(stream) if wanted and stream.is_electrical else None

    return make


good, loops, leaks, raises, segfaults, slow = map(
    _factory, (Good, Loops, Leaks, Raises, Segfaults, Slow)
)


def forged(stream):
    """A check under a name that is tenmin's own."""
    raise AssertionError("nobody may call this")
