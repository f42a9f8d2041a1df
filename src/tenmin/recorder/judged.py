"""What the checks' findings come to for one block: masks, clean seconds, bad channels.

The definitions are those of science.md 0.2. What nobody judged is unknown, never good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tenmin.checks.grid import BINS_PER_S
from tenmin.checks.judge import FAIL_CODE, OK_CODE, UNKNOWN_CODE, WARN_CODE
from tenmin.checks.lattice import (
    BAD_SHARE,
    BITS,
    CLEAN_SHARE,
    GAP,
    INTERVENTION,
    OPERATOR,
    POP,
    SPOILS,
    Lattice,
)
from tenmin.recorder import intervals
from tenmin.recorder.electrodes import NOT_JUDGED, NOT_KNOWN
from tenmin.recorder.found import Quality, read_quality
from tenmin.recorder.intervals import BASELINE, Invalid
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

if TYPE_CHECKING:
    from tenmin.recorder.contents import Block

GOOD, BAD = "good", "bad"  # of a channel, as BIDS says it
MASK_RUN_S = 0.5  # science.md C.5
OWN_ROWS = GAP | OPERATOR | INTERVENTION  # of which invalid_times tells more exactly elsewhere


@dataclass(frozen=True)
class Judgement:
    """One electrical stream; n seconds of the window and its extension, c channels.

    Attributes
    ----------
    stream : Stream
    found : Quality or None
        Of the n seconds, events and gaps marked; None where nothing was kept.
    edges : ndarray, (10 n + 1,), float64
        NWB seconds of the bins' borders.
    clean : ndarray, (n,), int8
        1 clean, 0 not, -1 not judged.
    n_window : int
        How many of the seconds are of the canonical window.
    status : tuple of str
        Of each channel: ``good``, ``bad``, ``unknown``.
    reasons : tuple of str
        Why.
    """

    stream: Stream
    found: Quality | None
    edges: np.ndarray
    clean: np.ndarray
    n_window: int
    status: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def clean_s(self) -> int | None:
        """Clean time inside the canonical window; None where nothing was judged."""
        told = self.clean[: self.n_window]
        return int((told == 1).sum()) if (told >= 0).any() else None

    @property
    def judged_s(self) -> int:
        """Seconds of the canonical window that were judged, or are known to be missing."""
        return int((self.clean[: self.n_window] >= 0).sum())

    @property
    def bad(self) -> list[str]:
        """Labels of the bad channels."""
        return [c for c, told in zip(self.stream.channels, self.status) if told == BAD]

    def spoilt(self) -> np.ndarray | None:
        """Bins in which fewer than four fifths of the not bad channels are free, (10 n,)."""
        if self.found is None:
            return None
        kept = np.array([told != BAD for told in self.status])
        bits = _flat(self.found)[:, kept]
        if not kept.any():
            return np.ones(len(bits), bool)
        return np.asarray(((bits & SPOILS) == 0).mean(axis=1) < CLEAN_SHARE)

    def summary(self) -> dict[str, Any]:
        """For ``result.json``."""
        return {
            "clean_s": self.clean_s,
            "judged_s": self.judged_s,
            "window_s": self.n_window,
            "bad": self.bad if NOT_KNOWN not in self.status else (self.bad or None),
        }


def judge_all(block: Block) -> dict[str, Judgement]:
    """The electrical streams of a block; empty where t0 was never reached."""
    spans = _seconds(block)
    if spans is None or not spans[1]:
        return {}
    return {
        name: _judge(block, stream, *spans)
        for name, stream in block.streams.items()
        if stream.is_electrical and stream.is_regular
    }


def _seconds(block: Block) -> tuple[int, int] | None:
    """Whole seconds of the canonical window, and with its extension, as far as was recorded."""
    t0, rate = block.account.t0, block.timeline.rate_hz
    if t0 is None:
        return None
    ends = [e.index + e.n for e in block.epochs if e.label.startswith((BASELINE, "extension"))]
    window = [e.index + e.n for e in block.epochs if e.label.startswith(BASELINE)]
    n, n_window = ((max(x, default=t0) - t0) / rate + 1e-9 for x in (ends, window))
    return int(n_window), int(n)


def _judge(block: Block, stream: Stream, n_window: int, n: int) -> Judgement:
    name = stream.name
    track = block.tracks[name]
    missing = [(hole.index, hole.n) for hole in track.holes]
    lost = intervals.lost_end(
        track, block.timeline, block.account, intervals.end_of(block.epochs, block.timeline)
    )
    if lost is not None:
        missing.append((lost.index, lost.n))
    found = read_quality(block.folder, name, window=(0, n), missing=missing)
    if found is None or found.channels != stream.channels:
        unknown = (NOT_KNOWN,) * stream.n_channels
        reasons = (NOT_JUDGED,) * stream.n_channels
        silent = np.full(n, -1, np.int8)
        return Judgement(stream, None, np.zeros(0), silent, n_window, unknown, reasons)
    bins = np.arange(n * BINS_PER_S + 1)
    edges = nwb_times(block, stream)(found.grid.origin + bins * stream.rate_hz / BINS_PER_S)
    _mark_events(found, edges, block)
    by_channel = np.array([bool(check["by_channel"]) for check in found.checks], bool)
    failed = (found.levels[:, by_channel] == FAIL_CODE).any(axis=1)
    lattice = _lattice(found, failed)
    known = found.judged | (found.bits & GAP).any(axis=(1, 2))
    clean = np.where(known, lattice.clean(0, n), -1).astype(np.int8)
    status, reasons = _channels(found, failed, n_window)
    return Judgement(stream, found, edges, clean, n_window, status, reasons)


def nwb_times(block: Block, stream: Stream) -> Callable[[np.ndarray], np.ndarray]:
    """From device indices of a regular stream, fractions allowed, to NWB seconds."""
    if stream.name == block.timeline.reference:
        return block.timeline.of_index
    to_nwb = block.timeline.clock(stream.name).to_nwb
    return lambda index: np.asarray(to_nwb(index / stream.rate_hz))


def _mark_events(found: Quality, edges: np.ndarray, block: Block) -> None:
    """Set the bits of what the operator marked; the watcher need not know of it."""
    protocol = block.told.get("protocol") or {}
    bits = {word["code"]: word.get("mask") for word in protocol.get("vocabulary", ())}
    flat = _flat(found)
    for mark in intervals.find_marks(block.events, protocol, block.epochs, block.timeline):
        # One that ends where a bin begins is not in it, whatever the clocks' last digits say.
        low = int(np.searchsorted(edges, mark.start_s + 1e-6, "right")) - 1
        high = int(np.searchsorted(edges, mark.stop_s - 1e-6, "left"))
        flat[max(0, low) : max(0, high)] |= np.uint16(bits[mark.reason])


def _flat(found: Quality) -> np.ndarray:
    """The mask lattice, (10 n, c)."""
    return found.bits.reshape(-1, len(found.channels))


def _lattice(found: Quality, failed: np.ndarray) -> Lattice:
    """The lattice as the watcher had it, with what came to be known since."""
    lattice = Lattice(len(found.channels))
    lattice.unseen(found.not_judged.tolist())
    for number, bits, fails in zip(found.numbers.tolist(), found.bits, failed, strict=True):
        lattice.add(number, bits, fails)
    return lattice


def _channels(
    found: Quality, failed: np.ndarray, n_window: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Status of each channel in the canonical window, and why."""
    shares = (found.levels[:n_window] == FAIL_CODE).mean(axis=0) if n_window else np.zeros(0)
    fails = failed[:n_window].mean(axis=0)
    unseen = 1.0 - found.judged[:n_window].mean() if n_window else 1.0
    status, reasons = [], []
    for c in range(len(found.channels)):
        rules = [name for name, channels in found.bad.items() if c in channels]
        why = [
            f"{check['name']} failed in {100 * shares[k, c]:.0f} % of the seconds"
            for k, check in enumerate(found.checks)
            if n_window and check["by_channel"] and shares[k, c] > 0
        ]
        why += [f"{name} by its rule for whole blocks" for name in rules]
        if rules or (n_window and fails[c] > BAD_SHARE):
            status.append(BAD)
        elif not n_window or fails[c] + unseen > BAD_SHARE:  # it may have been bad unseen
            status.append(NOT_KNOWN)
            why.append(f"{100 * unseen:.0f} % of the seconds were not judged")
        else:
            status.append(GOOD)
        reasons.append(", ".join(why) or "no check failed")
    return tuple(status), tuple(reasons)


