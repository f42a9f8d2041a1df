"""The time base of each series, put right at the end: a rate where nothing is missing."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tenmin.recorder.chunks import LEVEL, ChunkWriter, Press, chunk_shape
from tenmin.recorder.skeleton import Places
from tenmin.recorder.timeline import Timeline
from tenmin.recorder.track import Track

PIECE = 1 << 20  # timestamps made at once
DECIMALS = 9  # to which nwbinspector takes timestamps for regular


def set_time_base(file: Any, track: Track, places: Places, timeline: Timeline) -> None:
    """Give a stream's series their times; series without samples leave the file.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    track : Track
        The stream, finished.
    places : Places
        Its datasets.
    timeline : Timeline
        All clocks.
    """
    groups = [
        file[path].parent
        for path in (places.samples, places.times, places.counter)
        if path is not None
    ]
    if track.n == 0:
        for group in groups:
            del file[group.name]
        return
    regular = _even(track, timeline)
    if regular is not None:
        for group in groups:
            group["starting_time"][()] = max(0.0, regular[0])
            group["starting_time"].attrs["rate"] = np.float64(regular[1])
        return
    for group in groups:
        del group["starting_time"]
    _write_timestamps(groups[0], track, timeline)
    for group in groups[1:]:
        group["timestamps"] = _soft_link(f"{groups[0].name}/timestamps")


def _even(track: Track, timeline: Timeline) -> tuple[float, float] | None:
    """Starting time and rate, where the samples follow each other evenly."""
    stream = track.stream
    if stream.is_regular and not track.holes:
        first = np.array([track.first_index])
        start = timeline.of_samples(stream.name, first, _first(track))
        rate = timeline.clock(stream.name).sync.measured_rate_hz
        if np.isfinite(rate):
            return float(start[0]), float(rate)
    if not _may_be_even(track):
        return None
    return as_rate(np.concatenate(list(_timestamps(track, timeline))))


def as_rate(times: np.ndarray) -> tuple[float, float] | None:
    """Starting time and rate of timestamps that are even to a nanosecond, else None."""
    steps = np.unique(np.diff(times).round(DECIMALS))
    if len(times) > 2 and len(steps) == 1 and steps[0] > 0:
        return float(times[0]), float((len(times) - 1) / (times[-1] - times[0]))
    return None


def _may_be_even(track: Track) -> bool:
    """Irregular streams, and those whose gaps are as regular as a rate."""
    return not track.stream.is_regular or all(s.n == 1 for s in track.segments) or not track.holes


def _first(track: Track) -> np.ndarray | None:
    return None if track.times is None else track.times.dataset[:1]


def _timestamps(track: Track, timeline: Timeline) -> Iterator[np.ndarray]:
    """NWB seconds of all samples, in pieces."""
    stamps = track.stamps() if _by_stamps(track) else None
    for segment in track.segments:
        for begin in range(0, segment.n, PIECE):
            n = min(PIECE, segment.n - begin)
            index = np.arange(n, dtype=np.int64) + (segment.index + begin)
            at = segment.row + begin
            piece = None if stamps is None else stamps[at : at + n]
            yield np.maximum(0.0, timeline.of_samples(track.stream.name, index, piece))


def _by_stamps(track: Track) -> bool:
    return not track.stream.is_regular or track.stream.clock is not None


def _write_timestamps(group: Any, track: Track, timeline: Timeline) -> None:
    rows, _ = chunk_shape(track.stream.rate_hz, 1)
    dataset = group.create_dataset(
        "timestamps",
        (0,),
        "<f8",
        maxshape=(None,),
        chunks=(rows,),
        compression="gzip",
        compression_opts=LEVEL,
        shuffle=True,
    )
    dataset.attrs["interval"] = np.int32(1)
    dataset.attrs["unit"] = "seconds"
    with Press() as press:
        writer = ChunkWriter(dataset, press)
        for band in _bands(_timestamps(track, timeline), rows):
            writer.write(len(band), functools.partial(list, [band]))


def _bands(pieces: Iterator[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """The same values, so many at once; fewer at the end."""
    rest = np.zeros(0)
    for piece in pieces:
        rest = np.concatenate([rest, piece])
        whole = len(rest) // rows * rows
        yield from rest[:whole].reshape(-1, rows)
        rest = rest[whole:]
    if len(rest):
        yield rest


def _soft_link(path: str) -> Any:
    import h5py

    return h5py.SoftLink(path)
