"""Back-pressure: how much of a ring waits for the disk, and what follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.pressure import (
    AMBER,
    NAMES,
    RED,
    STOP,
    TOO_SLOW,
    Flowing,
    Pressure,
    of_block,
    reason_in,
    too_slow,
    verdicts,
)
from tenmin.recorder.files import JsonLog

FILLS = st.floats(-0.5, 2.0)


@pytest.mark.parametrize(
    ("fill", "name"),
    [
        (0.0, "green"),
        (0.19999, "green"),
        (0.2, "amber"),
        (0.49999, "amber"),
        (0.5, "red"),
        (0.89999, "red"),
        (0.9, "stop"),
        (1.7, "stop"),
    ],
)
def test_the_levels_begin_exactly_at_their_shares(fill: float, name: str) -> None:
    assert Pressure().at(0.0, fill).name == name


@pytest.mark.parametrize("limit", [AMBER, RED, STOP])
def test_a_level_is_left_at_half_of_its_share(limit: float) -> None:
    high = Pressure().at(0.0, limit)

    assert high.at(1.0, 0.5 * limit).limit == limit
    assert high.at(1.0, 0.499 * limit).limit < limit


def test_since_when_a_level_holds_is_kept() -> None:
    pressure = Pressure()
    for now_s, fill in enumerate([0.1, 0.25, 0.45, 0.15, 0.6]):
        pressure = pressure.at(float(now_s), fill)
        if now_s == 3:
            assert (pressure.name, pressure.since_s, pressure.peak) == ("amber", 1.0, 0.45)
    assert (pressure.name, pressure.since_s, pressure.peak) == ("red", 4.0, 0.6)


@given(st.lists(FILLS, min_size=1))
def test_a_level_is_never_below_what_the_fill_demands(fills: list[float]) -> None:
    pressure = Pressure()
    for now_s, fill in enumerate(fills):
        pressure = pressure.at(float(now_s), fill)
        assert pressure.limit >= Pressure().at(0.0, fill).limit
        assert 0.0 <= pressure.fill <= pressure.peak <= pressure.worst <= 1.0
    assert pressure.worst == max(0.0, *(min(1.0, fill) for fill in fills))


def _streams(**fills: float) -> dict:
    made = {name: Pressure().at(5.0, fill) for name, fill in fills.items()}
    return {n: p.as_dict() for n, p in made.items()} | {"markers": {}}


def test_each_stream_that_is_written_has_a_verdict() -> None:
    found = {v.stream: v for v in verdicts(_streams(a=0.1, b=0.3, c=0.5, d=0.95))}

    assert {n: v.level for n, v in found.items()} == {
        "a": "OK",
        "b": "WARN",
        "c": "FAIL",
        "d": "FAIL",
    }
    assert (found["b"].value, found["b"].limit, found["b"].onset_s) == (0.3, AMBER, 5.0)


def test_the_block_is_as_bad_as_its_worst_stream() -> None:
    told = of_block(_streams(a=0.1, b=0.6, c=0.55))

    assert told == {"stream": "b", "level": "red", "fill": 0.6, "worst": 0.6, "since_s": 5.0}
    assert of_block({"markers": {}}) is None


def test_what_came_and_what_was_taken_is_told() -> None:
    flowing = Flowing()
    for second in range(8):
        flowing = flowing.at(float(second), 20_000_000 * second, 5_000_000 * second)
    error = too_slow("probe", Pressure().at(8.0, 0.91), flowing)

    assert "20 MB/s came and it took 5 MB/s" in error.message
    assert "91% of the memory of probe" in error.message
    assert (error.exit_code, "--out" in error.remedy) == (3, True)


def test_a_ring_found_full_is_told_without_rates() -> None:
    error = too_slow("probe", Pressure().at(8.0, 1.0), Flowing())

    assert "MB/s" not in error.message
    assert "when the recording was taken over" in error.message


@pytest.mark.parametrize(("reason", "told"), [(TOO_SLOW, "It was slow."), ("complete", None)])
def test_the_journal_tells_why_it_ended(tmp_path: Path, reason: str, told: str | None) -> None:
    log = JsonLog(tmp_path / "acquirer.jsonl")
    log.write({"t": "end", "reason": reason, "message": "It was slow.", "remedy": "Wait."})
    log.close()
    found = reason_in(tmp_path)

    assert (found.message if found else None) == told


def test_every_level_has_a_name() -> None:
    assert list(NAMES.values()) == ["green", "amber", "red", "stop"]
