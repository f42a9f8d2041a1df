"""The last look before a file gets its name: opened anew, read by h5py's own filters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tenmin.errors import DiskError
from tenmin.recorder.records import checksum
from tenmin.recorder.track import Track

if TYPE_CHECKING:
    from tenmin.recorder.contents import Block
    from tenmin.recorder.skeleton import Places


def verify(path: Path, block: Block, places: Mapping[str, Places]) -> None:
    """Read a finished file back, and compare it with its journal.

    Every chunk was read back already when it was written (`chunks.ChunkWriter`); here the
    shapes are checked, and the first and the last record the way any reader sees them.

    Raises
    ------
    DiskError
        The file holds other samples than the journal.
    """
    import h5py

    with h5py.File(path, "r") as file:
        for name, track in block.tracks.items():
            if track.samples.rows != track.n:
                raise _differs(name, f"only {track.samples.rows} of {track.n} were read back")
            if not track.n:
                continue
            if name in places:
                _check_series(file, places[name], track)
            elif name in file.get("events", {}):
                _check_table(file["events"][name], track)


def _check_series(file: Any, places: Places, track: Track) -> None:
    name, samples = track.stream.name, file[places.samples]
    times = None if places.times is None else file[places.times]
    for dataset in (samples, times, None if places.counter is None else file[places.counter]):
        if dataset is not None and len(dataset) != track.n:
            raise _differs(name, f"{dataset.name} has {len(dataset)} rows instead of {track.n}")
    for row, n, crc in track.ends:
        at = slice(row, row + n)
        if checksum(samples[at], None if times is None else times[at]) != crc:
            raise _differs(name, f"rows {row} to {row + n} read back differently")


def _check_table(table: Any, track: Track) -> None:
    name, stamps = track.stream.name, track.stamps()
    right = np.array_equal(table["frame_index"][:], track.index())
    if stamps is not None and track.stream.timed:
        right = right and np.array_equal(table["device_time"][:], stamps)
    if not right:
        raise _differs(name, "its table reads back differently")


def _differs(name: str, how: str) -> DiskError:
    return DiskError(
        f"The file does not hold what the journal holds of {name}: {how}.",
        remedy="Check the disk, then run `tenmin recover DIR`; the journal is kept.",
    )
