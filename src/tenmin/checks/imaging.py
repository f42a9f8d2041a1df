"""Imaging: brightness, bleaching, saturated pixels, lateral motion; science.md B.5, Q40-Q44."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.parameters import Parameters, ParameterSet
from tenmin.checks.registration import Reference, binned, factor_of, root
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.single import Single
from tenmin.checks.unit import Measured, Shared
from tenmin.clock import ClockFit
from tenmin.stream import Stream
from tenmin.verdict import Verdict

TRACES = ("fluorescence", "roi")
SETTLED_TAUS = 3.0  # science.md B.6b: what is masked after a gap


def dark_offset(stream: Stream) -> float:
    """Value of a frame without light, unit of the stream; NaN where the device does not tell."""
    return float(stream.facts.get("dark_offset", "nan"))


def is_fluorescence(stream: Stream) -> bool:
    """Whether the samples are brightnesses of an image or of its parts.

    The rig tells ``dark_offset``, or names of channels begin with ``fluorescence`` or ``roi``.
    """
    names = (name.lower() for name in stream.channels)
    return "dark_offset" in stream.facts or any(n.startswith(TRACES) for n in names)


class Brightness:
    """Q40: smoothed brightness against its mean in the block's first 30 s, percent.

    Unknown without the fact ``dark_offset``, in the first 30 s, and while the smoothing settles
    after a gap.
    """

    name = "brightness"

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """It applies to traces of light."""
        return parameters if is_fluorescence(stream) else None

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters, self.n_channels = parameters, stream.n_channels
        self.dark = dark_offset(stream)
        self.anchor()

    def anchor(self) -> None:
        """The block begins: the baseline is that of seconds 0 to 29 from now on."""
        self._number: int | None = None
        c = self.n_channels
        self._sum, self._n = np.zeros(c), np.zeros(c)
        self.smooth, self._spread = np.full(c, np.nan), np.zeros(c)
        self._settled_at = -(10**9)

    def measure(self, second: Second) -> Measured:
        """The change in a second's last sample."""
        p = self.parameters
        if self._number is not None and (second.number != self._number + 1 or second.missing):
            self.smooth[:] = np.nan
            self._settled_at = second.number + math.ceil(SETTLED_TAUS * p["tau_s"])
        self._number = second.number
        light = second.samples - self.dark
        if 0 <= second.number < p["baseline_s"]:
            self._sum += np.nansum(light, axis=0)
            self._n += np.isfinite(light).sum(axis=0)
        self._smooth(light, 1.0 - math.exp(-1.0 / (p["tau_s"] * second.rate_hz)))
        if second.number < p["baseline_s"] or second.number < self._settled_at:
            return Measured(np.full(self.n_channels, np.nan))
        with np.errstate(divide="ignore", invalid="ignore"):
            change = 100.0 * (self.smooth / (self._sum / self._n) - 1.0)
        return Measured(np.where(np.isfinite(change), np.abs(change), np.nan))

    def _smooth(self, light: np.ndarray, a: float) -> None:
        if not len(light):
            return
        new = np.isnan(self.smooth)  # begin with the first sample that is one
        if new.any():
            first = np.isfinite(light[:, new]).argmax(axis=0)
            self.smooth[new] = light[first, np.flatnonzero(new)]
        _kernels.smooth(light, a, self.smooth, self._spread)


class Bleaching:
    """Q41: what is lost by 600 s if brightness goes on falling as it did, percent.

    A line through the logarithm of brightness, one point for each second. Unknown until the
    half width of the loss's 95 % interval is below the limit, without ``dark_offset``, and where
    brightness is not above it. Of pictures it is `Fading` that tells.
    """

    name = "bleaching"

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """It applies to traces of light, but for the mean of pictures."""
        return parameters if is_fluorescence(stream) and "height" not in stream.facts else None

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters, self.n_channels = parameters, stream.n_channels
        self.dark = dark_offset(stream)
        self.anchor()

    def anchor(self) -> None:
        """The block begins: what faded before it does not count."""
        self._fits = [ClockFit() for _ in range(self.n_channels)]

    def measure(self, second: Second) -> Measured:
        """The loss by all seconds so far."""
        light = second.samples - self.dark
        # Some samples of a second may be missing: its point lies where the others do.
        middle = second.number + (len(light) - 1) / (2.0 * second.rate_hz)
        if second.number >= 0 and len(light) and not second.missing:
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.log(light).mean(axis=0)
            for fit, log in zip(self._fits, logs, strict=True):
                if math.isfinite(log):
                    fit.add(middle, middle + float(log))
        return Measured(np.array([loss_to_come(fit, self.parameters) for fit in self._fits]))


