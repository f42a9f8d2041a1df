"""The eye's camera: pupil trace, brightness and focus; science.md B.3 Q20, Q20b."""

from __future__ import annotations

import math

import numpy as np

from tenmin.checks.parameters import Parameters, ParameterSet
from tenmin.checks.single import Single, worst_of
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

ORDER = 3  # of the smoothing polynomial


def lost_share(trace: np.ndarray) -> float:
    """Share of the samples without a pupil: NaN, zero or below; of an empty trace NaN."""
    return float(np.mean(~(trace > 0))) if len(trace) else math.nan


def smooth(trace: np.ndarray, n: int) -> np.ndarray:
    """Savitzky-Golay smoothing of third order; the ends follow the last whole window's cubic.

    Parameters
    ----------
    trace : ndarray, (n_samples,)
        At least `n` samples, none NaN.
    n : int
        Window, odd, samples.
    """
    half = n // 2
    basis = np.vander(np.arange(-half, half + 1) / half, ORDER + 1, increasing=True)
    fit = basis @ np.linalg.pinv(basis)  # row k: the cubic's value at place k of the window
    out = np.convolve(trace, fit[half][::-1], "same")
    out[:half] = fit[:half] @ trace[:n]
    out[len(trace) - half :] = fit[half + 1 :] @ trace[len(trace) - n :]
    return out


def signal_to_noise(trace: np.ndarray, n: int) -> float:
    """Variance of the smoothed trace over that of what the smoothing took away.

    Parameters
    ----------
    trace : ndarray, (n_samples,)
        Lost samples are bridged for the smoothing and left out of both variances.
    n : int
        Window of the smoothing, samples.
    """
    there = trace > 0
    if there.sum() < max(n, ORDER + 2):
        return math.nan
    at = np.arange(len(trace))
    bridged = np.interp(at, at[there], trace[there])
    slow = smooth(bridged, n)
    noise = float(np.var((bridged - slow)[there]))
    signal = float(np.var(slow[there]))
    return signal / noise if noise > 0 else math.inf


