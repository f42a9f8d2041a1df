"""Counters seen a few times over the last seconds, and how fast each of them moved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marks:
    """Values of some counters at times of the last `window_s`; `seen` adds to them.

    Attributes
    ----------
    window_s : float
        What is older is forgotten, as soon as what remains spans it.
    points : tuple of (float, ...)
        Host time, monotonic seconds, then the value of each counter.
    """

    window_s: float
    points: tuple[tuple[float, ...], ...] = ()

    def seen(self, now_s: float, *values: float) -> Marks:
        """With the values at `now_s`; a time that is not later than the last is passed over."""
        if self.points and now_s <= self.points[-1][0]:
            return self
        points = (*self.points, (now_s, *values))
        while len(points) > 2 and now_s - points[1][0] >= self.window_s:
            points = points[1:]
        return Marks(self.window_s, points)

    @property
    def span_s(self) -> float:
        """Seconds between the first and the last."""
        return self.points[-1][0] - self.points[0][0] if self.points else 0.0

    def per_s(self, which: int) -> float:
        """How fast counter `which` rose over the span; 0 while there is only one value."""
        if not self.span_s:
            return 0.0
        return (self.points[-1][which + 1] - self.points[0][which + 1]) / self.span_s
