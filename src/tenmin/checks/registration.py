"""The shift between images by phase correlation, and their running reference; science.md B.5 Q44.

Four things keep it right where photons are few:

- The square root of the light is registered: its shot noise is the same everywhere, and an
  active cell weighs less (Anscombe 1948, doi 10.1093/biomet/35.3-4.246).
- Amplitudes are divided out only as far as the noise allows, so that frequencies without any
  content do not decide.
- The taper goes with the content: a fixed one would pull the answer towards zero.
- The reference is the mean of frames that were put back first, by shifts that are found once
  more when there are enough of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tenmin.checks.parameters import Parameters

UPPER = 0.7  # of the highest frequency: above it there is hardly more than noise
STEPS, STEP_PX, CLOSE_PX = 10, 0.5, 1e-3  # Newton's
FOLLOW_PX = 0.25  # the taper is moved when it stands further off
NO_SHIFT = (0.0, 0.0)
Shift = tuple[float, float]


def binned(frame: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares of `factor` pixels, (height // factor, width // factor), float64."""
    rows, columns = (n // factor for n in frame.shape)
    cut = frame[: rows * factor, : columns * factor]
    kind = np.float64 if cut.dtype.kind == "f" else np.int64
    down = cut.reshape(rows, factor, columns * factor).sum(axis=1, dtype=kind)
    across = sum(down[:, k::factor] for k in range(factor))
    return np.asarray(across, np.float64) / factor**2


def factor_of(shape: tuple[int, ...], parameters: Parameters) -> int:
    """Pixels that are binned to one: ``binning``, and twice that until ``longest_px`` holds."""
    factor = int(parameters["binning"])
    while max(shape) > factor * parameters["longest_px"]:
        factor *= 2
    return factor


def root(frame: np.ndarray, dark: float) -> np.ndarray:
    """Square root of what lies above the value without light."""
    return np.sqrt(np.maximum(frame - dark, 0.0))


@dataclass(frozen=True)
class Found:
    """Where an image lies.

    Attributes
    ----------
    shift : (float, float)
        Along rows and columns, pixels, as ``scipy.ndimage.shift`` takes them.
    peak : float
        Height of the correlation's peak, in SDs of what unlike images give.
    """

    shift: Shift
    peak: float


class Plane:
    """Fourier transforms of images of one size.

    Parameters
    ----------
    shape : (int, int)
    parameters : Parameters
        ``edge``: share of the image's length that the taper takes at either end; ``whitening``:
        share of the reference's own power that counts as noise; ``least_noise``: share of its
        mean power that every frequency's noise has at least.
    """

    def __init__(self, shape: tuple[int, int], parameters: Parameters) -> None:
        self.shape, self.parameters = shape, parameters
        self.fy, self.fx = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
        self.upper = np.hypot(self.fy[:, None], self.fx) > UPPER * 0.5
        # One half of the plane is kept; what the other one mirrors counts twice.
        self._times = np.where((self.fx > 0) & (self.fx < 0.5), 2.0, 1.0)

    def spectrum(self, image: np.ndarray, shift: Shift = NO_SHIFT) -> np.ndarray:
        """Transform of an image without its mean, tapered about content that lies `shift` off."""
        edge = self.parameters["edge"]
        down, across = (_taper(n, s, edge) for n, s in zip(self.shape, shift, strict=True))
        mean = down @ image @ across / (down.sum() * across.sum())
        return np.fft.rfft2((image - mean) * np.outer(down, across))

    def turned(self, found: np.ndarray, shift: Shift) -> np.ndarray:
        """A spectrum of the image moved back by `shift`, pixels."""
        down, across = self._phases(shift)
        return found * np.outer(down, across)

    def noise(self, spectrum: np.ndarray) -> float:
        """Power of white noise in a spectrum, by its high frequencies."""
        return float(np.median(np.abs(spectrum[self.upper]) ** 2)) / math.log(2.0)

    def place(
        self, image: np.ndarray, reference: np.ndarray, noise: float, near: Shift = NO_SHIFT
    ) -> Found:
        """Find an image, (height, width), by the reference's spectrum.

        Parameters
        ----------
        near : (float, float)
            Where it may lie: what is found does not depend on it, how long it takes does.
        """
        power, p = np.abs(reference) ** 2, self.parameters
        floor = max(noise, p["least_noise"] * float(power.mean()))
        weight = np.conj(reference) / (p["whitening"] * power + floor + 1e-300)
        taken = near
        across = self.spectrum(image, taken) * weight
        shift = self._newton(across, self._coarse(across))
        for _ in range(3):
            if max(abs(shift[0] - taken[0]), abs(shift[1] - taken[1])) <= FOLLOW_PX:
                break
            taken = shift
            across = self.spectrum(image, taken) * weight
            shift = self._newton(across, taken)
        spread = math.sqrt(float((np.abs(across) ** 2 @ self._times).sum()))
        height = float(self._sums(across, shift)[0, 0].real)
        rows, columns = (round(s, 2) + 0.0 for s in shift)
        return Found((rows, columns), height / spread if spread > 0.0 else 0.0)

    def _coarse(self, across: np.ndarray) -> Shift:
        """The peak, to a pixel, within a quarter of the image."""
        surface = np.fft.irfft2(across, self.shape)
        reach = [max(1, n // 4) for n in self.shape]
        rows, columns = (np.arange(-r, r + 1) for r in reach)
        near = surface[np.ix_(rows, columns)]
        i, k = np.unravel_index(near.argmax(), near.shape)
        return float(rows[i]), float(columns[k])

    def _newton(self, across: np.ndarray, shift: Shift) -> Shift:
        """The top of the hill that `shift` stands on."""
        at = np.array(shift)
        for _ in range(STEPS):
            s = self._sums(across, (at[0], at[1])).real
            bend = np.array([[s[2, 0], s[1, 1]], [s[1, 1], s[0, 2]]])
            if bend[0, 0] >= 0.0 or np.linalg.det(bend) <= 0.0:
                break
            step = np.clip(-np.linalg.solve(bend, [s[1, 0], s[0, 1]]), -STEP_PX, STEP_PX)
            at += step
            if np.abs(step).max() < CLOSE_PX:
                break
        return float(at[0]), float(at[1])

    def _sums(self, across: np.ndarray, shift: Shift) -> np.ndarray:
        """The correlation at `shift` and its derivatives; [i, k] is that of order i, k."""
        down, over = self._phases(shift)
        wy, wx = 2j * np.pi * self.fy, 2j * np.pi * self.fx
        over = over * self._times
        left = np.stack([down, down * wy, down * wy**2])
        return left @ (across @ np.stack([over, over * wx, over * wx**2], axis=1))

    def _phases(self, shift: Shift) -> tuple[np.ndarray, np.ndarray]:
        return np.exp(2j * np.pi * self.fy * shift[0]), np.exp(2j * np.pi * self.fx * shift[1])


def shift_between(reference: np.ndarray, image: np.ndarray, parameters: Parameters) -> Shift:
    """How far an image's content lies from the reference's, along rows and columns, pixels.

    Parameters
    ----------
    reference, image : ndarray, (height, width)
    parameters : Parameters
        As of `Plane`.

    Returns
    -------
    float, float
        As ``scipy.ndimage.shift`` takes them: to a hundredth of a pixel.
    """
    plane = Plane(reference.shape, parameters)
    there = plane.spectrum(reference)
    here = plane.spectrum(image)
    return plane.place(image, there, plane.noise(here - there) / 2.0).shift


class Reference:
    """A running reference, and where each image lies against it.

    Places are counted from the first image until ``first_frames`` of them are there: then the
    reference is built anew from these, and their mean place is zero. Where more than half of
    the first ones are unlike the others it begins again.

    Parameters
    ----------
    parameters : Parameters
        ``first_frames``; ``remembered``: images that it remembers; ``least_peak``: an image whose
        peak is lower lies nowhere, and does not join; and those of `Plane`.

    Attributes
    ----------
    origin : (float, float)
        Where the first image lies, once the reference is built; else 0, 0.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._begin()

    def _begin(self) -> None:
        self.origin = NO_SHIFT
        self._early: list[np.ndarray] | None = []
        self._places: list[Shift] = []
        self._plane: Plane | None = None
        self._mean = np.zeros(0, np.complex128)
        self._noise = 0.0
        self._n = self._missed = 0
        self._last = NO_SHIFT

    def place(self, image: np.ndarray) -> Shift:
        """Where an image lies, pixels along rows and columns; NaN where it is not to be found."""
        if self._plane is None:
            return NO_SHIFT
        found = self._plane.place(image, self._mean, self._noise, self._last)
        if found.peak < self.parameters["least_peak"]:
            return math.nan, math.nan
        self._last = found.shift
        return found.shift

    def join(self, image: np.ndarray, shift: Shift) -> bool:
        """Let an image that was placed at `shift` in; True when zero has moved, by `origin`."""
        if math.isnan(shift[0]):
            self._missed += 1
            if self._early is None or self._missed <= self._n:
                return False
            self._begin()
            shift = NO_SHIFT
        if self._plane is None:
            self._plane = Plane(image.shape, self.parameters)
        self._take(image, shift)
        if self._early is None:
            return False
        self._early.append(np.asarray(image, np.float32))
        self._places.append(shift)
        if self._n < self.parameters["first_frames"]:
            return False
        self._rebuild(self._early, self._places)
        self._early = None
        return True

    def _take(self, image: np.ndarray, shift: Shift) -> None:
        assert self._plane is not None
        back = self._plane.turned(self._plane.spectrum(image, shift), shift)
        if self._n == 0:
            self._mean, self._noise = back, self._plane.noise(back)
        else:
            weight = 1.0 / min(self._n + 1, self.parameters["remembered"])
            off = back - self._mean
            self._mean = self._mean + weight * off
            self._noise += weight * (self._plane.noise(off) - self._noise)
        self._n += 1

    def _rebuild(self, images: list[np.ndarray], places: list[Shift]) -> None:
        """Find the first images once more by all of them, count from their mean, and take them."""
        assert self._plane is not None
        again = [
            self._plane.place(image, self._mean, self._noise, place).shift
            for image, place in zip(images, places, strict=True)
        ]
        middle = np.mean(again, axis=0)
        self._n = 0
        for image, place in zip(images, again, strict=True):
            self._take(image, (place[0] - middle[0], place[1] - middle[1]))
        self.origin = float(-middle[0]), float(-middle[1])
        self._last = self._last[0] - middle[0], self._last[1] - middle[1]


def _taper(n: int, shift: float, edge: float) -> np.ndarray:
    """Flat, with a cosine at either end, moved by `shift` pixels."""
    at = np.arange(n) + 0.5 - shift
    inside = np.minimum(at, n - at) / max(1.0, edge * n)
    return 0.5 - 0.5 * np.cos(math.pi * np.clip(inside, 0.0, 1.0))
