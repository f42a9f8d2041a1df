"""A disk of a megabyte or so, in a name space of its own; loudly skipped where there is none."""

from __future__ import annotations

import errno
import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IN_NAMESPACE = ("unshare", "--map-root-user", "--mount")
# The small disk is seen only inside; what is left on it is copied out at the end.
SCRIPT = 'mount -t tmpfs -o size=$1 tmpfs "$2"; keep=$3; disk=$2; shift 3; "$@"; code=$?; '
SCRIPT += 'rm -f "$disk/ballast"; cp -r "$disk" "$keep"; exit $code'
REFUSED = "this system grants no mount in a user namespace: a full disk is NOT tested"


@functools.cache
def granted() -> bool:
    """Whether this system lets a user mount a small disk."""
    if shutil.which("unshare") is None:
        return False
    script = "mount -t tmpfs tmpfs /tmp"
    return subprocess.run([*IN_NAMESPACE, "sh", "-c", script], capture_output=True).returncode == 0


def around(size: str, disk: Path, kept: Path) -> list[str]:
    """What to put before a command so that it finds a disk of this size at `disk`.

    What is on it when the command has ended is in the folder `kept`; ``ballast`` apart.
    """
    disk.mkdir(parents=True, exist_ok=True)
    return [*IN_NAMESPACE, "sh", "-c", SCRIPT, "sh", size, str(disk), str(kept)]


def inside(pid: int, path: Path) -> Path:
    """A path as a process in a name space of its own sees it."""
    return Path(f"/proc/{pid}/root") / path.relative_to("/")


def fill(path: Path) -> None:
    """Write a file until its disk has not a byte left."""
    with path.open("wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 8, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def run_on_small_disk(folder: Path, size: str, script: str) -> list[str]:
    """Words that a Python script prints whose argument is a disk of this size."""
    if not granted():
        pytest.skip(REFUSED)
    mount = f'mount -t tmpfs -o size={size} none {folder} && exec "$0" -c "$1" {folder}'
    run = subprocess.run(
        [*IN_NAMESPACE, "sh", "-c", mount, sys.executable, script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()
