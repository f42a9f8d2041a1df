"""One stream on its way from a driver into the ring, with a driver made of a list."""

import time

import numpy as np
import pytest

from tenmin.errors import DeviceError, DeviceLost, DeviceMissing, StreamStalled
from tenmin.source import DeviceConfig, Impedance
from tenmin.sources import Flow, Source
from tenmin.stream import Chunk, Stream

RATE_HZ = 1000.0


def stream(**more) -> Stream:
    given = {"counter": True, "index_bits": 16, **more}
    return Stream("board", ("a", "b"), RATE_HZ, "volts", **given)


def chunk(index: int, n: int = 10, host_s: float | None = None) -> Chunk:
    host_ns = time.monotonic_ns() if host_s is None else round(host_s * 1e9)
    samples = np.arange(2 * n, dtype=np.int16).reshape(n, 2) + index
    return Chunk(samples, (np.arange(n) + index) % 2**16, None, host_ns)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def flow(tmp_path, lines):
    made = Flow(DeviceConfig(name="board"), tmp_path, lines.append)
    yield made
    made.close()


def test_samples_reach_the_ring_as_they_came(flow):
    flow.opened(stream())
    reader = flow.ring.reader()
    sent = [chunk(0), chunk(10)]
    for one in sent:
        flow.take(one)

    pieces = reader.read()
    got = np.concatenate([piece.samples for piece in pieces])
    np.testing.assert_array_equal(got, np.concatenate([one.samples for one in sent]))


@pytest.mark.parametrize(
    ("primary", "kind", "rings"),
    [(False, "behavior", 0), (True, "behavior", 2), (False, "ecephys", 2)],
)
def test_only_what_is_checked_sample_by_sample_rings(tmp_path, lines, primary, kind, rings):
    rung = []
    flow = Flow(DeviceConfig(name="board", primary=primary), tmp_path, lines.append)
    flow.wake = lambda: rung.append(flow.ring.written)
    flow.opened(stream(kind=kind))
    flow.take(chunk(0))
    flow.take(chunk(10))

    assert rung == [10, 20][:rings]
    flow.close()


def test_a_hole_is_logged_and_counted_where_it_is(flow, lines):
    flow.opened(stream())
    flow.take(chunk(0))
    flow.take(chunk(25))

    (gap,) = [line for line in lines if line["t"] == "gap"]
    assert (gap["index"], gap["n"], gap["estimated"]) == (10, 15, False)
    assert (flow.n_gaps, flow.missing) == (1, 15)


def test_facts_of_the_rig_file_do_not_hide_what_the_device_says(tmp_path, lines):
    config = DeviceConfig(name="board", facts={"location": "VISp", "firmware": "typed"})
    flow = Flow(config, tmp_path, lines.append)
    flow.opened(stream(facts={"firmware": "2.1"}))

    assert flow.stream.facts == {"location": "VISp", "firmware": "2.1"}
    flow.close()


def test_a_device_that_comes_back_with_other_channels_is_refused(flow):
    flow.opened(stream())

    with pytest.raises(DeviceError, match="other channels"):
        flow.opened(Stream("board", ("a",), RATE_HZ, "volts", counter=True))


def test_a_new_acquirer_takes_over_what_is_in_the_ring(tmp_path, lines):
    first = Flow(DeviceConfig(name="board"), tmp_path, lines.append)
    first.opened(stream())
    first.take(chunk(0, 10, host_s=100.0))
    second = Flow(DeviceConfig(name="board"), tmp_path, lines.append)
    second.restore()
    reader = second.ring.reader(at=0)
    second.opened(stream())
    second.take(chunk(510, 10, host_s=100.51))

    assert [(piece.index, len(piece.samples)) for piece in reader.read()] == [(0, 10), (510, 10)]
    gap = next(line for line in lines if line["t"] == "gap")
    assert (gap["index"], gap["n"], gap["reason"]) == (10, 500, "restart")
    second.close()


def test_markers_go_to_the_log_at_once(flow, lines):
    flow.opened(Stream("board", ("marker",), 0.0, "n/a", dtype="str", kind="marker", timed=True))
    texts = np.array([["go"], ["stop"]], dtype=object)
    flow.take(Chunk(texts, None, np.array([1.5, 2.5]), 7))

    told = [(line["value"], line["device_time"], line["index"]) for line in lines]
    assert told == [("go", 1.5, 0), ("stop", 2.5, 1)]


