"""Feeding a kernel in pieces of any length."""

from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

N = 1200
CUTS = st.lists(st.integers(1, 333), min_size=1, max_size=12)


def pieces(samples: np.ndarray, lengths: list[int]) -> Iterator[np.ndarray]:
    """The rows of `samples` in pieces of `lengths`, over and over until all are given."""
    at = turn = 0
    while at < len(samples):
        n = lengths[turn % len(lengths)]
        yield samples[at : at + n]
        at, turn = at + n, turn + 1


def noise(n: int = N, n_channels: int = 5, seed: int = 0) -> np.ndarray:
    """White noise of SD 1 on an offset that differs by channel, float64."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_channels)) + np.arange(n_channels) * 1e3
