"""Samples of one stream, sorted into bins of 0.1 s by their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tenmin.checks.arousal.features import NAN
from tenmin.checks.arousal.smoothing import TICK_S

EDGE = 1e-6  # of a bin: times are sums
TICKS_PER_S = round(1 / TICK_S)


@dataclass(frozen=True)
class Values:
    """Features of consecutive ticks.

    Attributes
    ----------
    first : int
        The first tick; tick k is the bin ``origin + 0.1 k … origin + 0.1 (k + 1)`` seconds.
    values : ndarray, (n_ticks, n_names), float64
        NaN where a feature is not known.
    """

    first: int
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


class Bins:
    """Sorts samples into bins; a bin is complete when a sample beyond it has come.

    Parameters
    ----------
    origin_s : float
        Where bin 0 begins, on the clock of the samples' times.
    """

    def __init__(self, origin_s: float) -> None:
        self.origin_s = origin_s
        self.next: int | None = None
        self._times: list[np.ndarray] = []
        self._samples: list[np.ndarray] = []

    def feed(
        self, times: np.ndarray, samples: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Take samples; yield (tick, times, samples) of each bin that is complete.

        Parameters
        ----------
        times : ndarray, (n,), float64
            Seconds, ascending; what lies before the bins already given is left out.
        samples : ndarray, (n, n_channels)
        """
        if not len(times):
            return
        numbers = np.floor((times - self.origin_s) / TICK_S + EDGE).astype(np.int64)
        if self.next is None:
            self.next = int(numbers[0])
        keep = numbers >= self.next
        if not keep.all():
            numbers, times, samples = numbers[keep], times[keep], samples[keep]
        edges = np.flatnonzero(np.diff(numbers)) + 1
        bounds = [0, *edges.tolist(), len(numbers)]
        for start, stop in pairwise(bounds):
            if start == stop:
                continue
            while self.next < numbers[start]:
                yield self._complete(samples)
            self._times.append(times[start:stop])
            self._samples.append(samples[start:stop])

    def _complete(self, like: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        assert self.next is not None
        tick, self.next = self.next, self.next + 1
        times = np.concatenate([*self._times, np.empty(0)])
        samples = np.concatenate([*self._samples, like[:0]])
        self._times, self._samples = [], []
        return tick, times, samples


class Extractor:
    """Makes features of the samples of one stream.

    Parameters
    ----------
    origin_s : float
        Where tick 0 begins, seconds on the clock of the times.

    Attributes
    ----------
    names : tuple of str
        Of the features, as in `tenmin.checks.arousal.features.FEATURES`.
    """

    names: tuple[str, ...] = ()

    def __init__(self, origin_s: float) -> None:
        self._bins = Bins(origin_s)

    def feed(self, times: np.ndarray, samples: np.ndarray) -> Values:
        """Take samples, cut anywhere, and return the ticks that they complete.

        Parameters
        ----------
        times : ndarray, (n,), float64
            Seconds.
        samples : ndarray, (n, n_channels)
            In the unit that the extractor asks for.
        """
        found = [(tick, self.bin(tick, t, x)) for tick, t, x in self._bins.feed(times, samples)]
        first = found[0][0] if found else (self._bins.next or 0)
        values = np.array([row for _, row in found], float).reshape(-1, len(self.names))
        return Values(first, values)

    def origin(self, tick: int) -> float:
        """Where a bin begins, seconds."""
        return self._bins.origin_s + tick * TICK_S

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        """The features of one bin; bins come in order, without holes, empty ones too."""
        raise NotImplementedError


class Held(Extractor):
    """Values that somebody else made, at any rate: the newest one holds for a while.

    Parameters
    ----------
    origin_s : float
    names : tuple of str
        One feature per channel.
    hold_s : float
        How long a value holds.
    """

    def __init__(self, origin_s: float, names: tuple[str, ...], hold_s: float = 1.0) -> None:
        super().__init__(origin_s)
        self.names = names
        self._hold = round(hold_s / TICK_S)
        self._value, self._age = (NAN,) * len(names), 0

    def bin(self, tick: int, times: np.ndarray, samples: np.ndarray) -> tuple[float, ...]:
        if len(samples):
            self._value, self._age = tuple(float(x) for x in samples[-1]), 0
        else:
            self._age += 1
        return self._value if self._age < self._hold else (NAN,) * len(self.names)


class Seconds:
    """The last two seconds of bins, for segments of two seconds that overlap by half."""

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self._bins: list[np.ndarray] = []

    def add(self, tick: int, samples: np.ndarray) -> np.ndarray | None:
        """Take a bin; the segment that it completes, (2 rate, n_channels), or None.

        A segment in which more than one sample in a hundred is missing is None too.
        """
        self._bins = [*self._bins[1 - 2 * TICKS_PER_S :], samples]
        if (tick + 1) % TICKS_PER_S or len(self._bins) < 2 * TICKS_PER_S:
            return None
        segment = np.concatenate(self._bins).astype(float)
        n = 2 * round(self.rate_hz)  # even, so that the frequencies follow from the length
        return segment[-n:] if len(segment) >= 0.99 * n else None

    @staticmethod
    def due(tick: int) -> bool:
        """Whether a second ends with this bin."""
        return (tick + 1) % TICKS_PER_S == 0
