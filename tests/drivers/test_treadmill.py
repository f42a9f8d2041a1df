"""The `treadmill` driver: its parser on bytes, the driver on a pseudo-terminal."""

import doctest
import itertools
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenmin_drivers import treadmill
from tenmin_drivers.treadmill import FRAME, Framer, Treadmill, border

from tenmin.errors import (
    DeviceLost,
    DeviceMissing,
    MalformedData,
    PortInUse,
    StreamStalled,
    UsageError,
)
from tenmin.source import Driver
from tests.drivers.conftest import gather

REACH = 10_000


def sent(first, counts):
    """Bytes of frames numbered from `first`."""
    frames = np.empty(len(counts), FRAME)
    frames["index"] = (first + np.arange(len(counts))) % 2**32
    frames["counts"] = counts
    return frames.tobytes()


def running(n, start=0):
    """Counts of an animal that runs unevenly."""
    return start + np.cumsum(np.arange(n) % 7 - 1)


def parsed(framer, data, cuts=()):
    edges = [0, *sorted(cuts), len(data)]
    pieces = [framer.feed(data[a:b], REACH) for a, b in itertools.pairwise(edges)]
    return np.concatenate(pieces)


def test_the_examples_hold():
    assert doctest.testmod(treadmill).failed == 0


@given(st.lists(st.integers(0, 800), max_size=20))
def test_frames_survive_any_cut_of_the_bytes(cuts):
    frames = parsed(Framer(), sent(7, running(100)), cuts)
    np.testing.assert_array_equal(frames["index"], 7 + np.arange(100))
    np.testing.assert_array_equal(frames["counts"], running(100))


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 600])
def test_frames_survive_single_bytes(cut):
    data = sent(0, running(100))
    frames = parsed(Framer(), data, range(0, len(data), cut))
    np.testing.assert_array_equal(frames["counts"], running(100))


