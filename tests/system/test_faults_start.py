"""Devices that never begin: the block does not start and says which one it is, and why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.conftest import Bench, Ended, new_bench
from tests.system.rigs import Sim, lsl_env, rig_args, write_rig

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("faults at the start")]

OUTLET = Path(__file__).parents[1] / "drivers" / "outlet.py"
LENGTHS = ("--seconds", "1", "--settle", "1", "--pads", "1")


@dataclass(frozen=True)
class Silent:
    """A rig whose stream does not exist and whose port belongs to somebody else."""

    ended: Ended
    port: str
    left: list[Path]


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Silent]:
    """Record on it."""
    import serial

    folder = tmp_path_factory.mktemp("silent")
    bench = new_bench(folder)
    absent = {"name": "eeg", "driver": "lsl", "stream_name": "not there", "primary": True}
    try:
        with Sim("treadmill", folder) as sim:
            port = sim.devices[0]["port"]
            rig = write_rig(folder / "rig.toml", [absent, {**sim.devices[0], "primary": False}])
            bench.env.update(sim.env)
            with serial.Serial(port, exclusive=True):
                ended = bench.record(*rig_args(rig), *LENGTHS)
            yield Silent(ended, port, [p for p in bench.out.rglob("*") if p.is_file()])
    finally:
        bench.close()


def test_a_stream_that_never_starts_is_named_with_what_to_do(silent: Silent) -> None:
    assert silent.ended.code == 3
    assert "name='not there'" in silent.ended.err
    assert "Start" in silent.ended.err
    assert "Traceback" not in silent.ended.err


def test_a_port_in_use_is_named_with_what_to_do(silent: Silent) -> None:
    assert silent.port in silent.ended.err
    assert "other program" in silent.ended.err


def test_no_file_is_left_that_pretends_to_be_a_recording(silent: Silent) -> None:
    assert silent.ended.json["nwb"] is None
    assert silent.ended.json["journal"] is None
    assert silent.left == []


def test_a_device_without_channels_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.env.update(lsl_env(tmp_path))
    stream = '{"name": "bare", "channels": 1, "labels": ["counter"], "source_id": "bare-1"}'
    table = {"name": "bare", "driver": "lsl", "stream_name": "bare", "primary": True}
    rig = write_rig(tmp_path / "rig.toml", [{**table, "counter_channel": "counter"}])
    outlet = subprocess.Popen(
        [sys.executable, str(OUTLET), stream],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=bench.env,
    )
    try:
        assert outlet.stdout is not None
        assert outlet.stdout.readline()
        ended = bench.record(*rig_args(rig), *LENGTHS)
    finally:
        outlet.kill()
        outlet.communicate()

    assert ended.code == 2
    assert "bare has no channels to record" in ended.err
    assert "Switch channels on" in ended.err
