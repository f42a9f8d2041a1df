"""Least squares of a steady value and decaying exponentials, each with its own height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_POINTS = 8
SEARCHES, SEARCH_POINTS = 8, 24
ROUNDS, TRIES = 60, 8  # of Levenberg and Marquardt's search
SMALL = 1e-5  # change of a logarithm for a derivative


@dataclass(frozen=True, slots=True)
class Decay:
    """``steady + sum(heights * exp(-x / taus))``.

    Attributes
    ----------
    steady : float
    heights, taus : ndarray, (n,)
        Shortest tau first.
    squares : float
        What is left: the sum of squares.
    covariance : ndarray, (2 n + 1, 2 n + 1)
        Of steady, heights and logarithms of the taus, were the noise of the points white.
    """

    steady: float
    heights: np.ndarray
    taus: np.ndarray
    squares: float
    covariance: np.ndarray

    def at(self, x: float) -> tuple[float, float]:
        """The value at x, and its standard error for white noise."""
        shape = np.exp(-x / self.taus)
        gradient = np.concatenate([[1.0], shape, self.heights * shape * x / self.taus])
        error = math.sqrt(max(0.0, float(gradient @ self.covariance @ gradient)))
        return self.steady + float(self.heights @ shape), error


def fit_decay(x: np.ndarray, y: np.ndarray, n: int, shortest: float) -> Decay | None:
    """Least squares of n exponentials.

    Heights and steady value follow in closed form; the logarithms of the taus are searched after
    Levenberg and Marquardt, from two beginnings.

    Parameters
    ----------
    x, y : ndarray, (n_points,)
        Rising x.
    n : int
    shortest : float
        No tau is below it, and none above half of the points' span.

    Returns
    -------
    Decay or None
        None for too few points, or where one exponential has no best tau between the ends.
    """
    if len(x) < max(LEAST_POINTS, 2 * n + 2) or not np.isfinite(y).all():
        return None
    low, high = math.log(shortest), math.log((x[-1] - x[0]) / 2.0)
    if n == 1:
        found = fit_exponential(x, y, low)
        return None if found is None else _decay(x, y, np.array([math.log(found[2])]))
    starts = np.linspace(low, high, n + 2)[1:-1], np.linspace(low, (low + high) / 2.0, n + 1)[1:]
    logs = min((_search(x, y, start, low, high) for start in starts), key=lambda t: _left(x, y, t))
    return _decay(x, y, np.sort(logs))


def fit_exponential(
    x: np.ndarray, y: np.ndarray, least: float | None = None
) -> tuple[float, float, float] | None:
    """Least squares of ``steady + height * exp(-x / tau)``.

    For each tau the other two follow in closed form; tau is searched on a grid that narrows.

    Parameters
    ----------
    x, y : ndarray, (n,)
        Rising x.
    least : float, optional
        Logarithm of the least tau; of half the points' interval by default.

    Returns
    -------
    (steady, height, tau) or None
        None for fewer than eight points, or where the best tau lies at an end of what the points
        can tell: from `least` to half their span.
    """
    if len(x) < LEAST_POINTS or not np.isfinite(y).all():
        return None
    least = math.log((x[1] - x[0]) / 2.0) if least is None else least
    most = math.log((x[-1] - x[0]) / 2.0)
    low, high = least, most
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


def _shapes(x: np.ndarray, logs: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones_like(x), *[np.exp(-(x - x[0]) / math.exp(t)) for t in logs]])


def _rest(x: np.ndarray, y: np.ndarray, logs: np.ndarray) -> np.ndarray:
    shapes = _shapes(x, logs)
    rest: np.ndarray = y - shapes @ np.linalg.lstsq(shapes, y, rcond=None)[0]
    return rest


def _left(x: np.ndarray, y: np.ndarray, logs: np.ndarray) -> float:
    rest = _rest(x, y, logs)
    return float(rest @ rest)


def _search(x: np.ndarray, y: np.ndarray, logs: np.ndarray, low: float, high: float) -> np.ndarray:
    """Logarithms of the taus at the least sum of squares that is found."""
    rest, damping = _rest(x, y, logs), 1e-2
    for _ in range(ROUNDS):
        slopes = [(_rest(x, y, logs + SMALL * unit) - rest) / SMALL for unit in np.eye(len(logs))]
        jacobian = np.column_stack(slopes)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ rest
        before = float(rest @ rest)
        for _ in range(TRIES):
            damped = normal + damping * np.diag(np.diag(normal) + 1e-30)
            step = np.clip(np.linalg.solve(damped, gradient), -0.5, 0.5)
            tried = np.clip(logs - step, low, high)
            if (after := _left(x, y, tried)) < before:
                break
            damping *= 4.0
        else:
            return logs
        logs, rest, damping = tried, _rest(x, y, tried), max(damping / 4.0, 1e-7)
        if before - after < 1e-7 * before:
            break
    return logs


def _decay(x: np.ndarray, y: np.ndarray, logs: np.ndarray) -> Decay:
    shapes, taus = _shapes(x, logs), np.exp(logs)
    found = np.linalg.lstsq(shapes, y, rcond=None)[0]
    rest = y - shapes @ found
    squares = float(rest @ rest)
    # What is found holds at x[0]; heights and their errors are wanted at zero.
    back = np.exp(np.minimum(x[0] / taus, 700.0))
    heights = found[1:] * back
    slopes = (heights * x[:, None] / taus) * np.exp(-x[:, None] / taus)
    whole = np.column_stack([shapes / np.concatenate([[1.0], back]), slopes])
    free = max(1, len(x) - whole.shape[1])
    covariance = np.linalg.pinv(whole.T @ whole) * squares / free
    return Decay(float(found[0]), heights, taus, squares, covariance)
