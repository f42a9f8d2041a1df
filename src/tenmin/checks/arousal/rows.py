"""A track as the rows of a table of intervals; science.md C.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tenmin.checks.arousal.final import runs
from tenmin.checks.arousal.smoothing import TICK_S
from tenmin.checks.arousal.states import LABELS, MODALITIES, UNKNOWN, Tick, coarse


@dataclass(frozen=True, slots=True)
class Row:
    """One stay in a state.

    Attributes
    ----------
    start_time, stop_time : float
        Seconds; half-open.
    state : int
        Code of science.md C.1.
    label, coarse : str
    confidence : float
        Mean over the stay.
    modalities : int
        Bits of what was there for more than half of the stay.
    ruleset_version : str
    n_masked_bins : int
        Bins of the stay that the mask lattice spoils.
    """

    start_time: float
    stop_time: float
    state: int
    label: str
    coarse: str
    confidence: float
    modalities: int
    ruleset_version: str
    n_masked_bins: int


def rows(
    ticks: Sequence[Tick],
    t0: float,
    t_end: float,
    ruleset_version: str,
    masked: np.ndarray | None = None,
) -> list[Row]:
    """The stays of a track in [t0, t_end): no overlap, no hole, neighbours differ.

    Parameters
    ----------
    ticks : sequence of Tick
        Those outside the window are left out; where none is the state is unknown.
    t0, t_end : float
        Seconds on the clock of the ticks.
    ruleset_version : str
    masked : ndarray of bool, (n_bins,), optional
        Of the window's bins of 0.1 s.
    """
    n = max(0, int(np.ceil((t_end - t0) / TICK_S - 1e-6)))
    states, sure = np.full(n, UNKNOWN, np.int8), np.zeros(n)
    bits = np.zeros(n, np.int64)
    for tick in ticks:
        at = round((tick.t - t0) / TICK_S) - 1
        if 0 <= at < n:
            states[at], sure[at], bits[at] = tick.state, tick.confidence, tick.modalities
    spoilt = np.zeros(n, bool) if masked is None else np.asarray(masked, bool)
    found = []
    for start, stop in runs(states):
        state, here = int(states[start]), bits[start:stop]
        used = sum(b for b in MODALITIES.values() if ((here & b) != 0).mean() > 0.5)
        found.append(
            Row(
                start_time=t0 + start * TICK_S,
                stop_time=t_end if stop == n else t0 + stop * TICK_S,
                state=state,
                label=LABELS[state],
                coarse=coarse(state, used),
                confidence=float(sure[start:stop].mean()),
                modalities=used,
                ruleset_version=ruleset_version,
                n_masked_bins=int(spoilt[start:stop].sum()),
            )
        )
    return found


def columns(found: Sequence[Row]) -> dict[str, np.ndarray | list[str]]:
    """The table's columns; times as float64, since float32 is off by 61 us at 600 s."""
    dtypes = {"float": np.float64, "int": np.int64}
    out: dict[str, np.ndarray | list[str]] = {}
    for field in fields(Row):
        values = [getattr(row, field.name) for row in found]
        dtype = dtypes.get(str(field.type))
        out[field.name] = values if dtype is None else np.array(values, dtype)
    return out


def occupancy(found: Sequence[Row]) -> dict[str, float]:
    """Share of the time in each state that occurs, by label."""
    total = sum(row.stop_time - row.start_time for row in found)
    out: dict[str, float] = {}
    for row in found:
        out[row.label] = out.get(row.label, 0.0) + (row.stop_time - row.start_time) / total
    return out
