"""How old samples were when the last check of them was done."""

from __future__ import annotations

from itertools import accumulate

STEPS = 8  # bins per doubling: a quantile is at most an eighth too high
LONGEST_NS = 1 << 36  # 69 s; what took longer counts as that
BINS = LONGEST_NS.bit_length() * STEPS


class Delays:
    """A histogram of fixed size, emptied whenever it is told.

    Examples
    --------
    >>> delays = Delays()
    >>> for late_ms in range(1, 101):
    ...     delays.add(late_ms * 1_000_000)
    >>> told = delays.take()
    >>> told["n"], round(told["p50_ms"]), round(told["p99_ms"])
    (100, 50, 101)
    """

    def __init__(self) -> None:
        self._counts = [0] * BINS

    def add(self, ns: int) -> None:
        """Count one delay in nanoseconds."""
        ns = min(max(ns, STEPS), LONGEST_NS - 1)
        octave = ns.bit_length()
        self._counts[(octave - 1) * STEPS + (ns >> (octave - 4)) - STEPS] += 1

    def take(self) -> dict[str, float]:
        """Their number ``n``, ``p50_ms`` and ``p99_ms``, none late by more; then begin anew.

        Empty when nothing was counted.
        """
        counts, self._counts = self._counts, [0] * BINS
        n = sum(counts)
        if not n:
            return {}
        return {
            "n": n,
            "p50_ms": _quantile_ms(counts, 0.5 * n),
            "p99_ms": _quantile_ms(counts, 0.99 * n),
        }


def _quantile_ms(counts: list[int], rank: float) -> float:
    """Upper edge of the bin in which the rank lies."""
    at = next(at for at, so_far in enumerate(accumulate(counts)) if so_far >= rank)
    octave, step = divmod(at, STEPS)
    return ((STEPS + step + 1) << octave) / STEPS * 1e-6
