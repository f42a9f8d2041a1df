"""A disk that becomes read-only during a block: said clearly, nothing written before is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.conftest import Ended, new_bench
from tests.system.killing import Block, account, streams_of
from tests.system.refusing_disk import refuse, refusing_disk_env
from tests.system.slow_disk import SlowDiskMissing

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("readonly disk")]

SEED = 5


@dataclass(frozen=True)
class Told:
    """What came of it: the block's end, and the file made of the journal on another disk."""

    ended: Ended
    recovered: Ended
    dot: Path
    written: int


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Make the disk read-only once a second of the window is recorded."""
    folder = tmp_path_factory.mktemp("readonly")
    bench = new_bench(folder)
    try:
        bench.env.update(refusing_disk_env(bench.out))
    except SlowDiskMissing as missing:
        pytest.skip(str(missing))
    try:
        block = Block(bench, 20.0, SEED)
        streams = block.recorded(1.0)["snapshot"]["streams"]
        refuse(bench.env)
        ended = block.end()
        refuse(bench.env, 0)
        kept = Path(shutil.copytree(bench.out, folder / "kept"))
        dot = next(kept.glob("sub-*/*.dot"))
        written = next(s["samples"] for s in streams if s["name"] == "probe")
        yield Told(ended, bench.run("recover", str(dot), "--json"), dot, written)
    finally:
        bench.close()


def test_it_ends_the_block_with_what_to_do(told: Told) -> None:
    assert told.ended.code == 3
    assert "Read-only file system" in told.ended.err
    assert "tenmin recover" in told.ended.err
    assert "Traceback" not in told.ended.err


def test_what_was_written_before_is_in_the_file_of_another_disk(told: Told) -> None:
    found = account(Path(told.recovered.json["nwb"]), streams_of(told.dot), SEED)
    assert told.recovered.json["validation"]["ok"]
    assert (found.uncounted, found.wrong, found.missing) == (0, 0, 0)
    assert found.recorded >= told.written - 1000  # what the last round had not recorded yet