def loss_to_come(fit: ClockFit, parameters: Parameters) -> float:
    """Percent lost by 600 s; of points (second, second + logarithm of brightness)."""
    p = parameters
    if fit.n < max(3, p["least_s"]):
        return math.nan
    line, at = fit.line(), p["loss_at_s"]
    loss, least, most = (
        100.0 * -math.expm1(min((line.ppm + ppm) * 1e-6 * at, 700.0))
        for ppm in (0.0, line.ppm_u95, -line.ppm_u95)
    )
    return loss if p.warn is None or (most - least) / 2.0 <= p.warn.on else math.nan


class Fading:
    """Q41 of pictures: `Bleaching` of the median of the image's parts.

    A change of focus, or a cell that fires or leaves the view, changes the mean brightness by
    percents in minutes, and would be taken for bleaching. It dims some parts and brightens
    others; bleaching dims all of them alike.

    Parameters
    ----------
    stream : str
    parameters : ParameterSet
    dark : float
        Value of a frame without light; NaN: not known, and so is the loss.
    """

    def __init__(self, stream: str, parameters: ParameterSet, dark: float) -> None:
        self.parameters, self.dark = parameters["bleaching"], dark
        self._single = Single(stream, self.parameters)
        self.restart()

    def restart(self) -> None:
        """The block begins: what faded before it does not count."""
        self._single.restart()
        self._fit = ClockFit()
        self._first: list[tuple[float, np.ndarray]] | None = []
        self._base = np.zeros(0)
        self._second: float | None = None
        self._sum: np.ndarray | float = 0.0
        self._times_s = 0.0
        self._n = 0

    def feed_frame(self, frame: np.ndarray, time_s: float) -> None:
        """Take the frame of a time."""
        if math.floor(time_s) != self._second:
            self._close()
            self._second, self._sum, self._times_s, self._n = math.floor(time_s), 0.0, 0.0, 0
        self._sum = self._sum + parts_of(frame, int(self.parameters["parts"]))
        self._times_s += time_s
        self._n += 1

    def _close(self) -> None:
        """A second has ended: one point of the line."""
        if not self._n or math.isnan(self.dark):
            return
        at, light = self._times_s / self._n, np.asarray(self._sum) / self._n - self.dark
        if self._first is None:
            self._add(at, light)
            return
        self._first.append((at, light))
        if len(self._first) >= self.parameters["least_s"]:
            self._base = np.mean([light for _, light in self._first], axis=0)
            for at, light in self._first:
                self._add(at, light)
            self._first = None

    def _add(self, at: float, light: np.ndarray) -> None:
        lit = self._base > self.parameters["least_light"] * max(self._base.mean(), 0.0)
        if not lit.any():
            return
        with np.errstate(divide="ignore"):
            log = float(np.median(np.log(np.maximum(light[lit] / self._base[lit], 0.0))))
        if math.isfinite(log):
            self._fit.add(at, at + log)

    def verdict(self, now_s: float) -> Verdict:
        """Judge the seconds so far; one tick."""
        return self._single.step(loss_to_come(self._fit, self.parameters))


