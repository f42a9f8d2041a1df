"""Everything that happened rather than was sampled: markers, triggers, phases, notes, verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenmin.frames import Balance, balance
from tenmin.recorder.account import Account
from tenmin.recorder.tables import FEWEST_ROWS, Column, events_table, spoken
from tenmin.recorder.timeline import Timeline
from tenmin.recorder.track import Track
from tenmin.stream import FRAME_CHANNELS, Stream

TICKS_PER_S = 1e6  # of a serial board that counts frames itself

TAKEN = ("id", "timestamp", "duration", "annotation", "frame_index", "device_time")

Event = tuple[float, str, str, str, str]  # NWB seconds, marker, annotation, source, latency


def marker_tables(
    account: Account, streams: Mapping[str, Stream], timeline: Timeline
) -> tuple[list[Any], list[Event]]:
    """A table per stream of texts; the markers of streams that have a single one, as events."""
    tables: list[Any] = []
    single: list[Event] = []
    for name, lines in account.markers.items():
        if name not in streams:
            continue
        times = marker_times(streams[name], lines, timeline)
        values = [str(line["value"]) for line in lines]
        if len(lines) < FEWEST_ROWS:
            single += [(t, name, spoken(v), name, "software") for t, v in zip(times, values)]
            continue
        stamps = [_number(line.get("device_time")) for line in lines]
        tables.append(
            events_table(
                name,
                f"Markers of the stream {name}, on the file's time base by the stream's clock "
                f"map. {_told(streams[name])}",
                "Acquisition system",
                times,
                [
                    Column("value", "Text of the marker, as received.", values),
                    Column(
                        "device_time",
                        "Time stamp of the marker's sender, seconds, raw as received.",
                        stamps,
                    ),
                ],
            )
        )
    return tables, single


def marker_times(
    stream: Stream, lines: Sequence[Mapping[str, Any]], timeline: Timeline
) -> np.ndarray:
    """NWB seconds of markers: by their own stamps where they have any, else by arrival."""
    arrivals = np.array([line["host_ns"] for line in lines]) * 1e-9
    times = np.array(timeline.of_host(arrivals))
    stamps = np.array([_number(line.get("device_time")) for line in lines])
    known = np.isfinite(stamps)
    if known.any() and timeline.knows_stamps_of(stream.name):
        times[known] = timeline.of_device_times(stream.name, stamps[known])
    return np.maximum(0.0, times)


def frame_table(track: Track, timeline: Timeline, found: Balance | None) -> tuple[Any, list[Event]]:
    """The frame triggers of one stream as a table; None where there are fewer than two."""
    stream, name = track.stream, track.stream.name
    index, stamps = track.index(), track.stamps()
    times = np.maximum(0.0, timeline.of_samples(name, index, stamps))
    if len(times) < FEWEST_ROWS:
        return None, [(float(t), name, "single frame trigger", name, "hardware") for t in times]
    samples = track.samples.dataset
    columns = [Column("frame_index", "Number of the frame; a jump is a missing frame.", index)]
    if stamps is not None:
        columns.append(
            Column("device_time", "Time stamp of the sender, seconds, raw as received.", stamps)
        )
    for position, label in enumerate(stream.channels):
        values = samples if samples.ndim == 1 else samples[:, position]
        told = f"Channel {label} of {name}, as received; unit {stream.unit}."
        free = label not in TAKEN
        columns.append(Column(label if free else f"channel_{label}", told, values))
    resolution = timeline.resolution_s(stream)
    description = (
        f"Imaging frames, one row a trigger: {_told(stream)} Times are those of the frames' own "
        f"triggers on the file's time base. {'' if found is None else found.told()}"
    ).strip()
    return events_table(name, description, "Acquisition system", times, columns, resolution), []


def frame_balance(track: Track, source: Track | None) -> Balance | None:
    """How many frames there are, and whether that can be right; None without frames.

    Over all that was recorded of the stream they were found in; over the events themselves where
    a board of its own counted them.
    """
    stream = track.stream
    if len(stream.channels) != len(FRAME_CHANNELS) or track.n == 0:
        return None
    rows = np.asarray(track.samples.dataset[:]).reshape(-1, len(FRAME_CHANNELS))
    expected = stream.facts.get("expected_frames")
    many = int(expected) if expected else None
    if source is None or not source.n:
        return balance(rows, int(rows[0, 1]), int(rows[-1, 1]) + 1, TICKS_PER_S, many)
    return balance(rows, source.first_index, source.end_index, source.stream.rate_hz, many)


def frame_counts(track: Track) -> tuple[np.ndarray, float] | None:
    """The microscope's own count of frames and its nominal rate, where the driver tells both."""
    stream = track.stream
    nominal = float(stream.facts.get("nominal_rate_hz") or 0.0)
    if "frame" not in stream.channels or nominal <= 0 or not track.n:
        return None
    samples = track.samples.dataset
    column = samples if samples.ndim == 1 else samples[:, stream.channels.index("frame")]
    return column.astype(np.float64), nominal


