"""Where the window lies, and what in the file is no good: ``epochs`` and ``invalid_times``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenmin.recorder.account import Account
from tenmin.recorder.tables import FEWEST_ROWS, Column, intervals
from tenmin.recorder.timeline import Timeline
from tenmin.recorder.track import Hole, Track

ESTIMATED, RECONNECT, RESTART = 2, 4, 8  # flags of an index record
EARLY_S = 1.0  # a stream that ends this long before the reference has lost its end
SILENT = "no data until the end"
REFERENCE_LOST = "reference lost"  # how such a recording ends, in acquirer.jsonl
BASELINE, SETTLING = "spontaneous_baseline", "settling"


@dataclass(frozen=True)
class Epoch:
    """A stretch of the reference stream: first index and length."""

    label: str
    index: int
    n: int


@dataclass(frozen=True)
class Invalid:
    """A stretch of time that is no data, or not to be used: pad, gap, lost end, mark."""

    start_s: float
    stop_s: float
    reason: str
    stream: str


def find_epochs(account: Account, reference: Track | None, zero_index: int) -> list[Epoch]:
    """The phases of a block on the reference stream's indices, none of them empty.

    What was planned and not reached is left out; a window that ends early says so in its label.
    """
    if reference is None or not reference.segments:
        return []
    first, end = reference.first_index, reference.end_index
    found = [Epoch(SETTLING, zero_index, first - zero_index)]
    if account.t0 is None or account.n_window is None:
        found.append(Epoch("pad", first, end - first))
        return [epoch for epoch in found if epoch.n > 0]
    t0, window_end = account.t0, account.t0 + account.n_window
    found.append(Epoch("pad", first, min(end, t0) - first))
    whole = end >= window_end
    label = BASELINE if whole else f"{BASELINE}_aborted"
    found.append(Epoch(label, t0, min(end, window_end) - t0))
    pad_begin = window_end + account.extension
    found.append(Epoch("extension", window_end, min(end, pad_begin) - window_end))
    found.append(Epoch("pad", pad_begin, end - pad_begin))
    return [epoch for epoch in found if epoch.n > 0]


def is_whole(epochs: Sequence[Epoch]) -> bool:
    """Whether the canonical window was reached to its end."""
    return any(epoch.label == BASELINE for epoch in epochs)


def epochs_table(epochs: Sequence[Epoch], timeline: Timeline, account: Account) -> Any:
    """The ``epochs`` table; None where there are no two rows."""
    if len(epochs) < FEWEST_ROWS:
        return None
    how = (
        f"The canonical window is the row {BASELINE}: the half-open interval "
        "[t0_index, t0_index + n_window) of the device indices of "
        f"{timeline.reference}."
    )
    if not is_whole(epochs):
        how = f"The block was cut short ({account.reason}): the window ends early or is missing."
    return intervals(
        "epochs",
        f"Phases of the block, on the sample clock of {timeline.reference}. {how}",
        [
            Column("start_time", "", [timeline.of_index(e.index) for e in epochs]),
            Column("stop_time", "", [timeline.of_index(e.index + e.n) for e in epochs]),
            Column("label", "Phase.", [e.label for e in epochs]),
            Column(
                "t0_index",
                f"Device index of {timeline.reference} at which the phase begins.",
                [e.index for e in epochs],
            ),
            Column(
                "n_window",
                f"Length of the phase in device indices of {timeline.reference}, missing ones "
                "included.",
                [e.n for e in epochs],
            ),
        ],
    )


def gap_reason(hole: Hole, track: Track, account: Account) -> str:
    """Why samples are missing: as the acquirer logged it, else as the record's flags say."""
    end = hole.index + hole.n
    if any(hole.index <= index < end for index, _ in track.damaged):
        return "damaged"
    logged = account.gap_reasons.get((track.stream.name, hole.index))
    if logged is not None:
        return str(logged.get("reason", "gap"))
    for flag, reason in ((RESTART, "restart"), (RECONNECT, "reconnect")):
        if hole.flags & flag:
            return reason
    return "lost"


def is_estimated(hole: Hole, name: str, account: Account) -> bool:
    """Whether the length of a gap comes from host time, not from a counter."""
    logged = account.gap_reasons.get((name, hole.index), {})
    return bool(hole.flags & ESTIMATED) or bool(logged.get("estimated"))


