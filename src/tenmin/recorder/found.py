"""Reading what the checks found: ``<stream>.quality`` and ``arousal.track`` of a journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.grid import BINS_PER_S, Grid
from tenmin.checks.judge import UNKNOWN_CODE
from tenmin.checks.lattice import GAP
from tenmin.recorder.appended import Section, read_sections
from tenmin.recorder.records import are_whole, read_records

FORMAT = 1
QUALITY, TRACK = ".quality", "arousal.track"
BLOCK_RULES = "bad"  # kind of the line with what rules for whole blocks say
UNTOLD = -1  # a level that the record does not tell


def quality_record(n_checks: int, n_channels: int) -> np.dtype:
    """A second of a stream: number, bits, values, levels."""
    return np.dtype(
        [
            ("number", "<i8"),
            ("bits", "<u2", (BINS_PER_S, n_channels)),
            ("values", "<f4", (n_checks, n_channels)),
            ("levels", "i1", (n_checks, n_channels)),
        ]
    )


def track_record(n_features: int) -> np.dtype:
    """A tick of the arousal track."""
    return np.dtype(
        [
            ("host_s", "<f8"),
            ("state", "<i2"),
            ("modalities", "<u2"),
            ("confidence", "<f4"),
            ("features", "<f4", (n_features,)),
        ]
    )


@dataclass(frozen=True)
class Quality:
    """What the checks found in one stream; n seconds, k checks, c channels.

    Attributes
    ----------
    stream : str
    channels : tuple of str
    checks : tuple of dict
        ``name``, ``id``, ``unit``, ``bit``, ``reference``, ``warn``, ``fail`` and ``by_channel``
        of each.
    sha256 : str
        Hash of all parameters.
    grid : Grid
        Of the bins: rate of the stream, and the index at which second 0 begins.
    is_t0 : bool
        Whether that is the block's t0.
    first : int
        Number of the first second.
    judged : ndarray of bool, (n,)
        False where no check could tell anything of the second, or none saw it: values are NaN,
        levels UNKNOWN; of bits only that of missing samples is set.
    bits : ndarray, (n, 10, c), uint16
    values : ndarray, (n, k, c), float32
    levels : ndarray, (n, k, c), int8
        Codes of `tenmin.checks.judge`.
    bad : mapping of str to tuple of int
        Channels that are bad by a check's rule for whole blocks.
    damaged : int
        Stretches of the file that could not be read.
    """

    stream: str
    channels: tuple[str, ...]
    checks: tuple[Mapping[str, Any], ...]
    sha256: str
    grid: Grid
    is_t0: bool
    first: int
    judged: np.ndarray
    bits: np.ndarray
    values: np.ndarray
    levels: np.ndarray
    bad: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    damaged: int = 0

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the seconds, (n,)."""
        return np.arange(self.first, self.first + len(self.judged))

    def since(self, skip: int) -> Quality:
        """Without its first `skip` seconds."""
        return replace(
            self,
            first=self.first + skip,
            judged=self.judged[skip:],
            bits=self.bits[skip:],
            values=self.values[skip:],
            levels=self.levels[skip:],
        )

    @property
    def not_judged(self) -> np.ndarray:
        """Numbers of the seconds that nobody judged."""
        return self.numbers[~self.judged]


def read_quality(
    dot: Path,
    name: str,
    *,
    t0: bool = True,
    window: tuple[int, int] | None = None,
    missing: Sequence[tuple[int, int]] | None = None,
) -> Quality | None:
    """What the checks found in one stream, on one grid.

    Parameters
    ----------
    dot : Path
        The journal.
    name : str
        The stream.
    t0 : bool
        Seconds counted from t0; False: what was judged before t0 was known.
    window : (int, int), optional
        Number of the first second, and of the one after the last; from the first to the last
        that was judged if it is not given.
    missing : sequence of (int, int), optional
        Index and length of what is missing; by the stream's index file if it is not given.

    Returns
    -------
    Quality or None
        None where nothing of the kind was kept.
    """
    sections, damaged = read_sections(dot / (name + QUALITY))
    chosen = [s for s in sections if bool(s.head.get("is_t0")) == t0 and _is_sound(s)]
    # Of grids that differ the last counts: it is the one that the block was judged by.
    chosen = [s for s in chosen if s.head["origin"] == chosen[-1].head["origin"]]
    if not chosen:
        return None
    head = chosen[-1].head
    checks = {check["name"]: check for section in chosen for check in section.head["checks"]}
    arrays = [(section, section.array(_record_of(section))) for section in chosen]
    if window is None:
        numbers = np.concatenate([rows["number"] for _, rows in arrays])
        window = (int(numbers.min()), int(numbers.max()) + 1) if len(numbers) else (0, 0)
    found = Quality(
        stream=name,
        channels=tuple(head["channels"]),
        checks=tuple(checks.values()),
        sha256=str(head["parameters_sha256"]),
        grid=Grid(float(head["rate_hz"]), int(head["origin"])),
        is_t0=t0,
        first=window[0],
        **_empty(window[1] - window[0], len(checks), len(head["channels"])),
        bad=_bad(chosen),
        damaged=damaged,
    )
    places = {check: place for place, check in enumerate(checks)}
    for section, rows in arrays:
        order = [places[check["name"]] for check in section.head["checks"]]
        for row in rows:
            _take(found, row, order)
    _mark_gaps(found, missing_in(dot, name) if missing is None else missing)
    return found


