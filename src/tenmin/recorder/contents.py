"""What joins the samples in the file at the end of a block: tables, clocks, the journal's logs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.frames import Balance
from tenmin.recorder import events, intervals
from tenmin.recorder.account import Account
from tenmin.recorder.files import BLOCK, count_spoilt, plain
from tenmin.recorder.found import QUALITY, TRACK
from tenmin.recorder.judged import Judgement, mask_runs
from tenmin.recorder.quality import add_quality, mark_channels
from tenmin.recorder.states import States, add_states, window_stop
from tenmin.recorder.tables import Column, dynamic_table
from tenmin.recorder.timebase import as_rate
from tenmin.recorder.timeline import Sync, Timeline
from tenmin.recorder.track import Track
from tenmin.stream import Stream

SPAN_S = 1e6  # over which a map's slope is taken: its rounding must not move a sample
LOGS = {
    "journal_log": ("acquirer.jsonl", "Log of the acquirer: start, t0, gaps, clock points, end."),
    "journal_events": ("events.jsonl", "Log of the engine: phases, notes, verdict changes."),
    "journal_metrics": ("metrics.jsonl", "Values of the checks, second by second."),
}


@dataclass(frozen=True)
class Block:
    """Everything about one recorded block, its samples apart.

    Attributes
    ----------
    folder : Path
        The journal.
    told : mapping
        ``block.json``.
    streams : mapping of str to Stream
    tracks : dict of str to Track
        The numeric ones, finished.
    account : Account
    timeline : Timeline
    events : sequence of dict
        ``events.jsonl``, as far as it tells times.
    epochs : list of Epoch
    told_by : str
        The file that `told` was read from: ``block.json``, or its copy.
    judged : mapping of str to Judgement
        What the checks found in the electrical streams.
    states : States or None
        Tracks of arousal.
    """

    folder: Path
    told: Mapping[str, Any]
    streams: Mapping[str, Stream]
    tracks: dict[str, Track]
    account: Account
    timeline: Timeline
    events: Sequence[Mapping[str, Any]]
    epochs: list[intervals.Epoch]
    told_by: str = BLOCK
    judged: Mapping[str, Judgement] = field(default_factory=dict)
    states: States | None = None


def add_contents(path: Path, block: Block) -> None:
    """Add tables, corrections, clock fits and the journal's own logs to a file with samples."""
    import h5py
    from pynwb import NWBHDF5IO

    with h5py.File(path, "r+") as file:
        mark_channels(file, block.judged)
    with h5py.File(path, "r+") as file, NWBHDF5IO(file=file, mode="a") as io:
        nwb = io.read()
        _add_intervals(nwb, block)
        _add_events(nwb, block)
        _add_corrections(nwb, block)
        add_quality(nwb, block)
        add_states(nwb, block)
        nwb.add_analysis(clock_table([*_syncs(block), block.timeline.host_sync], block.timeline))
        _add_logs(nwb, block.folder)
        io.write(nwb)


def _add_intervals(nwb: Any, block: Block) -> None:
    epochs = intervals.epochs_table(block.epochs, block.timeline, block.account)
    if epochs is not None:
        nwb.epochs = epochs
    timeline, protocol = block.timeline, block.told.get("protocol") or {}
    marks = intervals.find_marks(block.events, protocol, block.epochs, timeline)
    marks += [row for judged in block.judged.values() for row in mask_runs(judged)]
    rows = intervals.find_invalid(block.epochs, block.tracks, timeline, block.account, marks)
    table = intervals.invalid_table(rows)
    if table is not None:
        nwb.invalid_times = table


def _add_events(nwb: Any, block: Block) -> None:
    tables, single = events.marker_tables(block.account, block.streams, block.timeline)
    for track in block.tracks.values():
        if track.stream.kind == "frames" and track.n:
            table, more = events.frame_table(track, block.timeline, _frames(track, block))
            single += more
            if table is not None:
                tables.append(table)
    session = events.session_table(block.events, block.account, block.timeline, single)
    if session is not None:
        tables.append(session)
    for table in tables:
        nwb.add_events_table(table)