class Listed:
    """A driver that plays what it was given: chunks, and errors to raise."""

    def __init__(self, *plays, opening=()):
        self.stream = stream()
        self._plays, self._opening = list(plays), list(opening)
        self.starts = self.stops = 0

    def start(self):
        self.starts += 1
        if self._opening:
            raise self._opening.pop(0)

    def read(self):
        if not self._plays:
            raise StreamStalled("board has nothing more to say.")
        play = self._plays.pop(0)
        if isinstance(play, Exception):
            raise play
        return play

    def stop(self):
        self.stops += 1


def played(flow, driver, until):
    """Run a source until `until()`; it ends within its own read time."""
    source = Source(driver, flow)
    source.start()
    deadline = time.monotonic() + 10
    while not until() and time.monotonic() < deadline:
        source.join(0.005)
    source.halt()
    source.join(5)
    assert until()
    assert not source.is_alive()
    return source


def test_a_lost_device_is_opened_again_and_the_hole_is_counted(flow):
    driver = Listed(chunk(0), DeviceLost("board is gone."), chunk(40))
    played(flow, driver, lambda: flow.n_received == 20)

    assert driver.starts == 2
    assert (flow.n_gaps, flow.missing) == (1, 30)


def test_an_exception_of_a_strangers_driver_ends_nothing(flow, lines):
    driver = Listed(chunk(0), ZeroDivisionError("their bug"), chunk(10))
    played(flow, driver, lambda: flow.n_received == 20)

    told = [line["reason"] for line in lines if line["t"] == "reconnect"]
    assert any("their bug" in reason for reason in told)


def test_a_device_that_is_not_there_yet_is_waited_for(flow):
    driver = Listed(chunk(0), opening=[DeviceMissing("board is not there.")])
    played(flow, driver, lambda: flow.n_received == 10)

    assert driver.starts == 2


def test_a_silent_device_is_called_stalled_not_lost(flow):
    driver = Listed(chunk(0))
    played(flow, driver, lambda: flow.state == "stalled")

    assert driver.starts == 1


def test_every_opened_device_is_closed(flow):
    driver = Listed(chunk(0), DeviceLost("board is gone."))
    played(flow, driver, lambda: driver.starts >= 2)

    assert driver.stops == driver.starts


class Measuring(Listed):
    """A driver whose board measures its electrodes."""

    def __init__(self, *plays, error=None):
        super().__init__(*plays)
        self.asked, self._error = 0, error

    def impedance(self):
        self.asked += 1
        if self._error is not None:
            raise self._error
        return Impedance({"a": 5e3 * self.asked, "b": float("nan")}, 10.0)


def test_impedances_are_measured_once_when_the_device_is_opened(flow, lines):
    driver = Measuring(chunk(0), DeviceLost("board is gone."), chunk(40))
    played(flow, driver, lambda: flow.n_received == 20)

    assert driver.asked == 1
    assert flow.numbers(0)["impedance_ohm"] == {"a": 5e3, "b": None}
    assert [line["hz"] for line in lines if line["t"] == "impedance"] == [10.0]


def test_impedances_are_measured_again_when_the_block_is_over(flow, wait_for):
    driver = Measuring()
    source = Source(driver, flow)
    source.start()
    wait_for(lambda: driver.asked == 1)
    source.measure()
    wait_for(lambda: flow.numbers(0)["impedance_ohm"] == {"a": 1e4, "b": None})
    source.halt()
    source.join(5)


def test_nothing_is_measured_in_the_middle_of_a_block(tmp_path, lines, flow):
    played(flow, Listed(chunk(0)), lambda: flow.n_received == 10)
    again = Flow(flow.config, flow.path.parent, lines.append)
    again.restore()
    driver = Measuring(chunk(20))
    played(again, driver, lambda: again.n_received == 10)

    assert driver.asked == 0


def test_a_measurement_that_fails_is_told_and_reading_goes_on(flow, lines):
    played(flow, Measuring(chunk(0), error=DeviceError("no")), lambda: flow.n_received == 10)

    (told,) = [line for line in lines if line["t"] == "impedance"]
    assert told["error"].startswith("no ")
