"""A disk that fills up during a block, on a small file system of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recorder.small_disk import REFUSED, around, fill, granted, inside
from tests.system.conftest import Bench, Ended, new_bench
from tests.system.killing import Block

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("full disk")]

SIZE = "16m"


@dataclass(frozen=True)
class Told:
    """What came of a block whose disk filled up."""

    ended: Ended
    left: list[Path]
    recovered: Ended


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Fill the disk once two seconds of the window are recorded."""
    if not granted():
        pytest.skip(REFUSED)
    folder = tmp_path_factory.mktemp("disk")
    bench = new_bench(folder)
    try:
        yield _filled(bench, folder)
    finally:
        bench.close()


def _filled(bench: Bench, folder: Path) -> Told:
    disk, kept = folder / "disk", folder / "kept"
    bench.out = disk
    lengths = ("--seconds", "40", "--settle", "1", "--pads", "1")
    command = bench.record_args("sim:quick", *lengths)
    client = bench.start(*command, around=around(SIZE, disk, kept))
    block = Block.of(bench, client)
    state = block.recorded(2.0)
    fill(inside(state["pid"], disk) / "ballast")
    ended = block.end()
    left = list(kept.glob("sub-*/*"))
    recovered = bench.run("recover", str(next(kept.glob("sub-*/*.dot"))), "--json")
    return Told(ended, left, recovered)


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
