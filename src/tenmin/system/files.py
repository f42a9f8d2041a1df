"""Folders and files: private ones, synced ones, shared ones."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import functools
import importlib
import mmap
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from tenmin.errors import DiskError, DiskFull, RigError
from tenmin.system.pages import take_huge_pages
from tenmin.system.platform import HERE, Platform

REPLACE_TRIES = 20
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE, linux/falloc.h
START_WRITING = 2  # SYNC_FILE_RANGE_WRITE, linux/fs.h
ZEROS = bytes(1 << 20)
XDG_FOLDERS = {"XDG_CACHE_HOME": ".cache", "XDG_STATE_HOME": ".local/state"}


def runtime_dir(environ: Mapping[str, str] | None = None, *, platform: Platform = HERE) -> Path:
    """The folder of sockets, locks and shared memory, which only this user may enter.

    ``TENMIN_RUNTIME_DIR``, else ``XDG_RUNTIME_DIR/tenmin``, else ``/dev/shm/tenmin-<uid>``, else
    a folder per user among the temporary ones. It is made where it is missing; an empty one of
    this user that is open to others is closed to them.

    Raises
    ------
    RigError
        It cannot be made, belongs to somebody else, or holds files and is open to others.
    """
    environ = os.environ if environ is None else environ
    user = str(os.getuid()) if platform.posix else environ.get("USERNAME", "user")
    if named := environ.get("TENMIN_RUNTIME_DIR"):
        folder = Path(named).absolute()
    elif xdg := environ.get("XDG_RUNTIME_DIR"):
        folder = Path(xdg) / "tenmin"
    elif platform.shm:
        folder = Path("/dev/shm") / f"tenmin-{user}"
    else:
        folder = Path(tempfile.gettempdir()) / f"tenmin-{user}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise RigError(
            f"The runtime folder {folder} cannot be made: {e.strerror}.",
            remedy="Set TENMIN_RUNTIME_DIR to a folder that you may write.",
        ) from e
    if platform.posix:
        _keep_private(folder)
    return folder


def _keep_private(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise RigError(
            f"The runtime folder {folder} belongs to another user.",
            remedy="Set TENMIN_RUNTIME_DIR to a folder of your own.",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        if any(folder.iterdir()):
            raise RigError(
                f"The runtime folder {folder} is open to other users.",
                remedy=f"Close it with `chmod 700 {folder}`, or name another by "
                "TENMIN_RUNTIME_DIR.",
            )
        folder.chmod(0o700)


def writable_caches(
    environ: MutableMapping[str, str] | None = None, *, platform: Platform = HERE
) -> Path | None:
    """Send the caches of imported packages elsewhere where this user's own cannot be written.

    pynwb keeps its schema in a cache and cannot be imported without; dandi wants a folder for its
    logs, matplotlib and numba want one each. To be called before they are imported; the processes
    started later inherit it.

    Parameters
    ----------
    environ : mutable mapping, optional
        The environment that is changed; None stands for this process's own.

    Returns
    -------
    Path or None
        The folder that serves instead, in `runtime_dir`, else a temporary one; None where the
        usual ones can be written.
    """
    environ = os.environ if environ is None else environ
    usual = {name: _usual(name, below, environ) for name, below in XDG_FOLDERS.items()}
    denied = [name for name, folder in usual.items() if not _may_write(folder)]
    if not denied:
        return None
    try:
        folder = runtime_dir(environ, platform=platform) / "caches"
        folder.mkdir(mode=0o700, exist_ok=True)
    except (RigError, OSError):  # neither: a folder that nobody else knows
        folder = Path(tempfile.mkdtemp(prefix="tenmin-caches-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environ.update({name: str(folder) for name in denied})
    if "XDG_CACHE_HOME" in denied:
        for name in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
            environ.setdefault(name, str(folder / name.lower()))
    return folder


def _usual(name: str, below: str, environ: Mapping[str, str]) -> Path | None:
    """A folder of the XDG base directory specification; None without a home."""
    named = environ.get(name, "")
    if os.path.isabs(named):
        return Path(named)
    home = environ.get("HOME") or os.path.expanduser("~")
    return Path(home) / below if os.path.isabs(home) else None


def _may_write(folder: Path | None) -> bool:
    """Whether a file can be made in a folder; found by making one, modes do not tell it all."""
    if folder is None:
        return False
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def sync(fd: int, *, platform: Platform = HERE) -> None:
    """Bring a file's bytes to the disk: fdatasync, on macOS F_FULLFSYNC, else fsync."""
    if platform.full_fsync:
        fcntl = importlib.import_module("fcntl")
        with contextlib.suppress(OSError):  # not every file system knows it
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    if platform.fdatasync:
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def start_writing(fd: int, start: int, n: int, *, platform: Platform = HERE) -> bool:
    """Have the system begin to bring `n` bytes to the disk, without waiting for it.

    Nothing is on the disk for sure before `sync`, which then has less to wait for.

    Returns
    -------
    bool
        Whether it has begun; False where the system begins when it likes.
    """
    call = _sync_file_range() if platform.starts_writing else None
    return call is not None and not call(fd, start, n, START_WRITING)


