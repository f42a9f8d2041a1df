"""Patch clamp: access, seal, leak, resting potential, noise; science.md B.6, Q21-Q24."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.coefficients import butterworth, settled
from tenmin.checks.entered import entered as entered
from tenmin.checks.membrane import Membrane
from tenmin.checks.parameters import Parameters, ParameterSet
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.single import Single
from tenmin.checks.unit import Measured, Shared
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

TO_MV = {"volts": 1e3, "millivolts": 1.0}
TO_PA = {"amperes": 1e12, "picoamperes": 1.0}


def factors(stream: Stream, units: Mapping[str, float]) -> np.ndarray:
    """What one unit of each channel is in the unit wanted, (n_channels,); NaN for other units."""
    of = stream.channel_units or (stream.unit,) * stream.n_channels
    return np.array([units.get(unit, math.nan) for unit in of])


def potentials(stream: Stream) -> np.ndarray:
    """What one unit of each channel is in millivolts; NaN for what is no reading of a potential.

    A channel called ``command`` is what the amplifier was told.
    """
    read = [not name.lower().startswith("command") for name in stream.channels]
    return np.where(read, factors(stream, TO_MV), np.nan)


def of_second(stream: Stream) -> float:
    """For the samples of a `Second`, where volts are scaled up to microvolts."""
    return 1e-6 if stream.unit == "volts" else 1.0


class Access:
    """Q21: access resistance, its share of the input resistance, and its change, per test.

    The change is against the first test.

    Attributes
    ----------
    newest : Membrane or None
        The last test that could be fitted.
    """

    NAMES = ("access", "access_low", "access_ratio", "access_change")

    def __init__(self, stream: str, parameters: ParameterSet) -> None:
        self._singles = {name: Single(stream, parameters[name]) for name in self.NAMES}
        self.newest: Membrane | None = None
        self._first: float | None = None

    def take(self, test: Membrane | None) -> list[Verdict]:
        """Judge a test; one that could not be fitted leaves all UNKNOWN."""
        if test is None:
            return [single.step(math.nan) for single in self._singles.values()]
        self.newest = test
        rs = test.access_mohm
        # The first test is what others are held against: alone it says nothing of a change.
        change = math.nan if self._first is None else 100.0 * (rs / self._first - 1.0)
        self._first = rs if self._first is None else self._first
        values = {"access": rs, "access_low": rs, "access_ratio": test.ratio}
        verdicts = [self._singles[name].step(value) for name, value in values.items()]
        return [*verdicts, self._singles["access_change"].step(abs(change), change)]

    def verdicts(self, now_s: float) -> list[Verdict]:
        """Those of the last test."""
        return [single.verdict() for single in self._singles.values()]


class Medians:
    """Medians of ten seconds, channel by channel, of seconds in a row."""

    def __init__(self, window_s: int) -> None:
        self._window = window_s
        self._seconds: deque[np.ndarray] = deque(maxlen=window_s)
        self._next: int | None = None

    def add(self, second: Second) -> np.ndarray | None:
        """Take a second; the median of the last ten, or None while they are not whole."""
        if second.number != self._next or second.missing:
            self._seconds.clear()
        self._next = second.number + 1
        if not second.missing and len(second.samples):
            self._seconds.append(second.samples)
        if len(self._seconds) < self._window:
            return None
        return np.median(np.concatenate(self._seconds), axis=0)


class Leak:
    """Q22: the size of the holding current's median over 10 s, picoamperes."""

    name = "leak"

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """It does not apply where nothing is a current."""
        return parameters if np.isfinite(factors(stream, TO_PA)).any() else None

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self._factors = factors(stream, TO_PA) * of_second(stream)
        self.about = np.isfinite(self._factors)
        self._medians = Medians(int(parameters["window_s"]))

    def measure(self, second: Second) -> Measured:
        """The leak; unknown in channels that are no current."""
        median = self._medians.add(second)
        if median is None:
            return Measured(np.full(len(self._factors), np.nan))
        return Measured(np.abs(median * self._factors))


class _OfPotentials:
    """What looks at the channels that are a potential, in millivolts."""

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """It does not apply where nothing is a potential."""
        return parameters if np.isfinite(potentials(stream)).any() else None

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self._factors = potentials(stream) * of_second(stream)
        self.about = np.isfinite(self._factors)


class Resting(_OfPotentials):
    """Q23: the resting potential's median over 10 s against that of the block's first 10 s, mV."""

    name = "resting"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        super().__init__(stream, parameters, shared)
        self._window = int(parameters["window_s"])
        self.anchor()

    def anchor(self) -> None:
        """The block begins: its first ten seconds are the ones that count."""
        self._medians = Medians(self._window)
        self._first: np.ndarray | None = None

    def measure(self, second: Second) -> Measured:
        """The change; unknown in channels that are no potential, and in the first 10 s."""
        unknown = Measured(np.full(len(self._factors), np.nan))
        if second.number < 0:
            return unknown
        median = self._medians.add(second)
        if median is None:
            return unknown
        if self._first is None:
            self._first = median
        return Measured(np.abs(median - self._first) * self._factors)


