"""Pops: steps of the potential of one channel; science.md B.2 Q03."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.amplitude import Recent
from tenmin.checks.grid import BINS_PER_S
from tenmin.checks.parameters import Parameters
from tenmin.checks.robust import robust_sigma
from tenmin.checks.second import Scaling, Second
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

COUNTED_S = 60  # pops are told per minute
SIGMA_S = 10  # seconds whose median is the channel's usual SD: a step must not raise its own limit
ROUNDING = 12**-0.5  # SD of rounding to a code: what is smaller cannot be seen
MANY = 0.1  # share of a channel's differences beyond the limit from which it is noise, no pop
N_EVENTS = 10_000
AT_ONCE = 32  # channels that are looked at in one part


@dataclass(frozen=True, slots=True)
class Event:
    """One pop.

    Attributes
    ----------
    index : int
        Of the first sample after the step, in the stream's index.
    channel : int
    step : float
        Median of the samples after it minus that before it, microvolts.
    sigmas : float
        Its size in the channel's robust SD.
    """

    index: int
    channel: int
    step: float
    sigmas: float


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in a second.

    Attributes
    ----------
    sigma : ndarray, (n_channels,)
        Usual robust SD.
    known : ndarray of bool, (n_channels,)
    found : list of (int, int, float)
        See `Steps.find`.
    """

    sigma: np.ndarray
    known: np.ndarray
    found: list[tuple[int, int, float]]


