"""Checks of a probe's channels against the whole array; science.md B.2 Q06, Q07.

Both look at all channels over the same stretch of 0.3 s, which comes every few seconds; between
two stretches the last answer holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.coefficients import butterworth, settled
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.sites import depths_of
from tenmin.checks.tail import PIECE_EVERY
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

GOOD, DEAD, NOISE, OUT = range(4)
LABELS = ("good", "dead", "noise", "out")
UNLABELLED = "unknown"
SEVERITY = np.array([0.0, 2.0, 2.0, 1.0])  # of each label: the value of the check
HIGH_HZ, HIGH_ORDER = 300.0, 3  # as IBL's detect_bad_channels
ROWS = 512  # worked on at a time, so that they stay in the cache


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


class Excess:
    """Q06: mean power density above 0.8 of the Nyquist frequency, microvolts squared per Hz."""

    name = "high_frequency"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters, self.rate_hz = parameters, stream.rate_hz
        self._held = Held(stream.n_channels)

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

    def measure(self, second: Second) -> Measured:
        """The density of the newest stretch; unknown until there is one."""
        if len(second.piece):
            p = self.parameters
            power = high_power(second.piece, self.rate_hz, p["above_nyquist"], p["segment_s"])
            self._held.keep(second.number, power)
        return Measured(self._held.at(second))


def high_power(samples: np.ndarray, rate_hz: float, above: float, segment_s: float) -> np.ndarray:
    """Mean power density beyond a share of the Nyquist frequency, (n_channels,).

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    rate_hz : float
    above : float
        Share of the Nyquist frequency.
    segment_s : float
        Length of Welch's segments; half overlapping, Hann window, mean removed.
    """
    n = min(len(samples), max(8, round(segment_s * rate_hz)))
    window = np.hanning(n + 1)[:-1]
    frequencies = np.fft.rfftfreq(n, 1.0 / rate_hz)
    wanted = frequencies > above * rate_hz / 2
    double = np.where((frequencies == 0) | (2 * np.arange(len(frequencies)) == n), 1.0, 2.0)[wanted]
    total, starts = np.zeros(samples.shape[1]), range(0, len(samples) - n + 1, n - n // 2)
    for start in starts:
        rows = samples[start : start + n].T.astype(np.float64)
        rows -= rows.mean(axis=1, keepdims=True)
        rows *= window
        lines = np.fft.rfft(rows, axis=1)[:, wanted]
        total += (lines.real**2 + lines.imag**2) @ double
    return total / (len(starts) * len(double) * rate_hz * (window**2).sum())


class Similarity:
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
        self.parameters, self.rate_hz = parameters, stream.rate_hz
        self._held = Held(stream.n_channels)
        self._newest: deque[np.ndarray] = deque(maxlen=int(parameters["windows"]))
        self.votes = np.zeros((len(LABELS), stream.n_channels), np.int64)
        depths = depths_of(stream)
        channels = np.arange(stream.n_channels)
        self._order = channels if depths is None else np.argsort(depths, kind="stable")

    def anchor(self) -> None:
        """Vote anew for the block."""
        self.votes[:] = 0

    def measure(self, second: Second) -> Measured:
        """How bad each channel is."""
        if len(second.piece):
            window = label(second.piece, self.rate_hz, self.parameters, self._order)
            votes = window == np.arange(len(LABELS))[:, None]
            self.votes += votes
            self._newest.append(votes)
            self._held.keep(second.number, self._severity(np.sum(self._newest, axis=0)))
        return Measured(self._held.at(second))

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


def label(samples: np.ndarray, rate_hz: float, p: Parameters, order: np.ndarray) -> np.ndarray:
    """Label of each channel in one window, (n_channels,), index into `LABELS`; -1 for NaN.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
        The raw band, microvolts.
    rate_hz : float
    p : Parameters
        Of `similarity`.
    order : ndarray of int, (n_channels,)
        Channels from the tip of the probe to the surface.

    References
    ----------
    IBL's ``detect_bad_channels``; SpikeInterface's ``coherence+psd``.
    """
    n = int(p["neighbours"])
    raw = similarity(samples)[order]
    known = np.isfinite(raw)
    near = raw - running_median(np.where(known, raw, 0.0), n)
    labels = np.zeros(len(order), np.int64)
    labels[near < p["dead"]] = DEAD
    labels[near > p["noisy"]] = NOISE
    if rate_hz > 2.5 * HIGH_HZ:
        high = similarity(high_passed(samples, rate_hz))[order]
        far = running_median(np.where(np.isfinite(high), high, 0.0), n) - 1.0
        inside = np.flatnonzero(far >= p["outside"])
        labels[inside[-1] + 1 if len(inside) else 0 :] = OUT
    labels[~known] = -1
    out = np.empty_like(labels)
    out[order] = labels
    return out


def similarity(samples: np.ndarray) -> np.ndarray:
    """Projection of each channel on the median of all, (n_channels,); NaN stays in its channel."""
    mean = samples.mean(axis=0, dtype=np.float64)
    known = np.isfinite(mean)
    n = int(known.sum())
    along, square = np.zeros(samples.shape[1]), 0.0
    if n == 0:
        return np.full(samples.shape[1], np.nan)
    for start in range(0, len(samples), ROWS):
        rows = samples[start : start + ROWS] - mean
        ranked = np.sort(rows if known.all() else rows[:, known], axis=1)
        median = 0.5 * (ranked[:, (n - 1) // 2] + ranked[:, n // 2])
        along += np.einsum("i,ic->c", median, rows)  # BLAS would wake its threads for it
        square += float(median @ median)
    with np.errstate(divide="ignore", invalid="ignore"):
        return along / square


def high_passed(samples: np.ndarray, rate_hz: float) -> np.ndarray:
    """The samples above 300 Hz, as if the first had been there for ever."""
    sections = butterworth(HIGH_ORDER, HIGH_HZ, "high", rate_hz)
    state = np.zeros((len(sections), 2, samples.shape[1]))
    _kernels.settle_sosfilt(sections, settled(sections), samples[0], state)
    out = np.empty(samples.shape)
    _kernels.sosfilt(sections, samples, state, out)
    return out


def running_median(values: np.ndarray, n: int) -> np.ndarray:
    """Median of `n` (odd) neighbours; the ends go on with their own value."""
    padded = np.pad(values, n // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, n), axis=1)
