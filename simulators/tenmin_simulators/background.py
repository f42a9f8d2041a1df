"""Continuous signals: 1/f background, oscillation, bursts and mains hum (G1, G2, G3, G5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenmin_simulators.truth import Event

LATTICE_S = 0.1  # science E.1, G2: lattice of the amplitude modulation
SMOOTHING_HZ = 1.0  # science E.1, G2


def coloured(
    rng: np.random.Generator,
    n: int,
    rate_hz: float,
    chi: float = 1.5,
    rows: int = 1,
    *,
    oversample: int = 4,
    low_hz: float = 0.1,
) -> np.ndarray:
    """Noise whose power falls as 1/f**chi above `low_hz` and is flat below.

    Parameters
    ----------
    oversample : int
        It is cut from a record this many times longer, so its ends do not match; 1 gives noise
        that may be played in a loop.

    Returns
    -------
    ndarray, (n, rows), float32
        Unit variance (in expectation) over the longer record.
    """
    length = oversample * n
    f = np.fft.rfftfreq(length, 1.0 / rate_hz)
    shape = np.maximum(f, low_hz) ** (-chi / 2.0)
    shape[0] = 0.0
    weight = np.full(len(f), 2.0)
    if length % 2 == 0:
        weight[-1] = 1.0
    shape *= np.sqrt(length**2 / np.sum(weight * shape**2))
    out = np.empty((n, rows), np.float32)
    for row in range(rows):
        parts = rng.standard_normal((2, len(f)))
        spectrum = shape * (parts[0] + 1j * parts[1]) / np.sqrt(2.0)
        if length % 2 == 0:
            spectrum[-1] = shape[-1] * parts[0, -1]
        out[:, row] = np.fft.irfft(spectrum, length)[:n]
    return out


def mixing(n_channels: int, n_sources: int, width: float = 1.0) -> np.ndarray:
    """How neighbouring channels see sources along a line; every channel's variance is 1.

    Parameters
    ----------
    width : float
        SD of a source's reach, in distances between sources.

    Returns
    -------
    ndarray, (n_channels, n_sources)
        The covariance of what is mixed with it is ``matrix @ matrix.T``.
    """
    channel = np.linspace(0.0, n_sources - 1.0, n_channels)[:, None]
    matrix = np.exp(-0.5 * ((channel - np.arange(n_sources)) / width) ** 2)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


@dataclass(frozen=True)
class BackgroundTruth:
    """What the background was made with: exponent, RMS and the channels' covariance."""

    chi: float
    rms: float
    covariance: np.ndarray


def background(
    rng: np.random.Generator,
    n: int,
    rate_hz: float,
    matrix: np.ndarray,
    *,
    chi: float = 1.5,
    rms: float = 20.0,
    oversample: int = 4,
    low_hz: float = 0.1,
) -> tuple[np.ndarray, BackgroundTruth]:
    """EEG or LFP background (G1): 1/f**chi sources, mixed in space.

    Parameters
    ----------
    matrix : ndarray, (n_channels, n_sources)
        The mixing matrix.
    rms : float
        RMS of a channel whose row of `matrix` has norm 1, microvolts.

    Returns
    -------
    ndarray, (n, n_channels), float32
    BackgroundTruth
    """
    sources = coloured(rng, n, rate_hz, chi, matrix.shape[1], oversample=oversample, low_hz=low_hz)
    gain = (rms * matrix).astype(np.float32)
    covariance = gain.astype(np.float64) @ gain.T.astype(np.float64)
    return sources @ gain.T, BackgroundTruth(chi, rms, covariance)


def fgn(rng: np.random.Generator, n: int, hurst: float) -> np.ndarray:
    """Fractional Gaussian noise of unit variance, exact by circulant embedding.

    References
    ----------
    Davies and Harte 1987, Biometrika 74:95; Dietrich and Newsam 1997, SIAM J Sci Comput 18:1088.
    """
    k = np.arange(n + 1, dtype=np.float64)
    h2 = 2.0 * hurst
    covariance = 0.5 * (np.abs(k - 1) ** h2 - 2.0 * k**h2 + (k + 1) ** h2)
    circle = np.concatenate((covariance, covariance[-2:0:-1]))
    power = np.maximum(np.fft.fft(circle).real, 0.0)
    parts = rng.standard_normal((2, len(circle)))
    noise = np.fft.fft(np.sqrt(power / len(circle)) * (parts[0] + 1j * parts[1]))
    return noise.real[:n]