class Potential(_OfPotentials):
    """A.7: the resting potential itself, the median of a second, mV."""

    name = "resting_potential"

    def measure(self, second: Second) -> Measured:
        """The potential; unknown in channels that are none, and in seconds that are not whole."""
        if not second.whole or not len(second.samples):
            return Measured(np.full(len(self._factors), np.nan))
        return Measured(np.median(second.samples, axis=0) * self._factors)


def recording_noise(
    voltage_mv: np.ndarray, rate_hz: float, parameters: ParameterSet
) -> tuple[float, float]:
    """Q24 of a stretch at rest: fast noise, 1-5 kHz, and slow noise, RMS in millivolts.

    Parameters
    ----------
    voltage_mv : ndarray, (n_samples,)
    rate_hz : float
    parameters : ParameterSet

    Returns
    -------
    fast, slow : float
        Medians over pieces of 0.1 and 0.5 s, so that a spike does not count. NaN where the rate
        is too low for the band, or the stretch holds no piece.
    """
    samples = np.asarray(voltage_mv, np.float64)[:, None]
    found = []
    for name in ("patch_noise_fast", "patch_noise_slow"):
        pieces = NoisePieces(1, rate_hz, parameters[name])
        pieces.feed(samples)
        found.append(float(pieces.median()[0]))
    return found[0], found[1]


class NoisePieces:
    """RMS of pieces of a signal, in a band or about its own mean; any cut, the same pieces.

    Parameters
    ----------
    n_channels : int
    rate_hz : float
    p : Parameters
        With ``low_hz`` and ``high_hz`` it is the RMS in that band, else about the piece's mean.
    """

    def __init__(self, n_channels: int, rate_hz: float, p: Parameters) -> None:
        self._size = max(2, round(p["piece_s"] * rate_hz))
        self._rms: deque[np.ndarray] = deque(maxlen=round(p["median_s"] / p["piece_s"]))
        self._band = "low_hz" in p.values
        self.possible = not self._band or p["high_hz"] < rate_hz / 2
        self._n_channels = n_channels
        if self._band and self.possible:
            corners = p["low_hz"], p["high_hz"]
            self._sections = butterworth(4, corners, "band", rate_hz)
            self._state = np.empty((len(self._sections), 2, n_channels))
        self.restart()

    def restart(self) -> None:
        """What comes next does not follow what came: the filter settles, a piece begins."""
        self._kept = np.empty((0, self._n_channels))
        self._fresh = True

    def feed(self, samples: np.ndarray) -> None:
        """Take samples, (n_samples, n_channels), float64."""
        if not self.possible or not len(samples):
            return
        if self._band:
            samples = self._filtered(samples)
        self._kept = np.concatenate([self._kept, samples])
        while len(self._kept) >= self._size:
            piece, self._kept = self._kept[: self._size], self._kept[self._size :]
            if self._band:
                self._rms.append(np.sqrt(np.mean(piece**2, axis=0)))
            else:
                self._rms.append(piece.std(axis=0))

    def _filtered(self, samples: np.ndarray) -> np.ndarray:
        if self._fresh:
            self._fresh = False
            row = np.nan_to_num(samples[0])
            _kernels.settle_sosfilt(self._sections, settled(self._sections), row, self._state)
        out = np.empty_like(samples)
        _kernels.sosfilt(self._sections, samples, self._state, out)
        self._state[:, :, ~np.isfinite(out[-1])] = 0.0  # one NaN would stay for ever
        return out

    def median(self) -> np.ndarray:
        """Median over the last pieces, (n_channels,)."""
        if not self._rms:
            return np.full(self._n_channels, np.nan)
        return np.median(self._rms, axis=0)


class PatchNoise:
    """Q24 of a stream: fast or slow noise, of the worst of its potentials, RMS in millivolts.

    Parameters
    ----------
    stream : Stream
        Of the amplifier's own rate.
    parameters : Parameters
        Of ``patch_noise_fast`` or ``patch_noise_slow``.
    """

    def __init__(self, stream: Stream, parameters: Parameters) -> None:
        self.stream = stream
        to_mv = potentials(stream)
        self._channels = np.flatnonzero(np.isfinite(to_mv))
        scales = np.array(stream.channel_scales or (1.0,) * stream.n_channels)
        self._factors = (to_mv * scales * stream.scale)[self._channels]
        self._pieces = NoisePieces(len(self._channels), stream.rate_hz, parameters)
        self._single = Single(stream.name, parameters)
        self._next: int | None = None

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream; its offset does not matter."""
        if not len(self._channels):
            return
        if piece.index != self._next:
            self._pieces.restart()
        self._next = piece.index + len(piece.samples)
        self._pieces.feed(piece.samples[:, self._channels] * self._factors)

    def verdict(self, now_s: float) -> Verdict:
        """Judge the last 10 s; one tick."""
        values = self._pieces.median()
        known = values[np.isfinite(values)]
        return self._single.step(float(known.max()) if len(known) else math.nan)