def _empty(n: int, n_checks: int, n_channels: int) -> dict[str, np.ndarray]:
    return {
        "judged": np.zeros(n, bool),
        "bits": np.zeros((n, BINS_PER_S, n_channels), np.uint16),
        "values": np.full((n, n_checks, n_channels), np.nan, np.float32),
        "levels": np.full((n, n_checks, n_channels), UNKNOWN_CODE, np.int8),
    }


def _is_sound(section: Section) -> bool:
    """Whether a section is what this version writes, and holds something."""
    head = section.head
    keys = {"origin", "channels", "checks", "rate_hz", "parameters_sha256"}
    return head.get("format") == FORMAT and keys <= set(head) and bool(section.records)


def _record_of(section: Section) -> np.dtype:
    return quality_record(len(section.head["checks"]), len(section.head["channels"]))


def _take(found: Quality, row: np.void, order: Sequence[int]) -> None:
    """Add a record: bits are added, values and levels that it tells replace what was there."""
    at = int(row["number"]) - found.first
    if not 0 <= at < len(found.judged):
        return
    found.bits[at] |= row["bits"]
    told = row["levels"] != UNTOLD
    values, levels = found.values[at], found.levels[at]
    known = told | ~np.isnan(row["values"])
    values[order] = np.where(known, row["values"], values[order])
    levels[order] = np.where(told, row["levels"], levels[order])
    found.judged[at] |= bool(np.isfinite(row["values"]).any())


def _bad(sections: Sequence[Section]) -> dict[str, tuple[int, ...]]:
    lines = [line for section in sections for line in section.lines if line["t"] == BLOCK_RULES]
    return {name: tuple(bad) for name, bad in lines[-1]["channels"].items()} if lines else {}


def _mark_gaps(found: Quality, missing: Sequence[tuple[int, int]]) -> None:
    bits = found.bits.reshape(-1, len(found.channels))
    zero = found.first * BINS_PER_S
    for index, n in missing:
        low = found.grid.number(index) - zero
        high = found.grid.number(index + n - 1) + 1 - zero
        bits[max(0, low) : max(0, high)] |= GAP


def missing_in(dot: Path, name: str) -> list[tuple[int, int]]:
    """What is missing between the records of a stream: first index, and how many."""
    records = read_records(dot / f"{name}.idx")
    records = records[are_whole(records)] if len(records) else records
    ends = records["index"] + records["n"]
    steps = records["index"][1:] - ends[:-1]
    return [(int(ends[i]), int(steps[i])) for i in np.flatnonzero(steps > 0)]


@dataclass(frozen=True)
class Kept:
    """The arousal track of a journal; n ticks, k features.

    Attributes
    ----------
    family, eyes : str
    ruleset : dict
    sha256 : str
        Hash of the rules.
    features : tuple of str
    host_s : ndarray, (n,), float64
        Ends of the bins, monotonic host seconds, ascending.
    states : ndarray, (n,), int16
    modalities : ndarray, (n,), uint16
    confidence : ndarray, (n,), float32
    values : ndarray, (n, k), float32
    damaged : int
        Stretches of the file that could not be read.
    """

    family: str
    eyes: str
    ruleset: Mapping[str, Any]
    sha256: str
    features: tuple[str, ...]
    host_s: np.ndarray
    states: np.ndarray
    modalities: np.ndarray
    confidence: np.ndarray
    values: np.ndarray
    damaged: int = 0


def read_arousal(dot: Path) -> Kept | None:
    """The arousal track; None where none was kept."""
    sections, damaged = read_sections(dot / TRACK)
    sections = [s for s in sections if s.head.get("format") == FORMAT and s.records]
    if not sections:
        return None
    head = sections[-1].head
    # A section of other features or rules is of another program: it cannot be joined.
    same = [
        s
        for s in sections
        if all(s.head.get(key) == head[key] for key in ("features", "family", "ruleset_sha256"))
    ]
    rows = np.concatenate([s.array(track_record(len(head["features"]))) for s in same])
    rows = rows[np.argsort(rows["host_s"], kind="stable")]
    return Kept(
        family=head["family"],
        eyes=head["eyes"],
        ruleset=head["ruleset"],
        sha256=head["ruleset_sha256"],
        features=tuple(head["features"]),
        host_s=rows["host_s"].copy(),
        states=rows["state"].copy(),
        modalities=rows["modalities"].copy(),
        confidence=rows["confidence"].copy(),
        values=rows["features"].copy(),
        damaged=damaged,
    )
