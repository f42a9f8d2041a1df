"""From a fault in the signal to the verdict that clients are told: science.md E.2 and 0.2 s."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Bench, new_bench

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("verdict latency")]

FAULT_S = 4.35  # in the middle of a second: the worst place for checks of whole seconds
FLAT_S, WAY_S = 2.0, 0.2  # science.md E.2 for dead channels; from the check to the client


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a block in which one channel died."""
    bench = new_bench(tmp_path_factory.mktemp("latency"))
    try:
        yield _recorded(bench)
    finally:
        bench.close()


def _recorded(bench: Bench) -> Path:
    lengths = ("--seconds", "9", "--settle", "2", "--pads", "1")
    fault = ("--fault", f"dead@{FAULT_S}:3", "--keep-journal")
    return Path(bench.record("sim:quick", *lengths, *fault).json["journal"])


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_dead_channel_is_told_in_time(journal: Path) -> None:
    t0 = next(line for line in _lines(journal / "acquirer.jsonl") if line["t"] == "t0")
    fault_s = float(str(t0["host_ns"])) * 1e-9 + FAULT_S
    events = [line for line in _lines(journal / "events.jsonl") if line["code"] == "verdict"]
    told = [(line["onset_s"], json.loads(str(line["value"]))) for line in events]
    warned = [at for at, v in told if v["check"] == "flat" and v["level"] in ("WARN", "FAIL")]

    assert warned, "the dead channel was never told"
    assert 0.0 < warned[0] - fault_s <= FLAT_S + WAY_S  # type: ignore[operator]
