"""A stranger's driver that fails in ways of its own: the block goes on, and the fault is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.conftest import Bench
from tests.system.rigs import lsl_env, rig_args, write_rig

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("faults of drivers")]

DRIVER = '''
import dataclasses, time
import numpy as np
from tenmin.source import DeviceConfig
from tenmin.stream import Chunk, Stream

RATE_HZ = 500.0

@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(DeviceConfig):
    fails: str = "never"

class Frail:
    """A counting board; its own clock never stops. Divides by zero after a while, once."""
    Config = Config

    def __init__(self, config):
        if config.fails == "at once":
            raise KeyError("calibration")
        self.config = config
        self.stream = Stream(config.name, ("a",), RATE_HZ, "volts", kind="eeg", counter=True)
        self._origin, self._failed, self._next = time.monotonic(), False, 0

    def start(self):
        self._next = self._due()

    def _due(self):
        return int((time.monotonic() - self._origin) * RATE_HZ)

    def read(self):
        while self._due() < self._next + 25:
            time.sleep(0.01)
        if self.config.fails == "later" and self._next > 6 * RATE_HZ and not self._failed:
            self._failed = True
            1 / 0
        index = np.arange(self._next, self._due())
        self._next = int(index[-1]) + 1
        return Chunk((index % 997).astype(np.int16)[:, None], index, None, time.monotonic_ns())

    def stop(self):
        pass
'''
METADATA = "Metadata-Version: 2.1\nName: frail-board\nVersion: 1.0\n"
LENGTHS = ("--seconds", "6", "--settle", "1", "--pads", "1")


@pytest.fixture
def frail(bench: Bench, tmp_path: Path) -> Bench:
    """A bench with the distribution installed that brings the driver ``frail``."""
    site = tmp_path / "site"
    info = site / "frail_board-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "frail_board.py").write_text(DRIVER)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[tenmin.drivers]\nfrail = frail_board:Frail\n")
    bench.env.update(lsl_env(tmp_path), PYTHONPATH=str(site))
    return bench


def _rig(tmp_path: Path, fails: str) -> tuple[str, ...]:
    table = {"name": "board", "driver": "frail", "fails": fails, "primary": True}
    return rig_args(write_rig(tmp_path / "rig.toml", [table]))


def test_a_driver_that_raises_anything_is_opened_again_and_its_hole_is_counted(
    frail: Bench, tmp_path: Path
) -> None:
    ended = frail.record(*_rig(tmp_path, "later"), *LENGTHS)

    (board,) = ended.json["streams"]
    assert ended.code == 1, ended.err
    assert len(board["gaps"]) == 1
    assert board["samples"] + board["missing_samples"] == 8 * 500
    assert ended.json["n_window"] == 6 * 500


def test_a_driver_that_cannot_be_made_is_named_with_its_exception(
    frail: Bench, tmp_path: Path
) -> None:
    ended = frail.record(*_rig(tmp_path, "at once"), *LENGTHS)

    assert ended.code == 3
    assert "frail" in ended.err
    assert "KeyError('calibration')" in ended.err
    assert "Traceback" not in ended.err
    assert ended.json["nwb"] is None