@dataclass(frozen=True)
class OscillationTruth:
    """Frequency, Hurst exponent and coefficient of variation, and the amplitude on its lattice."""

    f0_hz: float
    hurst: float
    cv: float
    amplitude: np.ndarray


def oscillation(
    rng: np.random.Generator,
    n: int,
    rate_hz: float,
    *,
    f0_hz: float = 10.0,
    hurst: float = 0.75,
    cv: float = 0.5,
    band_hz: float = 0.0,
) -> tuple[np.ndarray, OscillationTruth]:
    """Oscillation of unit RMS with log-normal amplitude of long memory (G2).

    Parameters
    ----------
    band_hz : float
        Width of the carrier's band; 0 for a sine.

    Returns
    -------
    ndarray, (n,), float32
    OscillationTruth
    """
    points = int(np.ceil(n / rate_hz / LATTICE_S)) + 2
    z = _smoothed(fgn(rng, points, hurst))
    sigma = np.sqrt(np.log1p(cv**2))
    amplitude = np.exp(sigma * z - sigma**2 / 2.0)
    t = np.arange(n) / rate_hz
    if band_hz:
        carrier = _band_noise(rng, n, rate_hz, f0_hz, band_hz)
    else:
        carrier = np.sqrt(2.0) * np.sin(2 * np.pi * (f0_hz * t + rng.random()))
    envelope = np.interp(t, np.arange(points) * LATTICE_S, amplitude)
    trace = (carrier * envelope / np.sqrt(1.0 + cv**2)).astype(np.float32)
    return trace, OscillationTruth(f0_hz, hurst, cv, amplitude)


def _smoothed(z: np.ndarray) -> np.ndarray:
    f = np.fft.rfftfreq(len(z), LATTICE_S)
    spectrum = np.fft.rfft(z) * np.exp(-0.5 * np.log(2.0) * (f / SMOOTHING_HZ) ** 2)
    z = np.fft.irfft(spectrum, len(z))
    return (z - z.mean()) / z.std()


def _band_noise(
    rng: np.random.Generator, n: int, rate_hz: float, f0_hz: float, band_hz: float
) -> np.ndarray:
    f = np.fft.rfftfreq(4 * n, 1.0 / rate_hz)
    spectrum = np.fft.rfft(rng.standard_normal(4 * n))
    spectrum[np.abs(f - f0_hz) > band_hz / 2.0] = 0.0
    noise = np.fft.irfft(spectrum, 4 * n)
    return noise[:n] / noise.std()


def band_loop(
    rng: np.random.Generator, n: int, rate_hz: float, band_hz: tuple[float, float], columns: int = 1
) -> np.ndarray:
    """Gaussian noise of a band, (n, columns), unit variance, without a seam between its ends."""
    f = np.fft.rfftfreq(n, 1.0 / rate_hz)
    inside = (f >= band_hz[0]) & (f <= band_hz[1])
    parts = rng.standard_normal((2, len(f), columns))
    noise = np.fft.irfft((parts[0] + 1j * parts[1]) * inside[:, None], n, axis=0)
    return noise / noise.std(axis=0)


