"""Filters that carry their state from piece to piece; float64 throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenmin.ring import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled()
def sosfilt(sections: NDArray, samples: NDArray, state: NDArray, out: NDArray) -> None:
    """Second-order sections, direct form II transposed, as `scipy.signal.sosfilt`.

    Parameters
    ----------
    sections : ndarray, (n_sections, 6), float64
        ``b0 b1 b2 a0 a1 a2`` with a0 = 1.
    samples : ndarray, (n_samples, n_channels)
    state : ndarray, (n_sections, 2, n_channels), float64
        Changed.
    out : ndarray, (n_samples, n_channels), float64
        The filtered samples; must not share memory with `samples`.
    """
    row_in = np.empty(samples.shape[1], np.float64)
    for i in range(samples.shape[0]):
        row = out[i]
        for c in range(row.size):
            row[c] = np.float64(samples[i, c])
        for s in range(sections.shape[0]):
            b0, b1, b2 = sections[s, 0], sections[s, 1], sections[s, 2]
            a1, a2 = sections[s, 4], sections[s, 5]
            z0, z1 = state[s, 0], state[s, 1]
            for c in range(row.size):
                row_in[c] = row[c]
            for c in range(row.size):
                x = row_in[c]
                y = b0 * x + z0[c]
                z0[c] = b1 * x - a1 * y + z1[c]
                z1[c] = b2 * x - a2 * y
                row[c] = y


@compiled()
def settle_sosfilt(sections: NDArray, unit_state: NDArray, row: NDArray, state: NDArray) -> None:
    """Put the filter where a constant input of the values of `row` would have brought it.

    Parameters
    ----------
    sections : ndarray, (n_sections, 6)
    unit_state : ndarray, (n_sections, 2), float64
        The state for a constant input of one, as `scipy.signal.sosfilt_zi`.
    row : ndarray, (n_channels,)
    state : ndarray, (n_sections, 2, n_channels), float64
        Changed.
    """
    for s in range(sections.shape[0]):
        for k in range(2):
            for c in range(row.size):
                state[s, k, c] = unit_state[s, k] * np.float64(row[c])


@compiled()
def goertzel(samples: NDArray, omega: float, state: NDArray) -> None:
    """One line of the spectrum, sample by sample: ``s = x + 2 cos(omega) s1 - s2``.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    omega : float
        Radians per sample.
    state : ndarray, (2, n_channels), float64
        s1 and s2; changed. `goertzel_power` tells the power of what went in.
    """
    k = 2.0 * np.cos(omega)
    s1, s2 = state[0], state[1]
    for i in range(samples.shape[0]):
        row = samples[i]
        for c in range(row.size):
            s = np.float64(row[c]) + k * s1[c] - s2[c]
            s2[c] = s1[c]
            s1[c] = s


def goertzel_power(state: NDArray, omega: float) -> NDArray:
    """Squared magnitude of the DFT at `omega` of everything fed to `goertzel`, (n_channels,)."""
    s1, s2 = state
    return s1 * s1 + s2 * s2 - 2.0 * np.cos(omega) * s1 * s2


@compiled()
def decimate(
    samples: NDArray, taps: NDArray, history: NDArray, phase: int, factor: int, out: NDArray
) -> tuple[int, int]:
    """Low-pass by `taps` and keep every `factor`-th sample.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels)
    taps : ndarray, (n_taps,), float64
        Symmetric, so that the delay is ``(n_taps - 1) / 2`` samples.
    history : ndarray, (n_taps, n_channels), dtype of the samples
        The last of them, as a ring whose newest row is ``phase_row``; changed.
    phase : int
        Samples fed so far, from which both the ring's row and the kept samples follow.
    factor : int
    out : ndarray, (n_samples // factor + 1, n_channels), float64
        Changed.

    Returns
    -------
    int, int
        New `phase`, and how many rows of `out` were filled.
    """
    n_out = 0
    n_taps = taps.size
    for i in range(samples.shape[0]):
        at = phase % n_taps
        for c in range(samples.shape[1]):
            history[at, c] = samples[i, c]
        phase += 1
        if phase % factor:
            continue
        row, middle = out[n_out], n_taps // 2
        w, p = taps[middle], history[(at - middle) % n_taps]
        for c in range(row.size):
            row[c] = w * p[c] if n_taps % 2 else 0.0
        k = 0
        while k + 2 <= middle:  # pairs of equal weight, two at a time
            w, p, q = taps[k], history[(at - k) % n_taps], history[(at + 1 + k) % n_taps]
            k += 1
            x, r, s = taps[k], history[(at - k) % n_taps], history[(at + 1 + k) % n_taps]
            k += 1
            for c in range(row.size):
                row[c] += w * (p[c] + q[c]) + x * (r[c] + s[c])
        if k < middle:
            w, p, q = taps[k], history[(at - k) % n_taps], history[(at + 1 + k) % n_taps]
            for c in range(row.size):
                row[c] += w * (p[c] + q[c])
        n_out += 1
    return phase, n_out
