"""Whole blocks on the simulated rigs, held against the simulators' own truth."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.system.conftest import Bench

SECONDS = 60
GAPS = (1, 10, 10_000)
RATE_HZ = 30_000

pytestmark = [pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Told:
    """What the program said of a block, what the simulator knows of it, and the file."""

    result: dict[str, Any]
    truth: dict[str, Any]
    validation: dict[str, Any]
    code: int

    @property
    def nwb(self) -> Path:
        """The file."""
        return Path(self.result["nwb"])

    def stream(self, name: str) -> dict[str, Any]:
        """What the program says of one stream."""
        return next(s for s in self.result["streams"] if s["name"] == name)


def _block(folder: Path, rig: str, *args: str) -> Iterator[Told]:
    runtime = Path(tempfile.mkdtemp(prefix="tm-"))
    bench = Bench(runtime, folder / "out", {**os.environ, "TENMIN_RUNTIME_DIR": str(runtime)})
    truth = folder / "truth.json"
    try:
        ended = bench.record(rig, "--truth", str(truth), *args, timeout=300)
        assert ended.code in (0, 1), ended.err
        checked = bench.run("validate", ended.json["nwb"], "--json", timeout=200)
        told = Told(ended.json, json.loads(truth.read_text()), checked.json, ended.code)
    finally:
        bench.close()
    yield told


@pytest.fixture(scope="module")
def mouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A minute of the mouse rig with three gaps in the probe."""
    faults = [x for i, n in enumerate(GAPS) for x in ("--fault", f"gap@{10 + 15 * i}:{n}")]
    lengths = ("--seconds", str(SECONDS), "--settle", "10", "--pads", "2")
    yield from _block(tmp_path_factory.mktemp("mouse"), "sim:mouse", *lengths, *faults)


@pytest.fixture(scope="module")
def human(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A few seconds of the EEG rig."""
    lengths = ("--seconds", "15", "--settle", "4", "--pads", "2")
    yield from _block(tmp_path_factory.mktemp("human"), "sim:human-eeg", *lengths)


in_mouse = pytest.mark.xdist_group("mouse")
in_human = pytest.mark.xdist_group("human")


@in_mouse
def test_gaps_of_1_10_and_10000_samples_are_told_exactly(mouse: Told) -> None:
    probe = mouse.stream("probe")

    assert [n for _, n in probe["gaps"]] == list(GAPS)
    assert probe["gaps"] == mouse.truth["gaps"]["probe"]
    assert probe["missing_samples"] == sum(GAPS)


@in_mouse
def test_every_sample_of_the_counter_is_in_the_file_in_order(mouse: Told) -> None:
    with h5py.File(mouse.nwb) as file:
        counter = file["acquisition/probe_counter/data"][()]
    missing = {i for first, n in mouse.truth["gaps"]["probe"] for i in range(first, first + n)}
    expected = [i for i in range(counter[0], counter[-1] + 1) if i not in missing]

    np.testing.assert_array_equal(counter, expected)
    assert len(counter) >= (SECONDS + 4) * RATE_HZ - sum(GAPS)


@in_mouse
def test_the_gaps_are_invalid_times_of_the_probe(mouse: Told) -> None:
    with h5py.File(mouse.nwb) as file:
        table = file["intervals/invalid_times"]
        stream, start, stop = table["stream"].asstr()[()], table["start_time"], table["stop_time"]
        lengths = (stop[()] - start[()])[stream == "probe"]

    np.testing.assert_allclose(np.sort(lengths), np.array(GAPS) / RATE_HZ, atol=1e-9)


@in_mouse
def test_the_window_has_its_samples_less_the_missing_ones(mouse: Told) -> None:
    assert mouse.result["n_window"] == SECONDS * RATE_HZ
    assert mouse.stream("probe")["window_samples"] == SECONDS * RATE_HZ - sum(GAPS)


@in_mouse
@pytest.mark.parametrize("name", ["treadmill", "eye", "nidaq", "frames"])
def test_the_drift_of_a_stream_is_right_within_its_own_uncertainty(mouse: Told, name: str) -> None:
    clocks, stream = mouse.truth["clocks"], mouse.stream(name)
    truth = ((1 + clocks[name]["ppm"] * 1e-6) / (1 + clocks["probe"]["ppm"] * 1e-6) - 1) * 1e6

    assert abs(stream["drift_ppm"] - truth) <= stream["drift_ppm_u95"]


@in_mouse
def test_nothing_but_the_gaps_is_lost(mouse: Told) -> None:
    lost = {s["name"]: s["missing_samples"] for s in mouse.result["streams"]}

    assert lost == {n: sum(GAPS) if n == "probe" else 0 for n in lost}
    assert set(lost) == {"probe", "treadmill", "eye", "nidaq", "frames"}


@in_mouse
def test_the_balance_of_the_frames_is_told_beside_the_stream(mouse: Told) -> None:
    frames = mouse.stream("frames")["frames"]

    assert frames["frames"] == mouse.stream("frames")["samples"] > SECONDS * 29
    assert (frames["missing"], frames["extra"], frames["restarts"]) == (0, 0, 0)
    assert frames["interval_median_s"] == pytest.approx(1 / 30, rel=1e-2)


@in_mouse
def test_missing_samples_make_the_block_end_with_a_failed_gate(mouse: Told) -> None:
    levels = {(v["check"], v["stream"]): v["level"] for v in mouse.result["verdicts"]}

    assert levels["gaps", "probe"] == "FAIL"
    assert mouse.code == 1


@in_mouse
def test_no_validator_says_anything_about_the_mouse_file(mouse: Told) -> None:
    assert _said(mouse) == []


@in_human
def test_no_validator_says_anything_about_the_human_file(human: Told) -> None:
    assert _said(human) == []


@in_human
def test_a_clean_block_ends_well(human: Told) -> None:
    assert human.code == 0
    assert human.stream("eeg")["window_samples"] == 15_000


def _said(told: Told) -> list[Any]:
    """Every message of every validator; all of them must have been asked."""
    rows = told.validation["checks"]
    assert {r["check"] for r in rows} >= {"schema", "inspector", "dandi", "invariants"}
    return [r for r in rows if r["level"] != "OK"]