def parts_of(frame: np.ndarray, parts: int) -> np.ndarray:
    """Means of `parts` by `parts` parts of an image, (n,), or of its pixels if it has fewer."""
    high, wide = (max(1, n // parts) for n in frame.shape)
    rows, columns = frame.shape[0] // high, frame.shape[1] // wide
    cut = frame[: rows * high, : columns * wide]
    kind = np.float64 if cut.dtype.kind == "f" else np.int64
    down = cut.reshape(rows, high, columns * wide).sum(axis=1, dtype=kind)
    return np.asarray(down.reshape(rows, columns, wide).mean(axis=2) / high).ravel()


def saturated_share(frames: np.ndarray, max_code: float) -> float:
    """Share of pixels at the highest code; of frames of any shape, NaN when they are empty."""
    return float(np.mean(frames >= max_code)) if frames.size else math.nan


class PixelSaturation:
    """Q42: share of the pixels at the highest code, of the frames since the last tick."""

    def __init__(self, stream: str, parameters: ParameterSet, max_code: float) -> None:
        self.max_code = max_code
        self._single = Single(stream, parameters["pixel_saturation"])
        self._full = self._n = 0

    def feed_frames(self, frames: np.ndarray) -> None:
        """Take frames, (n, height, width) or one of them."""
        self._full += int(np.count_nonzero(frames >= self.max_code))
        self._n += frames.size

    def verdict(self, now_s: float) -> Verdict:
        """Judge the frames since the last tick."""
        share = self._full / self._n if self._n else math.nan
        self._full = self._n = 0
        return self._single.step(share)


class Motion:
    """Q44: lateral motion against a running reference: RMS over 10 s, micrometres.

    Zero is the mean place of the first frames, a fifth of a second apart, that the reference is
    built from; each later one is put back there before it joins. A frame that is unlike the
    reference (shutter, flash, another plane) lies nowhere: without any other it is UNKNOWN.

    Parameters
    ----------
    stream : str
    parameters : ParameterSet
    um_per_px : float or None
        None: motion is measured in pixels and the verdict UNKNOWN.
    dark : float
        Value of a frame without light; NaN: not known, taken for 0.

    Attributes
    ----------
    shifts : deque of (float, float, float)
        Time, seconds, and shift along rows and columns, pixels, of the last 10 s.
    events : list of (float, float)
        Time and size, micrometres, of frames that lie more than 10 um off.
    """

    def __init__(
        self,
        stream: str,
        parameters: ParameterSet,
        um_per_px: float | None,
        dark: float = math.nan,
    ) -> None:
        self.um_per_px = math.nan if um_per_px is None else um_per_px
        self.dark = 0.0 if math.isnan(dark) else dark
        self.parameters = parameters["motion"]
        self._single = Single(stream, self.parameters)
        self.shifts: deque[tuple[float, float, float]] = deque()
        self.events: list[tuple[float, float]] = []
        self._reference = Reference(self.parameters)
        self._joins_s = -math.inf

    def feed_frame(self, frame: np.ndarray, time_s: float) -> tuple[float, float]:
        """Take the frame of a time; return its shift along rows and columns, pixels."""
        p = self.parameters
        factor = factor_of(frame.shape, p)
        small = root(binned(frame, factor), self.dark)
        place = self._reference.place(small)
        rows, columns = place[0] * factor, place[1] * factor
        if not math.isnan(rows):
            self.shifts.append((time_s, rows, columns))
        if time_s >= self._joins_s:
            self._joins_s = time_s + p["every_s"] * (1.0 - 1e-6)
            if self._reference.join(small, place):
                y, x = (factor * at for at in self._reference.origin)
                self.shifts = deque((t, r + y, c + x) for t, r, c in self.shifts)
                rows, columns = rows + y, columns + x
        while self.shifts and self.shifts[0][0] <= time_s - p["window_s"]:
            self.shifts.popleft()
        size_um = math.hypot(rows, columns) * self.um_per_px
        if size_um > p["event_um"]:
            self.events.append((time_s, size_um))
        return rows, columns

    def verdict(self, now_s: float) -> Verdict:
        """Judge the last 10 s of frames; one tick."""
        if not self.shifts:
            return self._single.step(math.nan)
        squares = [rows**2 + columns**2 for _, rows, columns in self.shifts]
        return self._single.step(math.sqrt(sum(squares) / len(squares)) * self.um_per_px)
