"""What a client is told of a block, ten times a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenmin.verdict import Verdict, worst

# Checks behind the three lights (science.md B.7); every other one belongs to `signal`.
INTEGRITY = frozenset(
    (
        *("alive", "gaps", "rate", "sync", "drift_of_clock", "jitter_of_pulses", "alignment"),
        *("alignment_of_frames", "bend_of_clock", "frame_drops", "frame_triggers"),
        *("imaging_triggers", "condition", "disk", "backpressure"),
    )
)
SUBJECT = frozenset(("arousal", "eyes", "few_blinks", "sleep"))


def lights(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """The worst level of three groups: ``integrity``, ``signal``, ``subject``.

    A group of which no check says anything is UNKNOWN, and so is one in which nothing is worse
    and something is unknown.
    """
    levels: dict[str, list[str]] = {"integrity": [], "signal": [], "subject": []}
    for verdict in verdicts:
        levels[_group(verdict.check)].append(verdict.level)
    return {group: worst(found) for group, found in levels.items()}


def _group(check: str) -> str:
    if check in INTEGRITY:
        return "integrity"
    return "subject" if check in SUBJECT else "signal"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One moment of a block; `as_dict` gives it as JSON has it.

    Attributes
    ----------
    phase, protocol, position : str
        Where the block is; which protocol; where in the day's programme.
    elapsed_s, remaining_s : float, float or None
        In this phase; to its planned end, None where that is not known.
    seconds, target_s : float
        Canonical window, and the window now planned with its extensions.
    window_s : float or None
        Reference seconds since t0, None before it.
    clean_s, clean_target_s : float or None, float
        Clean seconds since t0, None while unknown; the target.
    projected_finish_s : float or None
        Seconds until the last pad is over, as things stand; None where that is not known.
    waiting, labels : tuple of str
        What is waited for, in words; what the block is marked with.
    gates : tuple of dict
        The guards as they stand: id, level, hard, text, value, limit, unit.
    lights : mapping of str to str
        Levels of ``integrity``, ``signal``, ``subject``.
    verdicts, streams : tuple of dict
        What the checks say; what the engine says of each stream.
    disk_free_bytes, disk_need_bytes : int
        Free space, and what the block is expected to take.
    disk_bytes_per_s, disk_need_bytes_per_s : float or None, float
        What the disk was found to take, None while unknown; what the rig needs.
    disk_left_s, disk_foreign_bytes_per_s : float or None, float
        Seconds until the disk is full as things go; what other programs write to it.
    backpressure : mapping or None
        The ring of which most waits to be written: stream, level, fill, worst, since_s; None
        while nothing is written.
    reason, cause : str
        Why it was aborted, in words and as one word: ``operator``, ``integrity`` ...
    may_restart : bool
        The block may be started again; offered once.
    nonstandard, simulated : bool
        Lengths are not the protocol's own; a device is simulated.
    message, dot, nwb : str
        A line for the operator; path of the journal; path of the file.
    """

    phase: str
    protocol: str
    position: str
    elapsed_s: float
    remaining_s: float | None
    seconds: float
    target_s: float
    window_s: float | None
    clean_s: float | None
    clean_target_s: float
    projected_finish_s: float | None
    waiting: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    gates: tuple[dict[str, Any], ...] = ()
    lights: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[dict[str, Any], ...] = ()
    streams: tuple[dict[str, Any], ...] = ()
    disk_free_bytes: int = 0
    disk_need_bytes: int = 0
    disk_bytes_per_s: float | None = None
    disk_need_bytes_per_s: float = 0.0
    disk_left_s: float | None = None
    disk_foreign_bytes_per_s: float = 0.0
    backpressure: Mapping[str, Any] | None = None
    reason: str = ""
    cause: str = ""
    may_restart: bool = False
    nonstandard: bool = False
    simulated: bool = False
    message: str = ""
    dot: str = ""
    nwb: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as JSON has it: texts, numbers, lists and objects."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}


def flat(one: Any) -> dict[str, Any]:
    """The fields of a dataclass that holds no others, in a sixth of the time of `asdict`."""
    return {f.name: getattr(one, f.name) for f in dataclasses.fields(one)}


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, float, int, bool):  # as nearly all are
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
