"""Advisory locks between processes."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from pathlib import Path

from tenmin.errors import RigError
from tenmin.system.platform import HERE, Platform

LOCK_BYTE = 1 << 30  # Windows locks keep others from reading what they cover: lock past the text
LOCK_TRIES = 20


class FileLock:
    """An advisory lock that the system frees when its holder dies.

    The file stays; only the lock on it comes and goes. Python opens files that children do not
    inherit, so a child never keeps a dead parent's lock.

    Parameters
    ----------
    path : Path
        The lock file; made where it is missing.
    """

    def __init__(self, path: Path, *, platform: Platform = HERE) -> None:
        self.path = path
        self._platform = platform
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another holds it."""
        if self._fd is not None:
            return True
        fd = self._open(self.path)
        for _ in range(LOCK_TRIES):
            if _lock(fd, False, self._platform):
                self._fd = fd
                return True
            # One who merely asks (`held`) shares the lock for an instant; a holder never does.
            if self._platform.flock and not _lock(fd, True, self._platform):
                break
            _unlock(fd, self._platform)
            time.sleep(0.002)
        os.close(fd)
        return False

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._fd is not None:
            _unlock(self._fd, self._platform)
            os.close(self._fd)
            self._fd = None

    @staticmethod
    def held(path: Path, *, platform: Platform = HERE) -> bool:
        """Whether anybody holds the lock of this file."""
        if not path.exists():
            return False
        fd = FileLock._open(path)
        try:
            free = _lock(fd, True, platform)
            if free:
                _unlock(fd, platform)
            return not free
        finally:
            os.close(fd)

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)

    def __enter__(self) -> FileLock:
        if not self.acquire():
            raise RigError(f"{self.path} is locked by another process.", remedy="Wait for it.")
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


def _lock(fd: int, shared: bool, platform: Platform) -> bool:
    try:
        if platform.flock:
            fcntl = importlib.import_module("fcntl")
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        else:
            msvcrt = importlib.import_module("msvcrt")
            os.lseek(fd, LOCK_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _unlock(fd: int, platform: Platform) -> None:
    if platform.flock:
        fcntl = importlib.import_module("fcntl")
        fcntl.flock(fd, fcntl.LOCK_UN)
    else:
        msvcrt = importlib.import_module("msvcrt")
        os.lseek(fd, LOCK_BYTE, os.SEEK_SET)
        with contextlib.suppress(OSError):  # it was not ours
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
