"""Muscle in EEG: high frequencies that rise in many channels at once; science.md B.2 Q11."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.bands import Band
from tenmin.checks.coefficients import butterworth
from tenmin.checks.grid import BINS_PER_S
from tenmin.checks.lattice import CLIP, FLAT, POP
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

ORDER = 4  # of the band
ENVELOPE_HZ = 30.0  # the width of the band: what remains of |x| below it is the envelope
RECTIFIED = np.pi / 2  # the mean of |sin| is 2 / pi of the amplitude
LEFT_OUT = FLAT | CLIP | POP  # a step holds all frequencies
RINGING_BINS = 2  # of band and envelope after it
COMOMENTS_HZ = 100.0  # of the envelopes: they hold little above, and moments know no aliases


class Muscle:
    """Q11: envelopes above 100 Hz against the settle period, all channels together.

    The sum of z over C channels is divided by sqrt(C), which makes its SD 1 where channels are
    independent, and by the SD that it has in the settle period where that is more: electrodes
    share a field. See docs/decisions/0028-muscle-in-a-shared-field.md.

    A channel that popped, clipped or was flat is left out for that second.

    The bits stand in the bins of 0.1 s in which the sum is beyond the limit, so good stretches
    shorter than that, MNE's shortest, are filled by the bins themselves.

    Attributes
    ----------
    approximate : bool
        The rate is too low for 110-140 Hz, 30-45 Hz is taken instead.
    """

    name = "muscle"
    by_channel = False

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        p = self.parameters = parameters
        self.approximate = is_slow(stream, p)
        low = "slow_" if self.approximate else ""
        corners = p[f"{low}low_hz"], p[f"{low}high_hz"]
        self._possible = corners[1] < 0.45 * stream.rate_hz
        self._band = Band(stream.n_channels, corners, order=ORDER)
        self._envelope = Band(stream.n_channels, ENVELOPE_HZ, "low")
        self._baseline = Baseline(stream.n_channels, p["baseline_s"])
        self._masks = shared.masks
        self._left_out = np.zeros(stream.n_channels, bool)
        self._state: np.ndarray | None = None
        self._next: int | None = None

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters:
        """A low rate has a limit of its own and says so."""
        p = parameters
        if not is_slow(stream, p) or p.warn is None:
            return p
        on = p["slow_on"]
        told = f"Approximate, from {p['slow_low_hz']:g}-{p['slow_high_hz']:g} Hz. {p.action}"
        warn = replace(p.warn, on=on, off=on * p.warn.off / p.warn.on)
        return replace(p, warn=warn, action=told)

    def anchor(self) -> None:
        """The settle period is over: its envelopes are the baseline."""
        self._baseline.freeze()
        self._next = None

    def measure(self, second: Second) -> Measured:
        """The highest sum of a second; unknown in gaps and while the baseline is short."""
        unknown = np.full(second.low.shape[1], np.nan)
        if not self._possible or not second.whole:
            self._next = None
            return Measured(unknown)
        rectified = RECTIFIED * np.abs(self._band.filter(second))
        envelope = self._envelope.filter(replace(second, samples=rectified))
        envelope = np.where(self._stepped(), np.nan, envelope)
        follows, self._next = self._next == second.number, second.number + 1
        if not follows:
            self._state = None
            return Measured(unknown)  # the filters settle
        self._baseline.add(envelope, max(1, int(second.rate_hz // COMOMENTS_HZ)))
        z = self._baseline.z(envelope)
        known = np.isfinite(z).all(axis=0)
        if not known.any():
            return Measured(unknown)
        spread = max(1.0, self._baseline.spread_of_sum(known)) * np.sqrt(known.sum())
        total = self._smoothed(z[:, known].sum(axis=1) / spread, second.rate_hz)
        limit = self.parameters.warn.on if self.parameters.warn else np.inf
        slots = np.arange(len(total)) * BINS_PER_S // len(total)
        bins = np.bincount(slots, total > limit, BINS_PER_S) > 0
        return Measured(np.where(known, total.max(), np.nan), bins[:, None] & known)

    def _stepped(self) -> np.ndarray:
        """Channels whose second holds a step or what rings after one, (n_channels,), bool."""
        now = self._masks.has(LEFT_OUT)
        found = self._masks.has(LEFT_OUT, RINGING_BINS)
        if (found & ~now & ~self._left_out).any():
            self._state = None  # told late, so that the step is in the smoothed sum
        self._left_out = now
        return found

    def _smoothed(self, total: np.ndarray, rate_hz: float) -> np.ndarray:
        sections = butterworth(2, self.parameters["smooth_hz"], "low", rate_hz)
        if self._state is None:
            self._state = np.zeros((len(sections), 2, 1))
        out = np.empty((len(total), 1))
        _kernels.sosfilt(sections, total[:, None], self._state, out)
        return out[:, 0]


class Baseline:
    """Mean and SD of each channel: of all so far, then of what was there when it was frozen.

    Parameters
    ----------
    n_channels : int
    least_s : float
        Seconds before which it is neither told nor frozen.
    """

    def __init__(self, n_channels: int, least_s: float) -> None:
        self.least_s = least_s
        self._n = np.zeros(n_channels, np.int64)
        self._mean, self._m2 = np.zeros((2, n_channels))
        self._seconds = np.zeros(n_channels, np.int64)
        self._frozen = False
        self._pairs = Pairs(n_channels)

    def freeze(self) -> None:
        """Add nothing any more to channels that have enough."""
        self._frozen = True

    def add(self, samples: np.ndarray, stride: int = 1) -> None:
        """Take a second; what holds NaN is left out. Pairs are looked at in every n-th sample."""
        open_ = np.isfinite(samples).all(axis=0)
        if self._frozen:
            open_ &= self._seconds < self.least_s
        if not open_.any():
            return
        n, mean, m2 = len(samples), samples.mean(axis=0), samples.var(axis=0) * len(samples)
        total = self._n + n
        d = mean - self._mean
        self._mean = np.where(open_, self._mean + d * n / total, self._mean)
        self._m2 = np.where(open_, self._m2 + m2 + d * d * self._n * n / total, self._m2)
        self._n = np.where(open_, total, self._n)
        self._seconds += open_
        self._pairs.add(samples[::stride], open_)

    def z(self, samples: np.ndarray) -> np.ndarray:
        """Distance of samples from the mean in SD; NaN while a channel has too few seconds."""
        sd = np.sqrt(self._m2 / np.maximum(self._n, 1))
        sd = np.where((self._seconds >= self.least_s) & (sd > 0), sd, np.nan)
        return (samples - self._mean) / sd

    def spread_of_sum(self, known: np.ndarray) -> float:
        """SD in the baseline of the sum of z of some channels over the root of their number."""
        return self._pairs.spread_of_sum(known)


class Pairs:
    """Co-moments of all pairs of channels, about where each began.

    Of z with the correlations R the sum has the variance 1'R1, so that no second pass is needed
    when mean and SD are known.
    """

    def __init__(self, n_channels: int) -> None:
        self._n, self._sums, self._products = np.zeros((3, n_channels, n_channels))
        self._zero = np.full(n_channels, np.nan)
        self._told: dict[bytes, float] = {}

    def add(self, samples: np.ndarray, open_: np.ndarray) -> None:
        """Take samples, (n, n_channels), of the channels that are open."""
        self._zero = np.where(open_ & np.isnan(self._zero), samples.mean(axis=0), self._zero)
        x = np.where(open_, samples - self._zero, 0.0)
        self._n += len(x) * (open_[:, None] & open_)
        self._sums += x.sum(axis=0)[:, None] * open_
        # einsum: for so little BLAS would spend a hundred times as much on waking its threads.
        self._products += np.einsum("ic,id->cd", x, x)
        self._told.clear()

    def spread_of_sum(self, known: np.ndarray) -> float:
        """See `Baseline.spread_of_sum`; zero for channels that were never open together."""
        key = known.tobytes()
        if key not in self._told:
            n = np.maximum(self._n, 1)
            covariance = ((self._products - self._sums * self._sums.T / n) / n)[known][:, known]
            sd = np.sqrt(np.maximum(covariance.diagonal(), np.finfo(float).tiny))
            variance = (covariance / sd / sd[:, None]).sum() / max(1, known.sum())
            self._told = {key: float(np.sqrt(max(0.0, variance)))}
        return self._told[key]


def is_slow(stream: Stream, p: Parameters) -> bool:
    """Whether the rate is too low for the upper band."""
    return stream.rate_hz < p["least_rate_hz"]
