"""The speed of the disk as a gate, and the disk on the line of progress."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tenmin.block import Block, Facts, Phase, Request
from tenmin.commands.progress import describe
from tenmin.errors import DiskTooSlow
from tenmin.hopeless import hopeless
from tenmin.protocol import load

ACUTE = load("head-fixed-acute")
T = 1000.0
GOOD = Facts(
    alive_s={"probe": 60.0},
    clock_points_s=120.0,
    disk_free_bytes=300,
    disk_need_bytes=100,
    disk_bytes_per_s=40e6,
    disk_need_bytes_per_s=20e6,
    reference="probe",
)


def settled(facts: Facts, automatic: bool = True) -> Block:
    """A block whose settling is over as far as the clock goes."""
    block = Block.new(ACUTE, Request(automatic=automatic), T)
    for _ in range(2):
        block = block.step(T, GOOD)
    return block.step(T + 10_000.0, facts)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"disk_bytes_per_s": 19e6}, "the disk takes 19 MB/s, 20 MB/s are needed"),
        ({"disk_bytes_per_s": None, "disk_measuring": True}, "is being measured"),
    ],
)
def test_the_block_waits_for_a_disk_that_is_fast_enough(changes: dict, text: str) -> None:
    block = settled(replace(GOOD, **changes))

    assert block.phase is Phase.SETTLE
    assert [text in words for words in block.waiting] == [True]


def test_a_disk_that_is_just_fast_enough_holds_nothing_up() -> None:
    assert settled(replace(GOOD, disk_bytes_per_s=20e6)).phase is Phase.READY


def test_an_unknown_speed_is_written_down_and_holds_nothing_up() -> None:
    block = settled(replace(GOOD, disk_bytes_per_s=None))
    block = block.step(T + 10_001.0, replace(GOOD, disk_bytes_per_s=None))

    assert block.phase is Phase.RECORDING
    assert "disk_speed_unknown" in block.labels


def test_nobody_waits_for_a_disk_that_is_too_slow() -> None:
    block = settled(replace(GOOD, disk_bytes_per_s=19e6))
    error = hopeless(block, {}, "probe", "out", T + 10_000.0)

    assert isinstance(error, DiskTooSlow)
    assert error.message == (
        "out is too slow for this rig: the disk takes 19 MB/s, 20 MB/s are needed."
    )
    assert error.exit_code == 3


def test_a_measurement_that_goes_on_is_waited_for() -> None:
    block = settled(replace(GOOD, disk_bytes_per_s=None, disk_measuring=True))

    assert hopeless(block, {}, "probe", "out", T + 1.0) is None


def test_an_operator_may_start_on_a_slow_disk_with_a_reason() -> None:
    block = settled(replace(GOOD, disk_bytes_per_s=19e6), automatic=False)
    assert hopeless(block, {}, "probe", "out", T + 10_000.0) is None
    block = block.start(T + 10_000.0, "only ten seconds")

    (override,) = [json.loads(event.value) for event in block.log if event.code == "override"]
    assert (override["id"], override["reason"]) == ("disk_speed", "only ten seconds")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"backpressure": {"level": "green", "fill": 0.1, "stream": "probe"}}, ""),
        (
            {"backpressure": {"level": "red", "fill": 0.55, "stream": "probe"}},
            ", red: 55% of the memory of probe waits for the disk",
        ),
        (
            {"backpressure": {"level": "stop", "fill": 0.3, "stream": "probe"}},
            ", the disk is too slow: writing what is in memory, 30% left",
        ),
        ({"disk_left_s": 7200.0}, ""),
        ({"disk_left_s": 720.0}, ", 12 min left on the disk"),
        (
            {"disk_left_s": 720.0, "disk_foreign_bytes_per_s": 80e6},
            ", 12 min left on the disk, another program writes 80 MB/s to this disk",
        ),
    ],
)
def test_the_line_of_progress_tells_of_the_disk(told: dict, words: str) -> None:
    assert describe({"phase": "RECORDING", **told}) == f"RECORDING{words}"
