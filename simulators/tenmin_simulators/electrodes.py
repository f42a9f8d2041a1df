"""What goes wrong at electrodes and inputs (G6); every function changes samples in place.

`samples` is (n, n_channels) floating, in microvolts; each returns the truth.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    events = []
    for first, last in _runs(rng, len(samples), rate_hz, count, duration_s):
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


def clip_runs(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    count: int,
    limit: float,
    duration_s: tuple[float, float] = (1.0, 4.0),
    overdrive: float = 4.0,
) -> list[Event]:
    """Runs in which the input is driven so far that most samples stand at +-`limit`.

    Parameters
    ----------
    overdrive : float
        One SD of the channel then reaches this many times the limit.
    """
    gain = overdrive * limit / float(np.std(samples[:, channel]))
    events = []
    for first, last in _runs(rng, len(samples), rate_hz, count, duration_s):
        run = samples[first:last, channel]
        run[:] = np.clip(gain * run, -limit, limit)
        events.append(Event("clip", (channel,), first / rate_hz, last / rate_hz, limit))
    return events


def pops(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    *,
    per_min: float = 4.0,
    sigmas: float | tuple[float, float] = 15.0,
    decay_s: float = 0.2,
    apart_s: float = 0.0,
) -> list[Event]:
    """Steps that decay exponentially, at Poisson times.

    Parameters
    ----------
    sigmas : float or (float, float)
        Their height in SDs of the channel, or the range that it is drawn from.
    apart_s : float
        A pop that comes sooner after the one before it is left out, and so is one that near to
        the ends.
    """
    n = len(samples)
    sd = float(np.std(samples[:, channel]))
    low, high = sigmas if isinstance(sigmas, tuple) else (sigmas, sigmas)
    events: list[Event] = []
    for first in np.sort(rng.integers(0, n, rng.poisson(per_min * n / rate_hz / 60.0))).tolist():
        onset = first / rate_hz
        sign = rng.choice((-1.0, 1.0))
        height = sd * (rng.uniform(low, high) if high > low else low)
        if apart_s and not apart_s <= onset <= n / rate_hz - apart_s:
            continue
        if events and onset - events[-1].onset_s < apart_s:
            continue
        t = np.arange(min(n - first, round(8 * decay_s * rate_hz))) / rate_hz
        samples[first : first + len(t), channel] += sign * height * np.exp(-t / decay_s)
        events.append(Event("pop", (channel,), onset, onset + decay_s, float(sign * height)))
    return events


def white(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    rms: float = 50.0,
    onset_s: float = 0.0,
    offset_s: float | None = None,
) -> Event:
    """A channel that sees nothing but white noise, from `onset_s` to `offset_s` or the end."""
    part, event = _during("white", samples, rate_hz, channel, onset_s, offset_s, rms)
    samples[part, channel] = rms * rng.standard_normal(part.stop - part.start)
    return event


def high_impedance(
    rng: np.random.Generator,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    *,
    noise_rms: float = 60.0,
    line_rms: float = 40.0,
    mains_hz: float = 50.0,
    onset_s: float = 0.0,
    offset_s: float | None = None,
) -> Event:
    """A badly coupled electrode: 1/f noise and mains hum on top of the signal."""
    part, event = _during("high_impedance", samples, rate_hz, channel, onset_s, offset_s, noise_rms)
    n = part.stop - part.start
    samples[part, channel] += noise_rms * bg.coloured(rng, n, rate_hz, 1.0)[:, 0]
    samples[part, channel] += bg.line(
        part.start, n, rate_hz, [(0.0, np.inf, line_rms)], mains_hz=mains_hz, ramp_s=0.0
    )
    return event


def bridged(samples: np.ndarray, rate_hz: float, one: int, other: int) -> Event:
    """Two electrodes joined by gel: both show their mean."""
    samples[:, [one, other]] = samples[:, [one, other]].mean(axis=1, keepdims=True)
    return Event("bridged", (one, other), 0.0, len(samples) / rate_hz)


def _runs(
    rng: np.random.Generator,
    n: int,
    rate_hz: float,
    count: int,
    duration_s: tuple[float, float],
) -> Iterator[tuple[int, int]]:
    """First and last sample of runs that do not overlap."""
    slot = n / rate_hz / max(count, 1)
    for k in range(count):
        length = min(rng.uniform(*duration_s), 0.9 * slot)
        first = round((k * slot + rng.uniform(0, slot - length)) * rate_hz)
        yield first, min(first + round(length * rate_hz), n)


def _during(
    kind: str,
    samples: np.ndarray,
    rate_hz: float,
    channel: int,
    onset_s: float,
    offset_s: float | None,
    magnitude: float,
) -> tuple[slice, Event]:
    stop = len(samples) if offset_s is None else min(round(offset_s * rate_hz), len(samples))
    part = slice(round(onset_s * rate_hz), stop)
    return part, Event(kind, (channel,), onset_s, stop / rate_hz, magnitude)
