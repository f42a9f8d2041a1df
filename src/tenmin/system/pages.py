"""Large pages under shared memory: fewer misses of the processor's address cache."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import time
from collections.abc import Callable
from typing import Any

from tenmin.system.platform import HERE, Platform

HUGE = 1 << 21  # bytes; of x86-64, and of arm64 with pages of 4 KiB
STEP = 8 * HUGE
WITHIN_S = 0.5  # of processor time: where memory is in pieces, a large page takes 2 ms to free
MAP_FIXED = 0x10  # the same on Linux, macOS and the BSDs
MADV_COLLAPSE = 25  # linux/mman.h, since Linux 6.1
FAILED = ctypes.c_void_p(-1).value


@functools.cache
def mmap_calls() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The C library's mmap and munmap: Python's own take no address."""
    libc = ctypes.CDLL(None, use_errno=True)
    call, unmap = libc.mmap, libc.munmap
    call.restype = ctypes.c_void_p
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    unmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return call, unmap


@functools.cache
def madvise_call() -> Callable[..., int]:
    """The C library's madvise."""
    advise: Callable[..., int] = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]  # type: ignore[attr-defined]
    return advise


def reserve(size: int) -> tuple[int, int, int] | None:
    """Addresses for `size` bytes, the first one on a large page: where, and what to unmap.

    Large pages need an address and an offset in the file that agree.
    """
    call, _ = mmap_calls()
    room = size + HUGE
    free = mmap.MAP_PRIVATE | mmap.MAP_ANON | getattr(mmap, "MAP_NORESERVE", 0)
    reserved = call(None, room, 0, free, -1, 0)
    if reserved == FAILED:
        return None
    return -(-reserved // HUGE) * HUGE, reserved, room


def take_huge_pages(
    fd: int, size: int, *, within_s: float = WITHIN_S, platform: Platform = HERE
) -> int:
    """Have a new, empty file in shared memory begin on large pages, as far as the system gives any.

    This works whatever ``shmem_enabled`` says, and without privileges.

    Parameters
    ----------
    fd : int
        The file, open for writing; it becomes `size` long.
    size : int
        Bytes.
    within_s : float
        Processor time after which to stop asking: memory in small pieces has to be tidied up.

    Returns
    -------
    int
        How many bytes lie on large pages.

    Raises
    ------
    OSError
        The file system has no room.
    """
    if not (platform.madvise and platform.fallocate and platform.mirror) or size < HUGE:
        return 0
    os.ftruncate(fd, size)
    place = reserve(size)
    if place is None:
        return 0
    address, reserved, room = place
    (call, unmap), end_s, done = mmap_calls(), time.thread_time() + within_s, 0
    try:
        may = mmap.PROT_READ | mmap.PROT_WRITE
        if call(address, size, may, mmap.MAP_SHARED | MAP_FIXED, fd, 0) != address:
            return 0
        while done + HUGE <= size and time.thread_time() < end_s:
            n = min(STEP, (size - done) // HUGE * HUGE)
            for at in range(done, done + n, HUGE):
                os.posix_fallocate(fd, at, mmap.PAGESIZE)  # a hole alone is not made large
            if madvise_call()(address + done, n, MADV_COLLAPSE):
                break
            done += n
    finally:
        unmap(reserved, room)
    return done
