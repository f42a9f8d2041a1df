"""Values that no tissue has: a wrong gain or unit in the description of a stream."""

from __future__ import annotations

import numpy as np

from tenmin.checks.amplitude import Recent
from tenmin.checks.parameters import Parameters
from tenmin.checks.patch import TO_PA, factors, of_second, potentials
from tenmin.checks.second import Second
from tenmin.checks.unit import Measured, Shared
from tenmin.stream import Stream

TO_UV = {"volts": 1e6, "millivolts": 1e3, "microvolts": 1.0}
DEAD_LSB = 2.0  # range of a second, in codes, that tells of no amplitude
THINNED = 100  # values of a second of which its middle is taken


class Units:
    """How many times amplitude or offset are beyond what a stream of its kind can have.

    The median over the channels of a unit, each over ten seconds: an electrode that came off is
    one channel's matter, a wrong gain is all channels'. Unknown where half of them are dead or at
    the end of the range, and in channels of other units.
    """

    name, by_channel = "units", False

    def __init__(self, stream: Stream, parameters: Parameters, shared: Shared) -> None:
        self._factors, self._low, self._high, self._offset = _limits(stream, parameters)
        known = np.isfinite(self._factors)
        self.about = known if known.any() else ~known  # with no unit at all it is UNKNOWN
        units = np.array(stream.channel_units or (stream.unit,) * stream.n_channels)
        self._groups = [np.flatnonzero(known & (units == unit)) for unit in np.unique(units)]
        window = int(parameters["window_s"])
        self._amplitude, self._middle = Recent(window, window), Recent(window, window)
        self._dead = DEAD_LSB if np.dtype(stream.dtype).kind in "iu" else 0.0

    def measure(self, second: Second) -> Measured:
        """The multiple up to a second."""
        values = np.full(len(self._factors), np.nan)
        if second.missing or not len(second.samples):
            return Measured(values)
        span = np.fmax.reduce(second.high) - np.fmin.reduce(second.low)
        mute = ~(span > self._dead) | (second.clipped.sum(axis=0) > 0)
        thinned = second.samples[:: max(1, len(second.samples) // THINNED)]
        amplitude = np.fmax(second.spread, second.sigma) * self._factors
        middle = np.abs(np.median(thinned, axis=0)) * self._factors
        amplitude[mute | (amplitude == 0.0)] = middle[mute] = np.nan
        amplitude = self._amplitude.median(amplitude)
        beyond = np.fmax(amplitude / self._high, self._low / amplitude)
        beyond = np.fmax(beyond, self._middle.median(middle) / self._offset)
        for group in self._groups:
            told = np.sort(beyond[group][np.isfinite(beyond[group])])
            if len(told) and 2 * len(told) >= len(group):
                values[group] = told[(len(told) - 1) // 2]
        return Measured(values)


def _limits(stream: Stream, p: Parameters) -> tuple[np.ndarray, ...]:
    """By channel: factor to its unit, least and largest robust SD, largest offset."""
    if stream.kind != "patch":
        kind = "probe" if stream.kind == "ecephys" else stream.kind
        to_uv = factors(stream, TO_UV) * of_second(stream)
        limits = p[f"{kind}_low_uv"], p[f"{kind}_high_uv"], p["offset_uv"]
        return to_uv, *(np.full(stream.n_channels, limit) for limit in limits)
    to_mv, to_pa = (of_second(stream) * of for of in (potentials(stream), factors(stream, TO_PA)))
    current = np.isfinite(to_pa)
    band = np.where(
        current[:, None],
        (p["current_low_pa"], np.inf, p["current_offset_pa"]),
        (p["potential_low_mv"], p["potential_high_mv"], p["potential_offset_mv"]),
    )
    return np.where(current, to_pa, to_mv), *band.T
