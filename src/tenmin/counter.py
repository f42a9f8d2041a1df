"""Device indices that never wrap: chunks into runs, with every missing sample counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GAP, ESTIMATED, RECONNECT, RESTART = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Last:
    """Where a stream stood when its last run ended.

    Attributes
    ----------
    seq : int
        Samples ever written to its ring: the sequence number of the next one.
    index : int
        Device index of the next sample if none is missing.
    device_time : float or None
        Device time of the last sample, seconds.
    host_ns : int
        Arrival of the last run, monotonic ns.
    """

    seq: int
    index: int
    device_time: float | None
    host_ns: int


@dataclass(frozen=True, slots=True)
class Run:
    """Samples whose device index is continuous.

    Attributes
    ----------
    index : int
        Device index of the first sample; never wraps.
    samples : ndarray, (n_samples, n_channels)
        A view of the chunk.
    device_time : ndarray, (n_samples,), float64, or None
        As delivered.
    host_ns : int
        Arrival of the chunk, monotonic ns.
    flags : int
        ``GAP | ESTIMATED | RECONNECT | RESTART``: what is true of the step before it.
    """

    index: int
    samples: np.ndarray
    device_time: np.ndarray | None
    host_ns: int
    flags: int = 0
