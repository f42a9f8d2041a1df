"""A disk that takes less than the streams bring: warned of in time, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tenmin.errors import RigError
from tenmin.pressure import TOO_SLOW
from tenmin.recorder.journal import read_log
from tenmin.recorder.records import read_records
from tenmin.ring import Ring
from tests.system.conftest import Bench, Ended, new_bench, until
from tests.system.killing import Block
from tests.system.slow_disk import SlowDiskMissing, set_speed, slow_disk_env

SLOW = 20_000  # bytes per second; sim:quick brings 80 000, and its ring holds 10 s
LENGTHS = ("--seconds", "60", "--settle", "1", "--pads", "1", "--keep-journal")

pytestmark = pytest.mark.timeout(150)


@dataclass(frozen=True)
class Told:
    """What came of a block whose disk became slow, and was cured once the block had given up."""

    ended: Ended
    levels: list[str]
    dot: Path
    log: list[dict[str, Any]]

    def line(self, kind: str) -> dict[str, Any]:
        """The one line of this kind in the acquirer's log."""
        (found,) = (line for line in self.log if line["t"] == kind)
        return found

    @property
    def written(self) -> int:
        """Sequence number in the ring behind the last sample of the probe that is on the disk."""
        last = read_records(self.dot / "probe.idx")[-1]
        return int(last["seq"] + last["n"])

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """Holes in the data, by the acquirer's log."""
        return [line for line in self.log if line["t"] == "gap"]


def _env(folder: Path, bytes_per_s: int) -> dict[str, str]:
    folder.mkdir(parents=True)
    try:
        return slow_disk_env(folder, bytes_per_s, cache_bytes=10_000)
    except SlowDiskMissing as missing:
        pytest.skip(str(missing))


def _slowed(bench: Bench, meanwhile: Callable[[Block, str], None]) -> Told:
    """Slow the disk after a second of the window; `meanwhile` is told each level as it comes."""
    env = _env(bench.out, 0)
    client = bench.start(*bench.record_args("sim:quick", *LENGTHS), **env)
    block = Block.of(bench, client)
    dot = Path(block.recorded(1.0)["snapshot"]["dot"])
    set_speed(env, SLOW)
    levels: list[str] = []

    def gave_up() -> bool:
        try:
            level = block.state()["snapshot"]["backpressure"]["level"]
        except RigError:  # nobody tells any more; the log itself waits for the disk
            return _silent(block.folder / "rings" / "probe.ring")
        if level not in ("green", *levels):
            levels.append(level)
            meanwhile(block, level)
        return level == "stop"

    try:
        until(gave_up, 60.0, 0.1)
    finally:
        set_speed(env, 0)
    ended = block.end(90.0)
    return Told(ended, levels, dot, read_log(dot / "acquirer.jsonl"))


def _silent(path: Path) -> bool:
    """Whether nothing came into a ring for a while."""
    ring = Ring.attach(path)
    try:
        before = ring.written
        return not Event().wait(0.5) and ring.written == before
    finally:
        ring.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Nobody dies."""
    bench = new_bench(tmp_path_factory.mktemp("slow"))
    try:
        yield _slowed(bench, lambda block, level: None)
    finally:
        bench.close()


@pytest.mark.xdist_group("slow disk")
def test_a_slow_disk_ends_the_block_with_what_to_do(told: Told) -> None:
    assert told.ended.code == 3
    assert "The disk is too slow" in told.ended.err
    assert "MB/s came and it took" in told.ended.err
    assert "Choose a faster disk with --out" in told.ended.err
    assert "Traceback" not in told.ended.err


@pytest.mark.xdist_group("slow disk")
def test_it_is_warned_of_before(told: Told) -> None:
    assert told.levels == ["amber", "red", "stop"]
    assert "of the memory of probe waits for the disk" in told.ended.err


@pytest.mark.xdist_group("slow disk")
def test_all_that_was_in_memory_is_written(told: Told) -> None:
    (probe, _) = told.ended.json["streams"]

    assert told.line("end")["reason"] == TOO_SLOW
    assert told.gaps == []
    assert (probe["missing_samples"], probe["gaps"]) == (0, [])
    assert told.written >= told.line("cut")["seq"]["probe"]


@pytest.mark.xdist_group("slow disk")
def test_the_file_is_made_and_tells_of_it(told: Told) -> None:
    verdicts = {(v["check"], v["stream"]): v for v in told.ended.json["verdicts"]}

    assert told.ended.json["validation"]["ok"]
    assert verdicts["backpressure", "probe"]["level"] == "FAIL"
    assert verdicts["backpressure", "probe"]["value"] > 0.5


@pytest.fixture(scope="module")
def orphaned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The acquirer dies while it is amber, the engine while the next acquirer finds it red."""
    bench = new_bench(tmp_path_factory.mktemp("orphaned"))
    victims = {"amber": "acquirer", "red": "engine"}

    def kill(block: Block, level: str) -> None:
        if level in victims:
            block.kill(victims.pop(level))

    try:
        yield _slowed(bench, kill)
    finally:
        bench.close()


@pytest.mark.xdist_group("slow disk of an orphan")
def test_an_acquirer_without_an_engine_ends_in_the_same_way(orphaned: Told) -> None:
    assert orphaned.ended.code == 3
    assert "The disk is too slow" in orphaned.ended.err
    assert orphaned.line("end")["reason"] == TOO_SLOW
    assert orphaned.ended.json["nwb"] is not None


@pytest.mark.xdist_group("slow disk of an orphan")
def test_what_an_acquirer_left_in_memory_is_written_by_the_next(orphaned: Told) -> None:
    (probe, _) = orphaned.ended.json["streams"]

    assert [line["reason"] for line in orphaned.gaps] == ["restart"]
    assert probe["missing_samples"] == sum(line["n"] for line in orphaned.gaps)
    assert orphaned.written >= orphaned.line("cut")["seq"]["probe"]


@pytest.mark.xdist_group("slow disk of an orphan")
def test_a_disk_that_is_too_slow_is_refused_before_the_block(bench: Bench) -> None:
    lengths = ("--seconds", "1", "--settle", "1", "--pads", "1")
    ended = bench.record("sim:quick", *lengths, **_env(bench.out, 60_000))

    assert ended.code == 3
    assert "is too slow for this rig: the disk takes 0.0" in ended.err
    assert "Choose a faster disk with --out" in ended.err
    assert ended.json["nwb"] is None
