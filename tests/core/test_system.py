"""Every system-dependent call does its work here, and its fallback does too."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import types
from dataclasses import replace
from pathlib import Path

import pytest

from tenmin import system
from tenmin.errors import DiskError, DiskFull, RigError
from tenmin.system import HERE, Bell, FileLock, Wake

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux itself")
posix_only = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX'")
BARE = replace(
    HERE, fdatasync=False, full_fsync=False, fallocate=False, unix_sockets=False, shm=False,
    scheduler=False, mlockall=False, inhibitor="",
)  # fmt: skip


def python(program, *args, **options):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


# Caches --------------------------------------------------------------------------------------


def test_caches_that_can_be_written_are_left_where_they_are(tmp_path):
    environ = {"HOME": str(tmp_path)}
    assert system.writable_caches(environ) is None
    assert environ == {"HOME": str(tmp_path)}


def test_caches_that_cannot_be_written_go_to_the_runtime_folder(tmp_path):
    file = tmp_path / "no folder"
    file.touch()
    environ = {"HOME": str(file), "TENMIN_RUNTIME_DIR": str(tmp_path / "run")}
    folder = system.writable_caches(environ)
    assert folder == tmp_path / "run" / "caches"
    assert environ["XDG_CACHE_HOME"] == environ["XDG_STATE_HOME"] == str(folder)


def test_without_a_runtime_folder_caches_go_to_a_temporary_one(tmp_path):
    file = tmp_path / "no folder"
    file.touch()
    environ = {"XDG_CACHE_HOME": str(file), "XDG_STATE_HOME": str(tmp_path)}
    environ["TENMIN_RUNTIME_DIR"] = str(file)
    folder = system.writable_caches(environ)
    assert folder is not None
    assert folder.is_dir()
    assert environ["XDG_STATE_HOME"] == str(tmp_path)


# Runtime folder ------------------------------------------------------------------------------


@posix_only
def test_the_runtime_folder_is_made_for_this_user_alone(tmp_path):
    folder = system.runtime_dir({"TENMIN_RUNTIME_DIR": str(tmp_path / "a" / "b")})
    assert folder == tmp_path / "a" / "b"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_runtime_folder_is_the_users_own_one_by_default(tmp_path):
    assert system.runtime_dir({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "tenmin"


def test_without_a_runtime_folder_of_the_system_a_temporary_one_serves(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    folder = system.runtime_dir({}, platform=BARE)
    assert folder.parent == tmp_path
    assert folder.is_dir()


@posix_only
def test_an_empty_folder_open_to_others_is_closed_to_them(tmp_path):
    tmp_path.chmod(0o755)
    system.runtime_dir({"TENMIN_RUNTIME_DIR": str(tmp_path)})
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@posix_only
def test_a_folder_with_files_open_to_others_is_refused(tmp_path):
    (tmp_path / "file").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(RigError, match=r"open to other users.*chmod 700"):
        system.runtime_dir({"TENMIN_RUNTIME_DIR": str(tmp_path)})


@posix_only
def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(RigError, match="belongs to another user"):
        system.runtime_dir({"TENMIN_RUNTIME_DIR": str(tmp_path)})


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RigError, match="cannot be made"):
        system.runtime_dir({"TENMIN_RUNTIME_DIR": str(tmp_path / "file" / "folder")})


# Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "platform", [HERE, BARE, replace(BARE, fdatasync=hasattr(os, "fdatasync"))]
)
def test_written_bytes_can_be_brought_to_the_disk(tmp_path, platform):
    with open(tmp_path / "file", "wb") as file:
        file.write(b"x")
        file.flush()
        system.sync(file.fileno(), platform=platform)
    system.sync_dir(tmp_path, platform=platform)


def test_the_full_flush_of_macos_falls_back_where_a_file_system_refuses_it(tmp_path, monkeypatch):
    asked = []

    def refuse(fd, command):
        asked.append(command)
        raise OSError(errno.ENOTSUP, "not supported")

    fake = types.SimpleNamespace(F_FULLFSYNC=51, fcntl=refuse)
    monkeypatch.setitem(sys.modules, "fcntl", fake)
    with open(tmp_path / "file", "wb") as file:
        system.sync(file.fileno(), platform=replace(BARE, full_fsync=True))
    assert asked == [51]


def test_a_finished_file_takes_its_name_at_once(tmp_path):
    (tmp_path / "a.part").write_text("new")
    (tmp_path / "a").write_text("old")
    system.replace(tmp_path / "a.part", tmp_path / "a")
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("a", "new")]


def test_a_scanner_that_holds_the_file_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "a.part").write_text("new")
    real, refusals = os.replace, [PermissionError(), PermissionError()]

    def busy(source, target):
        if refusals:
            raise refusals.pop()
        real(source, target)

    monkeypatch.setattr(os, "replace", busy)
    system.replace(tmp_path / "a.part", tmp_path / "a", platform=replace(HERE, posix=False))
    assert (tmp_path / "a").read_text() == "new"


@linux_only
def test_reserved_space_does_not_change_a_files_length(tmp_path):
    with open(tmp_path / "file", "wb") as file:
        granted = system.preallocate(file.fileno(), 1 << 20)
        assert os.fstat(file.fileno()).st_size == 0
        assert not granted or os.fstat(file.fileno()).st_blocks * 512 >= 1 << 20


def test_without_a_way_to_reserve_space_none_is_granted(tmp_path):
    with open(tmp_path / "file", "wb") as file:
        assert not system.preallocate(file.fileno(), 1 << 20, platform=BARE)


@linux_only
def test_more_space_than_there_is_is_not_granted(tmp_path):
    with open(tmp_path / "file", "wb") as file:
        assert not system.preallocate(file.fileno(), 1 << 60)


def test_free_space_is_known_for_a_folder_yet_to_be_made(tmp_path):
    assert system.free_bytes(tmp_path / "not" / "yet") > 0


@pytest.mark.parametrize("platform", [HERE, BARE])
def test_a_mapped_file_is_shared_and_full_of_zeros(tmp_path, platform):
    size = (3 << 20) + 5
    one = system.map_file(tmp_path / "file", size, platform=platform)
    assert one[:] == bytes(size)
    other = system.map_file(tmp_path / "file", write=False)
    one[size - 1] = 7
    assert other[size - 1] == 7
    with pytest.raises(TypeError):
        other[0] = 1
    if os.name == "posix":
        assert (tmp_path / "file").stat().st_blocks * 512 >= size


def test_a_mapped_file_replaces_an_older_one_without_harm_to_its_readers(tmp_path):
    old = system.map_file(tmp_path / "file", 100)
    old[0] = 1
    new = system.map_file(tmp_path / "file", 50)
    assert (old[0], new[0], len(new)) == (1, 0, 50)


@linux_only
@pytest.mark.parametrize("platform", [HERE, BARE])
def test_shared_memory_without_room_is_refused_and_leaves_nothing(tmp_path, platform):
    # A limit on the size of files stands for the small tmpfs that a test may not mount.
    program = (
        "import errno, resource, signal, sys; from dataclasses import replace\n"
        "from tenmin.errors import DiskFull\n"
        "from pathlib import Path; from tenmin import system\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "errno.ENOSPC = errno.EFBIG\n"
        "platform = replace(system.HERE, fallocate=sys.argv[2] == 'True')\n"
        "try:\n    system.map_file(Path(sys.argv[1]), 1 << 24, platform=platform)\n"
        "except DiskFull as e:\n    print(e)\n"
    )
    out, _ = python(program, tmp_path / "file", platform.fallocate).communicate(timeout=60)
    assert "no room for 17 MB" in out
    assert list(tmp_path.iterdir()) == []


@linux_only
def test_shared_memory_larger_than_the_disk_is_refused(tmp_path):
    with pytest.raises((DiskFull, DiskError)):
        system.map_file(tmp_path / "file", 1 << 60)


def test_an_empty_or_missing_file_cannot_be_mapped(tmp_path):
    (tmp_path / "empty").touch()
    for name in ("empty", "missing"):
        with pytest.raises(DiskError, match=name):
            system.map_file(tmp_path / name)


# Memory that follows itself -------------------------------------------------------------------

UNIT = system.MIRROR_UNIT
needs_mirror = pytest.mark.skipif(not HERE.mirror, reason="this system maps memory once")


@pytest.fixture
def three_units(tmp_path):
    (tmp_path / "file").write_bytes(bytes([1]) * UNIT + bytes([2]) * UNIT + bytes([3]) * UNIT)
    return tmp_path / "file"


@needs_mirror
def test_the_tail_of_a_file_follows_itself(three_units):
    mapped = system.map_mirrored(three_units, 2 * UNIT)
    assert mapped.mirrored
    assert mapped.granted["mapping"] == "twice"
    assert bytes(mapped.memory[::UNIT]) == bytes([1, 2, 3, 2, 3])
    mapped.memory[UNIT] = 9
    assert mapped.memory[3 * UNIT] == 9
    assert three_units.read_bytes()[UNIT] == 9


@pytest.mark.parametrize("tail", [0, UNIT - 1, 4 * UNIT])
def test_a_tail_that_cannot_be_mapped_twice_is_mapped_once(three_units, tail):
    mapped = system.map_mirrored(three_units, tail)
    assert (mapped.mirrored, len(mapped.memory)) == (False, 3 * UNIT)


def test_a_system_without_double_mapping_maps_once(three_units):
    bare = replace(HERE, mirror=False, madvise=False)
    mapped = system.map_mirrored(three_units, UNIT, platform=bare)
    assert (mapped.mirrored, len(mapped.memory)) == (False, 3 * UNIT)
    assert mapped.granted["mapping"] == "once"


@needs_mirror
def test_a_system_without_advice_maps_twice_all_the_same(three_units):
    mapped = system.map_mirrored(three_units, UNIT, platform=replace(HERE, madvise=False))
    assert mapped.mirrored
    assert mapped.granted["huge_pages"] == "not offered by this system"


@pytest.mark.parametrize("platform", [HERE, replace(HERE, mirror=False)], ids=["twice", "once"])
def test_who_may_only_read_cannot_write(three_units, platform):
    mapped = system.map_mirrored(three_units, UNIT, write=False, platform=platform)
    assert mapped.memory.readonly


@linux_only
def test_what_is_granted_is_said_in_words(three_units):
    granted = system.map_mirrored(three_units, UNIT).granted
    assert set(granted) == {"mapping", "huge_pages", "prefault"}
    assert granted["prefault"]
    assert granted["huge_pages"]


@linux_only
def test_memory_is_given_back_with_the_last_look_at_it(three_units):
    def mappings():
        return Path("/proc/self/maps").read_text("ascii").count(str(three_units))

    mapped = system.map_mirrored(three_units, UNIT)
    part = mapped.memory[UNIT : 2 * UNIT]
    del mapped
    assert (part[0], mappings()) == (2, 2)
    del part
    assert mappings() == 0


def test_a_missing_file_cannot_be_mapped_twice(tmp_path):
    with pytest.raises(DiskError, match="missing"):
        system.map_mirrored(tmp_path / "missing", UNIT)


# Locks ---------------------------------------------------------------------------------------

HOLD = (
    "import sys; from pathlib import Path; from tenmin.system import FileLock\n"
    "print(FileLock(Path(sys.argv[1])).acquire() or 'refused', flush=True); sys.stdin.read()"
)


class Msvcrt:
    """Windows' byte locks, by Linux' ones of an open file: they exclude each other likewise."""

    LK_NBLCK, LK_UNLCK = 2, 0

    @staticmethod
    def locking(fd, mode, n):
        import fcntl
        import struct

        kind = fcntl.F_UNLCK if mode == Msvcrt.LK_UNLCK else fcntl.F_WRLCK
        at = os.lseek(fd, 0, os.SEEK_CUR)
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, 0, at, n, 0))


@pytest.fixture(params=["flock", "msvcrt"])
def lock_platform(request, monkeypatch):
    """This system's locks, and those of Windows."""
    if request.param == "flock":
        return HERE
    if not sys.platform.startswith("linux"):
        pytest.skip("the stand-in for msvcrt needs Linux")
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    return replace(HERE, flock=False)


