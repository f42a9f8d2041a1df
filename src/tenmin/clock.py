"""One clock against another: a straight line, its drift in ppm, and how far both can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

RESOLUTION_S = 1e-9  # of the host's monotonic clock
# Quantile 0.975 of Student's t for 1 … 10 degrees of freedom, and of the normal distribution.
T95 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
Z95 = 1.959964


def standard_error_ppm(jitter_s: float, n: int, span_s: float) -> float:
    """Standard error of a drift from `n` equally spaced points of independent jitter.

    Parameters
    ----------
    jitter_s : float
        SD of the points about the line, seconds.
    n : int
        Number of points.
    span_s : float
        Time that they span, seconds.

    References
    ----------
    science.md B.4: 1e6 * jitter * sqrt(12 / n) / span. 1 Hz pulses of 1 ms jitter for 600 s: 0.236.
    """
    return 1e6 * jitter_s * math.sqrt(12.0 / n) / span_s


@dataclass(frozen=True, slots=True)
class Line:
    """y = origin_y + offset + slope * (x - origin_x), seconds of two clocks.

    Attributes
    ----------
    slope, offset, origin_x, origin_y : float
        The line; the origin is the centre of the points, so that slope and offset are independent.
    ppm : float
        (slope - 1) * 1e6.
    ppm_u95, offset_u95 : float
        Half widths of the 95 % intervals of `ppm` and, in seconds, of the line at its centre;
        infinite for fewer than three points.
    residual_s : float
        SD of the points about the line.
    n : int
        Number of points.
    span_s : float
        From the first x to the last, seconds.
    """

    slope: float
    offset: float
    origin_x: float
    origin_y: float
    ppm: float
    ppm_u95: float
    residual_s: float
    n: int
    span_s: float
    offset_u95: float

    def to_host(self, x: float | np.ndarray) -> float | np.ndarray:
        """Stream seconds as host seconds."""
        return self.origin_y + self.offset + self.slope * (x - self.origin_x)

    def to_stream(self, y: float | np.ndarray) -> float | np.ndarray:
        """Host seconds as stream seconds."""
        return self.origin_x + (y - self.origin_y - self.offset) / self.slope


class ClockFit:
    """The least-squares line through points that come one after another (science.md B.1, K7).

    Sums about the running means, of x and of y - x, both counted from the first point, in
    float64: seconds of a clock that has run for months lose none of the drift's digits.

    Attributes
    ----------
    n : int
        Points so far.
    """

    def __init__(self) -> None:
        self.n = 0
        self._x0 = self._y0 = 0.0
        self._first = self._last = 0.0  # smallest and largest x
        self._mx = self._md = 0.0
        self._sxx = self._sxd = self._sdd = 0.0
        self._before = (0.0, 0.0)
        self._xx = self._xd = self._dd = self._x = self._d = 0.0  # sums over neighbours

    def add(self, x: float, y: float) -> None:
        """Take the point at stream second `x`, host second `y`."""
        if self.n == 0:
            self._x0, self._y0 = x, y
        x = x - self._x0
        d = (y - self._y0) - x
        self.n += 1
        ex, ed = x - self._mx, d - self._md
        self._mx += ex / self.n
        self._md += ed / self.n
        self._sxx += ex * (x - self._mx)
        self._sxd += ex * (d - self._md)
        self._sdd += ed * (d - self._md)
        self._first, self._last = min(self._first, x), max(self._last, x)
        if self.n > 1:
            px, pd = self._before
            self._xx += x * px
            self._xd += x * pd + px * d
            self._dd += d * pd
            self._x += x + px
            self._d += d + pd
        self._before = (x, d)

    def line(self) -> Line:
        """The line through all points so far.

        Neighbouring residuals may be correlated (a slow wander of the host's load): `n` points
        then count as n (1 - r) / (1 + r), r the correlation at lag one, in the uncertainties.

        Raises
        ------
        ValueError
            Fewer than two points, or all at one x.
        """
        if self.n < 2 or self._sxx <= 0.0:
            raise ValueError("a line needs two points at different times")
        drift = self._sxd / self._sxx
        squares = max(0.0, self._sdd - drift * self._sxd)
        residual, u_drift, u_offset = 0.0, math.inf, math.inf
        if self.n > 2:
            residual = math.sqrt(squares / (self.n - 2))
            r = self._correlation(drift, squares)
            wider = (1.0 + r) / (1.0 - r)
            # No host stamp is finer than RESOLUTION_S: a perfect line is not a perfect clock.
            u = t95(self.n / wider - 2.0) * max(residual, RESOLUTION_S) * math.sqrt(wider)
            u_drift, u_offset = u / math.sqrt(self._sxx), u / math.sqrt(self.n)
        return Line(
            slope=1.0 + drift,
            offset=0.0,
            origin_x=self._x0 + self._mx,
            origin_y=self._y0 + (self._mx + self._md),
            ppm=drift * 1e6,
            ppm_u95=u_drift * 1e6,
            residual_s=residual,
            n=self.n,
            span_s=self._last - self._first,
            offset_u95=u_offset,
        )

    def _correlation(self, drift: float, squares: float) -> float:
        """Correlation of neighbouring residuals, 0 … 0.95."""
        if squares <= self.n * RESOLUTION_S**2:
            return 0.0
        pairs, mx, md = self.n - 1, self._mx, self._md
        xx = self._xx - mx * self._x + pairs * mx * mx
        xd = self._xd - mx * self._d - md * self._x + 2.0 * pairs * mx * md
        dd = self._dd - md * self._d + pairs * md * md
        r = (dd - drift * xd + drift * drift * xx) / squares
        # Residuals of a fitted line are anticorrelated by themselves: -(1 + 4 r) / n at first
        # order for a line (Marriott & Pope 1954, doi 10.1093/biomet/41.3-4.390).
        r += (1.0 + 4.0 * r) / self.n
        return min(max(r, 0.0), 0.95)


def fit(x: np.ndarray, y: np.ndarray) -> Line:
    """The least-squares line through points; see `ClockFit`.

    Parameters
    ----------
    x, y : ndarray, (n,)
        Stream seconds and host seconds.
    """
    points = ClockFit()
    for a, b in zip(x, y, strict=True):
        points.add(float(a), float(b))
    return points.line()


class SecondBins:
    """Clock points: one for each second of host time, the mean of what came in it."""

    def __init__(self) -> None:
        self._second: int | None = None
        self._x0 = self._y0 = self._x = self._y = 0.0
        self._n = 0

    def add(self, x: float, y: float, n: int = 1) -> tuple[float, float, int] | None:
        """Take a point, or the mean of `n` of them; return the second this one ends, if any.

        Parameters
        ----------
        x, y : float
            Stream seconds and host seconds.

        Returns
        -------
        (x, y, n) or None
            Means and number of points of the second before.
        """
        done, second = None, math.floor(y)
        if self._second is None or second > self._second:
            if self._second is not None:
                done = self._x0 + self._x / self._n, self._y0 + self._y / self._n, self._n
            self._second, self._x0, self._y0 = second, x, y
            self._x = self._y = 0.0
            self._n = 0
        self._x += n * (x - self._x0)
        self._y += n * (y - self._y0)
        self._n += n
        return done


@dataclass(frozen=True, slots=True)
class ClockMap:
    """Stream seconds as seconds of the reference stream, both against the host.

    Attributes
    ----------
    stream, reference : Line
        Each stream's own line to the host.
    """

    stream: Line
    reference: Line

    @property
    def drift_ppm(self) -> float:
        """How much faster than nominal the stream runs, by the reference's seconds.

        A stream that delivers more samples in a reference second than it should reads positive.
        """
        s, r = self.stream.slope, self.reference.slope
        return (r - s) / s * 1e6

    @property
    def drift_ppm_u95(self) -> float:
        """Half width of the 95 % interval of `drift_ppm`."""
        return math.hypot(self.stream.ppm_u95, self.reference.ppm_u95)

    def to_reference(self, x: float | np.ndarray) -> float | np.ndarray:
        """Seconds of the reference stream at seconds `x` of this one."""
        return self.reference.to_stream(self.stream.to_host(x))


def relate(stream: Line, reference: Line) -> ClockMap:
    """The map from one stream's seconds to another's, through the host's clock."""
    return ClockMap(stream, reference)


def t95(freedom: float) -> float:
    """Quantile 0.975 of Student's t, to 2 % from 2 degrees of freedom on; at least 1 is assumed.

    References
    ----------
    Abramowitz & Stegun 26.7.5 above 10 degrees, else interpolated between tabled values.
    """
    freedom = max(freedom, 1.0)
    if freedom < len(T95):
        low = int(freedom)
        # Between whole numbers t is close to a line in 1 / freedom.
        share = (1.0 / low - 1.0 / freedom) / (1.0 / low - 1.0 / (low + 1))
        return T95[low - 1] + share * (T95[low] - T95[low - 1])
    z = Z95
    return (
        z
        + (z**3 + z) / (4.0 * freedom)
        + (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / (96.0 * freedom**2)
        + (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / (384.0 * freedom**3)
    )


class EarliestPerSecond:
    """Clock points of arrival times: of each second the one that was least delayed.

    An arrival is never early, and late by whatever buffers and schedulers add: the mean of a
    second wanders with the load of the machine, its least delay does not.
    """

    def __init__(self) -> None:
        self._second: int | None = None
        self._best = (0.0, 0.0)
        self._n = 0

    def add(self, x: float, y: float, n: int = 1) -> tuple[float, float, int] | None:
        """As `SecondBins.add`, with the least delayed point in place of the means."""
        done, second = None, math.floor(y)
        if self._second is None or second > self._second:
            if self._second is not None:
                done = *self._best, self._n
            self._second, self._best, self._n = second, (x, y), 0
        if y - x < self._best[1] - self._best[0]:
            self._best = x, y
        self._n += n
        return done