class _PupilCheck:
    """The last minute of the pupils of a stream: channels with "pupil" in their name."""

    name = ""

    def __init__(self, stream: Stream, parameters: ParameterSet) -> None:
        self.stream, self.parameters = stream, parameters[self.name]
        self._single = Single(stream.name, self.parameters)
        self._channels = [c for c, name in enumerate(stream.channels) if "pupil" in name.lower()]
        self._size = round(self.parameters["window_s"] * stream.rate_hz)
        self._kept = np.empty((0, len(self._channels)))
        self._next: int | None = None

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream; samples missing before it are lost ones."""
        if not self._channels or not self._size:
            return
        parts = [self._kept]
        if self._next is not None and piece.index > self._next:
            n = min(piece.index - self._next, self._size)
            parts.append(np.full((n, len(self._channels)), np.nan))
        self._next = piece.index + len(piece.samples)
        parts.append(piece.samples[:, self._channels].astype(np.float64))
        self._kept = np.concatenate(parts)[-self._size :]

    @property
    def _short(self) -> bool:
        least = self.parameters["least_s"] * self.stream.rate_hz
        return not self._channels or not len(self._kept) or len(self._kept) < least


class PupilLost(_PupilCheck):
    """Q20: share of the last minute in which the pupil was lost, of the worse eye."""

    name = "pupil_lost"

    def verdict(self, now_s: float) -> Verdict:
        """Judge the last minute; one tick."""
        if self._short:
            return self._single.step(math.nan)
        return self._single.step(max(lost_share(trace) for trace in self._kept.T))


class PupilNoise(_PupilCheck):
    """Q20: signal to noise of the pupil's trace over the last minute, of the worse eye.

    Unknown where the pupil was there in less than a fifth of it.
    """

    name = "pupil_snr"

    def verdict(self, now_s: float) -> Verdict:
        """Judge the last minute; one tick."""
        p = self.parameters
        traces = [] if self._short else list(self._kept.T)
        if not traces or min(1.0 - lost_share(t) for t in traces) < p["least_share"]:
            return self._single.step(math.nan)
        ratios = [signal_to_noise(trace, int(p["smooth_samples"])) for trace in traces]
        return self._single.step(float(np.min(ratios)))


def laplacian_variance(frame: np.ndarray) -> float:
    """Variance of the picture's discrete Laplacian, grey levels squared: low when out of focus.

    Parameters
    ----------
    frame : ndarray, (height, width), at least 3 x 3
        Grey levels, 0 to 255.
    """
    f = np.asarray(frame, np.float64)
    middle = f[1:-1, 1:-1]
    return float(np.var(f[:-2, 1:-1] + f[2:, 1:-1] + f[1:-1, :-2] + f[1:-1, 2:] - 4.0 * middle))


class Picture:
    """Q20b: brightness, its steadiness over the block, and focus of a camera's frames.

    Parameters
    ----------
    stream : str
    parameters : ParameterSet
    white : float
        Grey level of white: limits are those of 255.
    """

    NAMES = ("camera_dark", "camera_bright", "camera_steady", "camera_focus")

    def __init__(self, stream: str, parameters: ParameterSet, white: float = 255.0) -> None:
        tables: list[Parameters] = [parameters[name] for name in self.NAMES]
        self._singles = [Single(stream, table) for table in tables]
        self._scale = 255.0 / white
        self._newest: tuple[float, float] | None = None
        self.restart()

    def restart(self) -> None:
        """The block begins: steadiness is judged from here on."""
        self._n, self._mean, self._m2 = 0, 0.0, 0.0

    def feed_frame(self, frame: np.ndarray) -> None:
        """Take a frame, (height, width)."""
        grey = np.asarray(frame, np.float64) * self._scale
        self.take(float(grey.mean()), laplacian_variance(grey))

    def take(self, mean: float, focus: float) -> None:
        """Take a frame's mean and the variance of its Laplacian, of grey levels 0 to 255."""
        self._newest = mean, focus
        self._n += 1
        apart = mean - self._mean
        self._mean += apart / self._n
        self._m2 += apart * (mean - self._mean)

    def verdict(self, now_s: float) -> Verdict:
        """Judge the newest frame, and all since the block began; one tick."""
        mean, focus = self._newest or (math.nan, math.nan)
        self._newest = None
        spread = math.sqrt(self._m2 / self._n) if self._n > 1 else math.nan
        values = mean, mean, spread, focus
        verdicts = [single.step(value) for single, value in zip(self._singles, values, strict=True)]
        return worst_of("camera", verdicts)


class PictureNumbers:
    """Q20b of a stream that brings a camera's numbers in place of its frames.

    Channels ``frame_mean``, grey levels 0 to 255, and ``frame_focus``, the variance of the
    Laplacian: who has the frames calculates them. Without the focus the check is unknown.
    """

    MEAN, FOCUS = "frame_mean", "frame_focus"

    @classmethod
    def applies(cls, stream: Stream) -> bool:
        """Whether a stream has these channels."""
        return cls.MEAN in stream.channels

    def __init__(self, stream: Stream, parameters: ParameterSet) -> None:
        names = stream.channels
        scales = stream.channel_scales or (1.0,) * stream.n_channels
        self._scales, self._offset = stream.scale * np.array(scales), stream.offset
        self._mean = names.index(self.MEAN)
        self._focus = names.index(self.FOCUS) if self.FOCUS in names else None
        self._picture = Picture(stream.name, parameters)

    def restart(self) -> None:
        """The block begins."""
        self._picture.restart()

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        for row in np.asarray(piece.samples, np.float64) * self._scales + self._offset:
            focus = math.nan if self._focus is None else float(row[self._focus])
            self._picture.take(float(row[self._mean]), focus)

    def verdict(self, now_s: float) -> Verdict:
        """Judge what came; one tick."""
        return self._picture.verdict(now_s)
