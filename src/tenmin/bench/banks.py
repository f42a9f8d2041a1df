"""All checks of a stream, beside the same metrics by scipy in batch; in CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable
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
        ("64 ch × 1 kHz", "≤ 2", eeg(), waves.astype(np.float32), eeg_in_batch),
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
    for turn in range(rounds):
        ours[turn] = _cpu(lambda: bank.seconds(seconds)) / seconds
        if scipy is not None:
            theirs[turn] = _cpu(lambda: batch(scipy, samples, stream.rate_hz, stream))
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


def _cpu(work: Callable[[], None]) -> float:
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
    """Q03, Q04, Q13a of four seconds at about 1 kHz, of which the last is new."""
    new = x[-int(rate_hz) :]
    _mad(np.diff(new, axis=0)), _mad(new)
    n = int(2 * rate_hz)
    scipy.welch(x, rate_hz, "hann", n, n // 2, axis=0)
    band = scipy.butter(2, (1.0, 40.0), "band", fs=rate_hz, output="sos")
    _mad(scipy.sosfilt(band, new, axis=0))
    a = 1 / (10 * rate_hz)
    scipy.lfilter([a], [1, a - 1], new, axis=0)


def probe_in_batch(scipy: ModuleType, samples: np.ndarray, rate_hz: float, stream: Stream) -> None:
    """One second of the checks of a probe; every fifth holds the checks of the whole array."""
    raw = samples[: int(rate_hz)]
    _amplitudes(raw, stream)
    x = raw * (stream.scale * 1e6)
    spikes = scipy.butter(3, 300.0, "high", fs=rate_hz, output="sos")
    high = scipy.sosfilt(spikes, x, axis=0)
    sigma = 1.4826 * _mad(high)
    (high * high).mean(axis=0)
    below = high < -5 * sigma
    (below[1:] & ~below[:-1]).sum(axis=0)
    slow = scipy.resample_poly(x, 1, round(rate_hz / 1000), axis=0)
    _slow(scipy, np.concatenate([slow] * 4), 1000.0)
    piece = x[: int(0.3 * rate_hz / 5)]  # a fifth of 0.3 s
    scipy.welch(piece, rate_hz, nperseg=300, axis=0)
    for band in (piece, scipy.sosfilt(spikes, piece, axis=0)):
        reference = np.median(band, axis=1)
        reference @ band / (reference @ reference)


def eeg_in_batch(scipy: ModuleType, samples: np.ndarray, rate_hz: float, stream: Stream) -> None:
    """One second of the checks of an EEG."""
    ten = samples[: int(10 * rate_hz)].astype(np.float64)
    new = ten[-int(rate_hz) :]
    _amplitudes(samples[: int(rate_hz)], stream)
    _slow(scipy, ten[-int(4 * rate_hz) :], rate_hz)
    bands = {"low": 50.0, "high": 1.0, "band": (1.0, 50.0)}
    found = {
        kind: scipy.sosfilt(
            scipy.butter(4 if kind == "low" else 2, hz, kind, fs=rate_hz, output="sos"),
            ten if kind == "low" else new,
            axis=0,
        )
        for kind, hz in bands.items()
    }
    _mad(found["high"])
    np.percentile(ten, (25, 75), axis=0)
    _mad(found["low"]), _mad(ten - found["low"])
    np.percentile(np.abs(np.corrcoef(found["band"].T)), 98, axis=0)
    muscle = scipy.butter(4, (110.0, 140.0), "band", fs=rate_hz, output="sos")
    envelope = np.abs(scipy.hilbert(scipy.sosfilt(muscle, new, axis=0), axis=0))
    z = ((envelope - envelope.mean(axis=0)) / envelope.std(axis=0)).sum(axis=1)
    scipy.sosfilt(scipy.butter(2, 4.0, fs=rate_hz, output="sos"), z)
