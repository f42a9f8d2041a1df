"""The `frame_trigger` driver: on the chunks of another stream, and on a serial board."""

import os

import numpy as np
import pytest
from tenmin_drivers.frame_trigger import EVENT, Events, FrameTrigger

from tenmin.errors import DeviceLost, MalformedData, StreamStalled, UsageError
from tenmin.source import Derived, Driver, is_derived
from tenmin.stream import Chunk, Stream
from tests.drivers.conftest import gather

FS, T = 10_000.0, 333
NIDAQ = Stream("nidaq", ("sync", "frame_clock"), FS, "volts", 0.001, dtype="int16")


def derived(source="nidaq:frame_clock", stream=NIDAQ, **keys):
    driver = FrameTrigger(FrameTrigger.Config(name="frames", source=source, rate_hz=FS / T, **keys))
    driver.bind(stream)
    return driver


def pulses(edges, n):
    samples = np.zeros((n, 2), np.int16)
    for edge in edges:
        samples[edge : edge + 30, 1] = 3300
    return samples


def fed(driver, samples, first=0, size=100):
    made = []
    for at in range(0, len(samples), size):
        piece = samples[at : at + size]
        index = np.arange(first + at, first + at + len(piece))
        frames = driver.feed(Chunk(piece, index, None, at))
        made += [] if frames is None else [frames]
    return made


def test_it_is_derived_from_its_source_and_a_driver_for_a_board():
    driver = derived()
    assert isinstance(driver, Derived)
    assert isinstance(driver, Driver)
    assert is_derived(FrameTrigger.Config(name="f", source="a:0"))
    assert not is_derived(FrameTrigger.Config(name="f", port="COM3"))


@pytest.mark.parametrize("source", ["nidaq:frame_clock", "nidaq:1"])
def test_frames_come_with_the_time_of_their_source(source):
    chunks = fed(derived(source), pulses([1000, 1333, 1666], 2000), first=70_000)
    rows = np.concatenate([chunk.samples for chunk in chunks])
    times = np.concatenate([chunk.device_time for chunk in chunks])
    assert rows[:, 1].tolist() == [71_000, 71_333, 71_666]
    np.testing.assert_allclose(times, rows[:, 1] / FS)


def test_its_stream_tells_whose_clock_it_is_on():
    stream = derived(expected_frames=18_000).stream
    assert (stream.kind, stream.rate_hz, stream.clock) == ("frames", 0.0, "nidaq")
    assert stream.timed
    assert stream.facts["expected_frames"] == "18000"


def test_a_source_that_comes_back_does_not_begin_the_numbers_anew():
    driver = derived()
    fed(driver, pulses([500], 1000))
    driver.bind(NIDAQ)
    (chunk,) = fed(driver, pulses([500], 1000), first=1000)
    assert chunk.samples[0, 0] == 2


@pytest.mark.parametrize("keys", [{"high": 2000.0, "low": 800.0, "threshold_unit": "counts"}, {}])
def test_thresholds_are_in_volts_or_in_counts(keys):
    assert len(fed(derived(**keys), pulses([100], 300))) == 1


def test_a_converter_that_inverts_keeps_the_edges():
    stream = Stream("nidaq", ("sync", "frame_clock"), FS, "volts", -0.001, dtype="int16")
    (chunk,) = fed(derived(stream=stream), -pulses([100], 300))
    assert chunk.samples[0, 1] == 100


def test_the_bit_of_a_digital_word_may_be_the_clock():
    (chunk,) = fed(derived(bit=3), (pulses([100], 300) > 0).astype(np.int16) << 3)
    assert chunk.samples[0, 1] == 100


@pytest.mark.parametrize(
    ("keys", "stream", "message"),
    [
        ({"source": "nidaq:laser"}, NIDAQ, "no channel 'laser'"),
        ({"source": "nidaq:7"}, NIDAQ, "no channel '7'"),
        ({}, Stream("nidaq", ("a", "frame_clock"), 100.0, "volts"), "100 samples per second"),
        ({}, Stream("nidaq", ("a", "frame_clock"), FS, "unknown"), "volts mean nothing"),
        ({"bit": 1}, Stream("n", ("a", "frame_clock"), FS, "volts", dtype="float32"), "no bits"),
    ],
)
def test_a_source_that_cannot_serve_is_refused(keys, stream, message):
    with pytest.raises(UsageError, match=message):
        derived(stream=stream, **keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "where its frames come from"),
        ({"source": "a:0", "high": 1.0, "low": 1.0}, "not above low"),
        ({"source": "a:0", "polarity": "up"}, "polarity is 'up'"),
        ({"source": "a:0", "threshold_unit": "mV"}, "threshold_unit is 'mV'"),
    ],
)
def test_a_faulty_table_is_refused(keys, message):
    with pytest.raises(UsageError, match=message):
        FrameTrigger.Config(name="frames", **keys)


def events(first, times_us):
    out = np.empty(len(times_us), EVENT)
    out["number"] = first + np.arange(len(times_us))
    out["time_us"] = times_us
    return out.tobytes()


def times(pieces):
    return [int(when) for piece, _ in pieces for when in piece]


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 13])
def test_events_survive_any_cut_of_the_bytes(cut):
    parser, data = Events(), events(1, [1000, 34_333, 67_666])
    made = [piece for at in range(0, 36, cut) for piece in parser.feed(data[at : at + cut])]
    assert times(made) == [1000, 34_333, 67_666]


@pytest.mark.parametrize("missing", range(1, 12))
def test_opening_within_an_event_loses_that_event_only(missing):
    data = events(2**20, [10_000_000, 10_033_333, 10_066_666])[missing:]
    assert times(Events().feed(data)) == [10_033_333, 10_066_666]


def test_a_single_event_is_certain_once_the_line_is_silent():
    parser = Events()
    assert parser.feed(events(1, [5000])) == []
    assert times(parser.feed(b"")) == [5000]


def test_events_lost_on_the_way_are_told():
    pieces = Events().feed(events(1, [1000, 2000]) + events(9, [9000]))
    assert [lost for _, lost in pieces] == [False, False, True]


@pytest.mark.parametrize("bytes_", [events(1, [5, 6]) + events(1, [7]), bytes(range(1, 250)) * 9])
def test_bytes_that_are_no_events_are_refused(bytes_):
    with pytest.raises(MalformedData, match="no events"):
        Events().feed(bytes_)


@pytest.fixture
def board():
    tty = pytest.importorskip("tty")
    far, near = os.openpty()
    tty.setraw(near)
    ends = [far, near]
    driver = FrameTrigger(FrameTrigger.Config(name="frames", port=os.ttyname(near), rate_hz=30.0))
    driver.start()
    yield driver, ends
    driver.stop()
    for end in ends:
        os.close(end)


def test_the_frames_of_a_board_are_counted(board):
    driver, (far, _) = board
    os.write(far, events(1, [1_000_000, 1_033_333, 1_099_999]))
    chunks = gather(driver, 3)
    rows = np.concatenate([chunk.samples for chunk in chunks])
    assert rows[:, :4].tolist() == [
        [1, 1_000_000, 0, 0],
        [2, 1_033_333, 33_333, 0],
        [3, 1_099_999, 66_666, 1],
    ]
    assert chunks[0].device_time[0] == 1.0
    assert driver.stream.clock is None


def test_a_board_without_frames_is_silent(board):
    driver, _ = board
    with pytest.raises(StreamStalled):
        driver.read()


def test_an_unplugged_board_is_lost(board):
    driver, ends = board
    while ends:
        os.close(ends.pop())
    with pytest.raises(DeviceLost, match="unplugged"):
        gather(driver, 1)
