"""Checks of a probe's channels against the whole array; science.md B.2 Q06, Q07.

Both look at all channels over the same stretch of 0.3 s, which comes every few seconds; between
two stretches the last answer holds. A stretch takes several milliseconds, so they can be told to
work on it in parts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.coefficients import spike_band, spike_band_settled
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Scaling, Second
from tenmin.checks.setting import Setting
from tenmin.checks.sites import depths_of
from tenmin.checks.tail import PIECE_EVERY
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

GOOD, DEAD, NOISE, OUT = range(4)
LABELS = ("good", "dead", "noise", "out")
UNLABELLED = "unknown"
SEVERITY = np.array([0.0, 2.0, 2.0, 1.0])  # of each label: the value of the check
HIGH_HZ = 300.0  # as IBL's detect_bad_channels
ROWS = 128  # worked on at a time, so that they stay in the cache
PART_ROWS, PART_SEGMENTS = 2048, 6  # what takes one to two milliseconds with 384 channels


class Held:
    """The last answer, for as long as the next is not due."""

    def __init__(self, n_channels: int) -> None:
        self._values, self._until = np.full(n_channels, np.nan), -(2**62)

    def keep(self, number: int, values: np.ndarray) -> None:
        """Take the answer of second `number`."""
        self._values, self._until = values, number + PIECE_EVERY

    def at(self, second: Second) -> np.ndarray:
        """The answer for a second; NaN when it is too old or something is missing."""
        stale = not self._until - PIECE_EVERY <= second.number < self._until
        values = np.full_like(self._values, np.nan) if stale or not second.whole else self._values
        return np.where(np.isnan(second.low).any(axis=0), np.nan, values)


class Stretches:
    """What is worked out of each stretch; `_work` does it, and keeps the answer in `_held`."""

    def __init__(self, stream: Stream, parameters: Parameters) -> None:
        self.parameters, self.rate_hz = parameters, stream.rate_hz
        self._factor = Scaling.of(stream).factor
        self._held = Held(stream.n_channels)
        self._worked: int | None = None

    def parts(self, second: Second) -> Iterator[None]:
        """Work on the stretch of a second, if it has one, a few milliseconds at a time."""
        if len(second.piece) and self._worked != second.number:
            self._worked = None
            yield from self._work(second)
            self._worked = second.number

    def measure(self, second: Second) -> Measured:
        """The answer of the newest stretch; unknown until there is one."""
        for _ in self.parts(second):
            pass
        self._worked = None
        return Measured(self._held.at(second))

    def _work(self, second: Second) -> Iterator[None]:
        raise NotImplementedError


class Excess(Stretches):
    """Q06: mean power density above 0.8 of the Nyquist frequency, microvolts squared per Hz."""

    name = "high_frequency"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        super().__init__(stream, parameters)

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters:
        """LFP bands have a limit of their own."""
        p = parameters
        if stream.rate_hz > p["lf_rate_hz"] or p.warn is None or p.fail is None:
            return p
        on, off = p["lf_limit"], p["lf_limit"] * p.warn.off / p.warn.on
        return replace(
            p, warn=replace(p.warn, on=on, off=off), fail=replace(p.fail, on=on, off=off)
        )

    def _work(self, second: Second) -> Iterator[None]:
        p = self.parameters
        welch = HighPower(second.piece, self.rate_hz, p["above_nyquist"], p["segment_s"])
        yield from welch.parts()
        self._held.keep(second.number, welch.mean() * self._factor**2)


class HighPower:
    """Mean power density beyond a share of the Nyquist frequency, by Welch's method.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    rate_hz : float
    above : float
        Share of the Nyquist frequency.
    segment_s : float
        Length of the segments; half overlapping, Hann window, mean removed.
    """

    def __init__(self, samples: np.ndarray, rate_hz: float, above: float, segment_s: float) -> None:
        n = self.n = min(len(samples), max(8, round(segment_s * rate_hz)))
        self.samples, self.rate_hz = samples, rate_hz
        self._window = np.hanning(n + 1)[:-1]
        frequencies = np.fft.rfftfreq(n, 1.0 / rate_hz)
        self._first = int(np.searchsorted(frequencies, above * rate_hz / 2, side="right"))
        single = (frequencies == 0) | (2 * np.arange(len(frequencies)) == n)
        self._times = np.where(single, 1.0, 2.0)[self._first :]
        self._starts = range(0, len(samples) - n + 1, n - n // 2)
        self._total = np.zeros(samples.shape[1])
        self._rows = np.empty((samples.shape[1], n))

    def parts(self) -> Iterator[None]:
        """Work through all segments."""
        for k, start in enumerate(self._starts, 1):
            segment = self.samples[start : start + self.n]
            mean = _mean(segment)
            _kernels.windowed(segment, 0, mean, self._window, self._rows)
            lines = np.fft.rfft(self._rows, axis=1)[:, self._first :]
            self._total += (lines.real**2 + lines.imag**2) @ self._times
            if k % PART_SEGMENTS == 0:
                yield

    def mean(self) -> np.ndarray:
        """The density, (n_channels,), unit of the samples squared per Hz."""
        scale = len(self._starts) * len(self._times) * self.rate_hz * (self._window**2).sum()
        found: np.ndarray = self._total / scale
        return found


class Similarity(Stretches):
    """Q07: which channels are dead, noisy or outside of the brain, by their likeness to all.

    The value is 0 for a good channel, 1 for one outside, 2 for a dead or noisy one, by the vote of
    the last windows; unknown while there are too few of them, and when more than a third of the
    channels would be bad.

    Attributes
    ----------
    votes : ndarray of int, (4, n_channels)
        How often each channel got each label since t0.
    """

    name = "similarity"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        super().__init__(stream, parameters)
        self._newest: deque[np.ndarray] = deque(maxlen=int(parameters["windows"]))
        self.votes = np.zeros((len(LABELS), stream.n_channels), np.int64)
        depths = depths_of(stream)
        channels = np.arange(stream.n_channels)
        self._order = channels if depths is None else np.argsort(depths, kind="stable")

    def anchor(self) -> None:
        """Vote anew for the block."""
        self.votes[:] = 0

    def _work(self, second: Second) -> Iterator[None]:
        raw = Likeness(second.piece, self._factor)
        yield from raw.parts()
        high = None
        if self.rate_hz > 2.5 * HIGH_HZ:
            high = Likeness(second.piece, self._factor, spike_band(self.rate_hz))
            yield from high.parts()
        window = label(
            raw.values(), None if high is None else high.values(), self.parameters, self._order
        )
        votes = window == np.arange(len(LABELS))[:, None]
        self.votes += votes
        self._newest.append(votes)
        self._held.keep(second.number, self._severity(np.sum(self._newest, axis=0)))

    def _severity(self, votes: np.ndarray) -> np.ndarray:
        labels = self._elected(votes)
        return np.where(labels < 0, np.nan, SEVERITY[labels])

    def _elected(self, votes: np.ndarray) -> np.ndarray:
        """The label of each channel; -1 where it cannot be told."""
        p = self.parameters
        labels = np.where(votes.sum(axis=0) < p["windows"], -1, votes.argmax(axis=0))
        if (labels > GOOD).mean() > p["distrust_share"]:
            labels[:] = -1
        return labels

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each channel by all windows since t0: one of `LABELS`, or `UNLABELLED`."""
        elected = self._elected(self.votes)
        return tuple(LABELS[k] if k >= 0 else UNLABELLED for k in elected)

    @property
    def bad(self) -> np.ndarray:
        """Channels whose label is known and not good, (n_channels,), bool."""
        return self._elected(self.votes) > GOOD


