"""Episodes of mains hum, at levels that the check's own ratio is defined by."""

from __future__ import annotations

import numpy as np
from scipy import signal
from tenmin_simulators import background as bg

from tenmin.checks.setting import Setting
from tests.scoring import signals
from tests.scoring.matching import Counts, Interval, latencies, precision, recall
from tests.scoring.play import chunks_of, require, watch
from tests.scoring.score import Row, Scenario, latency, of_counts

SECONDS = 240.0
EPISODE_S, SLOT_S = 25.0, 60.0
LEVELS_DB = (6.0, 6.0, 8.0, 10.0, 12.0, 20.0, 0.0, 0.0)  # of each channel
# The onset that science.md tolerates is 1 s. A verdict of a window of 4 s raised by two of three
# ticks comes later than that by rule; so an episode counts as found while it lasts, and its
# latency has rows of its own.
LINGER_S = 12.0  # window, then five ticks below the limit: still the same episode
REAL = "Cyton, mouse EEG, eegmmidb"


def density(samples: np.ndarray, rate_hz: float) -> np.ndarray:
    """Power density beside the mains, unit squared per Hz, (n_channels,)."""
    f, power = signal.welch(samples, rate_hz, nperseg=round(2 * rate_hz), axis=0)
    away = np.abs(f - signals.MAINS_HZ)
    return power[(away >= 3.0) & (away <= 8.0)].mean(axis=0)


def play(seed: int, seconds: float = SECONDS) -> dict[str, Counts]:
    """An EEG with four episodes a channel, of one level each."""
    require("eeg", "line")
    rng = np.random.default_rng((seed, 4))
    n_channels = len(LEVELS_DB)
    samples = signals.eeg(rng, seconds, n_channels)
    floor = density(samples, signals.EEG_HZ)
    truth: dict[int, list[Interval]] = {}
    for channel, level_db in enumerate(LEVELS_DB):
        if level_db == 0.0:
            continue
        rms = bg.line_rms(float(floor[channel]), level_db)
        onsets = [k * SLOT_S + rng.uniform(8.0, 15.0) for k in range(int(seconds / SLOT_S))]
        episodes = [(t, t + EPISODE_S, rms) for t in onsets]
        samples[:, channel] += bg.line(0, len(samples), signals.EEG_HZ, episodes, ramp_s=0.0)
        truth[channel] = [Interval(a, b) for a, b, _ in episodes]
    stream, counts = signals.eeg_stream(n_channels), signals.eeg_counts(samples)
    seen = watch(
        stream,
        chunks_of(counts, stream.rate_hz, rng, index=np.arange(len(counts))),
        Setting(signals.MAINS_HZ),
        only=("line",),
    )
    ticks = np.array(seen.ticks_s)
    found = {"6 dB": Counts(), "8 dB": Counts()}
    for channel, level_db in enumerate(LEVELS_DB):
        raised = seen.raised("line", channel)
        there = truth.get(channel, [])
        counted = _counted(there, seen.levelled("line", channel, join_s=3.0))
        waits = latencies(there, raised, ticks)
        key = "6 dB" if level_db == 6.0 else "8 dB"
        found[key] += counted + Counts(latencies_s=tuple(waits))
    return found


def _counted(truth: list[Interval], found: list[Interval]) -> Counts:
    hits, false = 0, 0
    taken: set[Interval] = set()
    for event in found:
        near = [t for t in truth if t.onset_s - 1.0 <= event.onset_s <= t.offset_s + LINGER_S]
        on_time = [t for t in near if event.onset_s - t.onset_s <= EPISODE_S]
        if on_time and on_time[0] not in taken:
            taken.add(on_time[0])
            hits += 1
        elif not near:
            false += 1
    return Counts(hits, len(truth) - hits, false)


def scenarios() -> tuple[Scenario, ...]:
    """That of this module."""
    strong = "line episodes >= 8 dB"
    rows = (
        Row(strong, "precision", of_counts("8 dB", precision), at_least=0.99, real=REAL),
        Row(strong, "recall", of_counts("8 dB", recall), at_least=0.99, real=REAL),
        Row(strong, "latency median", latency("8 dB", 0.5), at_most=4.0, unit="s"),
        Row(strong, "latency p95", latency("8 dB", 0.95), at_most=6.0, unit="s"),
        Row("line episodes of 6 dB", "recall", of_counts("6 dB", recall), at_least=0.9),
        Row("line episodes of 6 dB", "latency median", latency("6 dB", 0.5), unit="s"),
    )
    return (Scenario("line", play, rows),)
