"""Rows, rounds and the page made of them."""

from __future__ import annotations

import numpy as np
import pytest

from tenmin.bench import report
from tenmin.bench.book import Book, Run
from tenmin.bench.growth import Table
from tenmin.bench.rounds import compare, interleave
from tenmin.bench.rows import Row, Spread, meets, missing, why
from tenmin.errors import DiskFull


@pytest.mark.parametrize(
    ("value", "goal", "met"),
    [
        (0.8, "≥ 0.8", True),
        (0.79, "≥ 0.8", False),
        (999.0, "≥ 1 000", False),
        (15.0, "≤ 15 ms", True),
        (0.0, "≤ 0", True),
        (None, "≤ 0", None),
        (1.0, "", None),
    ],
)
def test_a_goal_is_met_on_its_own_side_of_the_limit(value, goal, met):
    assert meets(value, goal) is met


def test_a_gate_beside_a_peer_judges_the_ratio_and_not_the_figure():
    row = Row("a", "b", "s", Spread.of([9.0]), "peer", Spread.of([1.0]), Spread.of([0.5]), "≥ 0.8")
    assert row.holds is False


def test_a_row_without_a_figure_neither_holds_nor_fails():
    assert missing("a", "b", "peer", "not here").holds is None


def test_every_candidate_runs_once_in_every_round_and_the_order_turns():
    ran: list[str] = []
    candidates = {name: lambda name=name: ran.append(name) or 1 for name in "abc"}
    taken = interleave(candidates, 3)
    assert "".join(ran[3:]) == "abcbcacab"
    assert {name: t.shape for name, t in taken.items()} == dict.fromkeys("abc", (3,))


def test_a_ratio_is_formed_inside_its_round():
    taken = {"ours": np.array([1.0, 10.0, 100.0]), "theirs": np.array([2.0, 30.0, 400.0])}
    (row,) = compare("a", "b", taken, "ours")
    assert row.ratio == Spread(3.0, 2.0, 4.0, 3)


def test_the_page_names_what_is_missing_and_which_gate_fails():
    rows = [
        Row("ring", "push", "µs", Spread.of([1.0, 2.0, 3.0]), gate="≤ 1"),
        missing("ring", "push", "somebody's buffer", "missing: not installed here"),
    ]
    about = {
        **{"processor": "P", "cores": 2, "memory_gb": 1.0, "system": "S", "python": "3"},
        **{"tenmin": "0", "date": "2026-01-01", "load": 0.1, "load_after": 0.2, "versions": {}},
    }
    book = Book().with_run(
        Run("tenmin bench", 7, about), [*rows, Table("T", ("n", "ns"), [[1, 0.5]])]
    )
    page = report.markdown(book, "page.json")
    assert "missing: not installed here" in page
    assert "0 of 1 gates hold" in page
    assert "- push: 2 µs (1–3), gate ≤ 1" in page
    assert "| 1 | 0.5 | 1 |" in page


def test_a_row_whose_measurement_failed_holds_neither_gate_nor_aim():
    row = Row("a", "b", "s", Spread.of([1.0]), gate="≤ 2", aim="≤ 1", failed=True)
    assert (row.holds, row.reaches) == (False, False)


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.7, "0.7"), (0.8123, "0.8123"), (0.7996, "0.7996"), (0.79999, "0.79999"), (0.8, "0.8")],
)
def test_a_ratio_close_to_its_gate_shows_on_which_side_it_is(ratio, shown):
    row = Row("a", "b", "s", None, "peer", None, Spread.of([ratio]), "≥ 0.8")
    assert report.cells(row)[4] == shown


def test_an_error_is_told_without_the_folders_of_this_machine():
    assert why(DiskFull("No room in /data/some/where.bin for 3 µs/sample.")) == (
        "failed: No room in where.bin for 3 µs/sample."
    )
    assert why(ValueError("a\n b")) == "failed: ValueError: a b"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (0.51234, "0.512"), (1234.4, "1234"), (123456.0, "123 456")]
)
def test_a_number_shows_three_digits_and_all_before_the_point(value, shown):
    assert report.number(value) == shown