def find_invalid(
    epochs: Sequence[Epoch],
    tracks: dict[str, Track],
    timeline: Timeline,
    account: Account,
    marks: Sequence[Invalid] = (),
) -> list[Invalid]:
    """One row per pad, per gap of each stream, per end that a stream has lost, and per mark."""
    of_index = timeline.of_index
    rows = [
        Invalid(of_index(e.index), of_index(e.index + e.n), "pad", "all")
        for e in epochs
        if e.label == "pad"
    ]
    end_s = end_of(epochs, timeline)
    for name, track in tracks.items():
        for hole in track.holes:
            start, stop = span_of(track, hole, timeline)
            reason = f"gap: {gap_reason(hole, track, account)}"
            reason += " (length estimated)" if is_estimated(hole, name, account) else ""
            rows.append(Invalid(start, stop, reason, name))
        lost = lost_end(track, timeline, account, end_s)
        if lost is not None:
            rows.append(Invalid(lost.start_s, lost.stop_s, SILENT, name))
    rows += marks
    if len(rows) == 1:  # a table needs two rows; nothing was recorded while settling
        rows += [
            Invalid(of_index(e.index), of_index(e.index + e.n), SETTLING, "all")
            for e in epochs
            if e.label == SETTLING
        ]
    return [row for row in rows if row.stop_s > row.start_s]


def find_marks(
    events: Sequence[Mapping[str, Any]],
    protocol: Mapping[str, Any],
    epochs: Sequence[Epoch],
    timeline: Timeline,
) -> list[Invalid]:
    """What events spoil, as far as it was recorded.

    Parameters
    ----------
    events : sequence of dict
        ``events.jsonl``; each with its ``onset_s``, monotonic host seconds.
    protocol : mapping
        That of ``block.json``; its vocabulary says which codes mask, and how far around an event.
    epochs : sequence of Epoch
    timeline : Timeline
    """
    masking = {
        word["code"]: (word["before_s"], word["after_s"])
        for word in protocol.get("vocabulary", ())
        if word.get("mask") is not None and word["before_s"] + word["after_s"] > 0
    }
    recorded = [epoch for epoch in epochs if epoch.label != SETTLING]
    if not recorded:
        return []
    first = timeline.of_index(recorded[0].index)
    last = timeline.of_index(recorded[-1].index + recorded[-1].n)
    rows = []
    for event in events:
        code = str(event.get("code"))
        if code in masking:
            before_s, after_s = masking[code]
            at = float(timeline.of_host(event["onset_s"]))
            stop = at + max(0.0, event.get("duration_s") or 0.0) + after_s
            rows.append(Invalid(max(first, at - before_s), min(last, stop), code, "all"))
    return [row for row in rows if row.stop_s > row.start_s]


def span_of(track: Track, hole: Hole, timeline: Timeline) -> tuple[float, float]:
    """When the missing samples would have been, NWB seconds."""
    name, rate = track.stream.name, track.stream.rate_hz
    if name == timeline.reference:
        return timeline.of_index(hole.index), timeline.of_index(hole.index + hole.n)
    to_nwb = timeline.clock(name).to_nwb
    start, stop = to_nwb(hole.index / rate), to_nwb((hole.index + hole.n) / rate)
    return max(0.0, float(start)), float(stop)


@dataclass(frozen=True)
class LostEnd:
    """What a stream that fell silent before the planned end did not deliver any more.

    Attributes
    ----------
    index, n : int
        First missing device index, and how many; estimated where it is not the reference.
    start_s, stop_s : float
        NWB seconds.
    """

    index: int
    n: int
    start_s: float
    stop_s: float


def end_of(epochs: Sequence[Epoch], timeline: Timeline) -> float:
    """NWB seconds at which the block ended."""
    return max((timeline.of_index(e.index + e.n) for e in epochs), default=0.0)


def lost_end(track: Track, timeline: Timeline, account: Account, end_s: float) -> LostEnd | None:
    """The end that a regular stream has lost; None where it reached the block's."""
    stream = track.stream
    if not stream.is_regular or not track.segments:
        return None
    at = track.reached_index
    if stream.name == timeline.reference:
        if account.reason != REFERENCE_LOST or account.stop is None or at >= account.stop:
            return None
        start_s, stop_s = timeline.of_index(at), timeline.of_index(account.stop)
        return LostEnd(at, account.stop - at, start_s, stop_s)
    clock = timeline.clock(stream.name)
    if stream.clock is not None and clock.sync.n_points == 0:
        return None
    last_s = float(clock.to_nwb(at / stream.rate_hz))
    if end_s - last_s < max(EARLY_S, 3.0 / stream.rate_hz):
        return None
    return LostEnd(at, round((end_s - last_s) * stream.rate_hz), last_s, end_s)


def invalid_table(rows: Sequence[Invalid]) -> Any:
    """The ``invalid_times`` table; None where there are no two rows."""
    if len(rows) < FEWEST_ROWS:
        return None
    return intervals(
        "invalid_times",
        "Pads around the window; gaps: samples that the device numbered and nobody received; and "
        "what was marked, with the margins that the protocol gives the mark.",
        [
            Column("start_time", "", [row.start_s for row in rows]),
            Column("stop_time", "", [row.stop_s for row in rows]),
            Column("reason", "Why this time is no data.", [row.reason for row in rows]),
            Column("stream", "Which stream; all where it is all.", [row.stream for row in rows]),
        ],
    )
