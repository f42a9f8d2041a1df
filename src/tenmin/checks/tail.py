"""A stretch of a stream as it came, for checks that look at all channels at once."""

from __future__ import annotations

import numpy as np

from tenmin.stream import Stream

PIECE_S = 0.3  # science.md B.2 Q06, Q07
PIECE_EVERY = 5  # seconds from piece to piece; two of them lie in the ten ticks of Q06


class Tail:
    """The last `PIECE_S` of a second.

    Attributes
    ----------
    n : int
        Its samples.
    """

    def __init__(self, stream: Stream) -> None:
        self.n = max(1, int(PIECE_S * stream.rate_hz))
        self._rows = np.empty((self.n, stream.n_channels), stream.dtype)
        self._filled = 0

    def take(self, samples: np.ndarray, at: int) -> None:
        """Keep rows; `at` says which row of the stretch the first is, negative if before it."""
        if at <= 0:
            self._filled = 0
        samples, at = samples[max(0, -at) :], max(0, at)
        if at == self._filled:  # else rows are missing
            self._rows[at : at + len(samples)] = samples
            self._filled += len(samples)

    def rows(self) -> np.ndarray:
        """The stretch, raw counts, (n, n_channels); no rows where any is missing.

        They stay as they are until the next stretch begins.
        """
        return self._rows if self._filled == self.n else self._rows[:0]