def test_a_lock_is_had_by_one_only(tmp_path, lock_platform):
    one = FileLock(tmp_path / "lock", platform=lock_platform)
    two = FileLock(tmp_path / "lock", platform=lock_platform)
    assert one.acquire()
    assert one.acquire()
    assert not two.acquire()
    one.release()
    assert two.acquire()
    one.release()
    assert FileLock.held(tmp_path / "lock", platform=lock_platform)
    two.release()


def test_asking_for_a_lock_does_not_take_it(tmp_path, lock_platform):
    path = tmp_path / "lock"
    assert not FileLock.held(path, platform=lock_platform)
    with FileLock(path, platform=lock_platform):
        assert FileLock.held(path, platform=lock_platform)
    assert not FileLock.held(path, platform=lock_platform)
    assert FileLock(path, platform=lock_platform).acquire()


def test_a_lock_leaves_the_files_text_readable(tmp_path, lock_platform):
    (tmp_path / "lock").write_text("1234")
    with FileLock(tmp_path / "lock", platform=lock_platform):
        assert (tmp_path / "lock").read_text() == "1234"


def test_a_lock_held_elsewhere_is_an_error_in_a_with_block(tmp_path):
    with FileLock(tmp_path / "lock"), pytest.raises(RigError, match="locked"):
        FileLock(tmp_path / "lock").__enter__()


