"""Whole HDF5 chunks, compressed here and handed over finished: plain gzip at full speed.

h5py's own gzip manages about 60 MB/s, this route about 450 at the same ratio (facts.md 11), in a
file that every HDF5 reader opens.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from isal import isal_zlib

from tenmin.errors import DiskError

LEVEL = 1
MOST_COLUMNS = 64  # of one chunk: design.md 3
FEWEST_ROWS = 1000  # a slow stream's chunk lasts whole seconds until it holds so many
IRREGULAR_ROWS = 4096
MOST_THREADS = 2  # one carries ten probes; each holds a chunk twice, packed
BLOCK = 1 << 16  # values that are shuffled at once: they stay in the cache
BAND_BYTES = 24 << 20  # packed side by side: one probe; a wider stream is read several times
PIECE = 1 << 17  # packed bytes that are unpacked at once

Rows = Callable[[], Iterable[np.ndarray]]


def chunk_shape(rate_hz: float, n_channels: int) -> tuple[int, int]:
    """Rows and columns of a chunk: 1 s × at most 64 channels; several seconds of slow streams."""
    blocks = math.ceil(n_channels / MOST_COLUMNS)
    columns = math.ceil(n_channels / blocks)
    if rate_hz <= 0:
        return IRREGULAR_ROWS, columns
    seconds = 1 if rate_hz >= FEWEST_ROWS / 2 else math.ceil(FEWEST_ROWS / rate_hz)
    return max(1, round(rate_hz * seconds)), columns


def shuffle(values: np.ndarray, planes: np.ndarray) -> None:
    """Lowest bytes of all values, then their second ones, and so on, as HDF5's filter has them.

    Parameters
    ----------
    values : ndarray, (n_rows, n_columns)
        Little-endian; may be a part of another array.
    planes : ndarray, (itemsize, n_rows, n_columns), uint8
        Overwritten; may be a part of another array.
    """
    step = max(1, BLOCK // values.shape[1])
    for first in range(0, len(values), step):
        block = np.ascontiguousarray(values[first : first + step])
        into = planes[:, first : first + step]
        if values.itemsize == 2:  # whole words are vectorised, single bytes of them are not
            words = block.view("<u2")
            np.copyto(into[0], words, casting="unsafe")
            np.copyto(into[1], words >> 8, casting="unsafe")
            continue
        single = block.view(np.uint8).reshape(*block.shape, values.itemsize)
        for k in range(values.itemsize):
            into[k] = single[:, :, k]


def deflate(planes: np.ndarray) -> bytes:
    """A shuffled chunk as HDF5's gzip filter leaves it; the lock is released meanwhile."""
    packed: bytes = isal_zlib.compress(planes, LEVEL)
    return packed


def unpacks_to(packed: bytes, planes: np.ndarray) -> bool:
    """Whether a chunk as it is in the file unpacks to these bytes, and to no more.

    Unpacked in pieces: what is compared never takes a chunk's memory.
    """
    flat, at, inflater = planes.reshape(-1), 0, isal_zlib.decompressobj()
    view = memoryview(packed)
    try:
        for first in range(0, len(packed), PIECE):
            piece = np.frombuffer(inflater.decompress(view[first : first + PIECE]), np.uint8)
            if not np.array_equal(piece, flat[at : at + len(piece)]):
                return False
            at += len(piece)
    except isal_zlib.error:  # type: ignore[misc]  # its stub does not say that it is one
        return False
    return at == flat.size and bool(inflater.eof)


class Press:
    """Threads that pack chunks and read them back, and the memory that they share.

    All streams of a file use one press, one after another: its memory does not grow with them.
    """

    def __init__(self) -> None:
        self.threads = min(MOST_THREADS, os.cpu_count() or 1)
        self._pool: ThreadPoolExecutor | None = None
        self._planes = np.empty(0, np.uint8)

    def __enter__(self) -> Press:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads, and give the memory back; the next use begins anew.

        On Linux new threads have the priority of the one that uses the press.
        """
        if self._pool is not None:
            self._pool.shutdown()
        self._pool, self._planes = None, np.empty(0, np.uint8)

    def planes(self, n: int) -> np.ndarray:
        """Bytes that the next call overwrites.

        Fresh memory of this size costs more than the shuffling: every page of it is a fault.
        """
        if self._planes.size < n:
            self._planes = np.empty(n, np.uint8)
        return self._planes[:n]

    def each(self, do: Callable[..., None], *arguments: Iterable[Any]) -> None:
        """Do it with every set of arguments, side by side, and wait for all."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, "press")
        for _ in self._pool.map(do, *arguments):
            pass


