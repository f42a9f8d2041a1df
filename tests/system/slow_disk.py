"""A folder that takes no more than so many bytes per second, for the processes of a test.

No root, no mount: a small library (``slow_disk.c``, which says what it slows and what not) is
compiled with the system's ``cc`` and preloaded into the programs under test, which know nothing
of it. All of them share one queue, as they would share one disk.
"""

from __future__ import annotations

import atexit
import functools
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
LAYOUT = struct.Struct("=6q")  # struct control of slow_disk.c
EMPTY_NS, BYTES_PER_S, _, GENERATION, BYTES, WAITED_NS = range(0, LAYOUT.size, 8)
CACHE_BYTES = 1 << 20  # what may wait in the queue before a write waits as well


class SlowDiskMissing(Exception):
    """No folder can be made slow here; the text says what is missing."""


def slow_disk_env(folder: Path, bytes_per_s: int, cache_bytes: int = CACHE_BYTES) -> dict[str, str]:
    """Environment variables of a program for which `folder` is a slow disk.

    Parameters
    ----------
    folder : Path
        What lies in it is slow, at any depth; it need not exist yet.
    bytes_per_s : int
        What the disk takes from all programs with this environment together; 0: not slowed,
        until `set_speed` changes it.
    cache_bytes : int
        What is taken at once, to be drained later.

    Raises
    ------
    SlowDiskMissing
        There is no C compiler, or no preloading on this system.
    """
    library = compiled(SOURCE)
    control = Path(tempfile.mkstemp(prefix="control-", dir=library.parent)[1])
    control.write_bytes(LAYOUT.pack(0, int(bytes_per_s), int(cache_bytes), 0, 0, 0))
    before = os.environ.get("LD_PRELOAD")
    return {
        "LD_PRELOAD": f"{library} {before}" if before else str(library),
        "SLOW_DISK_CONTROL": str(control),
        "SLOW_DISK_FOLDER": str(folder.resolve()),
    }


def set_speed(env: Mapping[str, str], bytes_per_s: int) -> None:
    """Change the speed of a disk of `slow_disk_env` while programs write; 0: not slowed.

    What waits now is let go, and counts as written.
    """
    with _mapped(env) as control:
        struct.pack_into("=q", control, EMPTY_NS, 0)
        struct.pack_into("=q", control, BYTES_PER_S, int(bytes_per_s))
        (generation,) = struct.unpack_from("=q", control, GENERATION)
        struct.pack_into("=q", control, GENERATION, generation + 1)


@dataclass(frozen=True)
class Traffic:
    """What a slow disk took so far, and how long its writers waited for it, all together."""

    n_bytes: int
    waited_s: float


def traffic(env: Mapping[str, str]) -> Traffic:
    """What a disk of `slow_disk_env` has seen while it was slowed."""
    with _mapped(env) as control:
        (n_bytes,) = struct.unpack_from("=q", control, BYTES)
        (waited_ns,) = struct.unpack_from("=q", control, WAITED_NS)
    return Traffic(n_bytes, waited_ns * 1e-9)


def _mapped(env: Mapping[str, str]) -> mmap.mmap:
    with open(env["SLOW_DISK_CONTROL"], "r+b") as file:
        return mmap.mmap(file.fileno(), LAYOUT.size)


@functools.cache
def compiled(source: Path) -> Path:
    """A library that can be preloaded, made of one file of C."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux"):
        raise SlowDiskMissing("libraries are preloaded on Linux only: a slow disk is NOT tested")
    if compiler is None:
        raise SlowDiskMissing("there is no C compiler `cc`: a slow disk is NOT tested")
    folder = Path(tempfile.mkdtemp(prefix="slow-disk-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / f"{source.stem}.so"
    args = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    made = subprocess.run(args, capture_output=True, text=True)
    if made.returncode:
        raise SlowDiskMissing(f"`cc` cannot make the library: {made.stderr.strip()[-300:]}")
    return library
