"""What a disk takes per second, and what files occupy on it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tenmin.errors import DiskError
from tenmin.system.files import free_bytes, sync
from tenmin.system.platform import HERE, Platform

MAX_BYTES = 512 << 20
MAX_SHARE = 0.1  # of the free space
PIECE_BYTES = (1 << 16, 1 << 25)  # the first piece, and the largest one
PIECE_S = 0.1  # as often as the journal is synced, or a little oftener


def write_speed(
    folder: Path, seconds: float = 1.0, max_bytes: int = MAX_BYTES, *, platform: Platform = HERE
) -> float | None:
    """Bytes per second that the disk of `folder` takes and keeps, found by writing for a while.

    Pieces are written and synced, each larger than the last until one takes as long as the
    journal leaves between two syncs; those of the last size count. The file has no name while it
    is written where the system allows that, and is removed whatever happens.

    Parameters
    ----------
    folder : Path
        An existing folder.
    seconds : float
        When no further piece is begun.
    max_bytes : int
        Never more than these, nor than `MAX_SHARE` of the free space.

    Returns
    -------
    float or None
        None where there is not enough room to tell.

    Raises
    ------
    DiskError
        The folder cannot be written.
    """
    left = min(max_bytes, int(free_bytes(folder) * MAX_SHARE))
    if left < PIECE_BYTES[0]:
        return None
    try:
        fd, name = tempfile.mkstemp(prefix=".tenmin-speed-", dir=folder)
        path = Path(name)
        try:
            if platform.posix:
                path.unlink()  # even a kill leaves nothing behind
            return _measure(fd, left, time.monotonic() + seconds, platform)
        finally:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    except OSError as error:
        raise DiskError(f"{folder} cannot be written: {error.strerror or error}.") from error


def _measure(fd: int, left: int, until: float, platform: Platform) -> float:
    size, growing = PIECE_BYTES[0], True
    # Not zeros: some file systems do not write what they can compress.
    content = os.urandom(1 << 20)
    n_bytes, took = 0, 0.0
    while left >= size and (not n_bytes or time.monotonic() < until):
        piece_s = _piece(fd, content, size, platform)
        left -= size
        n_bytes, took = (size, piece_s) if growing else (n_bytes + size, took + piece_s)
        growing = growing and piece_s < PIECE_S and 2 * size <= min(PIECE_BYTES[1], left)
        size = 2 * size if growing else size
    return n_bytes / max(took, 1e-9)


def _piece(fd: int, content: bytes, size: int, platform: Platform) -> float:
    """Seconds until `size` bytes are written and synced."""
    began = time.monotonic()
    for start in range(0, size, len(content)):
        piece = memoryview(content)[: size - start]
        while piece:
            piece = piece[os.write(fd, piece) :]
    sync(fd, platform=platform)
    return time.monotonic() - began


def occupied_bytes(paths: Iterable[Path], *, platform: Platform = HERE) -> int:
    """What files occupy on the disk, with what is reserved for them; their length where untold.

    A file that vanishes meanwhile counts as nothing.
    """
    total = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            total += found.st_blocks * 512 if platform.posix else found.st_size
    return total