class Likeness:
    """Projection of each channel on the median of all, of the raw or a high-passed band.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        Counts.
    factor : ndarray, (n_channels,)
        What one is worth.
    sections : ndarray, (2, 6), optional
        Of a high-pass that is settled on the first sample, and takes the place of taking the mean
        off.
    """

    def __init__(
        self, samples: np.ndarray, factor: np.ndarray, sections: np.ndarray | None = None
    ) -> None:
        self.samples, self.factor, self._sections = samples, factor, sections
        shift = (samples[0] if sections is not None else _mean(samples)) * factor
        known = np.isfinite(shift) & np.isfinite(_mean(samples))
        self._n = int(known.sum())
        self._shift = np.where(known, 0.0 if sections is not None else shift, np.nan)
        self._along, self._memory = np.zeros(samples.shape[1]), np.zeros(3)

    def parts(self) -> Iterator[None]:
        """Work through all samples."""
        if self._n == 0:
            return
        sections, state, high = self._sections, np.empty((3, 0)), self.samples[:0]
        if sections is not None:
            row = np.where(np.isnan(self._shift), 0.0, self.samples[0])
            state = (spike_band_settled(sections)[:, None] * row).astype(np.float32)
            sections, high = sections.astype(np.float32), np.empty((ROWS, len(row)), np.float32)
        for start in range(0, len(self.samples), ROWS):
            rows = self.samples[start : start + ROWS]
            if sections is not None:
                _kernels.high_pass(rows, sections, state, high)
                rows = high[: len(rows)]
            _kernels.project(rows, self.factor, self._shift, self._n, self._memory, self._along)
            if (start + ROWS) % PART_ROWS == 0:
                yield

    def values(self) -> np.ndarray:
        """Of each channel, (n_channels,); NaN stays in its channel."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found: np.ndarray = self._along / self._memory[2]
        return found


def _mean(samples: np.ndarray) -> np.ndarray:
    sums = np.zeros(samples.shape[1])
    _kernels.total(samples, sums)
    return sums / len(samples)


def label(raw: np.ndarray, high: np.ndarray | None, p: Parameters, order: np.ndarray) -> np.ndarray:
    """Label of each channel in one window, (n_channels,), index into `LABELS`; -1 for NaN.

    Parameters
    ----------
    raw, high : ndarray, (n_channels,)
        `Likeness` in the raw and in the high-passed band, if there is one.
    p : Parameters
        Of `similarity`.
    order : ndarray of int, (n_channels,)
        Channels from the tip of the probe to the surface.

    References
    ----------
    IBL's ``detect_bad_channels``; SpikeInterface's ``coherence+psd``.
    """
    n, raw = int(p["neighbours"]), raw[order]
    known = np.isfinite(raw)
    near = raw - running_median(np.where(known, raw, 0.0), n)
    labels = np.zeros(len(order), np.int64)
    labels[near < p["dead"]] = DEAD
    labels[near > p["noisy"]] = NOISE
    if high is not None:
        high = high[order]
        far = running_median(np.where(np.isfinite(high), high, 0.0), n) - 1.0
        inside = np.flatnonzero(far >= p["outside"])
        labels[inside[-1] + 1 if len(inside) else 0 :] = OUT
    labels[~known] = -1
    out = np.empty_like(labels)
    out[order] = labels
    return out


def running_median(values: np.ndarray, n: int) -> np.ndarray:
    """Median of `n` (odd) neighbours; the ends go on with their own value."""
    padded = np.pad(values, n // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, n), axis=1)
