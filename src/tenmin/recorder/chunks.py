"""Whole HDF5 chunks, compressed here and handed over finished: plain gzip at full speed.

h5py's own gzip manages about 60 MB/s, this route about 450 at the same ratio (facts.md 11), in a
file that every HDF5 reader opens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from isal import isal_zlib

LEVEL = 1
MOST_COLUMNS = 64  # of one chunk: design.md 3
FEWEST_ROWS = 1000  # a slow stream's chunk lasts whole seconds until it holds so many
IRREGULAR_ROWS = 4096


def chunk_shape(rate_hz: float, n_channels: int) -> tuple[int, int]:
    """Rows and columns of a chunk: 1 s × at most 64 channels; several seconds of slow streams."""
    blocks = math.ceil(n_channels / MOST_COLUMNS)
    columns = math.ceil(n_channels / blocks)
    if rate_hz <= 0:
        return IRREGULAR_ROWS, columns
    seconds = 1 if rate_hz >= FEWEST_ROWS / 2 else math.ceil(FEWEST_ROWS / rate_hz)
    return max(1, round(rate_hz * seconds)), columns


def deflate(chunk: np.ndarray) -> bytes:
    """A chunk as HDF5's shuffle and gzip filters leave it."""
    planes = np.ascontiguousarray(chunk).reshape(-1).view(np.uint8)
    shuffled = np.ascontiguousarray(planes.reshape(-1, chunk.itemsize).T)
    return isal_zlib.compress(shuffled, LEVEL)


def inflate(data: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The chunk that `deflate` packed."""
    planes = np.frombuffer(isal_zlib.decompress(data), np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype).reshape(shape)


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
        self._band = np.zeros((dataset.chunks[0], *dataset.shape[1:]), dataset.dtype)

    @property
    def band_rows(self) -> int:
        """Rows of a band."""
        return len(self._band)

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

    def _flush(self) -> None:
        # The extent grows before the chunks are written, and never shrinks: shrinking makes
        # HDF5 read and rewrite the chunks at its edge.
        self.dataset.resize(self.rows, axis=0)
        for at, chunk in self._chunks():
            self.dataset.id.write_direct_chunk((self.written, *at), deflate(chunk))
        self.written = self.rows

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
        """Read a band back from the file's own chunks; `first_row` is a multiple of its rows."""
        n = min(self.band_rows, self.written - first_row)
        band = np.empty((self.band_rows, *self.dataset.shape[1:]), self.dataset.dtype)
        if band.ndim == 1:
            _, packed = self.dataset.id.read_direct_chunk((first_row,))
            return inflate(packed, band.dtype, band.shape)[:n]
        height, width = self.dataset.chunks
        for column in range(0, band.shape[1], width):
            _, packed = self.dataset.id.read_direct_chunk((first_row, column))
            chunk = inflate(packed, band.dtype, (height, width))
            band[:, column : column + width] = chunk[:, : band.shape[1] - column]
        return band[:n]
