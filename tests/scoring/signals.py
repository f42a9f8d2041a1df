"""Streams and clean signals that the scenarios begin with."""

from __future__ import annotations

import numpy as np
from tenmin_simulators import background as bg

from tenmin.stream import Stream

EEG_HZ = 500.0
PROBE_HZ = 30_000.0
EEG_UV = 0.05  # microvolts a count
EEG_RANGE_UV = 8000.0
PROBE_UV = 2.34375  # Neuropixels 1.0 at gain 500
MAINS_HZ = 50.0
SENSOR_UV = 1.0  # white noise of an amplifier
# SD of the logarithm of amplitude over channels: 0.12 to 0.25 in the seven rests of eegmmidb and
# eegmat. Without it neighbours are so alike that a robust z across them means nothing.
GAIN_SD = 0.18


def eeg_stream(n_channels: int, rate_hz: float = EEG_HZ, range_uv: float = EEG_RANGE_UV) -> Stream:
    """An amplifier of 0.05 microvolts a count that ends at 8 mV."""
    ends = range_uv / EEG_UV
    return Stream(
        "eeg",
        tuple(f"E{c}" for c in range(n_channels)),
        rate_hz,
        "volts",
        scale=EEG_UV * 1e-6,
        dtype="int32",
        kind="eeg",
        range_counts=(-ends, ends),
        counter=True,
    )


def eeg_counts(microvolts: np.ndarray, range_uv: float = EEG_RANGE_UV) -> np.ndarray:
    """What that amplifier delivers."""
    ends = range_uv / EEG_UV
    return np.clip(np.rint(microvolts / EEG_UV), -ends, ends).astype(np.int32)


def eeg(
    rng: np.random.Generator,
    seconds: float,
    n_channels: int,
    rate_hz: float = EEG_HZ,
    *,
    loop: bool = False,
) -> np.ndarray:
    """Resting EEG: 1/f background seen by neighbours, alpha, an amplifier's noise; microvolts."""
    n = round(seconds * rate_hz)
    matrix = bg.mixing(n_channels, max(4, n_channels // 2), 1.5)
    samples, _ = bg.background(rng, n, rate_hz, matrix, oversample=1 if loop else 4)
    alpha, _ = bg.oscillation(rng, n, rate_hz)
    samples += 6.0 * alpha[:, None] * np.linspace(0.3, 1.0, n_channels, dtype=np.float32)
    samples *= np.exp(GAIN_SD * rng.standard_normal(n_channels)).astype(np.float32)
    samples += SENSOR_UV * rng.standard_normal(samples.shape, np.float32)
    return samples.astype(np.float64)


def probe_stream(n_channels: int, rate_hz: float = PROBE_HZ) -> Stream:
    """A probe of 10 bits."""
    return Stream(
        "probe",
        tuple(f"AP{c}" for c in range(n_channels)),
        rate_hz,
        "volts",
        scale=PROBE_UV * 1e-6,
        dtype="int16",
        kind="ecephys",
        range_counts=(-512.0, 511.0),
        counter=True,
    )


def probe_counts(microvolts: np.ndarray) -> np.ndarray:
    """What that probe delivers."""
    return np.clip(np.rint(microvolts / PROBE_UV), -512, 511).astype(np.int16)


def probe(
    rng: np.random.Generator, seconds: float, n_channels: int, *, shared_uv: float = 12.0
) -> np.ndarray:
    """A probe in tissue: a field that all sites share, spikes' background, noise; microvolts.

    The field is 1/f below some hundred Hz and white above, as of a common reference.
    """
    n = round(seconds * PROBE_HZ)
    field = 40.0 * bg.coloured(rng, n, PROBE_HZ, 1.5, 1, oversample=1)
    field += shared_uv * rng.standard_normal((n, 1), np.float32)
    samples = np.repeat(field, n_channels, axis=1)
    samples += 6.0 * rng.standard_normal(samples.shape, np.float32)
    return samples
