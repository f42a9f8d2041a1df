"""The command in its shortest form: it runs, and says all that it promises; no time is judged."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ROW_KEYS = {
    *("area", "what", "unit", "ours", "against", "theirs", "ratio", "gate", "aim", "note"),
    *("holds", "reaches_aim", "failed"),
}
SPREAD_KEYS = {"median", "low", "high", "n"}


def bench(folder, *areas: str) -> tuple[dict, str]:
    page = folder / "page.md"
    told = ["--quick", "--json", "--dir", str(folder), "--write", str(page), "--only", *areas]
    ended = subprocess.run(
        [sys.executable, "-m", "tenmin", "bench", *told],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), page.read_text()


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    areas = "ring", "checks", "journal", "finaliser", "telemetry", "growth"
    return (*bench(folder, *areas), folder)


@pytest.mark.xdist_group("bench")
def test_the_object_has_its_keys(parts):
    told, _, _ = parts
    assert set(told) == {"machine", "rounds", "rows", "growth", "failed"}
    assert all(set(row) == ROW_KEYS for row in told["rows"])
    spreads = [row[key] for row in told["rows"] for key in ("ours", "theirs", "ratio") if row[key]]
    assert spreads
    assert all(set(spread) == SPREAD_KEYS for spread in spreads)


@pytest.mark.xdist_group("bench")
def test_every_row_is_measured_or_says_why_not(parts):
    told, _, _ = parts
    silent = [row for row in told["rows"] if row["ours"] is None and not row["note"]]
    assert silent == []


@pytest.mark.xdist_group("bench")
def test_no_row_has_the_name_of_another(parts):
    told, _, _ = parts
    names = [(row["area"], row["what"], row["against"]) for row in told["rows"]]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.xdist_group("bench")
def test_what_is_kept_beside_the_page_is_what_was_measured(parts):
    told, _, folder = parts
    kept = json.loads((folder / "page.json").read_text())
    assert [{**row, "run": 1} for row in told["rows"]] == kept["rows"]
    assert [run["command"][:12] for run in kept["runs"]] == ["tenmin bench"]


@pytest.mark.xdist_group("bench")
def test_every_area_has_rows_and_growth_has_tables(parts):
    told, _, _ = parts
    areas = {row["area"] for row in told["rows"]}
    assert areas == {"ring", "checks", "journal", "finaliser", "telemetry", "growth"}
    assert [len(table["lines"]) for table in told["growth"]] == [3, 3, 2]


@pytest.mark.xdist_group("bench")
def test_nothing_is_left_on_the_disk(parts):
    _, _, folder = parts
    assert {path.name for path in folder.iterdir()} == {"page.md", "page.json"}


@pytest.mark.xdist_group("bench")
def test_the_page_holds_no_folder_of_this_machine(parts):
    _, page, folder = parts
    assert "## Gates" in page
    assert str(folder) not in page


@pytest.mark.xdist_group("bench")
def test_a_whole_block_is_recorded_timed_and_lost_nothing_uncounted(tmp_path):
    told, _ = bench(tmp_path, "pipeline")
    found = {row["what"].partition(": ")[2]: row for row in told["rows"]}
    assert found["arrival → check done, 99th percentile"]["ours"]["median"] > 0
    assert found["end of the post pad → verified NWB"]["ours"]["median"] > 0
    assert found["samples lost"]["ours"] is not None
    assert found["all our processes"]["note"].count("acquirer") == 1
