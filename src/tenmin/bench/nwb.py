"""The finaliser's compressed append beside h5py's own gzip and pynwb's own iterator."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.bench import peers
from tenmin.bench.rounds import interleave
from tenmin.bench.rows import Row, Spread, missing
from tenmin.bench.setting import PROBE_HZ, Setting, probe, signal
from tenmin.recorder.chunks import (
    ChunkWriter,
    Press,
    chunk_shape,
    deflate,
    shuffle,
    unpacks_to,
)
from tenmin.recorder.journal import StreamJournal
from tenmin.recorder.reader import StreamReader
from tenmin.recorder.track import Track

WHAT = "append one probe as gzip + shuffle"
BLOCK = 3000  # 100 ms, what performance.md found best for h5py


def rows(setting: Setting) -> list[Row]:
    """All rows about the finaliser's speed."""
    h5py = peers.load("h5py")
    assert h5py is not None  # the recorder needs it
    makers: dict[str, Callable[[Any, np.ndarray, Path], int]] = {
        "ours": _ours,
        "ours, read back and checked": _track,
        "h5py gzip-1 + shuffle": _h5py,
    }
    gone = []
    if peers.load("pynwb") is None:
        gone.append(missing("finaliser", WHAT, "pynwb's iterator", peers.MISSING))
    else:
        makers["pynwb's iterator, gzip-1 + shuffle"] = _pynwb
    data = signal(int(PROBE_HZ) * setting.size(2, 1), 384)
    _write_journal(setting.disk / "finaliser", data)
    sizes: dict[str, int] = {}

    def candidate(name: str) -> Callable[[], int]:
        def run() -> int:
            sizes[name] = makers[name](h5py, data, setting.disk / "finaliser")
            return 1

        return run

    taken = interleave({name: candidate(name) for name in makers}, min(setting.rounds, 7))
    shutil.rmtree(setting.disk / "finaliser")
    mb = data.nbytes / 1e6
    speed = {name: Spread.of(mb / t) for name, t in taken.items()}
    found = []
    for name in makers:
        gate, aim = ("≥ 4", "≥ 6") if name == "h5py gzip-1 + shuffle" else ("", "")
        if name != "ours":
            ratio = Spread.of(taken[name] / taken["ours"])
            found.append(
                Row("finaliser", WHAT, "MB/s", speed["ours"], name, speed[name], ratio, gate, aim)
            )
    small = "h5py gzip-1 + shuffle"
    packed = {name: Spread.of([data.nbytes / sizes[name]]) for name in ("ours", small)}
    ratio = Spread.of([sizes[small] / sizes["ours"]])
    gate, aim = "≥ 0.85", "≥ 0.88"
    note = "noise of 3.5 counts, drifts, spikes"
    what = "compression: bytes before / after"
    found.append(
        Row("finaliser", what, "", packed["ours"], small, packed[small], ratio, gate, aim, note)
    )
    return [*found, *_parts(setting, data), *gone]


def _parts(setting: Setting, data: np.ndarray) -> list[Row]:
    """Where the time of one chunk goes."""
    height, width = chunk_shape(PROBE_HZ, data.shape[1])
    chunk = data[:height, :width]

    planes = np.empty((chunk.itemsize, *chunk.shape), np.uint8)

    def shuffled() -> int:
        shuffle(chunk, planes)
        return 1

    def whole() -> int:
        shuffle(chunk, planes)
        return 1 if deflate(planes) else 0

    def checked() -> int:
        return int(unpacks_to(packed, planes))

    shuffle(chunk, planes)
    packed = deflate(planes)

    taken = interleave({"shuffle": shuffled, "all": whole, "check": checked}, setting.rounds)
    mb = chunk.nbytes / 1e6
    return [
        Row("finaliser", f"{what} of one chunk", "MB/s", Spread.of(mb / taken[name]))
        for name, what in (
            ("shuffle", "gather and shuffle"),
            ("all", "gather, shuffle and deflate"),
            ("check", "inflate and compare"),
        )
    ]


def _dataset(file: Any, chunks: tuple[int, int], n_channels: int) -> Any:
    return file.create_dataset(
        "data",
        (0, n_channels),
        "<i2",
        maxshape=(None, n_channels),
        chunks=chunks,
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )


def _seconds(data: np.ndarray, step: int) -> Iterator[np.ndarray]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


def _ours(h5py: Any, data: np.ndarray, folder: Path) -> int:
    """As `ChunkWriter` does it, without its reading back."""
    rows, width = chunk_shape(PROBE_HZ, data.shape[1])
    with h5py.File(folder / "ours.h5", "w", libver="latest") as file, Press() as press:
        found = _dataset(file, (rows, width), data.shape[1])
        columns = list(range(0, data.shape[1], width))
        planes = np.empty((len(columns), data.itemsize, rows, width), np.uint8)

        def store(at: tuple[int, int], chunk: np.ndarray) -> None:
            found.id.write_direct_chunk(at, deflate(chunk))

        for first in range(0, len(data), rows):
            for block in range(first, first + rows, 1000):
                at = slice(block - first, block - first + 1000)
                for chunk, column in zip(planes, columns, strict=True):
                    shuffle(data[block : block + 1000, column : column + width], chunk[:, at])
            found.resize(first + rows, axis=0)
            press.each(store, [(first, column) for column in columns], planes)
        return int(found.id.get_storage_size())


def _track(h5py: Any, data: np.ndarray, folder: Path) -> int:
    """Journal in, dataset out, as the finaliser does it: checksums, read-back and all."""
    with h5py.File(folder / "track.h5", "w", libver="latest") as file, Press() as press:
        shape = chunk_shape(PROBE_HZ, data.shape[1])
        writer = ChunkWriter(_dataset(file, shape, data.shape[1]), press)
        track = Track(StreamReader(folder, probe()), writer)
        while track.advance():
            pass
        track.finish()
        return int(writer.dataset.id.get_storage_size())


def _h5py(h5py: Any, data: np.ndarray, folder: Path) -> int:
    with h5py.File(folder / "h5py.h5", "w", libver="latest") as file:
        found = _dataset(file, (BLOCK, data.shape[1]), data.shape[1])
        for block in _seconds(data, BLOCK):
            n = len(found)
            found.resize(n + len(block), axis=0)
            found[n:] = block
        return int(found.id.get_storage_size())


def _pynwb(h5py: Any, data: np.ndarray, folder: Path) -> int:
    pynwb, hdmf = peers.load("pynwb"), peers.load("pynwb", "hdmf.backends.hdf5.h5_utils")
    iterators = peers.load("pynwb", "hdmf.data_utils")
    assert pynwb is not None and hdmf is not None and iterators is not None
    blocks = iterators.DataChunkIterator(
        data=iter(data), maxshape=(None, data.shape[1]), buffer_size=BLOCK
    )
    told = hdmf.H5DataIO(
        blocks, compression="gzip", compression_opts=1, shuffle=True, chunks=(BLOCK, data.shape[1])
    )
    path = folder / "pynwb.nwb"
    file = pynwb.NWBFile(
        session_description="bench",
        identifier="bench",
        session_start_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    file.add_acquisition(pynwb.TimeSeries(name="data", data=told, unit="volts", rate=PROBE_HZ))
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    with h5py.File(path) as written:
        return int(written["acquisition/data/data"].id.get_storage_size())


def _write_journal(folder: Path, data: np.ndarray) -> None:
    folder.mkdir()
    journal = StreamJournal(folder, probe())
    for i, block in enumerate(_seconds(data, 300)):
        journal.append(i * 300, block, None, i)
    journal.close()
