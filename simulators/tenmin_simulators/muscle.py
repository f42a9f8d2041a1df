"""Muscle: bursts of noise between 20 and 200 Hz on temporal channels (G7).

`Muscle` adds its bursts to samples, the same ones whatever the cuts, hundreds of times faster than
real time. Its truth is `events`: one a burst, with the RMS at the strongest channel. ::

    muscle = Muscle(rng, labels, 1000.0)
    muscle.scatter(rng, 600.0, count=5)
    muscle.add(samples, first)              # (n, n_channels) microvolts, first sample's number
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tenmin_simulators import montage
from tenmin_simulators.background import band_loop
from tenmin_simulators.truth import Event

BAND_HZ = (20.0, 200.0)  # science E.1 G7
EPISODES = 5  # science E.1 G7
RMS_UV = (30.0, 80.0)
LASTING_S = (0.5, 4.0)
APART_S = 5.0
RAMP_S = 0.05
LOOP_S = 8.0  # inside of a burst the noise begins anew after this
SHARED = 0.6  # what channels of one side have in common, amplitude


class Muscle:
    """Bursts of muscle activity.

    Parameters
    ----------
    rng : numpy.random.Generator
    labels : sequence of str
        Names of the 10-10 system, unless `weights` are given.
    rate_hz : float
        Above 45 Hz; below 445 Hz the band ends at 0.45 of it.
    weights : ndarray, (n_channels,), optional
        What each channel sees, 1 for the strongest.

    Attributes
    ----------
    events : list of Event
        The bursts in order of time; magnitude is the RMS at the strongest channel, microvolts.

    Raises
    ------
    ValueError
        No channel lies over a muscle.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        labels: Sequence[str],
        rate_hz: float,
        *,
        weights: np.ndarray | None = None,
    ) -> None:
        self.rate_hz = rate_hz
        self.weights = montage.temporal(labels) if weights is None else np.asarray(weights)
        self._columns = np.flatnonzero(self.weights)
        if not len(self._columns):
            raise ValueError("No channel lies over a temporal muscle.")
        self.channels = tuple(int(c) for c in self._columns)
        self.events: list[Event] = []
        right = montage.is_right(labels)[self._columns].astype(int)
        high = min(BAND_HZ[1], 0.45 * rate_hz)
        n = round(LOOP_S * rate_hz)
        loops = band_loop(rng, n, rate_hz, (BAND_HZ[0], high), len(self._columns) + 2)
        own = np.sqrt(1.0 - SHARED**2) * loops[:, 2:] + SHARED * loops[:, right]
        self._loop = (own * self.weights[self._columns]).astype(np.float32)

    def scatter(
        self, rng: np.random.Generator, duration_s: float, count: int = EPISODES, from_s: float = 0
    ) -> list[Event]:
        """Place some bursts at random, at least 5 s apart, after `from_s`."""
        slot = (duration_s - from_s) / count
        found = []
        for k in range(count):
            length = min(rng.uniform(*LASTING_S), 0.5 * slot)
            spare = max(0.0, slot - length - APART_S)
            onset = from_s + k * slot + rng.uniform(0.0, spare)
            found.append(self.place(onset, onset + length, float(rng.uniform(*RMS_UV))))
        return found

    def place(self, onset_s: float, offset_s: float, rms_uv: float = 50.0) -> Event:
        """One more burst."""
        event = Event("muscle", self.channels, onset_s, offset_s, rms_uv)
        self.events = sorted([*self.events, event], key=lambda e: e.onset_s)
        return event

    def add(self, samples: np.ndarray, first: int) -> None:
        """Add the bursts to samples, (n, n_channels), the first of which has this number."""
        for event in self.events:
            begin, end = round(event.onset_s * self.rate_hz), round(event.offset_s * self.rate_hz)
            start, stop = max(begin, first), min(end, first + len(samples))
            if start >= stop:
                continue
            rows = np.arange(start, stop)
            ramp = max(1.0, min(RAMP_S * self.rate_hz, (end - begin) / 4))
            gain = np.clip(np.minimum(rows - begin + 1, end - rows) / ramp, 0.0, 1.0)
            wave = self._loop[rows % len(self._loop)] * (event.magnitude * gain)[:, None]
            samples[start - first : stop - first, self._columns] += wave.astype(samples.dtype)
