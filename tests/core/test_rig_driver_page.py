"""The page on writing a driver: its example runs, its tables are complete."""

import re
import socket
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tenmin.errors import DeviceLost, DeviceMissing, StreamStalled
from tenmin.source import DeviceConfig, Driver
from tenmin.stream import Chunk, Stream

PAGE = Path(__file__).parents[2] / "docs" / "drivers" / "write-a-driver.md"


@pytest.fixture(scope="module")
def example():
    """What the example of the page defines."""
    text = PAGE.read_text("utf-8").split("<!-- example -->\n```python\n")[1].split("```")[0]
    found = {"__name__": "example_of_the_page"}
    exec(compile(text, str(PAGE), "exec"), found)
    return found


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5.0)
        yield server


@pytest.fixture
def opened(example, listening):
    """A started driver of the example, and the far end of its wire."""
    driver = example["MyBoard"](
        example["MyBoardConfig"](name="board", port=listening.getsockname()[1])
    )
    driver.start()
    far, _ = listening.accept()
    with far:
        yield driver, far
        driver.stop()


def frames(example, first, n):
    made = np.zeros(n, example["FRAME"])
    made["number"] = np.arange(first, first + n)
    made["counts"] = np.arange(n * 8).reshape(n, 8)
    return made


def test_the_example_is_a_driver(opened):
    assert isinstance(opened[0], Driver)


def test_the_example_delivers_what_was_sent_also_in_pieces(example, opened):
    driver, far = opened
    sent = frames(example, 7, 5)
    data = sent.tobytes()
    far.sendall(data[:33])
    got = [driver.read()]
    far.sendall(data[33:])
    while sum(map(len, got)) < len(sent):
        got.append(driver.read())
    assert np.array_equal(np.concatenate([c.samples for c in got]), sent["counts"])
    assert np.array_equal(np.concatenate([c.index for c in got]), sent["number"])
    assert {c.samples.dtype for c in got} == {np.dtype(driver.stream.dtype)}


def test_the_example_says_that_it_is_stalled(opened):
    with pytest.raises(StreamStalled):
        opened[0].read()


def test_the_example_says_that_it_is_lost_and_comes_back(example, listening, opened):
    driver, far = opened
    far.close()
    with pytest.raises(DeviceLost):
        driver.read()
    driver.stop()
    driver.start()
    again, _ = listening.accept()
    with again:
        again.sendall(frames(example, 0, 1).tobytes())
        assert len(driver.read()) == 1


def test_the_example_stops_twice_and_before_its_start(example):
    driver = example["MyBoard"](example["MyBoardConfig"](name="board", port=1))
    driver.stop()
    driver.stop()
    with pytest.raises(DeviceLost):
        driver.read()


def test_the_example_says_that_nothing_is_there(example, listening):
    port = listening.getsockname()[1]
    listening.close()
    with pytest.raises(DeviceMissing):
        example["MyBoard"](example["MyBoardConfig"](name="board", port=port)).start()


@pytest.mark.parametrize(
    ("title", "of"), [("Config", DeviceConfig), ("Stream", Stream), ("Chunk", Chunk)]
)
def test_the_table_names_every_field_in_order(title, of):
    rows = PAGE.read_text("utf-8").split(f"| {title} |")[1].split("\n\n")[0].splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == [f.name for f in fields(of)]
