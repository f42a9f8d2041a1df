"""A block that is not whole holds no gate, whatever its file says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenmin.bench.block import Found, fault_of
from tenmin.bench.pipeline import GOALS, ONE, Plan, failed_rows, plans, rows_of
from tenmin.bench.rig import Load
from tenmin.bench.setting import Setting
from tenmin.service.client import Client, engines
from tests.recorder.waiting import until

WHOLE = {
    "verified": True,
    "streams": [{"name": "probe0", "samples": 150_000, "rate_hz": 30000.0}],
}
FOUND = Found(
    Load(1), 3.0, np.array([0.5, 2.0]), np.array([99, 1]), 0, 0, 150_000, {"engine": 0.01},
    {"engine": (10, 10)}, 100, 0.5, 0, WHOLE,
)  # fmt: skip
PLAN = Plan(Load(1), 3.0, ONE)


def short(samples: int) -> dict:
    return {**WHOLE, "streams": [{**WHOLE["streams"][0], "samples": samples}]}


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_whole_block_has_no_fault(exit_code):
    assert fault_of(Load(1), 3.0, exit_code, WHOLE) == ""


@pytest.mark.parametrize(
    ("load", "exit_code", "result", "why"),
    [
        (Load(1), 3, WHOLE, "exit code 3"),
        (Load(1), 4, WHOLE, "exit code 4"),
        (Load(1), 0, {**WHOLE, "verified": False}, "not verified"),
        (Load(2), 0, WHOLE, "1 streams of 2"),
        (Load(1), 0, short(149_999), "149999 samples, at least 150000"),
        (Load(1, simulator="mouse"), 0, short(149_999), "149999 samples, at least 150000"),
    ],
)
def test_a_block_that_is_not_whole_tells_why(load, exit_code, result, why):
    assert why in fault_of(load, 3.0, exit_code, result)


def test_the_gates_of_a_whole_block_hold():
    assert {row.holds for row in rows_of(PLAN, FOUND)} == {True, None}


@pytest.mark.parametrize(
    "rows",
    [rows_of(PLAN, replace(FOUND, fault="cut off")), failed_rows(PLAN, "failed: cut off")],
    ids=["cut off", "never began"],
)
def test_no_gate_holds_by_a_block_that_is_not_whole(rows):
    made = list(rows)
    gated = [row for row in made if row.gate]
    assert len(gated) == 5
    assert {row.holds for row in gated} == {False}
    assert made[0].what.endswith("samples lost")
    assert made[0].note == "failed: cut off"


def test_a_block_without_chunks_has_no_latency():
    empty = replace(FOUND, latency_ms=np.array([]), latency_n=np.array([]))
    assert empty.quantile_ms(0.99) is None


def test_blocks_of_8_and_16_probes_last_a_minute_however_short_the_others_are(tmp_path):
    made = plans(Setting(7, False, tmp_path, tmp_path, 5.0))
    assert {p.load.devices: p.seconds for p in made if p.load.devices > 4} == {8: 60.0, 16: 60.0}
    assert len({p.text for p in made}) == len(made)
    assert set(GOALS) == {1, 4, 8}


def bench(*told: str, **env: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tenmin", "bench", *told]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env={**os.environ, **env}, text=True, **pipes)


@pytest.mark.parametrize(
    "told",
    [
        ["--seconds", "0"],
        ["--seconds", "-1"],
        ["--seconds", "nan"],
        ["--minutes", "0"],
        ["--rounds", "0"],
        ["--write", "nowhere/page.md"],
        ["--write", "page.json"],
        ["--dir", "nowhere"],
    ],
)
def test_what_cannot_be_measured_or_kept_is_refused_at_once(told, tmp_path):
    from tenmin.cli import main

    told = [str(tmp_path / word) if word.startswith(("no", "page")) else word for word in told]
    try:
        code = main(["bench", "--only", "ring", "--quick", *told])
    except SystemExit as refused:
        code = refused.code
    assert code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_page_whose_results_are_damaged_is_refused_at_once(tmp_path):
    from tenmin.cli import main

    (tmp_path / "page.json").write_text("{")
    assert main(["bench", "--only", "ring", "--write", str(tmp_path / "page.md")]) == 2
    assert (tmp_path / "page.json").read_text() == "{"


@pytest.mark.xdist_group("bench")
def test_a_block_that_is_aborted_from_outside_fails_and_is_on_the_page(tmp_path):
    runtime = tempfile.mkdtemp(prefix="tm-")
    page = tmp_path / "page.md"
    told = ["--probes", "1", "--seconds", "60", "--dir", str(tmp_path), "--write", str(page)]
    ran = bench("--only", "pipeline", "--json", *told, TENMIN_RUNTIME_DIR=runtime)
    until(lambda: any(tmp_path.glob(".tenmin-bench-*/out-*/sub-*/*.dot/probe0.bin")))
    (place,) = Path(runtime).glob("bench-*/b*/")
    (engine,) = engines(place)
    with Client(engine, name="test") as client:
        until(lambda: client.status()["snapshot"].get("t0_index") is not None)
        client.abort("seen enough")
    out, err = ran.communicate(timeout=90)
    assert ran.returncode == 1, err
    rows = json.loads(out)["rows"]
    assert {row["holds"] for row in rows if row["gate"]} == {False}
    assert rows[0]["note"].startswith("failed: ")
    assert str(tmp_path) not in page.read_text()
    assert rows[0]["note"] in page.read_text()
    assert list(Path(runtime).iterdir()) == []
    Path(runtime).rmdir()


@pytest.mark.parametrize(("seconds", "gate"), [(60.0, ""), (600.0, "≤ 1.05")])
def test_memory_has_a_gate_in_blocks_of_ten_minutes(seconds, gate):
    rows = {row.what: row for row in failed_rows(Plan(Load(1), seconds, ONE), "")}
    assert next(row.gate for what, row in rows.items() if "private memory at" in what) == gate
