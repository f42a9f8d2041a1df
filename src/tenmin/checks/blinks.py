"""Blinks, long closures of the eyes, and eyes that are closed or drowsy; B.3 Q18, Q19."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from tenmin.checks.bands import Band
from tenmin.checks.grid import BINS_PER_S
from tenmin.checks.parameters import Parameters
from tenmin.checks.robust import robust_sigma
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

VERTICAL = ("VEOG", "EOGV", "VEO", "EOG V")
FRONTAL = ("FP1", "FP2")
NEAR_EYES = ("FP", "AF", "VEO", "HEO", "EOG")  # how the names of channels begin that a blink spoils
LEAST_COVERED = 0.9  # of a minute, for a rate
THINNED_HZ = 100.0  # rate at which the robust SD of a trace below 10 Hz is taken


@dataclass(frozen=True, slots=True)
class Blink:
    """One excursion of the eye's trace.

    Attributes
    ----------
    onset_s, duration_s : float
        When it passed half the threshold, seconds on the grid (0 at t0), and for how long.
    peak_uv : float
        Its extreme, with its sign.
    closure : bool
        It lasted longer than a blink.
    """

    onset_s: float
    duration_s: float
    peak_uv: float
    closure: bool


class Eye:
    """Blinks of one stream: the trace, its threshold, its excursions.

    The trace is the vertical EOG, else the mean of Fp1 and Fp2, between 0.5 and 10 Hz.

    Parameters
    ----------
    stream : Stream
    parameters : Parameters
        Of ``blinks``.

    Attributes
    ----------
    possible : bool
        The stream has channels near the eyes, and is fast enough.
    blinks : list of Blink
    """

    def __init__(self, stream: Stream, parameters: Parameters) -> None:
        self.parameters = parameters
        names = [name.upper() for name in stream.channels]
        vertical = [c for c, name in enumerate(names) if name in VERTICAL]
        self._channels = vertical[:1] or [c for c, name in enumerate(names) if name in FRONTAL]
        corners = parameters["low_hz"], parameters["high_hz"]
        self.possible = bool(self._channels) and stream.rate_hz > 2.5 * corners[1]
        self._band = Band(1, corners, order=int(parameters["order"]))
        self.blinks: list[Blink] = []
        self._recent: deque[np.ndarray] = deque(maxlen=int(parameters["sigma_s"]))
        self._open: tuple[float, int, float] | None = None  # onset, sign, peak of an excursion
        self._last: tuple[float, int] = (-math.inf, 0)  # end and sign of the event before
        self._number: int | None = None

    def watch(self, second: Second) -> np.ndarray:
        """Find the blinks that end in a second; return its bins beyond the threshold, (10,)."""
        if self._number is None or second.number != self._number + 1 or not second.whole:
            self._open = None
        self._number = second.number
        trace = second.samples[:, self._channels].mean(axis=1, keepdims=True)
        trace = self._band.filter(replace(second, samples=trace))
        step = max(1, int(second.rate_hz / THINNED_HZ))
        self._recent.append(trace[::step])
        sigma = float(robust_sigma(np.concatenate(self._recent))[0])
        p = self.parameters
        limit = p["least_uv"] if math.isnan(sigma) else max(p["least_uv"], p["sigmas"] * sigma)
        x = trace[:, 0]
        self._follow(x, limit, second)
        edges = np.arange(len(x)) * BINS_PER_S // max(1, len(x))
        return np.bincount(edges, np.abs(x) > limit, BINS_PER_S) > 0

    def _follow(self, x: np.ndarray, limit: float, second: Second) -> None:
        """Take the excursions of a second; one may have begun before and end after it."""
        signs = np.where(np.abs(x) > self.parameters["extent"] * limit, np.sign(x), 0.0)
        signs = signs.astype(np.int64)
        cuts = np.flatnonzero(np.diff(signs)) + 1
        for start, stop in zip([0, *cuts], [*cuts, len(x)], strict=True):
            if start == stop:
                continue
            sign, at_s = int(signs[start]), second.number + int(start) / second.rate_hz
            if self._open is not None and sign != self._open[1]:
                self._end(at_s, limit)
            if sign == 0:
                continue
            peak = float(x[start:stop][np.abs(x[start:stop]).argmax()])
            if self._open is None:
                self._open = at_s, sign, peak
            else:
                self._open = *self._open[:2], max(self._open[2], peak, key=abs)

    def _end(self, end_s: float, limit: float) -> None:
        p = self.parameters
        assert self._open is not None
        (onset_s, sign, peak), (last_s, last_sign), self._open = self._open, self._last, None
        if abs(peak) <= limit or end_s - onset_s < p["shortest_s"]:
            return
        # The high-pass answers a blink with a swing to the other side, and a blink may have two
        # sides itself: both are one event.
        if onset_s - last_s < (p["refractory_s"] if sign == last_sign else p["rebound_s"]):
            return
        self._last = end_s, sign
        closure = end_s - onset_s > p["longest_s"]
        self.blinks.append(Blink(onset_s, end_s - onset_s, peak, closure))

    def anchor(self) -> None:
        """Second 0 begins elsewhere from now on: what was found has no time any more."""
        self.blinks = []
        self._open, self._last, self._number = None, (-math.inf, 0), None

    def last_s(self) -> float:
        """When the last blink began; minus infinity before the first."""
        return self.blinks[-1].onset_s if self.blinks else -math.inf


def eyes_open(setting: Setting) -> bool | None:
    """Whether eyes are to be open in this block; None where nobody told."""
    told = setting.facts.get("dot.condition")
    return None if told is None else told == "EO_fix"


class Blinks:
    """Q18: blinks per minute, over the last minute, eyes open. One value for the stream.

    Unknown without channels near the eyes, in other conditions, and before a minute has passed.
    """

    name, by_channel = "blinks", False
    conditions: tuple[str, ...] = ("EO_fix", "EC")

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """It does not apply where the condition is told and another one."""
        told = setting.facts.get("dot.condition")
        return parameters if told is None or told in cls.conditions else None

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters = shared.setting.parameters["blinks"]
        self.eye = Eye(stream, self.parameters)
        self._open = eyes_open(shared.setting)
        near = [name.upper().startswith(NEAR_EYES) for name in stream.channels]
        self._near = np.array(near)
        self._covered: deque[int] = deque()

    def measure(self, second: Second) -> Measured:
        """The rate up to a second, and the bins of blinks in channels near the eyes."""
        n = len(self._near)
        if not self.eye.possible:
            return Measured(np.full(n, np.nan), np.zeros((BINS_PER_S, n), bool))
        bins = self.eye.watch(second)[:, None] & self._near
        return Measured(np.full(n, self._rate(second)), bins)

    def anchor(self) -> None:
        """The minute begins with the block's first second."""
        self.eye.anchor()
        self._covered.clear()

    def _rate(self, second: Second) -> float:
        span = self.parameters["rate_s"]
        if second.whole:
            self._covered.append(second.number)
        while self._covered and self._covered[0] <= second.number - span:
            self._covered.popleft()
        if not self._open or len(self._covered) < LEAST_COVERED * span:
            return math.nan
        since = second.number + 1 - span
        n = sum(since <= blink.onset_s <= second.number + 1 for blink in self.eye.blinks[-200:])
        return n * 60.0 / len(self._covered)


