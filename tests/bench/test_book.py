"""The page grows run by run; nothing is lost by a later one that did not measure it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.bench import book, report
from tenmin.bench.areas import UNMEASURED, outlived
from tenmin.bench.book import Book, Run
from tenmin.bench.growth import Table
from tenmin.bench.rows import Row, Spread
from tenmin.errors import FaultyFile

ABOUT = {
    **{"processor": "P", "cores": 2, "memory_gb": 1.0, "system": "S", "python": "3"},
    **{"tenmin": "0", "load": 0.1, "load_after": 0.2, "versions": {"numpy": "2"}},
}


def run(command: str, date: str = "2026-01-01") -> Run:
    return Run(command, 7, {**ABOUT, "date": date})


def row(area: str, what: str, value: float = 1.0) -> Row:
    return Row(area, what, "s", Spread.of([value]), gate="≤ 2")


def table(*lines: list) -> Table:
    return Table("T", ("n", "ns"), list(lines))


def test_a_run_replaces_only_what_it_has_measured():
    first = Book().with_run(run("one"), [row("ring", "a"), row("ring", "b"), table([1, 0.5])])
    second = first.with_run(run("two"), [row("ring", "b", 3.0), table([2, 0.7])])
    assert {what: n for (_, what, _), (n, _) in second.rows.items()} == {"a": 1, "b": 2}
    assert second.rows["ring", "b", ""][1].holds is False
    assert second.tables["T"].table.lines == [[1, 0.5], [2, 0.7]]
    assert second.tables["T"].runs == (1, 2)


def test_a_line_of_a_table_is_replaced_by_the_one_of_the_same_size():
    first = Book().with_run(run("one"), [table([1, 0.5], [2, 0.6])])
    lines = first.with_run(run("two"), [table([1, 0.9])]).tables["T"]
    assert (lines.table.lines, lines.runs) == ([[1, 0.9], [2, 0.6]], (2, 1))


def test_a_table_with_other_columns_is_replaced_as_a_whole():
    first = Book().with_run(run("one"), [table([1, 0.5])])
    other = Table("T", ("n", "µs"), [[3, 0.1]])
    assert first.with_run(run("two"), [other]).tables["T"].table == other


def test_a_run_that_nothing_stands_from_is_forgotten_and_numbers_stay():
    found = Book().with_run(run("one"), [row("ring", "a")])
    for command in ("two", "three"):
        found = found.with_run(run(command), [row("ring", "a")])
    assert {n: known.command for n, known in found.runs.items()} == {3: "three"}


def test_each_row_of_the_page_names_its_run_and_the_end_tells_what_it_was():
    found = Book().with_run(run("tenmin bench", "2026-01-01"), [row("ring", "a")])
    found = found.with_run(run("tenmin bench --long", "2026-01-02"), [row("pipeline", "b")])
    page = report.markdown(found, "page.json")
    assert "| a | 1 s |  |  |  | ≤ 2 |  | yes |  | 1 |" in page
    assert "| b | 1 s |  |  |  | ≤ 2 |  | yes |  | 2 |" in page
    assert "| 2 | 2026-01-02 | `tenmin bench --long` | 7 | 0.1 | 0.2 |" in page


figures = st.floats(allow_nan=False, allow_infinity=False)
spreads = st.none() | st.builds(Spread, figures, figures, figures, st.integers(1, 99))
texts = st.text(st.characters(codec="utf-8"), max_size=9)
rows = st.builds(
    Row, st.sampled_from(["ring", "pipeline"]), texts, texts, spreads, texts, spreads, spreads,
    st.sampled_from(["", "≥ 0.8"]), st.just(""), texts, st.booleans(),
)  # fmt: skip


@given(st.lists(rows, max_size=5), st.lists(st.integers(0, 9), max_size=4, unique=True))
def test_a_book_is_read_as_it_was_written(found, sizes):
    made = Book().with_run(run("one"), [*found, table(*([n, 0.5] for n in sizes))])
    assert Book.from_dict(json.loads(book.to_json(made))) == made


def test_a_book_is_saved_in_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "page.json"
    assert book.load(path) == Book()
    made = Book().with_run(run("one"), [row("ring", "a")])
    for text in ("{", book.to_json(made)):
        book.save(path, text)
    assert book.load(path) == made
    assert [found.name for found in tmp_path.iterdir()] == ["page.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"runs": [], "rows": [{}], "tables": []}'])
def test_another_file_in_its_place_is_refused(tmp_path, text):
    (tmp_path / "page.json").write_text(text)
    with pytest.raises(FaultyFile, match="no results of the bench"):
        book.load(tmp_path / "page.json")


def test_an_area_that_fails_keeps_what_it_had_and_tells_why():
    def rows():
        yield row("ring", "a")
        raise ZeroDivisionError("by nothing")

    told = []
    first, last = outlived("ring", rows, told.append)
    assert first == row("ring", "a")
    assert (last.name, last.holds) == (("ring", UNMEASURED, ""), False)
    assert last.note == "failed: ZeroDivisionError: by nothing"
    assert [str(error) for error in told] == ["by nothing"]


def test_an_area_that_is_measured_again_has_failed_no_more():
    failed = Row("ring", UNMEASURED, note="failed", failed=True)
    first = Book().with_run(run("one"), [row("ring", "a"), failed])
    assert [it.what for _, it in first.with_run(run("two"), [row("ring", "a")]).rows.values()] == [
        "a"
    ]