@functools.cache
def _sync_file_range() -> Callable[..., int] | None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong, ctypes.c_uint]
    return call


def sync_dir(path: Path, *, platform: Platform = HERE) -> None:
    """Bring a folder's list of names to the disk; Windows does so by itself."""
    if not platform.posix:
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace(source: Path, target: Path, *, platform: Platform = HERE) -> None:
    """Give a finished file its name, replacing what had it, and bring the name to the disk."""
    for left in reversed(range(1 if platform.posix else REPLACE_TRIES)):
        try:
            os.replace(source, target)
            break
        except PermissionError:  # Windows: while a virus scanner or indexer has it open
            if not left:
                raise
            time.sleep(0.05)
    sync_dir(target.parent, platform=platform)


def preallocate(fd: int, size: int, *, platform: Platform = HERE) -> bool:
    """Reserve disk space for `size` bytes without changing the file's length.

    Returns
    -------
    bool
        Whether it was granted; False where the system cannot or there is no room.
    """
    if not platform.fallocate:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "fallocate"):
        return False
    return not libc.fallocate(fd, KEEP_SIZE, ctypes.c_longlong(0), ctypes.c_longlong(size))


def free_bytes(path: Path) -> int:
    """Free space where `path` is, or will be."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def map_file(
    path: Path, size: int | None = None, *, write: bool = True, platform: Platform = HERE
) -> mmap.mmap:
    """A file as memory that processes share; on large pages as far as there are any.

    Parameters
    ----------
    path : Path
        The file.
    size : int, optional
        Make it anew with this many zero bytes; None attaches to what is there.
    write : bool
        Whether this process may write.

    Raises
    ------
    DiskFull
        The file system has no room for all of it. A tmpfs that is too small would else kill the
        process at the first touch of a missing page.
    DiskError
        It cannot be made or opened.
    """
    flags = os.O_RDWR if write or size else os.O_RDONLY
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        if size is not None:
            path.unlink(missing_ok=True)
            flags |= os.O_CREAT | os.O_EXCL
        fd = os.open(path, flags, 0o600)
        try:
            if size is not None:
                take_huge_pages(fd, size, platform=platform)
                _allocate(fd, size, platform)
            return mmap.mmap(fd, 0, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
        finally:
            os.close(fd)
    except (OSError, ValueError) as e:  # ValueError: an empty file
        full = isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT)
        if size is not None and full:
            path.unlink(missing_ok=True)
            raise DiskFull(
                f"{path.parent} has no room for {size / 1e6:.0f} MB of shared memory.",
                remedy="End other programs that use it, or set TENMIN_RUNTIME_DIR to a folder "
                "with more room.",
            ) from e
        raise DiskError(f"{path} cannot be shared between processes: {e}.") from e


def _allocate(fd: int, size: int, platform: Platform) -> None:
    if platform.fallocate:
        os.posix_fallocate(fd, 0, size)
        return
    left = size
    while left:
        left -= os.write(fd, ZEROS[:left])
