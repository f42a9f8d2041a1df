"""Shared memory whose end lies before its beginning, on pages as large as the system gives."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import weakref
from dataclasses import dataclass
from pathlib import Path

from tenmin.errors import DiskError
from tenmin.system.files import map_file
from tenmin.system.pages import MAP_FIXED, madvise_call, mmap_calls, reserve
from tenmin.system.platform import HERE, Platform

MIRROR_UNIT = mmap.ALLOCATIONGRANULARITY  # a part that is mapped twice begins and ends on these
ALL_PAGES = "all pages"  # of `Mapped.granted`: nothing is left to be touched for the first time
MADV_HUGEPAGE, MADV_POPULATE_READ, MADV_POPULATE_WRITE = 14, 22, 23  # linux/mman.h


@dataclass(frozen=True)
class Mapped:
    """A file as memory that processes share.

    Attributes
    ----------
    memory : memoryview
        The file's bytes; where `mirrored`, behind them its last ones once more. It is unmapped
        with the last reference to it, arrays over it included.
    mirrored : bool
        Whether what goes beyond the file's end is the tail's beginning again.
    granted : dict of str to str
        ``mapping``, ``huge_pages`` and ``prefault``: what the system gave, in words.
    """

    memory: memoryview
    mirrored: bool
    granted: dict[str, str]


def map_mirrored(path: Path, tail: int, *, write: bool = True, platform: Platform = HERE) -> Mapped:
    """Map a file with its last `tail` bytes twice, back to back.

    Where the system cannot, or the tail does not begin and end on `MIRROR_UNIT`, the file is
    mapped once; who wants what crosses its end then has to copy.

    Parameters
    ----------
    path : Path
        An existing file.
    tail : int
        How many bytes at its end are to follow themselves.
    write : bool
        Whether this process may write.

    Raises
    ------
    DiskError
        The file cannot be opened or mapped.
    """
    mapped = None
    if platform.mirror and tail > 0:
        try:
            fd = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)
        except OSError as e:
            raise DiskError(f"{path} cannot be shared between processes: {e}.") from e
        try:
            mapped = _twice(fd, os.fstat(fd).st_size, tail, write)
        finally:
            os.close(fd)
    if mapped is None:
        once = memoryview(map_file(path, write=write, platform=platform))
        return Mapped(once, False, {"mapping": "once", "huge_pages": "no", "prefault": "no"})
    memory, address, size = mapped
    granted = {"mapping": "twice", **_prepare(address, size, write, platform)}
    return Mapped(memory, True, granted)


def _twice(fd: int, size: int, tail: int, write: bool) -> tuple[memoryview, int, int] | None:
    """Memory, its address, and the file's size; None where the system refuses."""
    if tail % MIRROR_UNIT or size % MIRROR_UNIT or tail > size:
        return None
    place = reserve(size + tail)
    if place is None:
        return None
    (call, unmap), (address, reserved, room) = mmap_calls(), place
    may, flags = mmap.PROT_READ | (mmap.PROT_WRITE if write else 0), mmap.MAP_SHARED | MAP_FIXED
    for at, n, offset in ((address, size, 0), (address + size, tail, size - tail)):
        if call(at, n, may, flags, fd, offset) != at:
            unmap(reserved, room)
            return None

    class Memory(ctypes.c_char * (size + tail)):  # type: ignore[misc]  # an array of this length
        """Lets go of the mapping when nothing looks at it any more."""

    owner = Memory.from_address(address)
    # Not at exit: a thread may still write then, and the system unmaps it anyway.
    weakref.finalize(owner, unmap, reserved, room).atexit = False
    view = memoryview(owner).cast("B")
    return view if write else view.toreadonly(), address, size


def _prepare(address: int, size: int, write: bool, platform: Platform) -> dict[str, str]:
    """Ask for large pages and for every page at once; say what was granted."""
    if not platform.madvise:
        return {"huge_pages": "not offered by this system", "prefault": "no"}
    advise = madvise_call()
    huge = _why(advise(address, size, MADV_HUGEPAGE))
    filled = _why(advise(address, size, MADV_POPULATE_WRITE if write else MADV_POPULATE_READ))
    if not huge:
        n = _huge_bytes(address)
        huge = f"{n} bytes" if n else f"none: shmem_enabled is {_shmem_enabled()}"
    return {"huge_pages": huge, "prefault": filled or ALL_PAGES}


def _why(failed: int) -> str:
    return os.strerror(ctypes.get_errno()) if failed else ""


def _huge_bytes(address: int) -> int:
    """How much of the mapping at an address lies on large pages."""
    inside, total = False, 0
    with contextlib.suppress(OSError), open("/proc/self/smaps", encoding="ascii") as lines:
        for line in lines:
            name, *rest = line.split()
            if "-" in name:
                inside = int(name.split("-")[0], 16) == address
            elif inside and name in ("ShmemPmdMapped:", "FilePmdMapped:"):
                total += int(rest[0]) * 1024
    return total


def _shmem_enabled() -> str:
    try:
        text = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled").read_text("ascii")
    except OSError:
        return "not there"
    return text.partition("[")[2].partition("]")[0]
