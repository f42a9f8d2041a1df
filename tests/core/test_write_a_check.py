"""The page on writing a check: its example runs under the contract that it describes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenmin.checks.contract import fault_of_name
from tenmin.checks.guard import Guarded, guarded
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-check.md"
RANGE = (-32768.0, 32767.0)
PROBE = Stream("probe", ("a", "b"), 1000.0, "volts", kind="ecephys", range_counts=RANGE)


@pytest.fixture(scope="module")
def example() -> dict:
    """What the example of the page defines."""
    text = PAGE.read_text("utf-8").split("<!-- example -->\n```python\n")[1].split("```")[0]
    found = {"__name__": "example_of_the_page"}
    exec(compile(text, str(PAGE), "exec"), found)
    return found


@pytest.fixture
def check(example: dict) -> Guarded:
    (made,) = guarded(example["NAME"], PROBE, example["make"])
    return made


def feed(check: Guarded, counts: int, cut: int = 1000) -> None:
    samples = np.zeros((1000, 2), np.int16)
    samples[:, 1] = counts
    for i in range(0, 1000, cut):
        check.feed(Piece(i, i, samples[i : i + cut], None, 0, 0))


def test_its_name_is_allowed_and_stands_in_its_entry_point(example: dict) -> None:
    assert fault_of_name(example["NAME"]) == ""
    assert f'"{example["NAME"]}" = "mylab_checks:make"' in PAGE.read_text("utf-8")


@pytest.mark.parametrize("cut", [1, 7, 333, 1000])
@pytest.mark.parametrize(("counts", "level"), [(0, OK), (9000, WARN), (-17000, FAIL)])
def test_it_judges_whatever_the_cuts(check: Guarded, counts: int, level: str, cut: int) -> None:
    feed(check, counts, cut)
    verdict = check.tick(1.0)

    assert verdict.level == level
    assert verdict.value == pytest.approx(abs(counts) / RANGE[1])
    assert check.faults == []


def test_without_samples_it_is_unknown(check: Guarded) -> None:
    assert check.tick(1.0).level == UNKNOWN
    assert check.faults == []


def test_it_takes_a_warning_back_only_after_its_hysteresis(check: Guarded) -> None:
    found = []
    for counts in [9000, 0, 0, 0, 0, 0]:
        feed(check, counts)
        found.append(check.tick(1.0).level)

    assert found == [WARN] * 5 + [OK]


def test_it_does_not_apply_where_the_range_is_unknown(example: dict) -> None:
    assert guarded("mylab.offset", Stream("wheel", ("a",), 1000.0, "n/a"), example["make"]) == []
