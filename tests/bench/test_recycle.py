"""What was verified is given back to the disk, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenmin.bench.pipeline import Plan, plans
from tenmin.bench.recycle import Recycler
from tenmin.bench.rig import Load
from tenmin.bench.setting import Setting
from tenmin.errors import RigError
from tenmin.system.holes import PAGE, punch_hole
from tenmin.system.platform import HERE
from tests.recorder.journals import Source, make, probe
from tests.recorder.waiting import until

MB = 1 << 20


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(np.random.default_rng(1).bytes(4 * MB))
    with path.open("r+b") as file:
        if not punch_hole(file.fileno(), 0, PAGE):
            pytest.skip("NOT TESTED: this file system cannot give back parts of a file")
    return path


def test_a_hole_gives_whole_pages_back_and_leaves_the_rest(big):
    before = big.read_bytes()
    with big.open("r+b") as file:
        assert punch_hole(file.fileno(), MB + 1, 2 * MB + 5) == MB - PAGE
    after = big.read_bytes()
    assert (after[: MB + PAGE], after[2 * MB :]) == (before[: MB + PAGE], before[2 * MB :])
    assert not any(after[MB + PAGE : 2 * MB])


def test_a_system_without_holes_gives_nothing_back(big):
    with big.open("r+b") as file:
        assert punch_hole(file.fileno(), 0, MB, platform=replace(HERE, fallocate=False)) == 0


def test_the_recycler_follows_its_ledger(big, tmp_path):
    ledger = tmp_path / "ledger"
    recycler = Recycler(ledger)
    recycler.start()
    with ledger.open("ab", buffering=0) as file:
        file.write(json.dumps({"file": str(big), "spans": [[MB, 2 * MB]]}).encode() + b"\n")
        until(lambda: recycler.bytes == MB)
        file.write(json.dumps({"file": str(big), "spans": [[2 * MB, 3 * MB]]}).encode() + b"\n")
        until(lambda: recycler.bytes == 2 * MB)
    recycler.halt()


def test_a_recycler_that_can_give_nothing_back_says_so(tmp_path):
    (tmp_path / "small").write_bytes(b"x")
    ledger = tmp_path / "ledger"
    ledger.write_text(json.dumps({"file": str(tmp_path / "small"), "spans": [[0, 1]]}) + "\n")
    recycler = Recycler(ledger)
    recycler.start()
    recycler.join(30.0)
    with pytest.raises(RigError, match="Recycling failed"):
        recycler.halt()


def test_the_finaliser_names_what_it_has_verified_and_needs_none_of_it_again(big, tmp_path):
    made = make(tmp_path / "data", [Source(probe(64, 5000.0))], seconds=12.0)
    before = (made.folder / "probe.bin").read_bytes()
    recycler = Recycler(tmp_path / "verified.jsonl")
    recycler.start()
    env = {**os.environ, "TENMIN_BENCH_RECYCLE": str(tmp_path)}
    command = [sys.executable, "-m", "tenmin.bench.finalising", str(made.folder)]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    until(lambda: recycler.bytes > len(before) // 2)
    recycler.halt()
    result = json.loads((made.folder / "result.json").read_text())
    assert result["verified"]
    assert result["streams"][0]["samples"] == len(made.samples["probe"])
    lines = (tmp_path / "verified.jsonl").read_text().splitlines()
    spoken = [json.loads(line) for line in lines]
    of_nwb = [s for line in spoken if line["file"].endswith(".part") for s in line["spans"]]
    assert len(of_nwb) == 14 - 1 - 2  # bands of a second: the first and the last two stay


def setting(tmp_path, **more):
    return Setting(3, False, tmp_path, tmp_path, 600.0, **more)


def test_one_block_may_be_asked_for(tmp_path):
    assert [p.load.devices for p in plans(setting(tmp_path, probes=8, recycle=True))] == [8]
    assert [p.seconds for p in plans(setting(tmp_path, long=True))] == [60.0, 600.0]


def test_a_recycled_block_needs_little_room(tmp_path):
    (recycled,) = plans(setting(tmp_path, probes=8, recycle=True))
    whole = Plan(Load(8), 600.0, recycled.goals)
    assert recycled.need_bytes < whole.need_bytes / 5


def test_a_bench_that_is_ended_removes_what_it_wrote(tmp_path):
    told = ["--only", "pipeline", "--probes", "1", "--seconds", "30", "--dir", str(tmp_path)]
    runtime = tempfile.mkdtemp(prefix="tm-")
    env = {**os.environ, "TENMIN_RUNTIME_DIR": runtime}
    bench = subprocess.Popen([sys.executable, "-m", "tenmin", "bench", *told], env=env)
    until(lambda: any(tmp_path.glob(".tenmin-bench-*/out-*/sub-*/*.dot/probe0.bin")))
    bench.send_signal(signal.SIGTERM)
    bench.wait(60)
    assert list(tmp_path.iterdir()) == []
    assert list(Path(runtime).iterdir()) == []
    assert [c for c in commands() if runtime in c] == []
    Path(runtime).rmdir()


def commands():
    """Command lines of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_text("utf-8", "replace")


def test_a_bench_without_room_says_how_much_it_needs(tmp_path):
    told = ["--only", "pipeline", "--probes", "100000", "--dir", str(tmp_path)]
    command = [sys.executable, "-m", "tenmin", "bench", *told]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 3
    assert "GB on this disk" in ended.stderr
    assert list(tmp_path.iterdir()) == []