def _add_corrections(nwb: Any, block: Block) -> None:
    from pynwb import TimeSeries

    for name in block.streams:
        times, offset = block.timeline.corrections(name)
        kept = times >= 0
        if not kept.any():
            continue
        base = as_rate(times[kept])
        clock: dict[str, Any] = {"timestamps": times[kept]}
        if base is not None:
            clock = {"starting_time": base[0], "rate": base[1]}
        nwb.add_acquisition(
            TimeSeries(
                name=f"{name}_time_correction",
                description=f"Measured by the transport: seconds to be added to a device time of "
                f"{name} to put it on the host's clock. Never applied to what is stored as raw.",
                data=offset[kept],
                unit="seconds",
                **clock,
            )
        )


def _syncs(block: Block) -> list[Sync]:
    found = []
    for name, stream in block.streams.items():
        if stream.is_marker:
            knows = block.timeline.knows_stamps_of(name)
            found.append(Sync(name, "time_correction" if knows else "arrival"))
        else:
            found.append(block.timeline.clock(name).sync)
    return found


def clock_table(syncs: Sequence[Sync], timeline: Timeline) -> Any:
    """``clock_sync``: one row per stream, and the reference against the host."""

    def column(name: str, description: str) -> Column:
        values = [getattr(sync, name) for sync in syncs]
        if name in ("method", "stream"):
            return Column(name, description, values)
        finite = [value if math.isfinite(value) else math.nan for value in values]
        return Column(name, description, np.array(finite, np.float64))

    return dynamic_table(
        "clock_sync",
        f"How each clock was mapped to the reference, the sample counter of {timeline.reference}. "
        "Drift: parts per million that a clock runs faster than the reference; u95: half width of "
        "the 95 % interval. The last row is the reference against the host's monotonic clock.",
        [
            column("stream", "Name of the stream."),
            column("method", "What the map rests on."),
            column("drift_ppm", "Drift against the reference, ppm."),
            column("drift_ppm_u95", "95 % uncertainty of the drift, ppm."),
            column("offset_u95_s", "95 % uncertainty of the map at the centre of its points, s."),
            column("residual_s", "SD of the clock points about the fitted line, s."),
            column("span_s", "Time that the clock points span, s."),
            column("n_points", "Number of clock points."),
            column("nominal_rate_hz", "Rate that the device states, Hz; 0 where irregular."),
            column("measured_rate_hz", "Rate in seconds of the reference, Hz."),
        ],
    )


def _add_logs(nwb: Any, folder: Path) -> None:
    for name, (file, description) in LOGS.items():
        path = folder / file
        if not path.exists():
            continue
        text = path.read_text("utf-8", "replace").replace("\0", "")
        if text.strip():
            nwb.add_scratch(text, name=name, description=f"{description} One JSON object a line.")


def summary(block: Block) -> dict[str, Any]:
    """``result.json``: what the file holds, in numbers; null where one is not known."""
    account, timeline = block.account, block.timeline
    host = timeline.host_sync
    left_out = [name for name, track in block.tracks.items() if not track.n]
    told: dict[str, Any] = {
        "nwb": block.told["nwb"],
        "identifier": block.told["identifier"],
        "reason": account.reason,
        "whole": intervals.is_whole(block.epochs),
        "t0_index": account.t0,
        "n_window": account.n_window,
        "zero_index": timeline.zero_index,
        "reference": timeline.reference,
        "reference_host_ppm": host.drift_ppm,
        "reference_host_ppm_u95": host.drift_ppm_u95,
        "streams": [_numbers(block, name) for name in block.streams],
        "left_out": left_out,
        "missing_files": [f for track in block.tracks.values() for f in track.reader.missing],
        "damaged": {
            name: [list(piece) for piece in track.damaged]
            for name, track in block.tracks.items()
            if track.damaged
        },
        "spoilt": spoilt_files(block),
        "quality": {name: judged.summary() for name, judged in block.judged.items()},
        "arousal": None if block.states is None else block.states.summary(window_stop(block)),
    }
    return plain(told)


