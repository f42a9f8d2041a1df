"""Rounds in which every candidate runs once, in an order that turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from tenmin.bench.rows import Row, Spread

Candidate = Callable[[], int]  # does its work and returns how many times


def interleave(candidates: Mapping[str, Candidate], rounds: int) -> dict[str, np.ndarray]:
    """Seconds per piece of work of each candidate in each round.

    Parameters
    ----------
    candidates : mapping of str to callable
        Each does a batch of work and returns how many pieces it was. A candidate is run once
        before the first round.
    rounds : int
        How many.

    Returns
    -------
    dict of str to ndarray, (rounds,)
    """
    names = list(candidates)
    for name in names:
        candidates[name]()
    taken = {name: np.empty(rounds) for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter_ns()
            n = candidates[name]()
            taken[name][turn] = (time.perf_counter_ns() - began) * 1e-9 / max(1, n)
    return taken


def compare(
    area: str,
    what: str,
    taken: Mapping[str, np.ndarray],
    ours: str,
    goals: Mapping[str, tuple[str, str]] | None = None,
    *,
    scale: float = 1e6,
    unit: str = "µs",
    notes: Mapping[str, str] | None = None,
) -> list[Row]:
    """A row for each other candidate: how many times longer than ours it took.

    Parameters
    ----------
    taken : mapping of str to ndarray
        What `interleave` returned.
    ours : str
        Which of them is ours.
    goals : mapping of str to (gate, aim)
        Of the rows that have goals.
    scale, unit : float, str
        What to show seconds in.
    """
    goals, notes = goals or {}, notes or {}
    rows = []
    for name, theirs in taken.items():
        if name == ours:
            continue
        gate, aim = goals.get(name, ("", ""))
        rows.append(
            Row(
                area,
                what,
                unit,
                Spread.of(taken[ours] * scale),
                name,
                Spread.of(theirs * scale),
                Spread.of(theirs / taken[ours]),
                gate,
                aim,
                notes.get(name, ""),
            )
        )
    return rows
