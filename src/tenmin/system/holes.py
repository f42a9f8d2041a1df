"""Giving back the disk space of a part of a file whose bytes nobody will read again."""

from __future__ import annotations

import ctypes

from tenmin.system.platform import HERE, Platform

KEEP_SIZE, PUNCH_HOLE = 1, 2  # FALLOC_FL_…, linux/falloc.h
PAGE = 4096  # what is smaller is not given back


def punch_hole(fd: int, first: int, stop: int, *, platform: Platform = HERE) -> int:
    """Give back the space of the whole pages in bytes [first, stop); they read as zero then.

    Returns
    -------
    int
        Bytes given back; 0 where the system or the file system cannot.
    """
    if not platform.fallocate:
        return 0
    first, stop = -(-first // PAGE) * PAGE, stop // PAGE * PAGE
    libc = ctypes.CDLL(None, use_errno=True)
    if stop <= first or not hasattr(libc, "fallocate"):
        return 0
    where = ctypes.c_longlong(first), ctypes.c_longlong(stop - first)
    return 0 if libc.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, *where) else stop - first