def spoilt_files(block: Block) -> dict[str, int]:
    """Damaged records of each stream's files, and lines of each log; what is in order is absent."""
    tracks = block.tracks.items()
    found = {name: len(t.damaged) or int(t.unplaced > 0) for name, t in tracks}
    found |= {file: count_spoilt(block.folder / file) for file, _ in LOGS.values()}
    found[BLOCK] = int(block.told_by != BLOCK)
    for name, judged in block.judged.items():
        found[name + QUALITY] = 0 if judged.found is None else judged.found.damaged
    if block.states is not None and block.states.kept is not None:
        found[TRACK] = block.states.kept.damaged
    return {name: n for name, n in found.items() if n}


def _numbers(block: Block, name: str) -> dict[str, Any]:
    stream, account, timeline = block.streams[name], block.account, block.timeline
    if stream.is_marker:
        lines = account.markers.get(name, [])
        times = events.marker_times(stream, lines, timeline) if lines else np.zeros(0)
        # Counted on reception; they begin anew when the acquirer does.
        numbers = [line["index"] for line in lines if isinstance(line.get("index"), int)]
        return {
            "name": name,
            "samples": len(lines),
            "missing_samples": sum(max(0, b - a - 1) for a, b in pairwise(numbers)),
            "gaps": [],
            "window_samples": _count(times, block),
            "rate_hz": None,
            "drift_ppm": None,
            "drift_ppm_u95": None,
        }
    track, sync = block.tracks[name], timeline.clock(name).sync
    frames = _frames(track, block)
    gaps = [[hole.index, hole.n] for hole in track.holes]
    reasons = [intervals.gap_reason(hole, track, account) for hole in track.holes]
    end_s = intervals.end_of(block.epochs, timeline)
    lost = intervals.lost_end(track, timeline, account, end_s)
    if lost is not None:
        gaps.append([lost.index, lost.n])
        reasons.append(intervals.SILENT)
    return {
        "name": name,
        "samples": track.n,
        "missing_samples": track.missing + (0 if lost is None else lost.n),
        "gaps": gaps,
        "gap_reasons": reasons,
        "window_samples": _in_window(track, block),
        "rate_hz": sync.measured_rate_hz,
        "drift_ppm": sync.drift_ppm,
        "drift_ppm_u95": sync.drift_ppm_u95,
        "clock": sync.method,
        "frames": None if frames is None else {**asdict(frames), "told": frames.told()},
    }


def _frames(track: Track, block: Block) -> Balance | None:
    if track.stream.kind != "frames":
        return None
    return events.frame_balance(track, block.tracks.get(track.stream.clock or ""))


def _window_s(block: Block) -> tuple[float, float] | None:
    account = block.account
    if account.t0 is None or account.n_window is None:
        return None
    of_index = block.timeline.of_index
    return of_index(account.t0), of_index(account.t0 + account.n_window)


def _in_window(track: Track, block: Block) -> int | None:
    window = _window_s(block)
    if window is None or not track.n:
        return None if window is None else 0
    account, timeline, stream = block.account, block.timeline, track.stream
    if stream.name == timeline.reference:
        assert account.t0 is not None
        assert account.n_window is not None
        return track.count_between(account.t0, account.t0 + account.n_window)
    if not stream.is_regular or stream.kind == "frames" or stream.clock is not None:
        return _count(timeline.of_samples(stream.name, track.index(), track.stamps()), block)
    to_nwb, rate = timeline.clock(stream.name).to_nwb, stream.rate_hz
    start, slope = float(to_nwb(0.0)), float(to_nwb(SPAN_S) - to_nwb(0.0)) / SPAN_S
    first, stop = (math.ceil((at - start) / slope * rate) for at in window)
    return track.count_between(first, stop)


def _count(times: np.ndarray, block: Block) -> int | None:
    window = _window_s(block)
    if window is None:
        return None
    return int(np.count_nonzero((times >= window[0]) & (times < window[1])))
