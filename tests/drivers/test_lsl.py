"""The `lsl` driver against outlets of pylsl, and of mne-lsl, in other processes."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tenmin_drivers._lsl_inlet import predicate
from tenmin_drivers.lsl import Lsl

from tenmin.errors import (
    DeviceError,
    DeviceLost,
    DeviceMissing,
    MalformedData,
    NoChannels,
    StreamStalled,
    UsageError,
)
from tenmin.source import Corrected, Driver
from tests.drivers import player
from tests.drivers.conftest import gather, until
from tests.drivers.outlet import pattern

NUMERIC = ["float32", "float64", "int8", "int16", "int32", "int64"]


@pytest.fixture
def opened():
    """Start drivers on outlets, and stop them."""
    started = []

    def start(outlet, **keys):
        settings = outlet.settings
        keys = {"stream_name": settings["name"], "source_id": settings["source_id"], **keys}
        started.append(Lsl(Lsl.Config(name="eeg", driver="lsl", **keys)))
        started[-1].start()
        return started[-1]

    yield start
    for driver in started:
        driver.stop()


def joined(chunks):
    return np.concatenate([chunk.samples for chunk in chunks])


def test_it_is_a_driver_whose_clock_is_corrected():
    driver = Lsl(Lsl.Config(name="eeg", stream_name="x"))
    assert isinstance(driver, Driver)
    assert isinstance(driver, Corrected)


@pytest.mark.parametrize("dtype", NUMERIC)
def test_samples_of_every_format_arrive_bit_for_bit(outlet, opened, dtype):
    sender = outlet(dtype=dtype, rate=1000.0)
    driver = opened(sender)
    sender.push(700)
    sender.push(300)
    samples = joined(gather(driver, 1000))
    assert samples.dtype == np.dtype(dtype) == np.dtype(driver.stream.dtype)
    assert samples.tobytes() == pattern(0, 1000, 4, dtype).tobytes()


def test_stamps_are_those_of_the_sender(outlet, opened):
    sender = outlet(rate=500.0)
    driver = opened(sender)
    sender.push(100)
    stamps = np.concatenate([chunk.device_time for chunk in gather(driver, 100)])
    np.testing.assert_allclose(stamps, 1000.0 + np.arange(100) / 500.0, rtol=0, atol=1e-9)


def test_samples_lost_by_the_sender_show_in_the_stamps(outlet, opened):
    sender = outlet(rate=1000.0)
    driver = opened(sender)
    sender.push(50)
    sender.skip(2000)
    sender.push(50)
    stamps = np.concatenate([chunk.device_time for chunk in gather(driver, 100)])
    assert np.diff(stamps).max() == pytest.approx(2.001)


def test_every_chunk_owns_its_memory(outlet, opened):
    sender = outlet()
    driver = opened(sender)
    sender.push(40)
    early = gather(driver, 40)
    before = joined(early).tobytes()
    sender.push(400)
    gather(driver, 400)
    assert joined(early).tobytes() == before


def test_chunks_are_contiguous_rows(outlet, opened):
    sender = outlet(dtype="int16", channels=5)
    driver = opened(sender, counter_channel=2)
    sender.push(100)
    assert all(chunk.samples.flags.c_contiguous for chunk in gather(driver, 100))


@pytest.mark.parametrize("counter", [0, 2, 4])
def test_the_counter_channel_is_taken_out_of_the_samples(outlet, opened, counter):
    sender = outlet(dtype="int32", channels=5)
    driver = opened(sender, counter_channel=counter)
    sender.push(100)
    chunks = gather(driver, 100)
    whole = pattern(0, 100, 5, "int32")
    np.testing.assert_array_equal(joined(chunks), np.delete(whole, counter, axis=1))
    np.testing.assert_array_equal(np.concatenate([c.index for c in chunks]), whole[:, counter])
    assert driver.stream.counter
    assert driver.stream.n_channels == 4


def test_the_counter_may_be_named_by_its_label(outlet, opened):
    sender = outlet(channels=2, labels=["Cz", "counter"], units=["microvolts", "none"])
    driver = opened(sender, counter_channel="counter")
    assert driver.stream.channels == ("Cz",)
    assert driver.stream.unit == "volts"


def test_an_int16_counter_reads_as_unsigned_past_its_sign(outlet, opened):
    sender = outlet(dtype="int16", channels=2)
    driver = opened(sender, counter_channel=1)
    sender.skip(16380)  # counts 2 per sample, so the sign changes in the 4th sample
    sender.push(10)
    index = np.concatenate([chunk.index for chunk in gather(driver, 10)])
    np.testing.assert_array_equal(index, 32761 + 2 * np.arange(10))
    assert driver.stream.index_bits == 16


@pytest.mark.parametrize(
    ("dtype", "bits"), [("int8", 8), ("int32", 32), ("int64", None), ("float64", None)]
)
def test_a_counter_wraps_at_the_width_of_its_format(outlet, opened, dtype, bits):
    sender = outlet(dtype=dtype)
    assert opened(sender, counter_channel=0).stream.index_bits == bits


def test_a_counter_that_wraps_earlier_can_be_declared(outlet, opened):
    sender = outlet(dtype="int32", channels=2)
    driver = opened(sender, counter_channel=1, counter_bits=8)
    sender.push(200)
    assert max(int(chunk.index.max()) for chunk in gather(driver, 200)) == 255


def test_a_counter_that_is_no_whole_number_is_refused(outlet, opened):
    sender = outlet(dtype="float32")
    driver = opened(sender, counter_channel=1)
    sender.push(10)
    with pytest.raises(MalformedData, match="whole numbers"):
        gather(driver, 10)


def test_a_counter_that_is_not_there_is_named(outlet, opened):
    with pytest.raises(DeviceError, match="no counter channel 'clock'"):
        opened(outlet(), counter_channel="clock")


def test_texts_arrive_as_objects_with_their_stamps(outlet, opened):
    sender = outlet(dtype="str", type="Markers", channels=1, rate=0.0)
    driver = opened(sender)
    sender.texts("stim on", "", "äµ", "x" * 70_000)
    chunks = gather(driver, 4)
    assert [row[0] for row in joined(chunks)] == ["stim on", "", "äµ", "x" * 70_000]
    assert chunks[0].device_time[0] == 1000.0
    assert driver.stream.is_marker
    assert driver.stream.kind == "marker"


def test_an_irregular_stream_of_numbers_is_received_whole(outlet, opened):
    sender = outlet(dtype="int32", type="Gaze", channels=3, rate=0.0)
    driver = opened(sender)
    sender.push(3000)
    np.testing.assert_array_equal(joined(gather(driver, 3000)), pattern(0, 3000, 3, "int32"))
    assert driver.stream.kind == "behavior"


def test_a_silent_sender_is_reported_while_the_wire_is_open(outlet, opened):
    sender = outlet()
    driver = opened(sender)
    sender.push(10)
    gather(driver, 10)
    with pytest.raises(StreamStalled, match="sent nothing"):
        driver.read()


def test_reading_goes_on_after_a_silence(outlet, opened):
    sender = outlet()
    driver = opened(sender)
    with pytest.raises(StreamStalled):
        driver.read()
    sender.push(10)
    assert len(joined(gather(driver, 10))) == 10


def test_a_killed_sender_is_lost(outlet, opened):
    sender = outlet()
    driver = opened(sender)
    sender.push(10)
    gather(driver, 10)
    sender.kill()

    with pytest.raises(DeviceLost, match=r"^eeg: "):
        gather(driver, 1)


def test_a_sender_that_comes_back_is_read_again(outlet, opened):
    sender = outlet(source_id="amp-1")
    driver = opened(sender)
    sender.kill()
    driver.stop()
    with pytest.raises(DeviceMissing):
        Lsl(Lsl.Config(name="eeg", source_id="amp-1", resolve_timeout_s=0.3)).start()
    again = outlet(name=sender.settings["name"], source_id="amp-1")
    driver.start()
    again.push(20)
    assert len(joined(gather(driver, 20))) == 20
    assert driver.stream.index_restarts


def test_a_counter_goes_on_over_a_new_connection_to_the_same_outlet(outlet, opened):
    sender = outlet(dtype="int32")
    driver = opened(sender, counter_channel=0)
    driver.stop()
    driver.start()
    assert not driver.stream.index_restarts


def test_a_sender_that_comes_back_with_other_channels_is_refused(outlet, opened):
    sender = outlet(source_id="amp-2", channels=4)
    driver = opened(sender)
    sender.kill()
    outlet(name=sender.settings["name"], source_id="amp-2", channels=5)
    with pytest.raises(DeviceError, match="5 channels of float32"):
        driver.start()


def test_a_missing_outlet_is_named_with_what_to_do():
    driver = Lsl(Lsl.Config(name="eeg", stream_name="nobody", resolve_timeout_s=0.2))
    with pytest.raises(DeviceMissing, match=r"name='nobody'.*Start its software"):
        driver.start()


def test_two_outlets_of_one_identity_are_both_named(outlet, opened):
    first = outlet(source_id="left")
    outlet(name=first.settings["name"], source_id="right")
    with pytest.raises(DeviceError, match=r"left.*right|right.*left"):
        opened(first, source_id=None)


def test_the_source_id_picks_one_of_two(outlet, opened):
    first = outlet(source_id="left2")
    outlet(name=first.settings["name"], source_id="right2")
    assert opened(first, source_id="right2").stream.facts["source_id"] == "right2"


def test_an_outlet_of_a_counter_alone_has_no_channels(outlet, opened):
    with pytest.raises(NoChannels) as caught:
        opened(outlet(channels=1), counter_channel=0)
    assert caught.value.exit_code == 2


def test_a_table_that_names_no_outlet_is_refused():
    with pytest.raises(UsageError, match="stream_name, stream_type or source_id"):
        Lsl.Config(name="eeg")


def test_the_clock_correction_becomes_known_without_blocking(outlet, opened):
    driver = opened(outlet())
    until(lambda: driver.correction() is not None)
    assert abs(driver.correction()) < 0.1  # both ends read the same clock


def test_stopping_twice_and_before_the_start_is_allowed(outlet, opened):
    driver = Lsl(Lsl.Config(name="eeg", stream_name="x"))
    driver.stop()
    driver.stop()
    with pytest.raises(DeviceLost):
        driver.read()


def test_no_thread_of_python_is_left(outlet, opened):
    before = threading.active_count()
    driver = opened(outlet())
    driver.correction()
    driver.stop()
    assert threading.active_count() == before


class DeadInlet:
    """An inlet whose peer fell silent with its connection open; the outlet answers no more."""

    xml = (
        "<info><name>a</name><type>EEG</type><channel_count>1</channel_count>"
        "<channel_format>float32</channel_format><nominal_srate>100</nominal_srate></info>"
    )
    answers = False

    def __init__(self, config):
        self.asked = 0

    def open(self, config): ...

    def pull(self, into, at_least, at_most, timeout_s):
        return into[:0], np.empty(0)

    def look(self):
        self.asked += 1
        return self.answers

    def close(self): ...


class QuietInlet(DeadInlet):
    """The same, but the outlet is there."""

    answers = True


def error_after(driver, silent_s):
    driver._heard = time.monotonic() - silent_s
    driver._looked = None if driver._looked is None else time.monotonic() - silent_s
    with pytest.raises(DeviceError) as caught:
        driver.read()
    return caught.value


def test_an_outlet_that_no_longer_answers_is_lost():
    driver = Lsl(Lsl.Config(name="eeg", stream_name="a"), DeadInlet)
    driver.start()
    assert isinstance(error_after(driver, 1.0), StreamStalled)
    assert isinstance(error_after(driver, 4.0), DeviceLost)


def test_an_outlet_that_is_only_quiet_is_not_lost():
    driver = Lsl(Lsl.Config(name="eeg", stream_name="a"), QuietInlet)
    driver.start()
    assert isinstance(error_after(driver, 1.0), StreamStalled)
    assert isinstance(error_after(driver, 60.0), StreamStalled)


def test_a_sender_of_integers_may_say_what_a_count_is(outlet, opened):
    sender = outlet(
        dtype="int16",
        channels=2,
        labels=["AP0", "counter"],
        units=["microvolts", "none"],
        acquisition={"uV_per_count": "0.195"},
    )
    stream = opened(sender, counter_channel="counter").stream
    assert (stream.unit, stream.scale) == ("volts", pytest.approx(0.195e-6))


def test_the_table_may_say_what_a_count_is(outlet, opened):
    stream = opened(outlet(dtype="int16"), unit="microvolts", units_per_count=2.34).stream
    assert (stream.unit, stream.scale) == ("volts", pytest.approx(2.34e-6))


@pytest.mark.parametrize(
    ("text", "literal"),
    [("a", "'a'"), ("o'b", '"o\'b"'), ("a'b\"c", "concat('a', \"'\", 'b\"c')")],
)
def test_names_with_quotes_make_a_valid_query(text, literal):
    assert predicate(Lsl.Config(name="x", stream_name=text)) == f"name={literal}"


def test_an_outlet_with_quotes_in_its_name_is_found(outlet, opened):
    assert opened(outlet(name='it\'s "mine"')).stream.facts["stream_name"] == 'it\'s "mine"'


RESTING = Path(__file__).parents[3] / "shared" / "data" / "eeg_yasa" / "resting_EO_200Hz_raw.fif"


@pytest.fixture
def played(tmp_path):
    """A resting EEG played by mne-lsl: its samples, and its driver."""
    if not RESTING.exists():
        pytest.skip(f"no recording to play at {RESTING}")
    import mne

    raw = mne.io.read_raw_fif(RESTING, preload=True, verbose="ERROR")
    process = subprocess.Popen(
        [sys.executable, player.__file__, str(RESTING), "resting", f"player-{tmp_path.name}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "done\n"
        driver = Lsl(
            Lsl.Config(name="eeg", stream_name="resting", source_id=f"player-{tmp_path.name}")
        )
        driver.start()
        yield raw, driver
        driver.stop()
    finally:
        process.kill()
        process.communicate()


def test_a_third_party_player_is_received_bit_for_bit(played):
    raw, driver = played
    received = joined(gather(driver, 500))
    file = np.ascontiguousarray(raw.get_data().T)
    first = np.flatnonzero((file == received[0]).all(axis=1))[0]
    expected = np.take(file, np.arange(first, first + len(received)), axis=0, mode="wrap")
    assert received.tobytes() == expected.astype(received.dtype).tobytes()


def test_a_third_party_player_tells_its_channels_and_units(played):
    raw, driver = played
    assert driver.stream.channels == tuple(raw.ch_names)
    assert (driver.stream.unit, driver.stream.scale) == ("volts", 1.0)
    assert driver.stream.kind == "eeg"
    assert driver.stream.rate_hz == raw.info["sfreq"]
