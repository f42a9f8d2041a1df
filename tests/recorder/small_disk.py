"""A disk of a megabyte or so, in a name space of its own; loudly skipped where there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_on_small_disk(folder: Path, size: str, script: str) -> list[str]:
    """Words that a Python script prints whose argument is a disk of this size."""
    if shutil.which("unshare") is None:
        pytest.skip("NOT TESTED: a full disk needs unshare and a user namespace")
    mount = f'mount -t tmpfs -o size={size} none {folder} && exec "$0" -c "$1" {folder}'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, sys.executable, script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if "mount:" in run.stderr or "unshare:" in run.stderr:
        pytest.skip(f"NOT TESTED: a full disk needs a user namespace: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
    return run.stdout.split()
