"""The balance of an imaging frame clock: how many frames, and whether that can be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenmin.stream import FRAME_FLAGS

GAP_PERIODS = 10  # a silence longer than that many periods, and than a second, ends an acquisition
MARGIN_S = 1.0


@dataclass(frozen=True)
class Balance:
    """A frame clock's balance over a stretch of the source.

    Attributes
    ----------
    frames : int
        How many begin in it.
    expected : int, optional
        How many the microscope says it took.
    missing, extra, irregular, restarts : int
    interval_median_s, interval_sd_s, interval_min_s, interval_max_s : float
        Within acquisitions; NaN without two frames.
    quiet_before_s, quiet_after_s : float
        Without frames, before the first and after the last.
    agrees : bool or None
        Whether `frames` is `expected`; None where that is not known.
    cut : bool
        Whether frames came within a second (or ten periods) of either end, so that the
        acquisition may reach beyond the stretch and the counts cannot be compared.
    """

    frames: int
    expected: int | None
    missing: int
    extra: int
    irregular: int
    restarts: int
    interval_median_s: float
    interval_sd_s: float
    interval_min_s: float
    interval_max_s: float
    quiet_before_s: float
    quiet_after_s: float
    agrees: bool | None
    cut: bool

    def told(self) -> str:
        """The balance in a sentence."""
        asked = "" if self.expected is None else f" of {self.expected} that the microscope took"
        return (
            f"{self.frames} frames{asked}, {self.missing} missing, {self.extra} extra, "
            f"{self.irregular} irregular, {self.restarts} restarts; interval "
            f"{1e3 * self.interval_median_s:.3f} ms; {self.quiet_before_s:.3f} s without frames "
            f"before the first and {self.quiet_after_s:.3f} s after the last."
        )


def balance(
    rows: np.ndarray, start: int, stop: int, ticks_per_s: float, expected: int | None = None
) -> Balance:
    """Balance of the frames with ticks in [start, stop).

    Parameters
    ----------
    rows : ndarray, (n, 5)
        Samples of a stream of kind ``frames``, in the order of `FRAME_CHANNELS`.
    start, stop : int
        Ticks.
    ticks_per_s : float
        Rate of the source.
    expected : int, optional
        Frames in the microscope's own file.
    """
    rows = rows[(rows[:, 1] >= start) & (rows[:, 1] < stop)]
    ticks, flags = rows[:, 1], rows[:, 4]
    whole = (stop - start) / ticks_per_s
    before = (ticks[0] - start) / ticks_per_s if len(rows) else whole
    after = (stop - ticks[-1]) / ticks_per_s if len(rows) else whole
    within = np.diff(ticks)[(flags[1:] & FRAME_FLAGS["restart"]) == 0] / ticks_per_s
    nan = float("nan")
    median = float(np.median(within)) if len(within) else nan
    margin = max(MARGIN_S, GAP_PERIODS * median) if len(within) else MARGIN_S
    return Balance(
        frames=len(rows),
        expected=expected,
        missing=int(rows[:, 3].sum()),
        extra=_many(flags, "extra"),
        irregular=_many(flags, "irregular"),
        restarts=_many(flags, "restart"),
        interval_median_s=median,
        interval_sd_s=float(within.std()) if len(within) else nan,
        interval_min_s=float(within.min()) if len(within) else nan,
        interval_max_s=float(within.max()) if len(within) else nan,
        quiet_before_s=float(before),
        quiet_after_s=float(after),
        agrees=None if expected is None else len(rows) == expected,
        cut=bool(len(rows)) and min(before, after) < margin,
    )


def _many(flags: np.ndarray, name: str) -> int:
    return int(np.count_nonzero(flags & FRAME_FLAGS[name]))
