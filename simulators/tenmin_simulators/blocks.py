"""Rows of endless arrays, made in blocks of fixed size: the same whatever the cuts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

KEPT = 3  # blocks that are remembered


class Blocks:
    """An array without end along its first axis.

    Parameters
    ----------
    make : function (block) -> ndarray, (rows, ...)
        Gives the block of that number, always the same one.
    rows : int
        Rows of a block.
    """

    def __init__(self, make: Callable[[int], np.ndarray], rows: int) -> None:
        self.rows, self._make = rows, make
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def take(self, first: int, n: int) -> np.ndarray:
        """Rows [first, first + n), in an array of the caller's own."""
        pieces = []
        for block in range(first // self.rows, max(first, first + n - 1) // self.rows + 1):
            start = max(first - block * self.rows, 0)
            pieces.append(self.block(block)[start : first + n - block * self.rows])
        return np.concatenate(pieces)

    def block(self, number: int) -> np.ndarray:
        """One whole block; not to be changed."""
        if number not in self._kept:
            self._kept[number] = self._make(number)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[number]

    def forget(self) -> None:
        """Make everything anew when it is asked for again."""
        self._kept.clear()


def seed(rng: np.random.Generator) -> int:
    """A seed for what is made later, block by block."""
    return int(rng.integers(1 << 62))


def noise(rng: np.random.Generator, columns: Sequence[int] = (), rows: int = 4096) -> Blocks:
    """White Gaussian noise of SD 1, (rows, *columns), float64, without end."""
    key = seed(rng)
    return Blocks(
        lambda block: np.random.default_rng((key, block)).standard_normal((rows, *columns)), rows
    )


def wander(
    rng: np.random.Generator, n: int, step_s: float, sd: float, tau_s: float, columns: int = 1
) -> np.ndarray:
    """An Ornstein-Uhlenbeck process, (n, columns): stationary, of this SD and time constant."""
    keep = float(np.exp(-step_s / tau_s))
    out = rng.standard_normal((n, columns)) * sd
    out[1:] *= np.sqrt(1.0 - keep**2)
    for i in range(1, n):
        out[i] += keep * out[i - 1]
    return out
