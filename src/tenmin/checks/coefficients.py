"""Filter coefficients, in closed form: Butterworth sections, and one windowed sinc.

scipy makes the same ones and is the oracle in the tests; here it would be the largest dependency
of the program for sixty lines.
"""

from __future__ import annotations

import math

import numpy as np


def butterworth(
    order: int, hz: float | tuple[float, float], kind: str, rate_hz: float
) -> np.ndarray:
    """Butterworth filter as second-order sections.

    Parameters
    ----------
    order : int
        Of the prototype: a band-pass has twice as many poles.
    hz : float or (float, float)
        Corner of ``low`` and ``high``, corners of ``band``, -3 dB.
    kind : {"low", "high", "band"}
    rate_hz : float
        Sampling rate.

    Returns
    -------
    ndarray, (n_sections, 6), float64
        ``b0 b1 b2 1 a1 a2``; a section of first order, if any, stands first.

    Raises
    ------
    ValueError
        A corner does not lie between 0 and half the rate.
    """
    corners = np.atleast_1d(np.asarray(hz, float))
    if corners.min() <= 0 or corners.max() >= rate_hz / 2:
        raise ValueError(f"A corner of {hz} Hz is impossible at {rate_hz:g} Hz.")
    twice = 2.0 * rate_hz
    warped = twice * np.tan(np.pi * corners / rate_hz)
    k = np.arange(order)
    prototype = np.exp(1j * np.pi * (2 * k + order + 1) / (2 * order))
    if kind == "low":
        poles, ones, gain = prototype * warped[0], np.full(order, -1.0), warped[0] ** order
        factor = gain / np.prod(twice - poles).real
    elif kind == "high":
        poles, ones = warped[0] / prototype, np.ones(order)
        factor = twice**order / np.prod(twice - poles).real
    else:
        width, centre = warped[1] - warped[0], math.sqrt(warped[0] * warped[1])
        half = prototype * width / 2
        root = np.sqrt(half**2 - centre**2 + 0j)
        poles, ones = np.concatenate([half + root, half - root]), np.tile([1.0, -1.0], order)
        factor = (width * twice) ** order / np.prod(twice - poles).real
    return _sections((twice + poles) / (twice - poles), ones, factor)


def _sections(poles: np.ndarray, zeros: np.ndarray, gain: float) -> np.ndarray:
    """Pair conjugate poles; the pair closest to the unit circle comes last."""
    pairs = [(p, p.conjugate()) for p in poles if p.imag > 1e-12]
    real = sorted((p.real for p in poles if abs(p.imag) <= 1e-12), key=abs)
    single = [real.pop(0)] if len(real) % 2 else []
    pairs += [(real[i], real[i + 1]) for i in range(0, len(real), 2)]
    pairs.sort(key=lambda pair: abs(pair[0]))
    left = list(zeros)
    rows = []
    if single:
        rows.append([1.0, -left.pop(), 0.0, 1.0, -single[0], 0.0])
    for one, other in pairs:
        a, b = left.pop(), left.pop()
        rows.append([1.0, -(a + b), a * b, 1.0, -(one + other).real, (one * other).real])
    sections = np.array(rows)
    sections[0, :3] *= gain
    return sections


def settled(sections: np.ndarray) -> np.ndarray:
    """State of each section after a constant input of one, (n_sections, 2)."""
    state = np.empty((len(sections), 2))
    x = 1.0
    for row, (b0, b1, b2, _, a1, a2) in zip(state, sections, strict=True):
        y = x * (b0 + b1 + b2) / (1.0 + a1 + a2)
        row[1] = b2 * x - a2 * y
        row[0] = b1 * x - a1 * y + row[1]
        x = y
    return state


def third_band() -> np.ndarray:
    """Low-pass for keeping every third sample: 33 taps, -6 dB at 0.15 of the rate."""
    k = np.arange(33) - 16
    taps = 0.3 * np.sinc(0.3 * k) * np.hamming(33)
    return taps / taps.sum()


def spike_band(rate_hz: float) -> np.ndarray:
    """High-pass of third order at 300 Hz; science.md B.2 Q05."""
    return butterworth(3, 300.0, "high", rate_hz)


def spike_band_settled(sections: np.ndarray) -> np.ndarray:
    """State of `spike_band` after a constant input of one, (3,): as `watch_spikes` keeps it."""
    state = settled(sections)
    return np.array([state[0, 0], state[1, 0], state[1, 1]], np.float32)
