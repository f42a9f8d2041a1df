"""The lattice's time axis: bins of 0.1 s of a stream, counted from an origin in its index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BINS_PER_S = 10  # science.md 0.2: the mask lattice is channel x 0.1 s


@dataclass(frozen=True, slots=True)
class Grid:
    """Bins of 0.1 s.

    Attributes
    ----------
    rate_hz : float
        Sampling rate; a bin need not hold a whole number of samples.
    origin : int
        Index at which bin 0 begins.
    """

    rate_hz: float
    origin: int

    def edge(self, number: int) -> int:
        """Index of the first sample of a bin."""
        return self.origin + round(number * self.rate_hz / BINS_PER_S)

    def number(self, index: int) -> int:
        """The bin that an index lies in."""
        guess = int((index - self.origin) * BINS_PER_S // self.rate_hz)
        while self.edge(guess + 1) <= index:
            guess += 1
        while self.edge(guess) > index:
            guess -= 1
        return guess

    def split(self, index: int, n: int) -> Iterator[tuple[int, int, int]]:
        """The bins of the samples ``index … index + n - 1``: bin, first and stop offset in them."""
        at, number = 0, self.number(index)
        while at < n:
            stop = min(n, self.edge(number + 1) - index)
            yield number, at, stop
            at, number = stop, number + 1
