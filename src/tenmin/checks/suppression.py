"""Burst suppression under anaesthesia; science.md B.2 Q16a."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tenmin.checks import _kernels
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

BETA_RATE_HZ = 200.0  # the rate that `beta_at_200_hz` is told for
LIGHT = re.compile(r"\blight(ly)?\s+(an[a]?esth|sedat)")


class Suppression:
    """Q16a: share of the last minute in which the local variance is suppressed.

    References
    ----------
    Westover et al. 2013, J Neurosci Methods 219: 131-141.
    """

    name = "suppression"
    by_channel = False

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        p = self.parameters = parameters
        self._theta = p["theta"] * p["unit_uv"] ** 2
        self._mean, self._variance = np.zeros((2, stream.n_channels))
        self._shares: deque[tuple[int, np.ndarray]] = deque()
        self._next: int | None = None

    @classmethod
    def fit(cls, stream: Stream, parameters: Parameters, setting: Setting) -> Parameters | None:
        """Only under anaesthesia; a warning only if it is said to be light."""
        if not anaesthetised(setting.facts):
            return None
        light = LIGHT.search(str(setting.facts.get("dot.state_definition", "")).lower())
        return parameters if light else replace(parameters, warn=None)

    def anchor(self) -> None:
        """The minute begins anew."""
        self._shares.clear()
        self._next = None

    def measure(self, second: Second) -> Measured:
        """The share; unknown in gaps, and with less than half a minute."""
        if not second.whole or not len(second.samples):
            self._next = None
            return Measured(np.full_like(self._mean, np.nan))
        follows, self._next = self._next == second.number, second.number + 1
        share = self._share(second, follows)
        self._shares.append((second.number, share))
        while self._shares[0][0] <= second.number - self.parameters["ratio_s"]:
            self._shares.popleft()
        rows = np.array([row for _, row in self._shares])
        known = np.isfinite(rows)
        n = known.sum(axis=0)
        enough = np.isfinite(share) & (n >= self.parameters["ratio_s"] / 2)
        total = np.where(known, rows, 0.0).sum(axis=0)
        return Measured(np.where(enough, total / np.maximum(n, 1), np.nan))

    def _share(self, second: Second, follows: bool) -> np.ndarray:
        """Share of this second; NaN where the recursion has just begun."""
        x = second.samples
        seeds = ~np.isfinite(self._mean) | (not follows)
        self._mean = np.where(seeds, x[0], self._mean)
        self._variance = np.where(seeds, 0.0, self._variance)
        counts = np.zeros(x.shape[1], np.int64)
        beta = self.parameters["beta_at_200_hz"] ** (BETA_RATE_HZ / second.rate_hz)
        _kernels.suppressed(x, 1.0 - beta, self._theta, self._mean, self._variance, counts)
        return np.where(seeds | np.isnan(self._mean), np.nan, counts / len(x))


def anaesthetised(facts: Mapping[str, object]) -> bool:
    """Whether the facts speak of anaesthesia."""
    return facts.get("dot.condition") == "anaesth" or bool(facts.get("anaes.agent"))
