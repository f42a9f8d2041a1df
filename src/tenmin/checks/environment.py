"""The room and the body: light, sound, temperature, motion; science.md B.3 Q20d, Q20e."""

from __future__ import annotations

import math
import re
from collections import deque

import numpy as np

from tenmin.checks.parameters import Parameters, ParameterSet
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.single import Single, times_of
from tenmin.checks.unit import Measured, Shared
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

AXES = ("acc", "imu")


def channel_of(stream: Stream, words: tuple[str, ...]) -> int | None:
    """The first channel whose name or unit has a word that begins with one of these."""
    units = stream.channel_units or (stream.unit,) * stream.n_channels
    begins = re.compile(rf"(?<![a-z])({'|'.join(words)})")  # "db" is in "feedback" as well
    for c, (name, unit) in enumerate(zip(stream.channels, units, strict=True)):
        if begins.search(name.lower()) or begins.search(unit.lower()):
            return c
    return None


class _Sensor:
    """One channel of an environment stream, with times."""

    name = ""
    words: tuple[str, ...] = ()

    def __init__(self, stream: Stream, parameters: ParameterSet) -> None:
        self.stream, self.parameters = stream, parameters[self.name]
        self._single = Single(stream.name, self.parameters)
        c = self.channel = channel_of(stream, self.words)
        scales = stream.channel_scales or (1.0,) * stream.n_channels
        self._scale = math.nan if c is None else stream.scale * scales[c]

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        if self.channel is None:
            return
        values = piece.samples[:, self.channel] * self._scale + self.stream.offset
        for time_s, value in zip(times_of(self.stream, piece), values, strict=True):
            if math.isfinite(value):
                self._take(float(time_s), float(value))

    def _take(self, time_s: float, value: float) -> None:
        raise NotImplementedError


class Light(_Sensor):
    """Q20d: largest change of the light within 5 s, since the last tick, percent."""

    name, words = "light", ("lux", "light")

    def __init__(self, stream: Stream, parameters: ParameterSet) -> None:
        super().__init__(stream, parameters)
        self._recent: deque[tuple[float, float]] = deque()
        self._largest = math.nan

    def _take(self, time_s: float, value: float) -> None:
        p, recent = self.parameters, self._recent
        while recent and not 0.0 <= time_s - recent[0][0] <= p["window_s"]:
            recent.popleft()
        if recent:
            changes = [abs(value - lux) / max(lux, p["darkness_lux"]) for _, lux in recent]
            self._largest = float(np.fmax(self._largest, 100.0 * max(changes)))
        recent.append((time_s, value))

    def verdict(self, now_s: float) -> Verdict:
        """Judge what came since the last tick; unknown when nothing did."""
        value, self._largest = self._largest, math.nan
        return self._single.step(value)


class Sound(_Sensor):
    """Q20d: the loudest since the last tick above the mean of the settling, dB.

    `restart` tells that the settling is over; before that, and after one shorter than 10 s,
    it is unknown.
    """

    name, words = "sound", ("sound", "db")

    def __init__(self, stream: Stream, parameters: ParameterSet) -> None:
        super().__init__(stream, parameters)
        self._n, self._mean, self._first_s, self._last_s = 0, 0.0, math.nan, math.nan
        self._settled = math.nan
        self._loudest = math.nan

    def restart(self) -> None:
        """The block begins: what came so far was the settling."""
        if self._last_s - self._first_s >= self.parameters["least_settle_s"]:
            self._settled = self._mean
        self._loudest = math.nan

    def _take(self, time_s: float, value: float) -> None:
        self._loudest = float(np.fmax(self._loudest, value))
        if math.isnan(self._settled):
            self._n += 1
            self._mean += (value - self._mean) / self._n
            self._first_s = time_s if self._n == 1 else self._first_s
            self._last_s = time_s

    def verdict(self, now_s: float) -> Verdict:
        """Judge what came since the last tick."""
        value, self._loudest = self._loudest - self._settled, math.nan
        return self._single.step(value)


class Temperature(_Sensor):
    """Q20d: drift of the temperature over the last ten minutes, degrees per ten minutes."""

    name, words = "temperature", ("temp", "celsius", "degrees c")

    def __init__(self, stream: Stream, parameters: ParameterSet) -> None:
        super().__init__(stream, parameters)
        self._recent: deque[tuple[float, float]] = deque()

    def _take(self, time_s: float, value: float) -> None:
        recent = self._recent
        if recent and time_s < recent[-1][0]:
            recent.clear()  # the sensor's clock was set back
        recent.append((time_s, value))
        while recent[0][0] < time_s - self.parameters["window_s"]:
            recent.popleft()

    def verdict(self, now_s: float) -> Verdict:
        """Judge the slope so far; unknown before two minutes have come."""
        if len(self._recent) < 3:
            return self._single.step(math.nan)
        times, values = np.array(self._recent).T
        if times[-1] - times[0] < self.parameters["least_s"]:
            return self._single.step(math.nan)
        t = times - times.mean()
        slope = float(t @ (values - values.mean()) / (t @ t))
        drift = slope * self.parameters["window_s"]
        return self._single.step(abs(drift), drift)


def axes_of(stream: Stream) -> list[int]:
    """The axes of an accelerometer: channels whose names begin with ``acc`` or ``imu``."""
    return [c for c, name in enumerate(stream.channels) if name.lower().startswith(AXES)]


class BodyMotion:
    """Q20e: how much head or body move, for information: no limit is set.

    Of an accelerometer: SD of the second's acceleration, all axes together, unit of the stream.
    One value for the stream.
    """

    name, by_channel = "body_motion", False

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """It does not apply where there is no accelerometer."""
        return parameters if axes_of(stream) else None

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self._n_channels = stream.n_channels
        self._channels = axes_of(stream)

    def measure(self, second: Second) -> Measured:
        """The motion in a second; unknown without axes, and where samples are missing."""
        if not self._channels or not second.whole or len(second.samples) < 2:
            return Measured(np.full(self._n_channels, np.nan))
        spread = second.samples[:, self._channels].var(axis=0).sum()
        return Measured(np.full(self._n_channels, math.sqrt(spread)))


def motion_energy(before: np.ndarray, frame: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean absolute change of grey levels from one frame to the next.

    Parameters
    ----------
    before, frame : ndarray, (height, width)
    mask : ndarray of bool, (height, width), optional
        The pixels that count: the body without the face, say.
    """
    change = np.abs(np.asarray(frame, np.float64) - np.asarray(before, np.float64))
    return float(change[mask].mean() if mask is not None else change.mean())