def test_a_lock_dies_with_its_holder(tmp_path, wait_for):
    holder = python(HOLD, tmp_path / "lock")
    assert holder.stdout.readline() == "True\n"
    assert FileLock.held(tmp_path / "lock")
    assert not FileLock(tmp_path / "lock").acquire()
    holder.kill()
    holder.communicate()
    wait_for(lambda: not FileLock.held(tmp_path / "lock"))
    assert FileLock(tmp_path / "lock").acquire()


def test_a_child_does_not_inherit_a_lock(tmp_path):
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    child = python("import sys; print('up', flush=True); sys.stdin.read()", close_fds=False)
    assert child.stdout.readline() == "up\n"
    lock.release()
    assert not FileLock.held(tmp_path / "lock")
    child.communicate("")


def test_those_who_ask_do_not_keep_others_from_the_lock(tmp_path, lock_platform):
    path = tmp_path / "lock"
    program = (
        "import sys; from pathlib import Path; from tenmin.system import FileLock\n"
        "print('up', flush=True)\nfor _ in range(20000): FileLock.held(Path(sys.argv[1]))"
    )
    path.touch()
    asker = python(program, path)
    assert asker.stdout.readline() == "up\n"
    for _ in range(200):
        lock = FileLock(path)
        assert lock.acquire()
        lock.release()
    asker.kill()
    asker.communicate()


