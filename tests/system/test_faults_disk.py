"""A disk that fills up during a block, on a small file system of the test's own."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.conftest import Bench, Ended, new_bench
from tests.system.killing import Block

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("full disk")]

SIZE = "16m"
IN_NAMESPACE = ["unshare", "--map-root-user", "--mount"]
# The small disk is seen only inside; what is left on it is copied out at the end.
SCRIPT = 'mount -t tmpfs -o size=$1 tmpfs "$2"; keep=$3; disk=$2; shift 3; "$@"; code=$?; '
SCRIPT += 'rm -f "$disk/ballast"; cp -r "$disk" "$keep"; exit $code'


def _granted() -> bool:
    if shutil.which("unshare") is None:
        return False
    script = "mount -t tmpfs tmpfs /tmp"
    return subprocess.run([*IN_NAMESPACE, "sh", "-c", script], capture_output=True).returncode == 0


@dataclass(frozen=True)
class Told:
    """What came of a block whose disk filled up."""

    ended: Ended
    left: list[Path]
    recovered: Ended


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Fill the disk once two seconds of the window are recorded."""
    if not _granted():
        pytest.skip("this system grants no mount in a user namespace: a full disk is NOT tested")
    folder = tmp_path_factory.mktemp("disk")
    bench = new_bench(folder)
    try:
        yield _filled(bench, folder)
    finally:
        bench.close()


def _filled(bench: Bench, folder: Path) -> Told:
    disk, kept = folder / "disk", folder / "kept"
    disk.mkdir()
    bench.out = disk
    lengths = ("--seconds", "40", "--settle", "1", "--pads", "1")
    around = [*IN_NAMESPACE, "sh", "-c", SCRIPT, "sh", SIZE, str(disk), str(kept)]
    client = bench.start(*bench.record_args("sim:quick", *lengths), around=around)
    block = Block.of(bench, client)
    state = block.recorded(2.0)
    _fill(Path(f"/proc/{state['pid']}/root") / disk.relative_to("/") / "ballast")
    ended = block.end()
    left = list(kept.glob("sub-*/*"))
    recovered = bench.run("recover", str(next(kept.glob("sub-*/*.dot"))), "--json")
    return Told(ended, left, recovered)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 8, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def test_a_full_disk_ends_the_block_with_what_to_do(told: Told) -> None:
    assert told.ended.code == 3
    assert "The disk of" in told.ended.err
    assert "is full" in told.ended.err
    assert "Free space" in told.ended.err
    assert "tenmin recover" in told.ended.err
    assert "Traceback" not in told.ended.err


def test_the_journal_is_kept_and_no_half_made_file(told: Told) -> None:
    assert told.ended.json["nwb"] is None
    assert told.ended.json["journal"].endswith(".dot")
    assert [p.suffix for p in told.left] == [".dot"]


def test_what_was_recorded_until_then_can_be_made_into_a_file(told: Told) -> None:
    (probe, _) = told.recovered.json["streams"]

    assert told.recovered.json["validation"]["ok"]
    assert probe["samples"] >= 3 * 2000
    assert probe["missing_samples"] == 0
