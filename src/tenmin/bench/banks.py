"""All checks of a stream, beside the same metrics by scipy in batch; in CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from types import ModuleType

import numpy as np

from tenmin.bench import peers
from tenmin.bench.rows import Row, Spread, missing
from tenmin.bench.setting import CHUNK_S, Setting, eeg, probe, signal
from tenmin.checks import _kernels
from tenmin.checks.bank import Bank
from tenmin.checks.setting import Setting as Circumstances
from tenmin.ring import Piece
from tenmin.stream import Stream

SPAN_S = 10  # a multiple of the seconds from piece to piece of the checks of the whole array
MAINS_HZ = 50.0
CORE = "% of a core"


def rows(setting: Setting) -> list[Row]:
    """What all checks of a probe and of an EEG cost on every sample."""
    _kernels.warm("int16", "float32")
    rng = np.random.default_rng(1)
    waves = rng.normal(0.0, 20.0, (20_000, 64)) + rng.normal(0.0, 20.0, (20_000, 1))
    cases = (
        ("384 ch × 30 kHz", "≤ 8", probe(), signal(60_000, 384), probe_in_batch),
        ("64 ch × 1 kHz", "≤ 2", eeg(), waves.astype(np.float32), EegInBatch()),
    )
    return [row for case in cases for row in _rows(setting, *case)]


def _rows(
    setting: Setting,
    size: str,
    gate: str,
    stream: Stream,
    samples: np.ndarray,
    batch: Callable[[ModuleType, np.ndarray, float, Stream], None],
) -> list[Row]:
    """Two rows: the share of a core, and how many times as long scipy takes."""
    scipy = peers.load("scipy", "scipy.signal")
    rounds = setting.size(setting.rounds, 1)
    seconds = setting.size(SPAN_S, 2)
    ours, theirs = np.empty(rounds), np.full(rounds, np.nan)
    bank = Fed(stream, samples)
    bank.seconds(setting.size(SPAN_S, 2))  # until windows of ten seconds are full
    if scipy is not None:
        batch(scipy, samples, stream.rate_hz, stream)
    for turn in range(rounds):
        ours[turn] = cpu(lambda: bank.seconds(seconds)) / seconds
        if scipy is not None:
            theirs[turn] = cpu(lambda: batch(scipy, samples, stream.rate_hz, stream))
    names = ", ".join(unit.parameters.name for unit in bank.bank.units)
    what = f"all checks of {size}"
    share = Row("checks", what, CORE, Spread.of(100 * ours), gate=gate, note=names)
    against = "the same by scipy in batch"
    if scipy is None:
        return [share, missing("checks", what, against, f"scipy is {peers.MISSING}")]
    made = Row(
        *("checks", what, "ms per s", Spread.of(1e3 * ours), against, Spread.of(1e3 * theirs)),
        ratio=Spread.of(theirs / ours),
        gate="≥ 20",
        note="CPU time of both",
    )
    return [share, made]


def cpu(work: Callable[[], None]) -> float:
    """Seconds of the processor that some work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


class Fed:
    """A bank in a block, fed with pieces of 10 ms of a signal that runs to and fro: no jumps."""

    def __init__(self, stream: Stream, samples: np.ndarray) -> None:
        self.bank = Bank(stream, Circumstances(MAINS_HZ))
        self.samples = np.concatenate([samples, samples[::-1]])
        self.per_s = round(1 / CHUNK_S)
        self.n = round(CHUNK_S * stream.rate_hz)
        self._at = 0

    def seconds(self, n: int) -> None:
        """Feed so many seconds."""
        for _ in range(n * self.per_s):
            start = self._at % len(self.samples)
            piece = self.samples[start : start + self.n]
            self.bank.feed(Piece(self._at, self._at, piece, None, 0, 0))
            self._at += self.n


