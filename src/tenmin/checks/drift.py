"""Slow drift of the potential, and when it will reach the end of the range; science.md B.2 Q13a."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tenmin.checks.amplitude import Recent
from tenmin.checks.parameters import Parameters
from tenmin.checks.pops import rounding_of
from tenmin.checks.robust import MAD_TO_SIGMA
from tenmin.checks.second import Scaling, Second
from tenmin.checks.setting import Setting
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

SETTLE_TAUS = 3.0  # science.md B.6b: after a gap a filter is trusted after three time constants
SIGMA_HZ = 1.0, 40.0
SIGMA_S = 10
STRIDE_HZ = 125.0  # what lies below 40 Hz needs no more samples for its SD


class Drift:
    """Q13a: how far the mean has moved since t0, in robust SD between 1 and 40 Hz.

    The mean has a time constant of 10 s, and so tells nothing where the amplifier's own high-pass
    leaves less than that. Before t0 the distance is from the first value that can be trusted. What
    rounding to codes hides is no unit of a distance. A drift beyond half of the range counts as
    just beyond FAIL, a rail that will be reached within two minutes as just beyond WARN.

    Attributes
    ----------
    mean : ndarray, (n_channels,), float64
        Microvolts; NaN before the first sample.
    to_rail_s : ndarray, (n_channels,), float64
        Time until the end of the range at the slope of the last 30 s; NaN where not known.
    """

    name = "drift"

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        c = stream.n_channels
        self.parameters = parameters
        self._next: int | None = None
        self._bridging = False  # at t0 the seconds are cut anew, and nothing is lost for that
        self.mean, self._start = np.full((2, c), np.nan)
        self._age = np.zeros(c)
        self._settle_s = SETTLE_TAUS * parameters["tau_s"]
        self._past: deque[np.ndarray] = deque(maxlen=int(self._settle_s) + 1)
        top = min(SIGMA_HZ[1], 0.45 * stream.rate_hz)
        self._band = shared.bands.band(c, (SIGMA_HZ[0], top))
        self._sigma = Recent(SIGMA_S, least=3)
        self._rounding = rounding_of(stream)
        self._low, self._high = rails(stream)
        self.to_rail_s = np.full(c, np.nan)

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """Only amplifiers that pass what the mean follows: those without a high-pass above it."""
        told = stream.facts.get("highpass_hz", setting.facts.get("ephys.hw_highpass_hz"))
        try:
            corner = float(told)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # "none", or nobody told
            return parameters
        return parameters if corner < 1.0 / (math.tau * parameters["tau_s"]) else None

    def anchor(self) -> None:
        """From here the drift is counted."""
        self._start = np.where(self._age >= self._settle_s, self.mean, np.nan)
        self._bridging = self._next is not None

    def measure(self, second: Second) -> Measured:
        """The distance; unknown for 30 s after a gap."""
        self._bridging &= second.number <= 0
        if not second.whole or not len(second.samples):
            self._next = None
            return Measured(np.full_like(self.mean, np.nan))
        if self._next != second.number and not self._bridging:
            self.mean = np.full_like(self.mean, np.nan)
            self._past.clear()
        self._next, self._bridging = second.number + 1, False
        self._smooth(second)
        sigma = np.maximum(self._sigma.median(self._spread(second)), self._rounding)
        known = self._age >= self._settle_s
        self._start = np.where(known & np.isnan(self._start), self.mean, self._start)
        drift = np.abs(self.mean - self._start)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(drift == 0, 0.0, drift / sigma)
        values[~known | np.isnan(sigma)] = np.nan
        return Measured(self._raised(values, drift))

    def _smooth(self, second: Second) -> None:
        """The recursion ``y += a (x - y)`` over the second, in closed form."""
        x = second.samples
        seeds = np.isnan(self.mean)
        self.mean = np.where(seeds, x[0], self.mean)
        keep = math.exp(-1.0 / (self.parameters["tau_s"] * second.rate_hz))
        weights = (1.0 - keep) * keep ** np.arange(len(x) - 1, -1, -1)
        self.mean = keep ** len(x) * self.mean + np.einsum("i,ic->c", weights, x)
        self._age = np.where(seeds, 0.0, self._age) + len(x) / second.rate_hz
        self._age[np.isnan(self.mean)] = 0.0
        self._past.append(self.mean)

    def _spread(self, second: Second) -> np.ndarray:
        """Robust SD of the second's band about zero: its own median would follow what is slow."""
        stride = max(1, int(second.rate_hz // STRIDE_HZ))
        rows = np.abs(self._band.filter(second)[::stride].T.astype(np.float32, order="C"))
        rows.sort(axis=1)
        n = rows.shape[1]
        return MAD_TO_SIGMA * 0.5 * (rows[:, (n - 1) // 2].astype(np.float64) + rows[:, n // 2])

    def _raised(self, values: np.ndarray, drift: np.ndarray) -> np.ndarray:
        p = self.parameters
        slope = (self._past[-1] - self._past[0]) / max(1, len(self._past) - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(slope > 0, self._high - self.mean, self.mean - self._low)
            seconds = np.maximum(room, 0.0) / np.abs(slope)
        full = len(self._past) == self._past.maxlen
        self.to_rail_s = seconds if full else np.full_like(seconds, np.nan)
        far = drift > p["share_of_range"] * (self._high - self._low) / 2
        for limit, hit in ((p.warn, self.to_rail_s < p["rail_warn_s"]), (p.fail, far)):
            if limit is not None:
                beyond = np.nextafter(limit.on, np.inf)
                values = np.where(hit & ~np.isnan(values), np.maximum(values, beyond), values)
        return values


def rails(stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the range of each channel, microvolts, (n_channels,) each; NaN where not known."""
    if stream.range_counts is None:
        low, high = np.full((2, stream.n_channels), np.nan)
        return low, high
    scaling = Scaling.of(stream)
    ends = np.multiply.outer(np.array(stream.range_counts), scaling.factor) + scaling.offset
    return ends.min(axis=0), ends.max(axis=0)
