"""Every call that depends on the operating system, each with its fallback.

Functions take the platform as a keyword, so that a test on one system can force the way of
another: `HERE` is what this system offers, and any part of it may be switched off.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import mmap
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tenmin.errors import DiskError, DiskFull, RigError

SOCKET_PATH_BYTES = 100  # sun_path holds 108 on Linux, 104 on macOS, with the closing zero
LOCK_BYTE = 1 << 30  # Windows locks keep others from reading what they cover: lock past the text
LOCK_TRIES = 20
FIFO_PRIORITY = 10  # above every ordinary program, below the kernel's own interrupt threads (50)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # linux/mman.h
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE, linux/falloc.h
ZEROS = bytes(1 << 20)


@dataclass(frozen=True)
class Platform:
    """What this system offers; a test makes one with something missing.

    Attributes
    ----------
    posix : bool
        Owners, modes, sessions and signals as in POSIX; else the calls of Windows.
    flock : bool
        ``fcntl.flock``; else ``msvcrt.locking``.
    fdatasync, full_fsync : bool
        ``os.fdatasync``; ``F_FULLFSYNC`` of macOS; else ``os.fsync``.
    fallocate : bool
        Space can be reserved; else zeros are written, or nothing is reserved.
    unix_sockets : bool
        Sockets with a path; else loopback.
    shm : bool
        ``/dev/shm``; else the temporary folder.
    scheduler : bool
        ``sched_setscheduler``; else the nice value or the priority class.
    mlockall : bool
        Memory can be kept from being swapped.
    inhibitor : str
        ``systemd-inhibit``, ``caffeinate``, ``SetThreadExecutionState`` or empty.
    """

    posix: bool
    flock: bool
    fdatasync: bool
    full_fsync: bool
    fallocate: bool
    unix_sockets: bool
    shm: bool
    scheduler: bool
    mlockall: bool
    inhibitor: str


def _found() -> Platform:
    linux, windows = sys.platform.startswith("linux"), os.name == "nt"
    if windows:
        inhibitor = "SetThreadExecutionState"
    else:
        inhibitor = next((n for n in ("systemd-inhibit", "caffeinate") if shutil.which(n)), "")
    return Platform(
        posix=os.name == "posix",
        flock=os.name == "posix",
        fdatasync=hasattr(os, "fdatasync"),
        full_fsync=sys.platform == "darwin",
        fallocate=hasattr(os, "posix_fallocate") and linux,
        unix_sockets=hasattr(socket, "AF_UNIX") and not windows,  # Windows' have no datagrams
        shm=linux and os.access("/dev/shm", os.W_OK),
        scheduler=hasattr(os, "sched_setscheduler"),
        mlockall=linux,
        inhibitor=inhibitor,
    )


HERE = _found()


# Folders and files ---------------------------------------------------------------------------


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
    for left in reversed(range(1 if platform.posix else LOCK_TRIES)):
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
    """A file as memory that processes share.

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


# Locks ---------------------------------------------------------------------------------------


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


# Priority, memory, sleep ---------------------------------------------------------------------


def raise_priority(*, platform: Platform = HERE) -> dict[str, str]:
    """Run ahead of other programs where that is granted, and say what was.

    Holds for the calling thread and those it starts.

    Returns
    -------
    dict
        ``priority``: ``fifo 10``, ``nice -10``, ``high`` or ``normal``.
    """
    if not platform.posix:
        return {"priority": "high" if _priority_class(0x80) else "normal"}
    with contextlib.suppress(OSError):
        if platform.scheduler:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
            return {"priority": f"fifo {FIFO_PRIORITY}"}
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        return {"priority": "nice -10"}
    return {"priority": "normal"}


def lower_priority(*, platform: Platform = HERE) -> dict[str, str]:
    """Run only where other programs leave room; returns ``priority`` as granted."""
    if not platform.posix:
        return {"priority": "below normal" if _priority_class(0x4000) else "normal"}
    with contextlib.suppress(OSError):
        if platform.scheduler:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    return {"priority": "nice 19"}


def lock_memory(*, platform: Platform = HERE) -> dict[str, str]:
    """Keep what this process touches from being swapped; returns ``memory_lock`` as granted.

    Asked for only where the amount is unlimited: below a limit, a later allocation would fail.
    """
    if not platform.mlockall:
        return {"memory_lock": "not offered by this system"}
    resource = importlib.import_module("resource")
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
        return {"memory_lock": f"limited to {limit} bytes"}
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return {"memory_lock": "all"}
    return {"memory_lock": os.strerror(ctypes.get_errno())}


def _kernel32() -> Any:
    return getattr(ctypes, "windll").kernel32  # noqa: B009  (exists on Windows only)


