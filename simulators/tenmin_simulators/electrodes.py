"""What goes wrong at electrodes and inputs (G6); every function changes samples in place.

`samples` is (n, n_channels) floating, in microvolts; each returns the truth.
"""

from __future__ import annotations

import numpy as np

from tenmin_simulators import background as bg
from tenmin_simulators.truth import Event


def dead(
    samples: np.ndarray, rate_hz: float, channel: int, onset_s: float, level: float = 0.0
) -> Event:
    """A channel that shows a constant from `onset_s` to the end."""
    samples[round(onset_s * rate_hz) :, channel] = level
    return Event("dead", (channel,), onset_s, len(samples) / rate_hz, level)


def flat_runs(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    count: int,
    duration_s: tuple[float, float] = (0.5, 3.0),
) -> list[Event]:
    """Runs in which the channel keeps its last value; they do not overlap."""
    events: list[Event] = []
    slot = len(samples) / rate_hz / max(count, 1)
    for k in range(count):
        length = min(rng.uniform(*duration_s), 0.9 * slot)
        first = round((k * slot + rng.uniform(0, slot - length)) * rate_hz)
        last = min(first + round(length * rate_hz), len(samples))
        samples[first:last, channel] = samples[max(first - 1, 0), channel]
        events.append(Event("flat", (channel,), first / rate_hz, last / rate_hz, last - first))
    return events


def clip(samples: np.ndarray, rate_hz: float, channel: int, limit: float) -> list[Event]:
    """A converter that ends at +-`limit`; one event for each run of samples at its end."""
    beyond = np.abs(samples[:, channel]) >= limit
    samples[:, channel] = np.clip(samples[:, channel], -limit, limit)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], beyond.astype(np.int8), [0]))))
    return [
        Event("clip", (channel,), first / rate_hz, last / rate_hz, limit)
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist())
    ]


def pops(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    *,
    per_min: float = 4.0,
    sigmas: float = 15.0,
    decay_s: float = 0.2,
) -> list[Event]:
    """Steps that decay exponentially, at Poisson times, `sigmas` times the channel's SD high."""
    n = len(samples)
    height = sigmas * float(np.std(samples[:, channel]))
    events = []
    for first in np.sort(rng.integers(0, n, rng.poisson(per_min * n / rate_hz / 60.0))).tolist():
        t = np.arange(min(n - first, round(8 * decay_s * rate_hz))) / rate_hz
        sign = rng.choice((-1.0, 1.0))
        samples[first : first + len(t), channel] += sign * height * np.exp(-t / decay_s)
        onset = first / rate_hz
        events.append(Event("pop", (channel,), onset, onset + decay_s, sign * height))
    return events


def white(
    rng: np.random.Generator, samples: np.ndarray, rate_hz: float, channel: int, rms: float = 50.0
) -> Event:
    """A channel that sees nothing but white noise."""
    samples[:, channel] = rms * rng.standard_normal(len(samples))
    return Event("white", (channel,), 0.0, len(samples) / rate_hz, rms)


def high_impedance(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    *,
    noise_rms: float = 60.0,
    line_rms: float = 40.0,
    mains_hz: float = 50.0,
) -> Event:
    """A badly coupled electrode: 1/f noise and mains hum on top of the signal."""
    n = len(samples)
    samples[:, channel] += noise_rms * bg.coloured(rng, n, rate_hz, 1.0)[:, 0]
    samples[:, channel] += bg.line(
        0, n, rate_hz, [(0.0, np.inf, line_rms)], mains_hz=mains_hz, ramp_s=0.0
    )
    return Event("high_impedance", (channel,), 0.0, n / rate_hz, noise_rms)


def bridged(samples: np.ndarray, rate_hz: float, one: int, other: int) -> Event:
    """Two electrodes joined by gel: both show their mean."""
    samples[:, [one, other]] = samples[:, [one, other]].mean(axis=1, keepdims=True)
    return Event("bridged", (one, other), 0.0, len(samples) / rate_hz)