def mask_runs(judged: Judgement) -> list[Invalid]:
    """Runs of bins that are spoilt in every channel, of half a second at least."""
    found = judged.found
    if found is None:
        return []
    bits = _flat(found) & np.uint16((SPOILS | POP) & ~OWN_ROWS)
    steps = np.diff((bits != 0).all(axis=1).astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    rows = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        if stop - start >= MASK_RUN_S * BINS_PER_S:
            here = int(np.bitwise_or.reduce(bits[start:stop], axis=None))
            names = ", ".join(name for name, bit in BITS.items() if here & bit)
            at = float(judged.edges[start]), float(judged.edges[stop])
            rows.append(Invalid(*at, f"mask: {names}", judged.stream.name))
    return rows


@dataclass(frozen=True)
class CheckRow:
    """One row of the table of checks: what one check came to in the window."""

    stream: str
    check: str
    level: str
    value: float
    limit: float
    unit: str
    warn_share: float = np.nan
    fail_share: float = np.nan
    unknown_share: float = np.nan
    reference: str = ""


def rows_of(judged: Judgement, told: Mapping[str, Any]) -> list[CheckRow]:
    """The table's rows of one stream: its clean time, its bad channels, each check.

    `told` is ``block.json``.
    """
    name, n = judged.stream.name, judged.n_window
    target = _clean_target_s(told)
    clean_s, missing = judged.clean_s, n - judged.judged_s
    level = UNKNOWN if clean_s is None else OK
    if clean_s is not None and clean_s < target:
        level = UNKNOWN if clean_s + missing >= target else WARN
    value = np.nan if clean_s is None else float(clean_s)
    why = "seconds of the window that are clean, science.md 0.2"
    rows = [CheckRow(name, "clean_time", level, value, target, "s", reference=why)]
    known = NOT_KNOWN not in judged.status
    level = WARN if judged.bad else OK if known else UNKNOWN
    value = float(len(judged.bad)) if known or judged.bad else np.nan
    why = "channels at level FAIL in more than a fifth of the seconds, science.md 0.2"
    rows.append(CheckRow(name, "bad_channels", level, value, 0.0, "channels", reference=why))
    if judged.found is not None and n:
        rows += [_row(judged, k, check) for k, check in enumerate(judged.found.checks)]
    return rows


def _clean_target_s(told: Mapping[str, Any]) -> float:
    """What the protocol wants, in a window of this block's length; NaN where it does not say."""
    timing = (told.get("protocol") or {}).get("timing") or {}
    target, block_s = timing.get("clean_target_s"), timing.get("block_s")
    if not isinstance(target, int | float) or not block_s:
        return np.nan
    return float(target) * float(told.get("seconds") or block_s) / float(block_s)


def _row(judged: Judgement, k: int, check: Mapping[str, Any]) -> CheckRow:
    found, n = judged.found, judged.n_window
    assert found is not None
    levels, values = found.levels[:n, k], found.values[:n, k]
    shares = {code: float((levels == code).mean()) for code in (OK_CODE, WARN_CODE, FAIL_CODE)}
    unknown = (levels == UNKNOWN_CODE).mean(axis=0)
    if ((levels == FAIL_CODE).mean(axis=0) > BAD_SHARE).any():
        level = FAIL
    elif shares[WARN_CODE] or shares[FAIL_CODE]:
        level = WARN
    else:
        level = UNKNOWN if (unknown > BAD_SHARE).any() else OK
    kept = values[np.isfinite(values)]
    limits = [check[key] for key in ("warn", "fail") if check[key] is not None]
    return CheckRow(
        found.stream,
        check["name"],
        level,
        float(np.median(kept)) if len(kept) else np.nan,
        float(limits[0]) if limits else np.nan,
        check["unit"],
        shares[WARN_CODE],
        shares[FAIL_CODE],
        float(unknown.mean()),
        f"{check['id']}, {check['reference']}",
    )