@given(st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_opening_in_mid_frame_loses_that_frame_only(missing, first):
    data = sent(first, running(50))[missing:]
    frames = parsed(Framer(), data)
    assert len(frames) == (50 if missing == 0 else 49)
    np.testing.assert_array_equal(frames["counts"], running(50)[-len(frames) :])


# Bytes lost by the eight leave a frame of two halves that nothing tells from a whole one.
@given(
    st.integers(40, 700),
    st.integers(1, 60).filter(lambda n: n % 8),
    st.lists(st.integers(0, 800), max_size=5),
)
def test_lost_bytes_cost_no_whole_frame(at, lost, cuts):
    data = sent(100_000, running(100))
    data = data[:at] + data[at + lost :]
    frames = parsed(Framer(), data, cuts)
    whole = {k for k in range(100) if (k + 1) * 8 <= at or k * 8 >= at + lost}
    number = frames["index"].astype(int) - 100_000
    assert whole <= set(number)
    np.testing.assert_array_equal(frames["counts"], running(100)[number])


@given(st.binary(max_size=7))
def test_noise_before_the_first_frame_is_left_out(noise):
    frames = parsed(Framer(), noise + sent(2**20, running(60)))
    assert set(np.arange(2**20 + 1, 2**20 + 60)) <= set(frames["index"].tolist())


def test_the_index_may_wrap():
    frames = parsed(Framer(), sent(2**32 - 10, running(20)))
    assert frames["index"].tolist() == [*range(2**32 - 10, 2**32), *range(10)]


@pytest.mark.parametrize("gap", [1, 10, 9_000])
def test_frames_that_the_board_left_out_are_a_jump_of_the_index(gap):
    framer = Framer()
    frames = parsed(framer, sent(0, running(20)) + sent(20 + gap, running(20)))
    assert np.diff(frames["index"]).max() == gap + 1
    assert len(frames) == 40


def test_a_leap_of_the_counts_is_taken_once_the_next_frame_follows():
    framer, data = Framer(), sent(0, [5, 5, 6, 8, 90_000, 90_001])
    assert len(framer.feed(data[:40], REACH)) == 4
    assert framer.feed(data[40:], REACH)["counts"].tolist() == [90_000, 90_001]


def test_a_leap_before_a_gap_is_taken_once_the_frames_after_it_agree():
    data = sent(0, [5, 5, 6, 8, 90_000]) + sent(50, 90_000 + running(5))
    assert parsed(Framer(), data)["index"].tolist() == [0, 1, 2, 3, 4, *range(50, 55)]


def test_counts_that_look_like_an_index_do_not_mislead():
    counts = np.r_[np.arange(30), np.full(10, 29)]  # one count per frame, then standing
    frames = parsed(Framer(), sent(500, counts)[4:])
    np.testing.assert_array_equal(frames["counts"], counts[1:])


def test_a_board_that_was_reset_is_lost_after_its_last_samples():
    framer = Framer()
    framer.feed(sent(70_000, running(50)), REACH)
    assert len(framer.feed(sent(70_050, running(5)) + sent(0, running(20)), REACH)) == 5
    with pytest.raises(DeviceLost, match="reset"):
        framer.feed(b"", REACH)


def test_bytes_without_frames_are_refused():
    noise = np.random.default_rng(1).integers(0, 256, 9000, np.uint8).tobytes()
    with pytest.raises(MalformedData, match="no frames"):
        Framer().feed(noise, REACH)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_frames_are_not_certain(n):
    assert border(sent(0, running(n))) is None


class Board:
    """The far end of a pseudo-terminal."""

    def __init__(self):
        tty = pytest.importorskip("tty")
        self.end, self._near = os.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self._first = 0

    def send(self, n):
        os.write(self.end, sent(self._first, running(n)))
        self._first += n

    def unplug(self):
        for end in (self.end, self._near):
            if end is not None:
                os.close(end)
        self.end = self._near = None


@pytest.fixture
def board():
    board = Board()
    yield board
    board.unplug()


@pytest.fixture
def mill(board):
    driver = Treadmill(Treadmill.Config(name="treadmill", port=board.port, m_per_count=1e-4))
    driver.start()
    yield driver
    driver.stop()


def test_it_is_a_driver(mill):
    assert isinstance(mill, Driver)


def test_positions_come_as_the_board_counts_them(board, mill):
    board.send(300)
    chunks = gather(mill, 300)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_array_equal(samples[:, 0], running(300))
    assert samples.dtype == np.dtype(mill.stream.dtype)
    assert np.concatenate([chunk.index for chunk in chunks]).tolist() == list(range(300))


def test_a_silent_board_is_reported(board, mill):
    with pytest.raises(StreamStalled, match="treadmill has sent no frame"):
        mill.read()


def test_half_a_frame_is_no_sample(board, mill):
    os.write(board.end, b"\1\2\3")
    with pytest.raises(StreamStalled):
        mill.read()


def test_an_unplugged_board_is_lost(board, mill):
    board.send(10)
    gather(mill, 10)
    board.unplug()
    with pytest.raises(DeviceLost, match="unplugged"):
        gather(mill, 1)


def test_a_port_that_is_not_there_is_named(tmp_path):
    config = Treadmill.Config(name="treadmill", port=str(tmp_path / "gone"), m_per_count=1e-4)
    with pytest.raises(DeviceMissing, match="gone"):
        Treadmill(config).start()


def test_a_port_that_another_program_holds_is_refused(board, mill):
    second = Treadmill(Treadmill.Config(name="second", port=board.port, m_per_count=1e-4))
    with pytest.raises(PortInUse, match="another program"):
        second.start()


def test_a_serial_number_that_is_not_plugged_in_is_named():
    config = Treadmill.Config(name="treadmill", serial_number="none-0815", m_per_count=1e-4)
    with pytest.raises(DeviceMissing, match="none-0815"):
        Treadmill(config).start()


def test_a_table_that_names_no_port_is_refused():
    with pytest.raises(UsageError, match="where it is"):
        Treadmill(Treadmill.Config(name="treadmill", m_per_count=1e-4)).start()


def test_the_scale_follows_from_the_disc_and_the_radius():
    config = Treadmill.Config(name="t", port="x", cpr=4096, radius_mm=100.0)
    assert Treadmill(config).stream.scale == pytest.approx(2 * np.pi * 0.1 / 4096)


def test_a_table_without_a_scale_is_refused():
    with pytest.raises(UsageError, match="how far a count is"):
        Treadmill.Config(name="t", port="x", cpr=4096)


def test_stopping_twice_and_before_the_start_is_allowed(mill):
    fresh = Treadmill(Treadmill.Config(name="t", port="x", m_per_count=1.0))
    fresh.stop()
    mill.stop()
    mill.stop()
    with pytest.raises(DeviceLost):
        mill.read()