class ArrayWriter:
    """Takes the place of a `ChunkWriter` for the few samples that end up in a table."""

    def __init__(self, columns: int, dtype: Any) -> None:
        self.dataset = np.zeros((0, columns) if columns > 1 else (0,), dtype)
        self.band_rows = 1 << 40

    @property
    def rows(self) -> int:
        """Rows taken."""
        return len(self.dataset)

    def write(self, n: int, rows: Rows) -> bool:
        """Take `n` rows; False, and none taken, where there are fewer."""
        tail = self.dataset.shape[1:]
        fresh = [self.dataset, *(piece.reshape(-1, *tail).copy() for piece in rows())]
        found = np.concatenate(fresh)
        if len(found) < self.rows + n:
            return False
        self.dataset = found[: self.rows + n]
        return True


class ChunkWriter:
    """Fills one dataset, band by band; a band is a row of chunks.

    Each chunk is read back from the file and unpacked as soon as it is written.

    Parameters
    ----------
    dataset : h5py.Dataset, (n_samples,) or (n_samples, n_channels)
        Empty, extendable, chunked, gzip and shuffle declared.
    press : Press
        What packs its chunks.

    Attributes
    ----------
    rows : int
        Rows in the file, read back.
    """

    def __init__(self, dataset: Any, press: Press) -> None:
        self.dataset, self.press = dataset, press
        self.rows = 0
        self._type = dataset.dtype
        self._columns = 1 if dataset.ndim == 1 else int(dataset.shape[1])
        self._width = 1 if dataset.ndim == 1 else int(dataset.chunks[1])

    @property
    def band_rows(self) -> int:
        """Rows of a band."""
        return int(self.dataset.chunks[0])

    def write(self, n: int, rows: Rows) -> bool:
        """Write the next band; what its chunks hold beyond its end is zero.

        Parameters
        ----------
        n : int
            Its rows; fewer than `band_rows` in the last one only.
        rows : callable
            Gives the same rows each time it is called, in pieces.

        Returns
        -------
        bool
            False where there are fewer rows than `n`: nothing was written.

        Raises
        ------
        DiskError
            The file holds other bytes than it was given.
        """
        for firsts in self._passes():
            planes = self._planes(len(firsts))
            if self._fill(planes, firsts, n, rows) < n:
                return False
            # The extent grows before the chunks are written, and never shrinks: shrinking makes
            # HDF5 read and rewrite the chunks at its edge.
            if len(self.dataset) < self.rows + n:
                self.dataset.resize(self.rows + n, axis=0)
            self.press.each(self._store, firsts, planes)
        self.rows += n
        return True

    def _passes(self) -> Iterator[list[int]]:
        """First columns of the chunks that are packed side by side."""
        firsts = list(range(0, self._columns, self._width))
        chunk = self.band_rows * self._width * self._type.itemsize
        step = max(self.press.threads, BAND_BYTES // chunk)
        for k in range(0, len(firsts), step):
            yield firsts[k : k + step]

    def _planes(self, n_chunks: int) -> np.ndarray:
        shape = (n_chunks, self._type.itemsize, self.band_rows, self._width)
        return self.press.planes(math.prod(shape)).reshape(shape)

    def _fill(self, planes: np.ndarray, firsts: list[int], n: int, rows: Rows) -> int:
        at = 0
        for piece in rows():
            whole = piece.reshape(len(piece), self._columns)[: n - at]
            for chunk, first in zip(planes, firsts, strict=True):
                part = whole[:, first : first + self._width]
                into = chunk[:, at : at + len(part)]
                shuffle(part, into[:, :, : part.shape[1]])
                into[:, :, part.shape[1] :] = 0
            at += len(whole)
        planes[:, :, at:] = 0
        return at

    def _store(self, first: int, planes: np.ndarray) -> None:
        at = (self.rows,) if self.dataset.ndim == 1 else (self.rows, first)
        self.dataset.id.write_direct_chunk(at, deflate(planes))
        if not unpacks_to(self.dataset.id.read_direct_chunk(at)[1], planes):
            raise DiskError(
                f"{self.dataset.name} reads back other samples than the journal holds, from row "
                f"{self.rows} on.",
                remedy="Check the disk, then run `tenmin recover` with another --out.",
            )