def with_times(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines of ``events.jsonl`` that tell when; a duration that is no number counts as none.

    What is left out still stands in the file with the journal's logs.
    """
    kept = [dict(line) for line in lines if _is_number(line.get("onset_s"))]
    for line in kept:
        if not _is_number(line.get("duration_s")):
            line["duration_s"] = 0.0
    return kept


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def session_table(
    lines: Sequence[Mapping[str, Any]], account: Account, timeline: Timeline, more: list[Event]
) -> Any:
    """``session_markers``: phases, notes, verdict changes and other events, at least two rows."""
    events = [_event(line, timeline) for line in lines] + more
    if len(events) < FEWEST_ROWS:
        events += _anchors(account, timeline)
    if len(events) < FEWEST_ROWS:
        return None
    return events_table(
        "session_markers",
        "What the operator, the software and single markers said about this block; times before "
        "the file's time zero stand at zero.",
        "Operator and recording software",
        np.array([event[0] for event in events]),
        [
            Column("annotation", "What it says.", [event[2] for event in events]),
            Column("marker", "Code of the event.", [event[1] for event in events]),
            Column("source", "Who or what noted it.", [event[3] for event in events]),
            Column(
                "latency",
                "How exact the time is: hardware, software, human (about 0.5 s).",
                [event[4] for event in events],
            ),
        ],
    )


def _event(line: Mapping[str, Any], timeline: Timeline) -> Event:
    at = float(timeline.of_host(float(line["onset_s"])))
    code = str(line.get("code") or "event")
    text = _sentence(code, line.get("value"))
    if at < 0:
        text += f" ({-at:.3f} s before time zero)"
    if line.get("duration_s"):
        text += f" (for {float(line['duration_s']):g} s)"
    source, latency = str(line.get("source") or "unknown"), str(line.get("latency") or "unknown")
    return max(0.0, at), code, text, source, latency


def _sentence(code: str, value: Any) -> str:
    """An event's value for people; what is more than a text is told as words."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:  # a note that only looks like one
            return spoken(value)
    if isinstance(value, Mapping):
        return _verdict(value) if code == "verdict" else _words(value)
    return spoken(str(value)) if value not in (None, "") else code


def _verdict(told: Mapping[str, Any]) -> str:
    words = [str(told.get("check")), "of", str(told.get("stream")), str(told.get("level"))]
    unit = told.get("unit") or ""
    for key in ("value", "limit"):
        if isinstance(told.get(key), int | float):
            words.append(f"{key} {told[key]:g} {unit if unit != '1' else ''}".strip())
    return spoken(" ".join(words))


def _words(told: Mapping[str, Any]) -> str:
    return spoken(
        ", ".join(f"{key} {item}" for key, item in told.items() if item not in ("", None))
    )


def _anchors(account: Account, timeline: Timeline) -> list[Event]:
    found = [("block_start", account.start_ns), ("block_end", account.end_ns)]
    return [
        (max(0.0, float(timeline.of_host(ns * 1e-9))), code, code, "recorder", "software")
        for code, ns in found
        if ns is not None
    ]


def _told(stream: Stream) -> str:
    facts = [
        f"{key} {stream.facts[key]}"
        for key in ("stream_name", "stream_type", "source_id")
        if stream.facts.get(key)
    ]
    return stream.facts.get("description") or (
        f"{', '.join(facts)}." if facts else f"Device {stream.name}."
    )


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
