"""Faults of electrodes and inputs in a stream that is being sent (G5, G6), on command.

An `Apply` changes samples in place: ``apply(samples, at)``, where `samples` are whole rows of the
stream and `at` is how many samples after the fault's onset the first of them stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tenmin_simulators import background as bg
from tenmin_simulators.blocks import noise
from tenmin_simulators.options import Fault

Apply = Callable[[np.ndarray, int], None]

POP_DECAY_S = 0.2
OVERDRIVE = 4.0  # a clipped input is driven this many times beyond its range by one SD
FAINT = 0.3  # of a channel's SD: what an electrode outside of the brain sees
HIGH_IMPEDANCE = (3.0, 2.0)  # 1/f noise and mains RMS, in SDs of the channel
WHITE = 2.5  # RMS of a channel that sees only noise, in its SDs before
LOOP_S = 8.0  # after this the 1/f noise of a bad electrode begins anew

STUCK = ("dead", "nan", "saturate")
ELECTRICAL = ("clip", "pop", "white", "high_impedance", "bridge", "outside")
ENDING = ("hum", "flat", "clip")  # after their seconds; the others go on


@dataclass(frozen=True)
class Input:
    """What a fault has to know of the stream that it happens to.

    Attributes
    ----------
    rate_hz : float
    full_scale : float
        What a saturated channel shows.
    electrical : slice
        Columns that see mains hum.
    hum_rms : float
        RMS of the hum that was asked for.
    sd : ndarray, (n_columns,)
        SDs of the channels as they are.
    columns : tuple of int
        The channels that the fault names.
    rng : numpy.random.Generator
    mains_hz : float
    """

    rate_hz: float
    full_scale: float
    electrical: slice
    hum_rms: float
    sd: np.ndarray
    columns: tuple[int, ...]
    rng: np.random.Generator
    mains_hz: float


def damage(fault: Fault, to: Input) -> Apply:
    """What a fault does to samples."""
    if fault.kind in STUCK:
        value = {"nan": np.nan, "saturate": to.full_scale, "dead": 0.0}[fault.kind]
        return lambda samples, at: samples[:, to.columns[0]].fill(value)
    makers = {
        "line": lambda: hum(to, np.inf, 0.5),
        "hum": lambda: hum(to, fault.seconds, min(0.5, fault.seconds / 4)),
        "flat": lambda: flat(to),
        "clip": lambda: clip(to),
        "pop": lambda: pop(to, fault.value),
        "white": lambda: white(to),
        "high_impedance": lambda: high_impedance(to),
        "bridge": lambda: bridge(to),
        "outside": lambda: outside(to, round(fault.value)),
    }
    return makers[fault.kind]()


def hum(to: Input, duration_s: float, ramp_s: float) -> Apply:
    """Mains on all electrical channels."""

    def apply(samples: np.ndarray, at: int) -> None:
        episode = [(0.0, duration_s, to.hum_rms)]
        wave = bg.line(at, len(samples), to.rate_hz, episode, mains_hz=to.mains_hz, ramp_s=ramp_s)
        if samples.dtype.kind == "i":
            wave = np.rint(wave)
        samples[:, to.electrical] += wave.astype(samples.dtype)[:, None]

    return apply


def flat(to: Input) -> Apply:
    """The channel keeps the value of its first sample."""
    held: list[float] = []

    def apply(samples: np.ndarray, at: int) -> None:
        column = samples[:, to.columns[0]]
        if not held:
            held.append(column[0])
        column[:] = held[0]

    return apply


def clip(to: Input) -> Apply:
    """The signal is driven so far beyond the range that most samples stand at its ends."""
    (column,) = to.columns
    gain = OVERDRIVE * to.full_scale / max(float(to.sd[column]), 1e-9)

    def apply(samples: np.ndarray, at: int) -> None:
        driven = gain * samples[:, column].astype(np.float64)
        samples[:, column] = np.clip(driven, -to.full_scale, to.full_scale)

    return apply


def pop(to: Input, sigmas: float) -> Apply:
    """A step of some SDs that decays exponentially."""
    (column,) = to.columns
    height = sigmas * float(to.sd[column])

    def apply(samples: np.ndarray, at: int) -> None:
        t = (at + np.arange(len(samples))) / to.rate_hz
        _add(samples, column, height * np.exp(-t / POP_DECAY_S))

    return apply


def white(to: Input) -> Apply:
    """The channel sees nothing but white noise."""
    (column,) = to.columns
    rms, source = WHITE * float(to.sd[column]), noise(to.rng)

    def apply(samples: np.ndarray, at: int) -> None:
        samples[:, column] = _fitting(rms * source.take(at, len(samples)), samples.dtype)

    return apply


def high_impedance(to: Input) -> Apply:
    """1/f noise and mains on top of the signal."""
    (column,) = to.columns
    slow, mains = (strength * float(to.sd[column]) for strength in HIGH_IMPEDANCE)
    loop = slow * bg.coloured(to.rng, round(LOOP_S * to.rate_hz), to.rate_hz, 1.0, oversample=1)
    episode = [(0.0, np.inf, mains)]

    def apply(samples: np.ndarray, at: int) -> None:
        rows = np.arange(at, at + len(samples)) % len(loop)
        wave = bg.line(at, len(samples), to.rate_hz, episode, mains_hz=to.mains_hz, ramp_s=0.0)
        _add(samples, column, loop[rows, 0] + wave)

    return apply


def bridge(to: Input) -> Apply:
    """Two electrodes joined by gel: both show their mean."""

    def apply(samples: np.ndarray, at: int) -> None:
        pair = samples[:, list(to.columns)].astype(np.float64).mean(axis=1, keepdims=True)
        samples[:, list(to.columns)] = _fitting(pair, samples.dtype)

    return apply


def outside(to: Input, n: int) -> Apply:
    """The last `n` electrical channels see noise of their own instead of the brain."""
    columns = range(*to.electrical.indices(len(to.sd)))[-n:]
    chosen = slice(columns.start, columns.stop)
    rms, source = FAINT * to.sd[chosen], noise(to.rng, (len(columns),), 1024)

    def apply(samples: np.ndarray, at: int) -> None:
        samples[:, chosen] = _fitting(rms * source.take(at, len(samples)), samples.dtype)

    return apply


def _add(samples: np.ndarray, column: int, wave: np.ndarray) -> None:
    total = samples[:, column].astype(np.float64) + wave
    samples[:, column] = _fitting(total, samples.dtype)


def _fitting(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind != "i":
        return values
    ends = np.iinfo(dtype)
    return np.clip(np.rint(values), ends.min, ends.max)
