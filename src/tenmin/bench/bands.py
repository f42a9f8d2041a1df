"""Band powers of a probe on every sample, beside scipy's at about 1 kHz and at the full rate."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np

from tenmin.bench import peers
from tenmin.bench.banks import cpu
from tenmin.bench.rows import Row, Spread, missing
from tenmin.bench.setting import CHUNK_S, PROBE_HZ, Setting, probe, signal
from tenmin.checks.passes import Decimated
from tenmin.checks.second import Scaling, of_samples
from tenmin.checks.spectrum import SEGMENT_S, Spectra

BANDS_HZ = (1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 80.0), (80.0, 150.0)
SLOW_HZ, SPAN_S = 1000.0, 3
GOALS = {  # those of the prototype, which were set beside spectra and filters together
    "scipy decimate + welch": ("≥ 20", ""),
    "scipy decimate + welch + six filters": ("≥ 20", "≥ 50"),
    "scipy welch, full rate": ("", ""),
    "scipy welch + six filters, full rate": ("≥ 100", "≥ 250"),
}
WHAT = "band powers of 384 ch × 30 kHz, every sample"


def rows(setting: Setting) -> list[Row]:
    """Our decimation and spectra beside the same by scipy; CPU time for each second."""
    scipy = peers.load("scipy", "scipy.signal")
    if scipy is None:
        return [missing("checks", WHAT, name, f"scipy is {peers.MISSING}") for name in GOALS]
    samples = signal(round(SPAN_S * PROBE_HZ), probe().n_channels)
    ours, rounds = Ours(samples), setting.size(setting.rounds, 1)
    ours.seconds(SPAN_S)
    taken = np.empty((5, rounds))
    repeats = setting.size(SPAN_S, 1)
    for turn in range(rounds):
        taken[0, turn] = cpu(lambda: ours.seconds(repeats)) / repeats
        taken[1:3, turn] = _both(scipy, decimated, samples, SLOW_HZ)
        taken[3:5, turn] = _both(scipy, full_rate, samples, PROBE_HZ)
    return [
        Row(
            *("checks", WHAT, "ms per s", Spread.of(1e3 * taken[0]), name, Spread.of(1e3 * theirs)),
            ratio=Spread.of(theirs / taken[0]),
            gate=gate,
            aim=aim,
            note="1–150 Hz, segments of 2 s, half overlapping; CPU time of both",
        )
        for (name, (gate, aim)), theirs in zip(GOALS.items(), taken[1:], strict=True)
    ]


def _both(
    scipy: ModuleType,
    made: Callable[[ModuleType, np.ndarray], np.ndarray],
    samples: np.ndarray,
    rate_hz: float,
) -> tuple[float, float]:
    """What spectra take, and spectra and filters."""
    held: list[np.ndarray] = []
    spectra = cpu(lambda: held.append(made(scipy, samples)))
    return spectra, spectra + cpu(lambda: filtered(scipy, held[0], rate_hz))


class Ours:
    """The decimation and the spectra that the checks use, fed with pieces of 10 ms."""

    def __init__(self, samples: np.ndarray) -> None:
        self.samples = samples
        self._slow = Decimated(probe(), Scaling.of(probe()))
        self._spectra = Spectra()
        for low, high in BANDS_HZ:
            self._spectra.want(SEGMENT_S, low, high)
        self._number = 0

    def seconds(self, n: int) -> None:
        """Take so many seconds."""
        step = round(CHUNK_S * PROBE_HZ)
        for _ in range(n):
            first = round(self._number % SPAN_S * PROBE_HZ)
            for at in range(first, first + round(PROBE_HZ), step):
                self._slow.take(self.samples[at : at + step])
            slow = self._slow.collect()
            self._spectra.add(of_samples(slow, self._slow.rate_hz, self._number))
            self._number += 1
            power = self._spectra.mean(SEGMENT_S)
            if power is not None:
                powers_of(self._spectra.frequencies, power)


def powers_of(frequencies: np.ndarray, power: np.ndarray) -> list[np.ndarray]:
    """Sum of the power density in each band."""
    edges = [(frequencies >= low) & (frequencies < high) for low, high in BANDS_HZ]
    return [power[rows].sum(axis=0) for rows in edges]


def decimated(scipy: ModuleType, samples: np.ndarray) -> np.ndarray:
    """A second decimated as scipy advises, in two steps, and a segment of its spectrum."""
    new = samples[: round(PROBE_HZ)]
    slow: np.ndarray = scipy.decimate(scipy.decimate(new, 10, axis=0), 3, axis=0)
    both = np.concatenate([slow] * SEGMENT_S)
    powers_of(*scipy.welch(both, SLOW_HZ, nperseg=len(both), axis=0))
    return slow


def full_rate(scipy: ModuleType, samples: np.ndarray) -> np.ndarray:
    """A segment of the spectrum of what came: each second has one that is new."""
    newest = samples[: round(SEGMENT_S * PROBE_HZ)]
    powers_of(*scipy.welch(newest, PROBE_HZ, nperseg=len(newest), axis=0))
    return newest[: round(PROBE_HZ)]


def filtered(scipy: ModuleType, samples: np.ndarray, rate_hz: float) -> None:
    """Power in each band by a filter of fourth order, for powers that change within a segment."""
    for band in BANDS_HZ:
        sections = scipy.butter(2, band, "band", fs=rate_hz, output="sos")
        (scipy.sosfilt(sections, samples, axis=0) ** 2).mean(axis=0)
