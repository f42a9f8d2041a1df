"""Access resistance from a voltage step: exponentials, extrapolated; science.md B.6 Q21.

Q21 says one exponential. A cell with dendrites has more (Rall 1969), all of which flow through the
pipette: one alone is drawn to the slow ones and told 17 MOhm of a cell whose whole transient gives
11, and 30 of one of 14. So another is added for as long as one more leaves much less behind. Where
the fastest is shorter than the filter's delay, the extrapolation reads up to a sixth too little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tenmin.checks.exponentials import Decay, fit_decay
from tenmin.checks.parameters import shipped

# Delay of a four-pole Bessel low-pass at low frequencies, in radians of its -3 dB corner.
BESSEL_DELAY = 2.1139
MOST = 3  # exponentials


@dataclass(frozen=True, slots=True)
class Membrane:
    """What one voltage step tells of a cell.

    Attributes
    ----------
    access_mohm, input_mohm : float
        Rs and Rin, megohms.
    capacitance_pf, tau_us : float
        Cm, picofarads, and the transient's time constant, microseconds: its charge over its
        height.
    exponentials : int
        How many the transient has.
    error : float
        Standard error of `access_mohm`, as a share of it.
    """

    access_mohm: float
    input_mohm: float
    capacitance_pf: float
    tau_us: float
    exponentials: int = 1
    error: float = 0.0

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
    values: Mapping[str, float] | None = None,
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
    values : mapping, optional
        Of the table ``membrane_test``; the shipped ones by default.

    Returns
    -------
    Membrane or None
        None where no falling exponential is found, where one flows the other way, as synaptic
        currents do, where resistances come out negative, or where Rs is less sure than
        ``largest_error``.
    """
    p = shipped()["membrane_test"].values if values is None else values
    settle_s = p["settle_cycles"] / low_pass_hz if low_pass_hz else 0.0
    if delay_s is None:
        delay_s = BESSEL_DELAY / (2.0 * math.pi * low_pass_hz) if low_pass_hz else 0.0
    before = float(np.mean(current_pa[:step])) if step > 0 else math.nan
    first = step + math.ceil(settle_s * rate_hz - 1e-9)
    stop = min(len(current_pa), step + round(p["span_s"] * rate_hz))
    seconds = (np.arange(first, stop) - step) / rate_hz
    # Points nearer to each other than half a cycle of the filter tell of one noise.
    alike = max(1.0, rate_hz / (2.0 * low_pass_hz)) if low_pass_hz else 1.0
    current = np.asarray(current_pa[first:stop], np.float64)
    shortest = max(0.5 / rate_hz, delay_s / 2.0)
    if math.isnan(before):
        return None
    decay = _transient(seconds, current - before, shortest, delay_s, alike, p)
    if decay is None:
        return None
    (start, error), steady = decay.at(delay_s), decay.steady
    if start == 0.0 or steady == 0.0 or (decay.heights * step_mv <= 0.0).any():
        return None
    access = 1e3 * step_mv / start  # mV / pA is a gigohm
    inside = 1e3 * step_mv / steady - access
    error *= math.sqrt(alike) / abs(start)
    if access <= 0.0 or inside <= 0.0 or error > p["largest_error"]:
        return None
    heights = decay.heights * np.exp(-delay_s / decay.taus)
    tau_us = float(heights @ decay.taus / heights.sum()) * 1e6
    capacitance = tau_us * (1.0 / access + 1.0 / inside)
    return Membrane(access, inside, capacitance, tau_us, len(decay.taus), error)


def _transient(
    x: np.ndarray,
    y: np.ndarray,
    shortest: float,
    delay_s: float,
    alike: float,
    p: Mapping[str, float],
) -> Decay | None:
    """As few exponentials as will do.

    One more has to tell more than the noise (F) and than what a filter leaves (a share of the
    height).
    """
    found = fit_decay(x, y, 1, shortest)
    for n in range(2, MOST + 1):
        free = len(x) - (2 * n + 1)
        more = fit_decay(x, y, n, shortest) if found is not None and free > 0 else None
        if found is None or more is None:
            break
        told = found.squares - more.squares
        share = math.sqrt(max(0.0, told) / len(x)) / abs(found.at(delay_s)[0])
        if told <= 2.0 * p["another_f"] * alike * more.squares / free or share < p["another_share"]:
            break
        found = more
    return found