class Pop:
    """Q03: pops of the last minute.

    Attributes
    ----------
    events : deque of Event
        The newest, in the order in which they were found.
    """

    name = "pop"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters, self.stream = parameters, stream
        self._rounding = rounding_of(stream)
        self._sigma, self._change = (Recent(SIGMA_S, least=3) for _ in range(2))
        self._counts: deque[tuple[int, np.ndarray]] = deque()
        self.events: deque[Event] = deque(maxlen=N_EVENTS)
        self._steps = Steps(parameters["window_s"])
        self._next: int | None = None
        self._looked: tuple[Second, Looked | None] | None = None

    def anchor(self) -> None:
        """Count from here."""
        self.events.clear()
        self._counts.clear()
        self._next = None

    def parts(self, second: Second) -> Iterator[None]:
        """Look for steps; an artefact that steps in every channel takes many parts."""
        self._looked = second, (yield from self._look(second))

    def _look(self, second: Second) -> Generator[None, None, Looked | None]:
        """What there is in a second; None without a whole one."""
        if not second.whole or not len(second.samples):
            self._next = None
            return None
        _ = second.spread  # kept with the second
        yield
        if self._next != second.number:
            self._steps.restart()
        self._next = second.number + 1
        sigma = self._sigma.median(second.spread)
        change = self._change.median(robust_sigma(np.diff(second.samples, axis=0)))
        sigma, change = (np.maximum(s, self._rounding * k) for s, k in ((sigma, 1), (change, 1.4)))
        known = (sigma > 0) & (change > 0) & ~np.isnan(second.samples).any(axis=0)
        p = self.parameters
        limit = np.where(known, p["difference_sigmas"] * change, np.inf)
        found, noisy = yield from self._steps.find(
            second.samples, second.rate_hz, limit, p["step_sigmas"] * sigma
        )
        return Looked(sigma, known & ~noisy, found)

    def measure(self, second: Second) -> Measured:
        """How many in the last minute; unknown without a whole second or before three of them."""
        n_channels = second.low.shape[1]
        if self._looked is None or self._looked[0] is not second:
            for _ in self.parts(second):
                pass
        assert self._looked is not None
        (_, looked), self._looked = self._looked, None
        if looked is None:
            return Measured(np.full(n_channels, np.nan))
        sigma, known, found = looked.sigma, looked.known, looked.found
        here, before = np.zeros((2, BINS_PER_S, n_channels), bool)
        counts = np.zeros(n_channels)
        for at, c, step in found:
            if not known[c]:
                continue
            counts[c] += 1
            slot = int(at * BINS_PER_S // second.rate_hz)
            (here if slot >= 0 else before)[slot, c] = True
            index = second.index + round(at * self.stream.rate_hz / second.rate_hz)
            self.events.append(Event(index, c, step, abs(step) / sigma[c]))
        values = np.where(known, self._counted(second.number, counts), np.nan)
        return Measured(values, here, before)

    def _counted(self, number: int, counts: np.ndarray) -> np.ndarray:
        """Pops of the last minute with those of this second."""
        self._counts.append((number, counts))
        while self._counts[0][0] <= number - COUNTED_S:
            self._counts.popleft()
        return np.sum([n for _, n in self._counts], axis=0)


def rounding_of(stream: Stream) -> np.ndarray:
    """SD of what rounding to codes adds to each channel, microvolts, (n_channels,)."""
    factor = np.abs(Scaling.of(stream).factor)
    return ROUNDING * factor if np.dtype(stream.dtype).kind in "iu" else np.zeros_like(factor)


class Steps:
    """Steps of a signal that comes second by second; a step needs what follows it.

    Parameters
    ----------
    window_s : float
        Before and after a step.
    """

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.restart()

    def restart(self) -> None:
        """What comes next does not follow what came before."""
        self._tail: np.ndarray | None = None
        self._free: dict[int, int] = {}  # from which sample on a channel may have the next step

    def find(
        self, samples: np.ndarray, rate_hz: float, limit: np.ndarray, least: np.ndarray
    ) -> Generator[None, None, tuple[list[tuple[int, int, float]], np.ndarray]]:
        """The steps that can be told now, each once; in parts.

        Parameters
        ----------
        samples : ndarray, (n_samples, n_channels)
            The next second.
        rate_hz : float
        limit : ndarray, (n_channels,)
            A difference of two samples beyond it may be a step.
        least : ndarray, (n_channels,)
            It is one if the medians of the windows before and after differ by more.

        Returns
        -------
        list of (int, int, float)
            Sample (negative: before this second), channel, and size.
        ndarray of bool, (n_channels,)
            Channels with too many large differences.
        """
        w = max(1, round(self.window_s * rate_hz))
        tail = samples[:0] if self._tail is None else self._tail
        n = len(tail) + len(samples)
        self._tail = np.concatenate([tail, samples[-2 * w :]])[-2 * w :].copy()
        counts = np.zeros(samples.shape[1], np.int64)
        if n >= 2 * w:
            first, last = tail[w - 1 :], samples[max(0, w - 1 - len(tail)) : len(samples) - w]
            for part in (first, np.concatenate([first[-1:], last[:1]]), last):
                _kernels.steep(part, limit, counts)
        noisy = counts > MANY * len(samples)
        yield
        found: list[tuple[int, int, float]] = []
        steep = np.flatnonzero((counts > 0) & ~noisy)
        for channels in np.array_split(steep, -(-len(steep) // AT_ONCE)) if len(steep) else ():
            both = np.concatenate([tail[:, channels], samples[:, channels]])
            at, column, size = _sizes(both, w, limit[channels])
            large = np.abs(size) > least[channels][column]
            places = zip(at[large] - len(tail), channels[column[large]], size[large], strict=True)
            for i, c, step in places:
                if i >= self._free.get(int(c), -n):
                    found.append((int(i), int(c), float(step)))
                    self._free[int(c)] = int(i) + w
            yield
        self._free = {c: free - len(samples) for c, free in self._free.items() if free > 0}
        return found, noisy


def _sizes(both: np.ndarray, w: int, limit: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where differences are beyond the limit, channel by channel: sample, channel, and step."""
    steep = np.abs(np.diff(both[w - 1 : len(both) - w], axis=0)) > limit
    column, at = np.nonzero(steep.T)
    at += w
    windows = np.lib.stride_tricks.sliding_window_view(both, w, axis=0)
    after, before = (np.median(windows[k, column], axis=1) for k in (at, at - w))
    return at, column, after - before
