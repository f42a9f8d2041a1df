"""A bank of checks that has seen a signal."""

import numpy as np

from tenmin.checks.bank import Bank
from tenmin.checks.setting import Setting
from tenmin.checks.unit import Unit
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

RATE = 1000.0
PER_UV = 100  # counts per microvolt


def eeg(n_channels: int = 8, rate_hz: float = RATE, **fields) -> Stream:
    """An EEG stream of 0.01 microvolts a count that clips at 400 microvolts."""
    names = tuple(f"E{c}" for c in range(n_channels))
    given = {"unit": "volts", "scale": 1e-6 / PER_UV, "dtype": "int32", "kind": "eeg"}
    limits = {"range_counts": (-400.0 * PER_UV, 400.0 * PER_UV)}
    return Stream("eeg", names, rate_hz, **given | limits | fields)


def bank_of(
    microvolts, stream: Stream | None = None, mains_hz: float | None = 50.0, t0: int | None = None
) -> Bank:
    """A bank that has seen the signal, (n_samples, n_channels); the block begins at sample `t0`."""
    stream = stream or eeg(microvolts.shape[1])
    bank = Bank(stream, Setting(mains_hz))
    counts = np.clip(np.rint(microvolts * PER_UV), -400 * PER_UV, 400 * PER_UV).astype(np.int32)
    step = max(1, int(stream.rate_hz / 20))
    for at in range(0, len(counts), step):
        if at == t0:
            bank.anchor(at)
        bank.feed(Piece(at, at, counts[at : at + step], None, 0, 0))
    return bank


def unit_of(bank: Bank, name: str) -> Unit:
    """One of its checks."""
    return next(u for u in bank.units if u.parameters.name == name)


def verdict_of(bank: Bank, name: str) -> Verdict:
    """The newest verdict of one of its checks."""
    return unit_of(bank, name).verdict()


def noise(seconds=12, n_channels=8, sd=10.0, seed=0) -> np.ndarray:
    """White noise, microvolts."""
    return np.random.default_rng(seed).normal(0, sd, (int(seconds * RATE), n_channels))


def sine(hz, amplitude, seconds=12) -> np.ndarray:
    """A sine, microvolts."""
    t = np.arange(int(seconds * RATE)) / RATE
    return amplitude * np.sin(2 * np.pi * hz * t)
