"""Addresses and wake-ups between processes of one machine."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path

from tenmin.system.platform import HERE, Platform

SOCKET_PATH_BYTES = 100  # sun_path holds 108 on Linux, 104 on macOS, with the closing zero


def has_unix_sockets(*, platform: Platform = HERE) -> bool:
    """Whether sockets can be files in a folder that only the user may enter."""
    return platform.unix_sockets


def local_endpoint(folder: Path, name: str, *, platform: Platform = HERE) -> str:
    """ZeroMQ address to bind for clients on this machine.

    ``ipc://`` and a socket in `folder`; ``tcp://127.0.0.1:*`` where there are no such sockets or
    the path is longer than they allow.
    """
    path = folder / name
    if platform.unix_sockets and len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return f"ipc://{path}"
    return "tcp://127.0.0.1:*"


class Wake:
    """Waits until another process rings: the receiving end of a `Bell`.

    A datagram through the kernel, so it also orders memory between the processes' processors.
    Many rings before a wait are one.

    Parameters
    ----------
    path : Path
        A small file that tells the bell where to ring; made here.
    """

    def __init__(self, path: Path, *, platform: Platform = HERE) -> None:
        self._path = path
        self._socket_path = path.with_name(path.name + ".sock")
        short = len(os.fsencode(self._socket_path)) <= SOCKET_PATH_BYTES
        if platform.unix_sockets and short:
            self._socket_path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(str(self._socket_path))
            address = str(self._socket_path)
        else:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("127.0.0.1", 0))
            address = str(self._socket.getsockname()[1])
        self._socket.setblocking(False)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(address, encoding="utf-8")
        self._inode = fresh.stat().st_ino
        os.replace(fresh, path)  # a new inode: the bell sees that it must read again

    def fileno(self) -> int:
        """For a poll together with other sockets."""
        return self._socket.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a ring; False when none came in time."""
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return False
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while True:
                self._socket.recv(16)
        return True

    def close(self) -> None:
        """Stop listening; bells then ring in vain."""
        self._socket.close()
        if self._path.exists() and self._path.stat().st_ino == self._inode:  # no successor's
            self._path.unlink()
            self._socket_path.unlink(missing_ok=True)

    def __enter__(self) -> Wake:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Bell:
    """Wakes the process that waits at the same path; never blocks, never fails.

    Parameters
    ----------
    path : Path
        Where a `Wake` is, was or will be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._socket: socket.socket | None = None
        self._address: str | tuple[str, int] = ""

    def ring(self) -> bool:
        """Wake the other side; False when nobody listens."""
        try:
            # A path leads to whoever listens now; a port may be that of somebody who is gone.
            if self._seen is None or isinstance(self._address, tuple):
                self._look()
            assert self._socket is not None
            self._socket.sendto(b"!", self._address)
        except BlockingIOError:
            return True  # it has unread rings already
        except (OSError, ValueError):  # not there, or died without a word
            self._seen = None
            return False
        return True

    def _look(self) -> None:
        found = os.stat(self._path)
        if (found.st_ino, found.st_mtime_ns) != self._seen:
            self._find()
            self._seen = found.st_ino, found.st_mtime_ns

    def _find(self) -> None:
        self.close()
        text = self._path.read_text(encoding="utf-8")
        if text.isdigit():
            self._address = ("127.0.0.1", int(text))
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        else:
            self._address = text
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._seen = None