class FewBlinks(Blinks):
    """Q18: the same rate, for too few: the eyes may be closed."""

    name = "few_blinks"
    conditions = ("EO_fix",)


class Eyes:
    """Q19: posterior alpha against the person's own with eyes open, while nobody blinks.

    The value is the power of 8-12 Hz over the last 20 s, as a multiple of the eyes-open level;
    with a blink in these 20 s it counts at most as much as lets the warning go. Unknown without
    posterior channels, blinks or a level: the fact ``own.eyes_open_alpha_uv2``, or what came
    between `begin_calibration` and `end_calibration`.
    """

    name, by_channel = "eyes", False

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """It does not apply where eyes are told to be closed."""
        return None if eyes_open(setting) is False else parameters

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self.parameters, self._n_channels = parameters, stream.n_channels
        self.eye = Eye(stream, shared.setting.parameters["blinks"])
        self._open = eyes_open(shared.setting)
        names = [name.upper() for name in stream.channels]
        occipital = [c for c, name in enumerate(names) if name.startswith(("O1", "O2", "OZ", "PO"))]
        parietal = [c for c, name in enumerate(names) if name in ("P3", "PZ", "P4")]
        self._channels = occipital or parietal
        corners = parameters["low_hz"], parameters["high_hz"]
        self.possible = (
            bool(self._channels) and self.eye.possible and stream.rate_hz > 2.5 * corners[1]
        )
        self._band = Band(len(self._channels), corners)
        self._powers: deque[float] = deque(maxlen=int(parameters["window_s"]))
        self._calibration: list[float] | None = None
        level = shared.setting.facts.get("own.eyes_open_alpha_uv2")
        self.level = float(level) if isinstance(level, int | float) else math.nan

    def anchor(self) -> None:
        """Blinks are timed anew; the level and the last 20 s stay."""
        self.eye.anchor()

    def begin_calibration(self) -> None:
        """From now on eyes are known to be open."""
        self._calibration = []

    def end_calibration(self) -> None:
        """Take the median of the seconds since as the eyes-open level."""
        powers, self._calibration = self._calibration, None
        if powers is not None and len(powers) >= self.parameters["least_calibration_s"]:
            self.level = float(np.median(powers))

    def measure(self, second: Second) -> Measured:
        """The multiple up to a second."""
        unknown = Measured(np.full(self._n_channels, np.nan))
        if not self.possible:
            return unknown
        self.eye.watch(second)
        alpha = self._band.filter(replace(second, samples=second.samples[:, self._channels]))
        if not second.whole:
            self._powers.clear()
            return unknown
        power = float(np.median(np.mean(alpha**2, axis=0)))
        self._powers.append(power)
        if self._calibration is not None:
            self._calibration.append(power)
        window = self._powers.maxlen or 1
        if not self._open or math.isnan(self.level) or len(self._powers) < window:
            return unknown
        ratio = float(np.mean(self._powers)) / self.level
        blinked = self.eye.last_s() > second.number + 1 - window
        p = self.parameters
        if blinked and p.warn is not None:
            ratio = min(ratio, p.warn.off)
        return Measured(np.full(self._n_channels, ratio))
