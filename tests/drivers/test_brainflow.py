"""The `brainflow` driver on the library's synthetic board and on its playback of a file."""

import numpy as np
import pytest
from tenmin_drivers.brainflow import PLAYBACK, STREAMING, SYNTHETIC, Brainflow

from tenmin.errors import (
    DeviceError,
    DeviceLost,
    DeviceMissing,
    PortInUse,
    StreamStalled,
    UsageError,
)
from tenmin.source import Driver
from tests.drivers.conftest import gather


@pytest.fixture
def board():
    made = []

    def make(**keys):
        made.append(Brainflow(Brainflow.Config(name="eeg", **keys)))
        made[-1].start()
        return made[-1]

    yield make
    for driver in made:
        driver.stop()


def test_the_synthetic_board_counts_without_a_gap(board):
    driver = board(board_id=SYNTHETIC)
    chunks = gather(driver, 300)  # more than one turn of its 8 bits
    index = np.concatenate([chunk.index for chunk in chunks])
    assert set(np.diff(index) % 256) == {1}
    assert driver.stream.index_bits == 8


def test_samples_are_rows_of_float64_in_microvolts(board):
    driver = board(board_id="SYNTHETIC_BOARD")
    (chunk, *_) = gather(driver, 1)
    assert chunk.samples.dtype == np.float64
    assert chunk.samples.flags.c_contiguous
    assert chunk.samples.shape[1] == driver.stream.n_channels == 16
    assert driver.stream.channels[:3] == ("Fz", "C3", "Cz")
    assert (driver.stream.unit, driver.stream.scale) == ("volts", 1e-6)


def test_stamps_rise_with_the_samples(board):
    times = np.concatenate([chunk.device_time for chunk in gather(board(board_id=SYNTHETIC), 100)])
    assert (np.diff(times) >= 0).all()


def test_it_is_a_driver(board):
    assert isinstance(board(board_id=SYNTHETIC), Driver)


def test_a_board_is_released_for_the_next_one(board):
    board(board_id=SYNTHETIC).stop()
    assert len(gather(board(board_id=SYNTHETIC), 1))


def test_a_board_in_use_is_told(board):
    first = board(board_id=SYNTHETIC)
    with pytest.raises(PortInUse, match="ANOTHER_BOARD"):
        board(board_id=SYNTHETIC)
    assert len(gather(first, 100))


@pytest.fixture
def recorded(tmp_path):
    """A file of BrainFlow's own format: tab-separated columns, one line per sample."""
    rows = np.zeros((32, 200))
    rows[0] = np.arange(200) % 256
    rows[1:17] = np.round(np.random.default_rng(3).normal(0, 20, (16, 200)), 3)
    rows[30] = 1.7e9 + np.arange(200) / 250
    path = tmp_path / "played.csv"
    np.savetxt(path, rows.T, fmt="%.6f", delimiter="\t")
    return rows, path


def test_a_file_is_played_as_it_was_recorded(board, recorded):
    rows, path = recorded
    driver = board(board_id=PLAYBACK, master_board=SYNTHETIC, file=str(path))
    chunks = gather(driver, 150)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    index = np.concatenate([chunk.index for chunk in chunks])
    np.testing.assert_array_equal(index, rows[0, : len(index)])
    np.testing.assert_allclose(samples, rows[1:17, : len(samples)].T, atol=1e-6)
    assert driver.stream.facts["model"] == "Synthetic"


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"board_id": 4711}, UsageError, "knows no board 4711"),
        ({"board_id": "TOASTER"}, UsageError, "knows no board 'TOASTER'"),
        ({"board_id": SYNTHETIC, "signal": "eeg", "preset": "none"}, UsageError, "no preset"),
        ({"board_id": SYNTHETIC, "preset": "ancillary"}, UsageError, "no preset"),
        ({"board_id": 0, "serial_port": "/nowhere"}, DeviceMissing, "UNABLE_TO_OPEN_PORT"),
        ({"board_id": 10, "signal": "eeg"}, (DeviceError, UsageError), "eeg|cannot be opened"),
    ],
)
def test_a_board_that_cannot_be_opened_is_told(board, keys, error, message):
    with pytest.raises(error, match=message):
        board(**keys)


def test_a_signal_that_no_board_has_is_refused():
    with pytest.raises(UsageError, match="signal is 'mood'"):
        Brainflow.Config(name="eeg", board_id=0, signal="mood")


def test_a_board_of_unknown_counter_goes_by_its_stamps(board):
    driver = board(board_id=SYNTHETIC, counter_bits=0)
    assert not driver.stream.counter
    assert gather(driver, 1)[0].index is None


class Silent:
    """A board that was switched off: the library goes on, without data."""

    board_id = STREAMING
    description = {  # noqa: RUF012
        "name": "x",
        "sampling_rate": 250,
        "eeg_channels": [1],
        "package_num_channel": 0,
        "timestamp_channel": 2,
    }

    def __init__(self, config): ...

    def data(self):
        return np.empty((3, 0))

    def close(self): ...


def test_a_silent_board_stalls_and_then_is_lost():
    driver = Brainflow(Brainflow.Config(name="eeg", board_id=0), Silent)
    driver.start()
    with pytest.raises(StreamStalled):
        driver.read()
    driver._heard -= 5.0
    with pytest.raises(DeviceLost, match="sent nothing"):
        driver.read()


def test_stopping_before_the_start_is_allowed():
    driver = Brainflow(Brainflow.Config(name="eeg", board_id=0))
    driver.stop()
    with pytest.raises(DeviceLost):
        driver.read()
