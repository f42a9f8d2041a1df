"""The newest stretch of a stream as it came, for checks that look at all channels at once."""

from __future__ import annotations

import numpy as np

from tenmin.checks.second import Scaling
from tenmin.stream import Stream

PIECE_S = 0.3  # science.md B.2 Q06, Q07
PIECE_EVERY = 5  # seconds from piece to piece; two of them lie in the ten ticks of Q06


class Tail:
    """The last `PIECE_S` of a stream as they came."""

    def __init__(self, stream: Stream, scaling: Scaling) -> None:
        self.scaling = scaling
        n = max(1, int(PIECE_S * stream.rate_hz))
        self._rows = np.zeros((n, stream.n_channels), stream.dtype)
        self._n = 0
        self.none = np.empty((0, stream.n_channels), np.float32)

    def restart(self) -> None:
        """Nothing is kept over a gap."""
        self._n = 0

    def take(self, samples: np.ndarray) -> None:
        """Keep the newest rows."""
        room = len(self._rows)
        self._n += max(0, len(samples) - room)
        samples = samples[-room:]
        at = self._n % room
        head = samples[: room - at]
        self._rows[at : at + len(head)] = head
        self._rows[: len(samples) - len(head)] = samples[len(head) :]
        self._n += len(samples)

    def microvolts(self) -> np.ndarray:
        """The rows in order, float32; empty while there are too few."""
        if self._n < len(self._rows):
            return self.none
        at = self._n % len(self._rows)
        rows = np.concatenate([self._rows[at:], self._rows[:at]])
        return rows * self.scaling.factor.astype(np.float32) + np.float32(self.scaling.offset)
