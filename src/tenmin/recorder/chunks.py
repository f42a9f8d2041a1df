"""Whole HDF5 chunks, compressed here and handed over finished: plain gzip at full speed.

h5py's own gzip manages about 60 MB/s, this route about 450 at the same ratio (facts.md 11), in a
file that every HDF5 reader opens.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from isal import isal_zlib

LEVEL = 1
MOST_COLUMNS = 64  # of one chunk: design.md 3
FEWEST_ROWS = 1000  # a slow stream's chunk lasts whole seconds until it holds so many
IRREGULAR_ROWS = 4096
BLOCK = 1 << 16  # values that are shuffled at once
MOST_THREADS = 4  # 4 MB each; one carries 20 probes


def chunk_shape(rate_hz: float, n_channels: int) -> tuple[int, int]:
    """Rows and columns of a chunk: 1 s × at most 64 channels; several seconds of slow streams."""
    blocks = math.ceil(n_channels / MOST_COLUMNS)
    columns = math.ceil(n_channels / blocks)
    if rate_hz <= 0:
        return IRREGULAR_ROWS, columns
    seconds = 1 if rate_hz >= FEWEST_ROWS / 2 else math.ceil(FEWEST_ROWS / rate_hz)
    return max(1, round(rate_hz * seconds)), columns


def deflate(chunk: np.ndarray) -> bytes:
    """A chunk as HDF5's shuffle and gzip filters leave it; the lock is released meanwhile."""
    planes = _reuse("planes", chunk.nbytes).reshape(chunk.itemsize, chunk.size)
    width = math.prod(chunk.shape[1:])
    for rows in _blocks(len(chunk), width):
        flat = np.ascontiguousarray(chunk[rows]).reshape(-1)
        _scatter(flat, planes[:, rows.start * width : rows.stop * width])
    return isal_zlib.compress(planes, LEVEL)


def inflate(data: bytes, target: np.ndarray, width: int = 1) -> None:
    """Unpack what `deflate` packed.

    Parameters
    ----------
    data : bytes
        A chunk as it is in the file.
    target : ndarray, (n_rows,) or (n_rows, n_channels)
        Overwritten; may be a part of another array.
    width : int
        Columns of the chunk, which may be more than those of `target`.
    """
    n = len(target) * width
    unpacked = isal_zlib.decompress(data, bufsize=n * target.itemsize)
    planes = np.frombuffer(unpacked, np.uint8).reshape(target.itemsize, n)
    for rows in _blocks(len(target), width):
        flat = _gather(planes[:, rows.start * width : rows.stop * width], target.dtype)
        if target.ndim == 1:
            target[rows] = flat
        else:
            target[rows] = flat.reshape(-1, width)[:, : target.shape[1]]


_reused = threading.local()


def _reuse(name: str, n: int) -> np.ndarray:
    """Bytes that this thread's next call overwrites.

    Fresh memory of this size costs more than the shuffling: every page of it is a fault.
    """
    held: np.ndarray | None = getattr(_reused, name, None)
    if held is None or held.size < n:
        held = np.empty(n, np.uint8)
        setattr(_reused, name, held)
    return held[:n]


def forget() -> None:
    """Give back what this thread would use again."""
    _reused.__dict__.clear()


def _blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Slices of rows whose values stay in the cache between two passes."""
    step = max(1, BLOCK // width)
    for first in range(0, n_rows, step):
        yield slice(first, min(first + step, n_rows))


def _scatter(values: np.ndarray, planes: np.ndarray) -> None:
    """Lowest bytes of all values, then their second ones, and so on."""
    if values.itemsize == 2:  # whole words are vectorised, single bytes of them are not
        words = values.view("<u2")
        np.copyto(planes[0], words, casting="unsafe")
        np.copyto(planes[1], words >> 8, casting="unsafe")
        return
    single = values.view(np.uint8).reshape(-1, values.itemsize)
    for k in range(values.itemsize):
        planes[k] = single[:, k]


def _gather(planes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The values that `_scatter` took apart."""
    if dtype.itemsize == 2:
        words = planes[1].astype("<u2")
        words <<= 8
        words |= planes[0]
        return words.view(dtype)
    single = np.empty((planes.shape[1], dtype.itemsize), np.uint8)
    for k in range(dtype.itemsize):
        single[:, k] = planes[k]
    return single.reshape(-1).view(dtype)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Threads that pack and unpack the chunks of a band side by side."""
    return ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), "deflate")


class ArrayWriter:
    """Takes the place of a `ChunkWriter` for the few samples that end up in a table."""

    def __init__(self, columns: int, dtype: Any) -> None:
        self._parts = [np.zeros((0, columns) if columns > 1 else (0,), dtype)]
        self.rows = self.written = 0
        self.band_rows = 1 << 40

    @property
    def dataset(self) -> np.ndarray:
        """All rows."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def append(self, rows: np.ndarray) -> None:
        """Take rows."""
        self._parts.append(rows.copy())
        self.rows += len(rows)

    def finish(self) -> None:
        """All rows are there."""
        self.written = self.rows

    def read_band(self, first_row: int) -> np.ndarray:
        """All rows."""
        return self.dataset[first_row:]


