"""The mask lattice: channel x 0.1 s, bit codes; clean seconds and bad channels follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tenmin.checks.grid import BINS_PER_S

# science.md 0.2
GAP, FLAT, CLIP, POP, LINE, NOISE = 1, 2, 4, 8, 16, 32
MUSCLE, EYE, MOTION, OPERATOR, INTERVENTION, SYNC = 64, 128, 256, 512, 1024, 2048
BITS = {
    "gap": GAP,
    "flat": FLAT,
    "clip": CLIP,
    "pop": POP,
    "line": LINE,
    "noise": NOISE,
    "muscle": MUSCLE,
    "eye": EYE,
    "motion": MOTION,
    "operator": OPERATOR,
    "intervention": INTERVENTION,
    "sync": SYNC,
}
# LINE, EYE and MOTION are kept beside: narrow-band and frontal problems.
SPOILS = GAP | FLAT | CLIP | POP | NOISE | MUSCLE | OPERATOR | INTERVENTION | SYNC
INTEGRITY = GAP | SYNC
CLEAN_SHARE = 0.8  # of the channels that are not bad
BAD_SHARE = 0.2  # of the seconds of the block at level FAIL


@dataclass
class Masks:
    """The bits of the second that is judged, while its checks run, and of the one before.

    Attributes
    ----------
    now : ndarray, (10, n_channels), uint16, or None
        What the checks before the asking one said; the owner's own array, which fills.
    before : ndarray, (10, n_channels), uint16, or None
        All bits of the second before, with those that only this second could tell; None where
        that one was not judged.
    """

    now: np.ndarray | None = None
    before: np.ndarray | None = None
    _number: int | None = field(init=False, default=None, repr=False)

    def begin(self, number: int, now: np.ndarray) -> None:
        """The next second is judged."""
        follows = self._number is not None and number == self._number + 1
        self.before = self.now if follows else None
        self.now, self._number = now, number

    def add_late(self, bits: np.ndarray) -> None:
        """Add bits of the second before."""
        if self.before is not None:
            self.before |= bits

    def has(self, bits: int, ringing: int = 0) -> np.ndarray:
        """Channels with one of the bits now or in the last bins before, (n_channels,), bool.

        Parameters
        ----------
        bits : int
        ringing : int
            Number of bins for which what they mark is still seen.
        """
        found = np.zeros(1, bool) if self.now is None else ((self.now & bits) != 0).any(axis=0)
        if self.before is not None and ringing:
            found = found | ((self.before[-ringing:] & bits) != 0).any(axis=0)
        return found

    def restart(self) -> None:
        """What comes next does not follow what came before."""
        self.now = self.before = self._number = None


@dataclass
class Lattice:
    """Bits of one stream from the first second that was seen on.

    Attributes
    ----------
    n_channels : int
    first : int
        Number of the first second on the stream's grid; second 0 begins at t0.
    """

    n_channels: int
    first: int = 0
    _bits: np.ndarray = field(init=False, repr=False)
    _failed: np.ndarray = field(init=False, repr=False)
    _spoilt: np.ndarray = field(init=False, repr=False)  # by second and channel
    _broken: np.ndarray = field(init=False, repr=False)  # by second
    _n: int = field(init=False, default=0)
    _unseen: set[int] = field(init=False, default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self._bits = np.zeros((64 * BINS_PER_S, self.n_channels), np.uint16)
        self._failed = np.zeros((64, self.n_channels), bool)
        self._spoilt = np.zeros_like(self._failed)
        self._broken = np.zeros(64, bool)

    def add(self, number: int, bits: np.ndarray, failed: np.ndarray) -> None:
        """Take the bits of a second and which channels were at level FAIL in it.

        Parameters
        ----------
        number : int
            Of the second; those since the last one count as gaps unless they were `unseen`.
        bits : ndarray, (10, n_channels), uint16
        failed : ndarray, (n_channels,), bool
        """
        if self._n == 0:
            self.first = number
        at = number - self.first
        if at < 0:
            return
        while at >= len(self._failed):
            self._grow()
        for hole in range(self._n, at):
            if hole + self.first not in self._unseen:
                self._set(hole, GAP)
        self._set(at, bits)
        self._failed[at] |= failed
        self._n = max(self._n, at + 1)

    def _grow(self) -> None:
        for name in ("_bits", "_failed", "_spoilt", "_broken"):
            rows = getattr(self, name)
            setattr(self, name, np.concatenate([rows, np.zeros_like(rows)]))

    def _set(self, at: int, bits: np.ndarray | int) -> None:
        """Set bits of a second, and what they come to: a block has too many to go through again."""
        second = self._bits[at * BINS_PER_S : (at + 1) * BINS_PER_S]
        second |= np.asarray(bits, np.uint16)
        found = np.bitwise_or.reduce(second, axis=0)
        self._spoilt[at] = (found & SPOILS) != 0
        self._broken[at] = (found & INTEGRITY).any()

    def unseen(self, numbers: Iterable[int]) -> None:
        """Seconds that nobody looked at: not clean, and no gap."""
        self._unseen.update(numbers)

    def mark(self, start: int, stop: int, bit: int, channels: object = slice(None)) -> None:
        """Set a bit from bin `start` up to bin `stop` (of the grid), in seconds already taken."""
        zero = self.first * BINS_PER_S
        low, high = max(0, start - zero), min(self._n * BINS_PER_S, stop - zero)
        if low < high:
            self._bits[low:high, channels] |= bit  # type: ignore[index]
            for at in range(low // BINS_PER_S, -(-high // BINS_PER_S)):
                self._set(at, 0)

    def bits(self) -> np.ndarray:
        """All bits so far, (n_bins, n_channels), uint16."""
        return self._bits[: self._n * BINS_PER_S]

    def bad_channels(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Channels at level FAIL in more than `BAD_SHARE` of seconds ``start … stop - 1``."""
        failed = self._failed[self._window(start, stop)]
        if not len(failed):
            return np.zeros(self.n_channels, bool)
        return failed.mean(axis=0) > BAD_SHARE

    def clean(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Whether each second of ``start … stop - 1`` that was taken is clean, (n,), bool."""
        window = self._window(start, stop)
        good = ~self.bad_channels(start, stop)
        if not good.any():
            return np.zeros(window.stop - window.start, bool)
        free = (~self._spoilt[window])[:, good].mean(axis=1) >= CLEAN_SHARE
        numbers = range(window.start + self.first, window.stop + self.first)
        seen = np.array([number not in self._unseen for number in numbers], bool)
        return free & ~self._broken[window] & seen

    def clean_s(self, start: int = 0, stop: int | None = None) -> int:
        """Clean time: how many seconds of ``start … stop - 1`` are clean."""
        return int(self.clean(start, stop).sum())

    def judged_s(self, start: int = 0, stop: int | None = None) -> int:
        """How many seconds of ``start … stop - 1`` have been judged, gaps among them."""
        window = self._window(start, stop)
        numbers = range(window.start + self.first, window.stop + self.first)
        return sum(number not in self._unseen for number in numbers)

    def _window(self, start: int, stop: int | None) -> slice:
        low = max(0, start - self.first)
        high = self._n if stop is None else min(self._n, stop - self.first)
        return slice(low, max(low, high))
