"""The shift between two images by phase correlation; science.md B.5 Q44."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

STEPS_PX = (1.0, 0.1, 0.01)  # each search spans two of the step before
HIGHEST_CYCLES = 0.5


def binned(frame: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares of `factor` pixels, (height // factor, width // factor), float64."""
    rows, columns = (n // factor for n in frame.shape)
    cut = np.asarray(frame[: rows * factor, : columns * factor], np.float64)
    return cut.reshape(rows, factor, columns, factor).mean(axis=(1, 3))


def spectrum(frame: np.ndarray) -> np.ndarray:
    """Fourier transform of an image without its mean, tapered at its edges.

    Parameters
    ----------
    frame : ndarray, (height, width)

    Returns
    -------
    ndarray, (height, width), complex128
    """
    frame = np.asarray(frame, np.float64)
    window = np.outer(_taper(frame.shape[0]), _taper(frame.shape[1]))
    mean = (frame * window).sum() / window.sum()
    return np.fft.fft2((frame - mean) * window)


def shift_between(
    reference: np.ndarray, frame: np.ndarray, highest_cycles: float = HIGHEST_CYCLES
) -> tuple[float, float]:
    """How far a frame's content lies from the reference's, along rows and columns, pixels.

    Parameters
    ----------
    reference, frame : ndarray, (height, width)
    highest_cycles : float
        Spatial frequencies above it, cycles per pixel, are left out.

    Returns
    -------
    float, float
        As ``scipy.ndimage.shift`` takes them: to a hundredth of a pixel.
    """
    return find_shift(spectrum(reference), frame, highest_cycles)


def find_shift(
    reference: np.ndarray, frame: np.ndarray, highest_cycles: float = HIGHEST_CYCLES
) -> tuple[float, float]:
    """`shift_between` for the reference's spectrum.

    The taper holds both images' content in place and pulls the answer towards zero. So it is
    found twice: the second time with the frame rolled back by the whole pixels of the first.
    """
    first = _peak(reference, spectrum(frame), highest_cycles)
    whole = round(first[0]), round(first[1])
    if whole == (0, 0):
        return first
    rolled = np.roll(frame, (-whole[0], -whole[1]), (0, 1))
    rest = _peak(reference, spectrum(rolled), highest_cycles)
    return round(whole[0] + rest[0], 2), round(whole[1] + rest[1], 2)


def _peak(reference: np.ndarray, frame: np.ndarray, highest_cycles: float) -> tuple[float, float]:
    """Place of the peak of the phase correlation of two spectra, pixels.

    References
    ----------
    Guizar-Sicairos, Thurman & Fienup 2008, doi 10.1364/OL.33.000156: the peak is refined by
    Fourier sums at its place alone.
    """
    across = frame * np.conj(reference)
    # The whole of the amplitude divided out would let frequencies without any content decide.
    across /= np.sqrt(np.abs(across)) + 1e-300
    fy, fx = _frequencies(across.shape)
    across *= np.hypot(fy[:, None], fx[None, :]) <= highest_cycles
    peak = np.fft.ifft2(across).real.argmax()
    at = [
        float(k - n if k > n // 2 else k)
        for k, n in zip(np.unravel_index(peak, across.shape), across.shape, strict=True)
    ]
    low_y, low_x = np.abs(fy) <= highest_cycles, np.abs(fx) <= highest_cycles
    across, fy, fx = across[np.ix_(low_y, low_x)], fy[low_y], fx[low_x]
    for wide, step in pairwise(STEPS_PX):
        around = np.arange(-round(wide / step), round(wide / step) + 1) * step
        rows, columns = at[0] + around, at[1] + around
        sums = np.exp(2j * np.pi * np.outer(rows, fy)) @ across
        near = (sums @ np.exp(2j * np.pi * np.outer(fx, columns))).real
        i, k = np.unravel_index(near.argmax(), near.shape)
        at = [float(rows[i]), float(columns[k])]
    return round(at[0], 2) + 0.0, round(at[1], 2) + 0.0


def turned(found: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """A spectrum of the image moved back by `shift`, pixels."""
    fy, fx = _frequencies(found.shape)
    phase = np.exp(2j * np.pi * fy * shift[0])[:, None] * np.exp(2j * np.pi * fx * shift[1])
    return found * phase


def _frequencies(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    return np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1])


def _taper(n: int) -> np.ndarray:
    """Flat, with a quarter of cosine at either end."""
    edge = max(1, n // 4)
    rise = 0.5 - 0.5 * np.cos(math.pi * (np.arange(edge) + 0.5) / edge)
    return np.concatenate([rise, np.ones(n - 2 * edge), rise[::-1]])