class ChunkWriter:
    """Fills one dataset, band by band; a band is a row of chunks.

    Parameters
    ----------
    dataset : h5py.Dataset, (n_samples,) or (n_samples, n_channels)
        Empty, extendable, chunked, gzip and shuffle declared.

    Attributes
    ----------
    rows : int
        Rows taken so far, those included that wait for their band to fill.
    written : int
        Rows in the file.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.rows = self.written = 0
        self._shape = (dataset.chunks[0], *dataset.shape[1:])
        self._band = np.zeros(self._shape, dataset.dtype)

    @property
    def band_rows(self) -> int:
        """Rows of a band."""
        return self._shape[0]

    def append(self, rows: np.ndarray) -> None:
        """Take rows; whole bands go to the file."""
        done = 0
        while done < len(rows):
            at = self.rows - self.written
            n = min(len(rows) - done, len(self._band) - at)
            self._band[at : at + n] = rows[done : done + n]
            done += n
            self.rows += n
            if at + n == len(self._band):
                self._flush()

    def finish(self) -> None:
        """Write the last, unfinished band; what its chunks hold beyond the end is zero."""
        at = self.rows - self.written
        if at:
            self._band[at:] = 0
            self._flush()
        self._band = self._band[:0].copy()  # gives its memory back

    def _flush(self) -> None:
        # The extent grows before the chunks are written, and never shrinks: shrinking makes
        # HDF5 read and rewrite the chunks at its edge.
        self.dataset.resize(self.rows, axis=0)
        places, chunks = zip(*self._chunks(), strict=True)
        for at, packed in zip(places, self._each(deflate, chunks), strict=True):
            self.dataset.id.write_direct_chunk((self.written, *at), packed)
        self.written = self.rows

    @staticmethod
    def _each(do: Callable[..., Any], *arguments: Sequence[Any]) -> Iterable[Any]:
        """`map`, side by side where there are several."""
        return _pool().map(do, *arguments) if len(arguments[0]) > 1 else map(do, *arguments)

    def _chunks(self) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        if self._band.ndim == 1:
            yield (), self._band
            return
        width = self.dataset.chunks[1]
        for column in range(0, self._band.shape[1], width):
            chunk = self._band[:, column : column + width]
            if chunk.shape[1] < width:
                chunk = np.pad(chunk, ((0, 0), (0, width - chunk.shape[1])))
            yield (column,), chunk

    def read_band(self, first_row: int) -> np.ndarray:
        """Read a band back from the file's own chunks; `first_row` is a multiple of its rows.

        Of several columns, it is overwritten by the next call, of any writer.
        """
        n = min(self.band_rows, self.written - first_row)
        read = self.dataset.id.read_direct_chunk
        if self._band.ndim == 1:
            band = np.empty(self._shape, self._band.dtype)
            inflate(read((first_row,))[1], band)
            return band[:n]
        dtype = self._band.dtype
        band = _reuse("band", math.prod(self._shape) * dtype.itemsize).view(dtype)
        band = band.reshape(self._shape)
        width = self.dataset.chunks[1]
        columns = range(0, band.shape[1], width)
        packed = [read((first_row, column))[1] for column in columns]
        parts = [band[:, column : column + width] for column in columns]
        for _ in self._each(inflate, packed, parts, [width] * len(parts)):
            pass
        return band[:n]