def _mad(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.median(np.abs(x - np.median(x, axis=0)), axis=0)
    return found


def _amplitudes(samples: np.ndarray, stream: Stream) -> None:
    """Q01, Q02: extremes, repeats and clipped samples of a second."""
    parts = samples.reshape(10, -1, samples.shape[1])
    parts.min(axis=1), parts.max(axis=1)
    low, high = stream.range_counts or (-np.inf, np.inf)
    ((samples <= low) | (samples >= high)).sum(axis=0)
    same = np.diff(samples, axis=0) == 0
    for c in np.flatnonzero(same.any(axis=0)):
        edges = np.flatnonzero(np.diff(same[:, c].astype(np.int8), prepend=0, append=0))
        np.diff(edges)[::2].max()


def _slow(scipy: ModuleType, x: np.ndarray, rate_hz: float) -> None:
    """Q03, Q04, Q13a (and Q01 of EEG) of four seconds at about 1 kHz; the last is new."""
    new = x[-int(rate_hz) :]
    _mad(np.diff(new, axis=0)), _mad(new)
    n = int(2 * rate_hz)
    scipy.welch(x, rate_hz, "hann", n, n // 2, axis=0)
    _mad(_band(scipy, new, rate_hz, 2, (1.0, 40.0), "band"))
    a = 1 / (10 * rate_hz)
    scipy.lfilter([a], [1, a - 1], new, axis=0)


def probe_in_batch(scipy: ModuleType, samples: np.ndarray, rate_hz: float, stream: Stream) -> None:
    """One second of the checks of a probe; every fifth holds the checks of the whole array."""
    raw = samples[: int(rate_hz)]
    _amplitudes(raw, stream)
    x = raw * (stream.scale * 1e6)
    high = _band(scipy, x, rate_hz, 3, 300.0, "high")
    sigma = 1.4826 * _mad(high)
    (high * high).mean(axis=0)
    below = high < -5 * sigma
    (below[1:] & ~below[:-1]).sum(axis=0)
    slow = scipy.resample_poly(x, 1, round(rate_hz / 1000), axis=0)
    _slow(scipy, np.concatenate([slow] * 4), 1000.0)
    piece = x[: int(0.3 * rate_hz / 5)]  # a fifth of 0.3 s
    scipy.welch(piece, rate_hz, nperseg=300, axis=0)
    for band in (piece, _band(scipy, piece, rate_hz, 3, 300.0, "high")):
        reference = np.median(band, axis=1)
        reference @ band / (reference @ reference)


class EegInBatch:
    """One second of the checks of an EEG, as one writes them with numpy and scipy.

    Each band is filtered once: of every second the new samples. Each metric is taken at each tick
    from its own window: one second, four of the spectrum, ten of Q09 and Q12a. The ten seconds in
    their bands, which the seconds before have filtered, are made in the first call.
    """

    def __init__(self) -> None:
        self._ten: dict[str, np.ndarray] = {}

    def __call__(
        self, scipy: ModuleType, samples: np.ndarray, rate_hz: float, stream: Stream
    ) -> None:
        """One second; the first call makes ready for the others."""
        if not self._ten:
            whole = samples[: int(10 * rate_hz)].astype(np.float64)
            low = _band(scipy, whole, rate_hz, 4, 50.0, "low")
            high = _band(scipy, whole, rate_hz, 2, 1.0, "high")
            self._ten = {"all": whole, "low": low, "high": high, "rest": whole - low}
        n, ten = int(rate_hz), self._ten["all"]
        _amplitudes(samples[:n], stream)
        _slow(scipy, ten[-4 * n :], rate_hz)
        new = ten[-n:]
        _mad(_band(scipy, new, rate_hz, 2, 1.0, "high"))  # Q05
        self._array(scipy, new, rate_hz)
        self._muscle(scipy, new, rate_hz)

    def _array(self, scipy: ModuleType, new: np.ndarray, rate_hz: float) -> None:
        """Q08, Q09, Q12a: each channel against the others."""
        band = _band(scipy, new, rate_hz, 2, (1.0, 50.0), "band")[:: max(1, int(rate_hz // 128))]
        r, n = np.abs(np.corrcoef(band.T)), band.shape[1]
        np.percentile(r[~np.eye(n, dtype=bool)].reshape(n, n - 1), 98, axis=1)
        low, high = np.percentile(self._ten["high"], (25, 75), axis=0)
        _z(high - low)
        new - _band(scipy, new, rate_hz, 4, 50.0, "low")
        _z(_mad(self._ten["rest"]) / _mad(self._ten["low"]))

    def _muscle(self, scipy: ModuleType, new: np.ndarray, rate_hz: float) -> None:
        """Q11: envelopes of 110-140 Hz, their z and its sum over the channels."""
        fast = np.abs(_band(scipy, new, rate_hz, 4, (110.0, 140.0), "band"))
        envelope = _band(scipy, fast, rate_hz, 2, 30.0, "low")
        z = (envelope - envelope.mean(axis=0)) / envelope.std(axis=0)
        _band(scipy, z.sum(axis=1) / np.sqrt(z.shape[1]), rate_hz, 2, 4.0, "low").max()


def _band(
    scipy: ModuleType,
    x: np.ndarray,
    rate_hz: float,
    order: int,
    hz: float | tuple[float, float],
    kind: str,
) -> np.ndarray:
    found: np.ndarray = scipy.sosfilt(_sections(scipy, rate_hz, order, hz, kind), x, axis=0)
    return found


@cache
def _sections(
    scipy: ModuleType, rate_hz: float, order: int, hz: float | tuple[float, float], kind: str
) -> np.ndarray:
    """A filter is made once, and used in every second."""
    found: np.ndarray = scipy.butter(order, hz, kind, fs=rate_hz, output="sos")
    return found


def _z(values: np.ndarray) -> np.ndarray:
    z: np.ndarray = (values - np.median(values)) / (1.4826 * _mad(values))
    return z
