"""Access resistance from a voltage step: one exponential, extrapolated; science.md B.6 Q21."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Delay of a four-pole Bessel low-pass at low frequencies, in radians of its -3 dB corner.
BESSEL_DELAY = 2.1139
SEARCHES, SEARCH_POINTS = 8, 24
DEFAULTS = {"settle_cycles": 0.8}


@dataclass(frozen=True, slots=True)
class Membrane:
    """What one voltage step tells of a cell.

    Attributes
    ----------
    access_mohm, input_mohm : float
        Rs and Rin, megohms.
    capacitance_pf, tau_us : float
        Cm, picofarads, and the transient's time constant, microseconds.
    """

    access_mohm: float
    input_mohm: float
    capacitance_pf: float
    tau_us: float

    @property
    def ratio(self) -> float:
        """Rs / Rin."""
        return self.access_mohm / self.input_mohm


def membrane_test(
    current_pa: np.ndarray,
    rate_hz: float,
    step: int,
    step_mv: float,
    low_pass_hz: float | None = None,
    delay_s: float | None = None,
    values: Mapping[str, float] = DEFAULTS,
) -> Membrane | None:
    """Rs, Rin and Cm from the current around one voltage step.

    The peak is not used: a four-pole Bessel filter of 5 kHz makes it read 28 % too much.

    Parameters
    ----------
    current_pa : ndarray, (n_samples,)
        Current before, during and up to the end of the step, picoamperes; means of several are
        better than one.
    rate_hz : float
    step : int
        Position of the first sample of the step.
    step_mv : float
        Its height, millivolts, with its sign.
    low_pass_hz : float, optional
        -3 dB corner of the filter; none by default.
    delay_s : float, optional
        Its group delay; that of a four-pole Bessel filter by default.
    values : mapping
        ``settle_cycles``: from how many 1 / `low_pass_hz` after the step the fit goes.

    Returns
    -------
    Membrane or None
        None where no falling exponential is found, or resistances come out negative.
    """
    settle_s = values["settle_cycles"] / low_pass_hz if low_pass_hz else 0.0
    if delay_s is None:
        delay_s = BESSEL_DELAY / (2.0 * math.pi * low_pass_hz) if low_pass_hz else 0.0
    before = float(np.mean(current_pa[:step])) if step > 0 else math.nan
    first = step + math.ceil(settle_s * rate_hz - 1e-9)
    seconds = (np.arange(first, len(current_pa)) - step) / rate_hz
    fitted = fit_exponential(seconds, np.asarray(current_pa[first:], np.float64))
    if fitted is None or math.isnan(before):
        return None
    steady, height, tau = fitted
    start = steady + height * math.exp(-delay_s / tau) - before
    if start == 0.0 or steady == before:
        return None
    access = 1e3 * step_mv / start  # mV / pA is a gigohm
    inside = 1e3 * step_mv / (steady - before) - access
    if access <= 0.0 or inside <= 0.0:
        return None
    tau_us = tau * 1e6
    return Membrane(access, inside, tau_us * (1.0 / access + 1.0 / inside), tau_us)


def fit_exponential(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float] | None:
    """Least squares of ``steady + height * exp(-x / tau)``.

    For each tau the other two follow in closed form; tau is searched on a grid that narrows.

    Parameters
    ----------
    x, y : ndarray, (n,)
        Rising x.

    Returns
    -------
    (steady, height, tau) or None
        None for fewer than eight points, or where the best tau lies at an end of what the points
        can tell: from half their interval to half their span.
    """
    if len(x) < 8 or not np.isfinite(y).all():
        return None
    low, high = math.log((x[1] - x[0]) / 2.0), math.log((x[-1] - x[0]) / 2.0)
    least, most = low, high
    for _ in range(SEARCHES):
        taus = np.linspace(low, high, SEARCH_POINTS)
        best = int(np.argmin([_linear(x, y, math.exp(t))[2] for t in taus]))
        low, high = taus[max(0, best - 1)], taus[min(SEARCH_POINTS - 1, best + 1)]
    tau = taus[best]
    if tau - least < 1e-6 or most - tau < 1e-6:
        return None
    steady, height, _ = _linear(x, y, math.exp(tau))
    return steady, height, math.exp(tau)


def _linear(x: np.ndarray, y: np.ndarray, tau: float) -> tuple[float, float, float]:
    """Steady value, height at x = 0 and sum of squares, for one tau."""
    shape = np.exp(-(x - x[0]) / tau)
    e, d = shape - shape.mean(), y - y.mean()
    slope = float(e @ d) / max(float(e @ e), 1e-300)
    rest = d - slope * e
    height = slope * math.exp(min(x[0] / tau, 700.0))
    return float(y.mean() - slope * shape.mean()), height, float(rest @ rest)
