"""Eyes: blinks, closed lids and slow eye movements, and what they do to an EEG (G8).

`Lids` knows when the eyes are shut; a camera and an EEG of the same rig share one. `Eyes` adds the
potentials to samples, the same ones whatever the cuts, hundreds of times faster than real time. ::

    eyes = Eyes(Lids(rng), labels, 1000.0)
    eyes.roll(40.0, 70.0)                   # slow eye movements
    eyes.add(samples, first)                # (n, n_channels) microvolts, first sample's number
    truth = eyes.events_until(600.0)        # types blink, eyes_closed, sem

A blink begins when the lid begins to fall and ends when it is open again; an overshoot of the
other sign follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tenmin_simulators import montage
from tenmin_simulators.blocks import seed
from tenmin_simulators.truth import Event

PER_MIN = 15.0  # science E.1 G8
BLINK_S = (0.2, 0.4)  # science E.1 G8
BLINK_UV = (100.0, 300.0)  # science E.1 G8
LONG_BLINK_S = (0.6, 1.2)  # of a sleepy person; science C.2: long closure above 0.5 s
LEAST_GAP_S = 1.0  # from one blink's onset to the next
OVERSHOOT = 0.15
LID_S = 0.15  # how long a lid takes that stays closed
LID_UV = 120.0
SEM_HZ = 0.3  # science E.1 G8
SEM_UV = (150.0, 250.0)  # between the temples
SEM_RAMP_S = 0.5


@dataclass(frozen=True)
class Blink:
    """One blink: seconds, and microvolts at the strongest channel."""

    onset_s: float
    duration_s: float
    peak_uv: float

    @property
    def offset_s(self) -> float:
        """When the lid is open again."""
        return self.onset_s + self.duration_s


class Lids:
    """When the eyes are shut: blinks at random, and what is asked for.

    Parameters
    ----------
    rng : numpy.random.Generator
        Asked once; blinks are then drawn in order of time, as far as somebody looks.
    per_min : float
        Rate of the blinks by themselves; 0 for none.
    from_s : float
        The first one comes after this.
    """

    def __init__(
        self, rng: np.random.Generator, per_min: float = PER_MIN, *, from_s: float = 0.0
    ) -> None:
        self._rng, self.per_min = np.random.default_rng(seed(rng)), per_min
        self._mean_s = 60.0 / per_min if per_min else np.inf
        self._reached_s = from_s
        self.blinks: list[Blink] = []
        self.closures: list[tuple[float, float]] = []
        self.sleepy: list[tuple[float, float]] = []

    def blink(self, onset_s: float, duration_s: float = 0.3, peak_uv: float = 200.0) -> Blink:
        """One blink more; the next one by itself comes at least a second later."""
        one = Blink(onset_s, duration_s, peak_uv)
        self._draw(one.offset_s + 2 * LEAST_GAP_S)
        self.blinks = [b for b in self.blinks if not 0.0 <= b.onset_s - onset_s < LEAST_GAP_S]
        self.blinks = sorted([*self.blinks, one], key=lambda b: b.onset_s)
        return one

    def close(self, onset_s: float, offset_s: float) -> None:
        """Close the eyes for a while; meanwhile nobody blinks."""
        self._draw(offset_s)
        self.closures.append((onset_s, offset_s))
        self.blinks = [b for b in self.blinks if not self._is_hidden(b)]

    def drowse(self, onset_s: float, offset_s: float) -> None:
        """Let the blinks of a while be long ones."""
        self._draw(onset_s)
        self.sleepy.append((onset_s, offset_s))
        self.blinks = [self._slowed(b) for b in self.blinks]

    def between(self, start_s: float, stop_s: float) -> Iterator[Blink]:
        """Blinks that are under way in [start_s, stop_s), their overshoots included."""
        self._draw(stop_s)
        for blink in self.blinks:
            if blink.onset_s < stop_s and blink.onset_s + 2 * blink.duration_s > start_s:
                yield blink

    def closed(self, t_s: np.ndarray) -> np.ndarray:
        """How far the lids are shut, 0 to 1, at ascending times."""
        shut = np.zeros(len(t_s))
        if not len(t_s):
            return shut
        for blink in self.between(float(t_s[0]), float(t_s[-1]) + 1e-9):
            part = during(t_s, blink.onset_s, blink.offset_s)
            lobe = np.sin(np.pi * (t_s[part] - blink.onset_s) / blink.duration_s) ** 2
            shut[part] = np.maximum(shut[part], np.minimum(1.0, 1.5 * lobe))
        for onset, offset in self.closures:
            shut = np.maximum(shut, gate(t_s, [(onset, offset)], LID_S))
        return shut

    def events_until(self, t_s: float) -> list[Event]:
        """Blinks and closures that have begun by `t_s`, in order of time."""
        self._draw(t_s)
        found = [Event("blink", (), b.onset_s, b.offset_s, b.peak_uv) for b in self.blinks]
        found += [Event("eyes_closed", (), on, off) for on, off in self.closures]
        return sorted((e for e in found if e.onset_s < t_s), key=lambda e: e.onset_s)

    def _draw(self, until_s: float) -> None:
        while self.per_min and self._reached_s <= until_s:
            gap = LEAST_GAP_S + self._rng.exponential(self._mean_s - LEAST_GAP_S)
            self._reached_s += gap
            duration, peak = self._rng.uniform(*BLINK_S), self._rng.uniform(*BLINK_UV)
            blink = self._slowed(Blink(self._reached_s, float(duration), float(peak)))
            near = any(abs(b.onset_s - blink.onset_s) < LEAST_GAP_S for b in self.blinks[-3:])
            if not near and not self._is_hidden(blink):
                self.blinks.append(blink)

    def _is_hidden(self, blink: Blink) -> bool:
        return any(on <= blink.onset_s < off + LID_S for on, off in self.closures)

    def _slowed(self, blink: Blink) -> Blink:
        if not any(on <= blink.onset_s < off for on, off in self.sleepy):
            return blink
        low, high = LONG_BLINK_S
        share = (blink.duration_s - BLINK_S[0]) / (BLINK_S[1] - BLINK_S[0])
        if not 0.0 <= share <= 1.0:
            return blink
        return Blink(blink.onset_s, low + share * (high - low), blink.peak_uv)


class Eyes:
    """Potentials of lids and eyes in an EEG.

    Parameters
    ----------
    lids : Lids
    labels : sequence of str
        Names of the 10-10 system, ``VEOG`` and ``HEOG``, unless weights are given.
    rate_hz : float
    frontal, sideways : ndarray, (n_channels,), optional
        What each channel sees of blinks, and of eyes that turn to the right.

    Attributes
    ----------
    movements : list of Event
        Slow eye movements; magnitude is the peak between the temples, microvolts.

    Raises
    ------
    ValueError
        No channel is near the eyes.
    """

    def __init__(
        self,
        lids: Lids,
        labels: Sequence[str],
        rate_hz: float,
        *,
        frontal: np.ndarray | None = None,
        sideways: np.ndarray | None = None,
    ) -> None:
        self.lids, self.rate_hz = lids, rate_hz
        self.frontal = montage.frontal(labels) if frontal is None else np.asarray(frontal)
        self.sideways = montage.sideways(labels) if sideways is None else np.asarray(sideways)
        if not self.frontal.any():
            raise ValueError("No channel is near the eyes.")
        self._seeing = tuple(np.flatnonzero(self.frontal >= 0.5).tolist())
        self._turning = tuple(np.flatnonzero(np.abs(self.sideways) >= 0.5).tolist())
        self.movements: list[Event] = []

    def roll(self, onset_s: float, offset_s: float, peak_uv: float = 200.0) -> Event:
        """Slow eye movements for a while."""
        event = Event("sem", self._turning, onset_s, offset_s, peak_uv)
        self.movements.append(event)
        return event

    def add(self, samples: np.ndarray, first: int) -> None:
        """Add the potentials to samples, (n, n_channels), the first of which has this number."""
        t = (first + np.arange(len(samples))) / self.rate_hz
        lids, turns = self.lid_potential(t), self.turn_potential(t)
        for wave, weights in ((lids, self.frontal), (turns, self.sideways)):
            (rows,) = np.nonzero(wave)
            if len(rows):
                samples[rows] += np.multiply.outer(wave[rows], weights).astype(samples.dtype)

    def lid_potential(self, t_s: np.ndarray) -> np.ndarray:
        """What the lids do at the strongest channel, microvolts, at ascending times."""
        wave = np.zeros(len(t_s))
        if not len(t_s):
            return wave
        for blink in self.lids.between(float(t_s[0]), float(t_s[-1]) + 1e-9):
            part = during(t_s, blink.onset_s, blink.onset_s + 2 * blink.duration_s)
            phase = (t_s[part] - blink.onset_s) / blink.duration_s
            wave[part] += blink.peak_uv * biphasic(phase)
        for onset, offset in self.lids.closures:
            for at, sign in ((onset, 1.0), (offset, -1.0)):
                part = during(t_s, at, at + 2 * LID_S)
                wave[part] += sign * LID_UV * np.sin(np.pi * (t_s[part] - at) / (2 * LID_S)) ** 2
        return wave

    def turn_potential(self, t_s: np.ndarray) -> np.ndarray:
        """Half of what is between the temples, microvolts."""
        wave = np.zeros(len(t_s))
        for event in self.movements:
            part = during(t_s, event.onset_s, event.offset_s)
            t = t_s[part]
            gain = 0.5 * event.magnitude * gate(t, [(event.onset_s, event.offset_s)], SEM_RAMP_S)
            wave[part] += gain * np.sin(2 * np.pi * SEM_HZ * (t - event.onset_s))
        return wave

    def events_until(self, t_s: float) -> list[Event]:
        """All that has begun by `t_s`, in order of time."""
        found = [
            Event(e.type, self._seeing, e.onset_s, e.offset_s, e.magnitude)
            for e in self.lids.events_until(t_s)
        ]
        found += [e for e in self.movements if e.onset_s < t_s]
        return sorted(found, key=lambda e: e.onset_s)


def biphasic(phase: np.ndarray) -> np.ndarray:
    """A blink's course: up and down again in phase 0 to 1, an overshoot in phase 1 to 2."""
    lobe = np.where((phase > 0.0) & (phase < 2.0), np.sin(np.pi * phase) ** 2, 0.0)
    return np.where(phase <= 1.0, lobe, -OVERSHOOT * lobe)


def during(t_s: np.ndarray, onset_s: float, offset_s: float) -> slice:
    """Where ascending times lie in [onset_s, offset_s)."""
    return slice(*np.searchsorted(t_s, (onset_s, offset_s)).tolist())


def gate(t_s: np.ndarray, intervals: Sequence[tuple[float, float]], ramp_s: float) -> np.ndarray:
    """1 inside of intervals, 0 outside, with straight ramps inside of their ends."""
    level = np.zeros(len(t_s))
    for onset, offset in intervals:
        ramp = min(ramp_s, (offset - onset) / 2)
        edges = np.minimum(t_s - onset, offset - t_s) / ramp
        level = np.maximum(level, np.clip(edges, 0.0, 1.0))
    return level
