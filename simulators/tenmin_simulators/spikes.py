"""Spiking units: independent, led by a shared latent, or branching; and their waveforms (G4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trains:
    """Spike times of units, and what made them.

    Attributes
    ----------
    times_s : list of ndarray
        Sorted spike times of each unit.
    rates_hz : ndarray, (n_units,)
        Expected rates.
    duration_s : float
    latent : ndarray or None
        Shared log-rate on a lattice of `step_s` (mean of its exponential is 1).
    step_s : float
        Step of the latent's lattice, or the generation time of the branching process.
    m : float
        Branching parameter: spikes that one spike causes in the next step, on average.
    """

    times_s: list[np.ndarray]
    rates_hz: np.ndarray
    duration_s: float
    latent: np.ndarray | None = None
    step_s: float = 0.0
    m: float = 0.0


def unit_rates(rng: np.random.Generator, n_units: int, median_hz: float = 3.0) -> np.ndarray:
    """Log-normal firing rates, between 0.05 and 60 Hz."""
    return np.clip(median_hz * np.exp(rng.standard_normal(n_units)), 0.05, 60.0)


def poisson_trains(rng: np.random.Generator, rates_hz: np.ndarray, duration_s: float) -> Trains:
    """Independent Poisson units."""
    counts = rng.poisson(rates_hz * duration_s)
    times = [np.sort(rng.uniform(0, duration_s, n)) for n in counts]
    return Trains(times, rates_hz, duration_s)


def latent_trains(
    rng: np.random.Generator,
    rates_hz: np.ndarray,
    duration_s: float,
    *,
    tau_s: float = 1.0,
    sd: float = 0.7,
    step_s: float = 0.01,
) -> Trains:
    """Poisson units whose log-rates follow one Ornstein-Uhlenbeck process together.

    Parameters
    ----------
    tau_s : float
        Time constant of the latent.
    sd : float
        SD of the shared log-rate.
    """
    n = int(np.ceil(duration_s / step_s))
    keep = np.exp(-step_s / tau_s)
    kick = rng.standard_normal(n) * sd * np.sqrt(1 - keep**2)
    latent = np.empty(n)
    now = sd * rng.standard_normal()
    for i in range(n):
        now = keep * now + kick[i]
        latent[i] = now
    latent -= sd**2 / 2.0  # so that the mean rate stays what was asked
    gain = np.exp(latent)
    times = []
    for rate in rates_hz:
        counts = rng.poisson(rate * step_s * gain)
        bins = np.repeat(np.arange(n), counts)
        spikes = np.sort((bins + rng.random(len(bins))) * step_s)
        times.append(spikes[spikes < duration_s])
    return Trains(times, rates_hz, duration_s, latent, step_s)


def branching_trains(
    rng: np.random.Generator,
    n_units: int,
    duration_s: float,
    *,
    m: float = 0.98,
    rate_hz: float = 3.0,
    step_s: float = 0.004,
) -> Trains:
    """A driven branching network: each spike causes `m` spikes in the next step, on average.

    The population's activity has autocorrelation ``m**k`` at lag k and mean rate `rate_hz` a unit.

    References
    ----------
    Wilting and Priesemann 2018, Nat Commun 9:2325.
    """
    n = int(np.ceil(duration_s / step_s))
    mean = n_units * rate_hz * step_s
    drive = rng.poisson(mean * (1.0 - m), n)
    active = np.empty(n, np.int64)
    now = round(mean)
    for i in range(n):
        now = int(rng.poisson(m * now)) + int(drive[i])
        active[i] = now
    bins = np.repeat(np.arange(n), active)
    owner = rng.integers(0, n_units, len(bins))
    at = (bins + rng.random(len(bins))) * step_s
    times = [np.sort(at[(owner == unit) & (at < duration_s)]) for unit in range(n_units)]
    return Trains(times, np.full(n_units, rate_hz), duration_s, None, step_s, m)


@dataclass(frozen=True)
class Footprint:
    """A unit's mean waveform on the channels that see it.

    Attributes
    ----------
    first : int
        First of its channels.
    waveform : ndarray, (n_samples, n_channels), float32
        Microvolts; the trough is at sample `trough`.
    trough : int
    """

    first: int
    waveform: np.ndarray
    trough: int


def footprints(
    rng: np.random.Generator, n_units: int, n_channels: int, rate_hz: float, reach: int = 8
) -> list[Footprint]:
    """Units along a probe: a trough of 60 to 300 uV and a hump, falling off over `reach` channels.

    At rates too low for a waveform it is as short as three samples.
    """
    reach = min(reach, n_channels)
    before, after = max(1, round(4e-4 * rate_hz)), max(1, round(1.2e-3 * rate_hz))
    t = np.arange(-before, after + 1) / rate_hz
    found = []
    for _ in range(n_units):
        width = rng.uniform(0.9e-4, 2.0e-4)
        shape = -np.exp(-0.5 * (t / width) ** 2)
        shape += rng.uniform(0.2, 0.4) * np.exp(-0.5 * ((t - 4.5e-4) / (2.2 * width)) ** 2)
        peak = rng.uniform(60.0, 300.0)
        where = (np.arange(reach) - (reach - 1) / 2 - rng.uniform(-0.5, 0.5)) / (reach / 5)
        fall = np.exp(-0.5 * where**2)
        first = int(rng.integers(0, n_channels - reach + 1))
        waveform = (peak * shape[:, None] * fall / fall.max()).astype(np.float32)
        found.append(Footprint(first, waveform, before))
    return found


def add_spikes(
    samples: np.ndarray,
    rate_hz: float,
    trains: Trains,
    units: Sequence[Footprint],
    *,
    loop: bool = False,
) -> None:
    """Add each unit's waveform at its spike times, in place.

    Parameters
    ----------
    samples : ndarray, (n, n_channels), floating
        Microvolts.
    loop : bool
        What passes the end begins again at the start.
    """
    n = len(samples)
    for times, unit in zip(trains.times_s, units):
        columns = slice(unit.first, unit.first + unit.waveform.shape[1])
        length = len(unit.waveform)
        for spike in np.round(times * rate_hz).astype(np.int64):
            start = int(spike) - unit.trough
            if start >= 0 and start + length <= n:
                samples[start : start + length, columns] += unit.waveform
            else:
                rows = np.arange(start, start + length)
                keep = np.ones(length, bool) if loop else (rows >= 0) & (rows < n)
                np.add.at(samples[:, columns], rows[keep] % n, unit.waveform[keep])