# Processes -----------------------------------------------------------------------------------

SLEEPER = "import sys; print('up', flush=True); sys.stdin.read()"
DEAF = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('up', flush=True); sys.stdin.read()"
)


@pytest.mark.parametrize(("code", "alive"), [(259, True), (0, False)])
def test_windows_processes_live_while_their_exit_code_says_so(windows, code, alive):
    platform, _ = windows(code=code)
    assert system.process_alive(1234, platform=platform) is alive


def spawned(program, **options):
    proc = system.spawn(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
    )
    assert proc.stdout.readline().strip() == b"up"
    return proc


def closed(proc):
    proc.stdin.close()
    proc.stdout.close()


@posix_only
@pytest.mark.parametrize("detached", [False, True])
def test_a_detached_program_has_a_session_of_its_own(detached):
    proc = spawned(SLEEPER, detached=detached)
    assert (os.getsid(proc.pid) == proc.pid) is detached
    system.stop_process(proc)
    closed(proc)


def test_a_program_is_asked_to_end_before_it_is_killed():
    proc = spawned(SLEEPER)
    assert system.process_alive(proc.pid)
    assert system.stop_process(proc, 10.0) == -signal.SIGTERM
    assert not system.process_alive(proc.pid)
    closed(proc)


@posix_only
def test_a_program_that_does_not_listen_is_killed():
    proc = spawned(DEAF)
    assert system.stop_process(proc, 0.05) == -signal.SIGKILL
    closed(proc)


def test_a_program_that_has_ended_gives_its_exit_code():
    proc = system.spawn([sys.executable, "-c", "raise SystemExit(7)"])
    proc.wait()
    assert system.stop_process(proc) == 7


@linux_only
def test_a_program_that_waits_to_be_reaped_is_not_alive(wait_for):
    proc = spawned(SLEEPER)
    proc.kill()
    wait_for(lambda: not system.process_alive(proc.pid))
    proc.wait()
    closed(proc)


