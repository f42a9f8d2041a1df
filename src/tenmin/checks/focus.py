"""Imaging: where the focus is in a reference stack; science.md B.5 Q45."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tenmin.checks.parameters import ParameterSet
from tenmin.checks.registration import Found, Plane, binned, factor_of, root
from tenmin.checks.single import Single
from tenmin.verdict import Verdict


class Axial:
    """Q45: where the focus is in a reference stack, micrometres from its middle plane.

    The mean image of 10 s is laid upon the stack and correlated with each of its planes; a
    parabola through the planes about the best one tells the place between them. A focus beyond
    the stack is told as its end.

    Parameters
    ----------
    stream : str
    parameters : ParameterSet
    stack : ndarray, (n_planes, height, width)
        Evenly spaced, of the same field, by the same microscope.
    step_um : float
        From one plane to the next.
    dark : float
        Value of a frame without light; NaN: not known, taken for 0.
    """

    def __init__(
        self,
        stream: str,
        parameters: ParameterSet,
        stack: np.ndarray,
        step_um: float,
        dark: float = math.nan,
    ) -> None:
        self.parameters, self.step_um = parameters["axial"], step_um
        self.dark = 0.0 if math.isnan(dark) else dark
        self._single = Single(stream, self.parameters)
        self._factor = factor_of(stack.shape[1:], parameters["motion"])
        self._planes = np.stack([self._seen(plane) for plane in stack])
        self._plane = Plane(self._planes.shape[1:], parameters["motion"])
        self._least_peak = parameters["motion"]["least_peak"]
        self._at = len(stack) // 2
        self._seconds: deque[tuple[int, np.ndarray, int]] = deque()
        self._began_s = math.nan

    def _seen(self, image: np.ndarray) -> np.ndarray:
        return root(binned(image, self._factor), self.dark)

    def feed_frame(self, frame: np.ndarray, time_s: float) -> None:
        """Take the frame of a time."""
        if math.isnan(self._began_s):
            self._began_s = time_s
        second, small = math.floor(time_s), binned(frame, self._factor)
        if self._seconds and self._seconds[-1][0] == second:
            _, total, n = self._seconds.pop()
            self._seconds.append((second, total + small, n + 1))
        else:
            self._seconds.append((second, small, 1))
        while self._seconds[0][0] <= second - self.parameters["window_s"]:
            self._seconds.popleft()

    def focus_um(self) -> float:
        """Where the focus is, by the last 10 s; NaN before they have passed, and where unlike."""
        last = self._seconds[-1][0] if self._seconds else -math.inf
        if not last + 1 - self._began_s >= self.parameters["window_s"]:
            return math.nan
        total = np.sum([total for _, total, _ in self._seconds], axis=0)
        mean = root(total / sum(n for *_, n in self._seconds), self.dark)
        noise = self._plane.noise(self._plane.spectrum(mean))
        found = self._place(mean, self._at, noise)
        if found.peak < self._least_peak:  # perhaps far from where it was
            found = max(
                (self._place(mean, at, noise) for at in range(len(self._planes))),
                key=lambda found: found.peak,
            )
        if found.peak < self._least_peak:
            return math.nan
        like = self._likeness(mean, round(found.shift[0]), round(found.shift[1]))
        if not like.max() >= self.parameters["least_correlation"]:
            return math.nan
        self._at = int(like.argmax())
        return (self._summit(like) - (len(like) - 1) / 2.0) * self.step_um

    def _place(self, mean: np.ndarray, plane: int, noise: float) -> Found:
        return self._plane.place(mean, self._plane.spectrum(self._planes[plane]), noise)

    def _likeness(self, mean: np.ndarray, down: int, across: int) -> np.ndarray:
        """Correlation with each plane, where both are seen, (n_planes,)."""
        (here_y, there_y), (here_x, there_x) = _overlap(down), _overlap(across)
        here, there = mean[here_y, here_x], self._planes[:, there_y, there_x]
        here = (here - here.mean()).ravel()
        there = there.reshape(len(there), -1)
        there = there - there.mean(axis=1, keepdims=True)
        size = np.linalg.norm(there, axis=1) * np.linalg.norm(here)
        return np.divide(there @ here, size, out=np.zeros(len(there)), where=size > 0.0)

    def _summit(self, like: np.ndarray) -> float:
        """Number of the best plane, parts of one included."""
        best, reach = int(like.argmax()), self.parameters["fit_um"] / self.step_um
        first = max(0, best - max(1, round(reach)))
        near = np.arange(first, min(len(like), best + max(1, round(reach)) + 1))
        if best in (0, len(like) - 1) or len(near) < 3:
            return float(best)
        bend, slope, _ = np.polyfit(near - best, like[near], 2)
        return best + float(np.clip(-slope / (2.0 * bend), -1.0, 1.0)) if bend < 0.0 else best

    def verdict(self, now_s: float) -> Verdict:
        """Judge the last 10 s of frames; one tick."""
        focus_um = self.focus_um()
        return self._single.step(abs(focus_um), told=focus_um)


def _overlap(shift: int) -> tuple[slice, slice]:
    """What of a moved image, and what of one in its place, show the same."""
    moved, still = slice(max(0, shift), None), slice(max(0, -shift), None)
    return (
        slice(moved.start, -still.start or None),
        slice(still.start, -moved.start or None),
    )
