"""Boards on a pseudo-terminal, read byte by byte by a reader of our own."""

import json
import os
import time

import numpy as np
import pytest
import serial
from tenmin_simulators import frame_trigger, treadmill, wires

from tenmin.errors import DeviceError
from tests.simulators.conftest import holes, until

FRAME = "<u4,<i4"  # the manual: sample index, counts
EVENT = "<u4,<u8"  # the manual: edge number, microseconds

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")


def read(port, n):
    data = b""
    deadline = time.monotonic() + 20
    while len(data) < n:
        assert time.monotonic() < deadline, f"{len(data)} of {n} bytes came"
        data += port.read(n - len(data))
    return data


@pytest.fixture
def rehearse():
    made = []

    def start(module, **options):
        made.append(module.rehearse(**options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_a_treadmill_frame_is_these_eight_bytes():
    data = treadmill.frames(np.array([[90], [-90]], np.int32), 0xFFFFFFFF)
    assert data.hex(" ") == "ff ff ff ff 5a 00 00 00 00 00 00 00 a6 ff ff ff"


def test_a_frame_boards_event_is_these_twelve_bytes():
    board = frame_trigger.Board()
    data = board.events(np.array([[50_000], [83_333]], np.int64), 0)
    assert data.hex(" ") == (
        "01 00 00 00 50 c3 00 00 00 00 00 00 02 00 00 00 85 45 01 00 00 00 00 00"
    )


def test_the_treadmill_counts_from_zero_without_a_hole(rehearse):
    with serial.Serial(rehearse(treadmill).config["port"], timeout=0.2) as port:
        frames = np.frombuffer(read(port, 8 * 800), FRAME)
    np.testing.assert_array_equal(frames["f0"], np.arange(800))


def test_the_treadmill_never_sends_more_than_a_thousand_frames_a_second(rehearse):
    with serial.Serial(rehearse(treadmill).config["port"], timeout=0.2) as port:
        read(port, 8)
        start = time.monotonic()
        read(port, 8 * 2000)
        elapsed = time.monotonic() - start
    assert elapsed > 1.9  # it may come late on a busy computer, but never run ahead


def test_opening_the_port_again_restarts_the_index(rehearse):
    board = rehearse(treadmill)
    for _ in range(2):
        with serial.Serial(board.config["port"], timeout=0.2) as port:
            assert np.frombuffer(read(port, 80), FRAME)["f0"].tolist() == list(range(10))
        # Two answers have a whole turn of the board's loop between them: it saw the port closed.
        board.resume()
        board.resume()


def test_a_gap_leaves_the_holes_of_the_truth(play):
    played = play("treadmill", "--fault", "gap@0.2:1", "--fault", "gap@0.4:10")
    with serial.Serial(played.device("treadmill")["port"], timeout=0.2) as port:
        frames = np.frombuffer(read(port, 8 * 800), FRAME)
        told = played.stop()["gaps"]["treadmill"]
    assert holes(frames["f0"].astype(np.int64)) == told
    assert [n for _, n in told] == [1, 10]


def test_an_unplugged_board_is_an_error_and_comes_back_at_the_same_path(rehearse):
    board = rehearse(treadmill)
    path = board.config["port"]
    port = serial.Serial(path, timeout=0.05)
    read(port, 80)
    board.unplug()
    with pytest.raises(serial.SerialException):
        until(lambda: not port.read(4096) and False)
    port.close()
    assert not os.path.exists(path)
    board.replug()
    assert board.config["port"] == path
    with serial.Serial(path, timeout=0.2) as port:
        assert np.frombuffer(read(port, 8), FRAME)["f0"][0] == 0


def test_a_paused_board_is_silent_and_what_it_did_not_send_is_missing(rehearse):
    board = rehearse(treadmill)
    with serial.Serial(board.config["port"], timeout=0.3) as port:
        read(port, 80)
        board.pause()
        until(lambda: port.read(4096) == b"")
        board.resume()
        frames = np.frombuffer(read(port, 80), FRAME)
    assert frames["f0"][0] > 200
    assert np.all(np.diff(frames["f0"]) == 1)


def test_the_frame_board_numbers_and_times_its_edges(rehearse):
    with serial.Serial(rehearse(frame_trigger).config["port"], timeout=0.2) as port:
        events = np.frombuffer(read(port, 12 * 30), EVENT)
    np.testing.assert_array_equal(events["f0"], np.arange(1, 31))
    np.testing.assert_allclose(np.diff(events["f1"].astype(np.int64)), 1e6 / 30, atol=2)


def test_nothing_is_left_behind_on_the_disk(play):
    played = play("treadmill")
    folder = os.path.dirname(played.device("treadmill")["port"])
    assert os.path.isdir(folder)
    played.stop()
    assert not os.path.exists(folder)


def test_a_reader_that_does_not_read_makes_the_board_drop_whole_frames(play):
    played = play("treadmill", "--rate", "20000")
    with serial.Serial(played.device("treadmill")["port"], timeout=0.2) as port:
        until(lambda: played.truth()["clocks"]["treadmill"]["overflow"] > 0)
        index = np.frombuffer(read(port, 8 * 8000), FRAME)["f0"].astype(np.int64)
        told = played.stop()["gaps"]["treadmill"]
    found = holes(index)
    assert found
    assert found == told[: len(found)]


def test_without_pseudo_terminals_the_remedy_names_a_virtual_pair(monkeypatch):
    monkeypatch.delattr(os, "openpty")
    with pytest.raises(DeviceError, match="com0com"):
        wires.serial_wire("0", "treadmill", treadmill.frames, 8)


def test_a_port_that_is_named_is_used_instead_of_a_pseudo_terminal():
    master, slave = os.openpty()
    wire = wires.serial_wire(os.ttyname(slave), "treadmill", treadmill.frames, 8)
    wire.plug()
    assert wire.listening()
    assert wire.push(np.array([[7]], np.int32), 3, 0.0) == 1
    assert os.read(master, 8) == bytes([3, 0, 0, 0, 7, 0, 0, 0])
    wire.close()
    os.close(master)
    os.close(slave)


def test_a_port_that_is_not_there_is_an_error_that_names_it():
    wire = wires.serial_wire("/dev/no-such-port", "treadmill", treadmill.frames, 8)
    with pytest.raises(DeviceError, match="no-such-port"):
        wire.plug()


def test_a_rehearsal_says_what_it_sends_and_may_be_closed_twice(rehearse):
    board = rehearse(treadmill, seed=4)
    assert json.dumps(dict(board.truth))
    assert board.truth["seed"] == 4
    board.close()
    board.close()