@pytest.mark.parametrize(("detached", "flags"), [(True, 0x208), (False, 0x08000200)])
def test_windows_programs_get_a_group_and_no_window(monkeypatch, detached, flags):
    asked = {}
    monkeypatch.setattr(subprocess, "Popen", lambda args, **options: asked.update(options))
    system.spawn(["x"], detached=detached, platform=replace(HERE, posix=False))
    assert asked["creationflags"] == flags
    assert "start_new_session" not in asked


@posix_only
def test_signals_are_told_by_name_and_unknown_ones_left_out():
    told, before = [], signal.getsignal(signal.SIGUSR1)
    try:
        assert system.on_signals(told.append, "SIGUSR1", "SIGNONE") == ["SIGUSR1"]
        signal.raise_signal(signal.SIGUSR1)
        assert told == ["SIGUSR1"]
    finally:
        signal.signal(signal.SIGUSR1, before)


# Endpoints and wake-ups ----------------------------------------------------------------------


def test_local_endpoints_are_sockets_in_the_folder_where_that_is_possible(tmp_path):
    folder = type(tmp_path)("/run/tenmin")
    assert system.local_endpoint(folder, "a.sock", platform=HERE) == "ipc:///run/tenmin/a.sock"
    assert system.local_endpoint(folder, "a.sock", platform=BARE) == "tcp://127.0.0.1:*"
    assert system.local_endpoint(folder / ("x" * 100), "a.sock") == "tcp://127.0.0.1:*"
    assert not system.has_unix_sockets(platform=BARE)


@pytest.mark.parametrize("platform", [HERE, BARE], ids=["unix", "loopback"])
class TestWake:
    def test_a_ring_wakes_and_many_are_one(self, tmp_path, platform):
        with Wake(tmp_path / "w", platform=platform) as wake:
            bell = Bell(tmp_path / "w")
            assert not wake.wait(0.0)
            for _ in range(5):
                assert bell.ring()
            assert wake.wait(5.0)
            assert not wake.wait(0.0)
            bell.close()

    def test_ringing_where_nobody_listens_does_no_harm(self, tmp_path, platform):
        bell = Bell(tmp_path / "w")
        assert not bell.ring()
        Wake(tmp_path / "w", platform=platform).close()
        assert not bell.ring()
        bell.close()

    def test_ringing_never_blocks_when_nobody_wakes_up(self, tmp_path, platform):
        with Wake(tmp_path / "w", platform=platform) as wake:
            bell = Bell(tmp_path / "w")
            for _ in range(5000):
                bell.ring()
            assert wake.wait(5.0)
            bell.close()

    def test_a_listener_that_came_back_is_found_again(self, tmp_path, platform):
        bell = Bell(tmp_path / "w")
        first = Wake(tmp_path / "w", platform=platform)
        assert bell.ring()
        with Wake(tmp_path / "w", platform=platform) as second:
            assert bell.ring()
            first.close()
            assert second.wait(5.0)
            assert bell.ring()
        bell.close()

    def test_a_wake_up_crosses_processes(self, tmp_path, platform):
        with Wake(tmp_path / "w", platform=platform) as wake:
            program = (
                "import sys; from pathlib import Path; from tenmin.system import Bell\n"
                "sys.exit(not Bell(Path(sys.argv[1])).ring())"
            )
            ringer = python(program, tmp_path / "w")
            assert wake.wait(20.0)
            ringer.communicate()
            assert ringer.returncode == 0


def test_a_path_too_long_for_a_socket_wakes_over_loopback(tmp_path):
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    with Wake(folder / "w") as wake:
        assert (folder / "w").read_text().isdigit()
        bell = Bell(folder / "w")
        assert bell.ring()
        assert wake.wait(5.0)
        bell.close()


# Ports ---------------------------------------------------------------------------------------


def test_serial_ports_are_listed_by_what_does_not_change(monkeypatch):
    list_ports = pytest.importorskip("serial.tools.list_ports")
    port = types.SimpleNamespace(
        device="/dev/ttyACM1", vid=0x16C0, pid=0x0483, serial_number="12345", description=None
    )
    plain = types.SimpleNamespace(
        device="/dev/ttyACM0", vid=None, pid=None, serial_number=None, description="n/a"
    )
    monkeypatch.setattr(list_ports, "comports", lambda: [port, plain])
    assert system.serial_ports() == [
        ("/dev/ttyACM0", None, None, None, "n/a"),
        ("/dev/ttyACM1", 0x16C0, 0x0483, "12345", ""),
    ]