def _priority_class(value: int) -> bool:
    kernel = _kernel32()
    return bool(kernel.SetPriorityClass(kernel.GetCurrentProcess(), value))


@contextlib.contextmanager
def inhibit_sleep(*, platform: Platform = HERE) -> Iterator[dict[str, str]]:
    """Keep the computer awake inside the block; yields ``sleep``: ``inhibited by …`` or why not."""
    name = platform.inhibitor
    if name == "SetThreadExecutionState":
        granted = _kernel32().SetThreadExecutionState(0x80000001)  # continuous, system required
        yield {"sleep": f"inhibited by {name}" if granted else f"{name} refused"}
        _kernel32().SetThreadExecutionState(0x80000000)
        return
    if not name:
        yield {"sleep": "no way to inhibit it was found"}
        return
    # Both end by themselves when this process dies: its end of the pipe closes.
    if name == "caffeinate":
        args = [name, "-i", "sh", "-c", "echo on; exec cat"]
    else:
        args = [name, "--what=sleep:idle", "--who=tenmin", "--why=A block is being recorded"]
        args += ["--mode=block", "sh", "-c", "echo on; exec cat"]
    with subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as proc:
        assert proc.stdout is not None
        ready = select.select([proc.stdout], [], [], 3.0)[0] and proc.stdout.read(2) == b"on"
        try:
            yield {"sleep": f"inhibited by {name}" if ready else f"{name} refused"}
        finally:
            proc.kill()


# Processes -----------------------------------------------------------------------------------


def spawn(
    args: Sequence[str],
    *,
    detached: bool = False,
    stdin: int | Any = subprocess.DEVNULL,
    stdout: int | Any = None,
    stderr: int | Any = None,
    env: Mapping[str, str] | None = None,
    platform: Platform = HERE,
) -> subprocess.Popen[bytes]:
    """Start a program.

    Parameters
    ----------
    args : sequence of str
        The program and its arguments.
    detached : bool
        It outlives this process and its terminal: a session of its own.
    stdin, stdout, stderr
        As for `subprocess.Popen`; a detached program should not hold a terminal.
    env : mapping, optional
        Its whole environment; this one's where None.
    """
    started: dict[str, Any] = {"start_new_session": True} if detached else {}
    if not platform.posix:
        # A program without a console would open a window for each child with one.
        group, detach, no_window = 0x200, 0x8, 0x08000000  # winbase.h, CREATE_NEW_PROCESS_GROUP …
        started = {"creationflags": group | (detach if detached else no_window)}
    return subprocess.Popen(
        args, stdin=stdin, stdout=stdout, stderr=stderr, env=env, close_fds=True, **started
    )


def stop_process(proc: subprocess.Popen[Any], grace_s: float = 5.0) -> int:
    """Ask a child to end, kill it after `grace_s`, and return its exit code."""
    if proc.poll() is None:
        gentle = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
        with contextlib.suppress(OSError):  # it ended meanwhile, or has no console
            proc.send_signal(gentle)
        try:
            proc.wait(grace_s)
        except subprocess.TimeoutExpired:
            proc.kill()
    return proc.wait()


def process_alive(pid: int, *, platform: Platform = HERE) -> bool:
    """Whether a process of this number runs; one that only waits to be reaped does not."""
    if not platform.posix:
        kernel = _kernel32()
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return False
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == 259  # STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # no such file system, or gone this instant
        return not Path("/proc/self").exists()


def on_signals(call: Callable[[str], None], *names: str) -> list[str]:
    """Call `call(name)` at signals of these names; returns those that this system has."""
    known = [n for n in names if hasattr(signal, n)]
    for name in known:
        signal.signal(getattr(signal, name), lambda *_, name=name: call(name))
    return known


# Between processes of one machine ------------------------------------------------------------


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
        self._path.unlink(missing_ok=True)
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
            found = os.stat(self._path)
            if (found.st_ino, found.st_mtime_ns) != self._seen:
                self._find()
                self._seen = found.st_ino, found.st_mtime_ns
            assert self._socket is not None
            self._socket.sendto(b"!", self._address)
        except BlockingIOError:
            return True  # it has unread rings already
        except (OSError, ValueError):  # not there, or died without a word
            self._seen = None
            return False
        return True

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


# Ports ---------------------------------------------------------------------------------------


class SerialPort(NamedTuple):
    """A serial port, by what does not change when it is plugged in elsewhere."""

    port: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    description: str


def serial_ports() -> list[SerialPort]:
    """The serial ports of this computer, sorted by name."""
    from serial.tools import list_ports

    found = [
        SerialPort(p.device, p.vid, p.pid, p.serial_number, p.description or "")
        for p in list_ports.comports()
    ]
    return sorted(found, key=lambda p: p.port)