def bursts(
    rng: np.random.Generator,
    n: int,
    rate_hz: float,
    *,
    f0_hz: float = 10.0,
    amplitude: float = 60.0,
    per_min: float = 6.0,
    duration_s: tuple[float, float] = (0.5, 2.0),
) -> tuple[np.ndarray, list[Event]]:
    """Hann-windowed sinusoids at Poisson times (G3).

    Returns
    -------
    ndarray, (n,), float32
    list of Event
        Onset, offset and peak amplitude of each.
    """
    trace, events = np.zeros(n, np.float32), []
    for onset in np.sort(rng.uniform(0, n / rate_hz, rng.poisson(per_min * n / rate_hz / 60))):
        length = min(rng.uniform(*duration_s), n / rate_hz - onset)
        first, last = round(onset * rate_hz), round((onset + length) * rate_hz)
        t = np.arange(last - first) / rate_hz
        wave = np.sin(2 * np.pi * (f0_hz * t + rng.random())) * np.hanning(len(t))
        trace[first:last] += (amplitude * wave).astype(np.float32)
        events.append(Event("burst", (), first / rate_hz, last / rate_hz, amplitude))
    return trace, events


def line(
    first: int,
    n: int,
    rate_hz: float,
    episodes: Sequence[tuple[float, float, float]],
    *,
    mains_hz: float = 50.0,
    harmonics: Sequence[float] = (1.0,),
    ramp_s: float = 0.5,
    wander_hz: float = 0.05,
) -> np.ndarray:
    """Mains hum in samples [first, first + n) of a stream (G5).

    Parameters
    ----------
    episodes : sequence of (onset_s, offset_s, rms)
        When it hums, and the RMS of the fundamental.
    harmonics : sequence of float
        Amplitudes of the fundamental and its harmonics, relative to the fundamental.
    wander_hz : float
        The frequency swings by this much about `mains_hz`, once in 40 s.

    Returns
    -------
    ndarray, (n,), float64
        The same whatever the cuts.
    """
    t = (first + np.arange(n)) / rate_hz
    swing = 40.0
    phase = 2 * np.pi * mains_hz * t + wander_hz * swing * (1 - np.cos(2 * np.pi * t / swing))
    wave = np.zeros(n)
    for k, strength in enumerate(harmonics, start=1):
        wave += strength * np.sin(k * phase)
    gain = np.zeros(n)
    for onset, offset, rms in episodes:
        rising = np.clip((t - onset) / ramp_s, 0, 1) if ramp_s else (t >= onset)
        falling = np.clip((offset - t) / ramp_s, 0, 1) if ramp_s else (t < offset)
        gain += rms * np.sqrt(2.0) * np.minimum(rising, falling)
    return gain * wave


def hum(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    density: float,
    *,
    levels_db: Sequence[float] = (6.0, 8.0, 12.0, 20.0),
    lasting_s: tuple[float, float] = (15.0, 30.0),
    apart_s: float = 20.0,
    mains_hz: float = 50.0,
    ramp_s: float = 0.2,
    channels: Sequence[int] = (),
) -> list[Event]:
    """Add episodes of mains hum to samples in place, in a random order of their levels (G5).

    Parameters
    ----------
    samples : ndarray, (n, n_channels), floating
    density : float
        Power beside the line, unit**2/Hz; `line_rms` makes of it what reads as a level.
    levels_db : sequence of float
        One episode each, at random times in equal parts of the record, `apart_s` apart.
    channels : sequence of int
        Which hum; all without any.

    Returns
    -------
    list of Event
        Magnitude is the level in dB; the onset is where the ramp begins.
    """
    slot = len(samples) / rate_hz / max(len(levels_db), 1)
    events, episodes = [], []
    for k, level in enumerate(rng.permutation(np.asarray(levels_db, np.float64)).tolist()):
        length = min(rng.uniform(*lasting_s), 0.8 * slot)
        onset = k * slot + rng.uniform(0.0, max(0.0, slot - length - apart_s))
        episodes.append((onset, onset + length, line_rms(density, level)))
        events.append(Event("line", tuple(channels), onset, onset + length, level))
    wave = line(0, len(samples), rate_hz, episodes, mains_hz=mains_hz, ramp_s=ramp_s)
    columns = list(channels) if channels else slice(None)
    samples[:, columns] += wave[:, None].astype(samples.dtype)
    return events


def line_rms(density: float, level_db: float) -> float:
    """RMS of a tone that science B.2 Q04 reads as `level_db` over white noise of `density`/Hz."""
    return float(np.sqrt(2.5 * density * (10.0 ** (level_db / 10.0) - 1.0)))
