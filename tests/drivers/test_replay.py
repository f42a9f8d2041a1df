"""The `replay` driver on files of every format, real ones where they are at hand."""

import gzip
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from tenmin_drivers._recordings import open_recording
from tenmin_drivers.replay import Replay, Schedule

from tenmin.errors import DeviceError, DeviceMissing, MalformedData, StreamStalled, UsageError
from tenmin.source import Driver
from tests.drivers.conftest import gather

DATA = Path(__file__).parents[3] / "shared" / "data"


def real(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    return path


@pytest.fixture
def npz(tmp_path):
    def make(name="file.npz", **arrays):
        data = np.random.default_rng(5).integers(-(2**15), 2**15, (600, 3)).astype(np.int16)
        arrays = {"data": data, "rate_hz": 1000.0, "channels": ["a", "b", "b"], **arrays}
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name, np.asarray(arrays["data"])

    return make


@pytest.fixture
def played():
    made = []

    def play(path, **keys):
        made.append(Replay(Replay.Config(name="file", file=path, **keys)))
        made[-1].start()
        return made[-1]

    yield play
    for driver in made:
        driver.stop()


def test_an_array_is_played_bit_for_bit(npz, played):
    path, data = npz(unit="microvolts", scale=0.5)
    driver = played(path)
    chunks = gather(driver, len(data))
    assert np.concatenate([chunk.samples for chunk in chunks]).tobytes() == data.tobytes()
    assert np.concatenate([chunk.index for chunk in chunks]).tolist() == list(range(600))
    assert (driver.stream.unit, driver.stream.scale) == ("volts", 0.5e-6)
    assert driver.stream.channels == ("a", "b", "b-2")
    assert isinstance(driver, Driver)


def test_no_sample_comes_before_its_time(npz, played):
    driver = played(npz()[0])
    began = time.monotonic()  # a little late, which only makes the test milder
    for chunk in gather(driver, 300):
        assert chunk.index[-1] / 1000.0 <= chunk.host_ns * 1e-9 - began + 0.05


def test_a_file_that_loops_goes_on_counting(npz, played):
    path, data = npz(data=np.arange(100, dtype=np.float32)[:, None], channels=["a"])
    chunks = gather(played(path, loop=True), 250)
    samples = np.concatenate([chunk.samples[:, 0] for chunk in chunks])
    index = np.concatenate([chunk.index for chunk in chunks])
    np.testing.assert_array_equal(index, np.arange(len(index)))
    np.testing.assert_array_equal(samples, data[index % 100, 0])


def test_the_end_of_a_file_is_silence(npz, played):
    driver = played(npz()[0], speed=20.0)
    gather(driver, 600)
    with pytest.raises(StreamStalled, match=r"file\.npz is at its end"):
        driver.read()


def test_a_clock_that_steps_back_is_not_waited_for(npz):
    recording = open_recording(npz()[0])
    timed = np.r_[np.arange(300), np.arange(300) - 1000.0]
    schedule = Schedule(type(recording)(**{**vars(recording), "times": timed}))
    assert schedule.when(599) == schedule.when(299) == 299.0


@pytest.mark.parametrize("name", ["eeg_eegmmidb/S001R01.edf", "eeg_eegmat/Subject14_1.edf"])
def test_a_real_edf_is_played_in_its_digital_values(played, name):
    import mne

    path = real(name)
    driver = played(path)
    chunk = gather(driver, 20)[0]
    stream = driver.stream
    raw = mne.io.read_raw_edf(path, verbose="ERROR")
    scales = np.array(stream.channel_scales or 1.0)
    volts = chunk.samples * stream.scale * scales + stream.offset
    expected = raw.get_data(stop=len(chunk)).T[:, [raw.ch_names.index(c) for c in raw.ch_names]]
    np.testing.assert_allclose(volts, expected, rtol=0, atol=1e-12)
    assert stream.rate_hz == raw.info["sfreq"]
    assert stream.unit == "volts"


def test_a_bdf_is_played(tmp_path, played):
    import edfio

    values = np.linspace(-100, 100, 512)
    edfio.Bdf(
        [edfio.BdfSignal(values, 256, label="Cz", physical_dimension="uV")],
    ).write(tmp_path / "file.bdf")
    driver = played(tmp_path / "file.bdf", speed=10.0)
    samples = np.concatenate([chunk.samples for chunk in gather(driver, 512)])[:, 0]
    stream = driver.stream
    np.testing.assert_allclose(samples * stream.scale + stream.offset, values * 1e-6, atol=1e-10)


def test_a_real_xdf_is_played_with_its_stamps(played):
    import pyxdf

    path = real("xdf/clock_resets.xdf")
    streams, _ = pyxdf.load_xdf(
        str(path), synchronize_clocks=False, dejitter_timestamps=False, handle_clock_resets=False
    )
    expected = max(streams, key=lambda one: int(one["info"]["channel_count"][0]))
    driver = played(path)
    chunk = gather(driver, 5)[0]
    np.testing.assert_array_equal(chunk.samples, expected["time_series"][: len(chunk)])
    np.testing.assert_array_equal(chunk.device_time, expected["time_stamps"][: len(chunk)])
    assert driver.stream.timed
    assert chunk.index is None


def test_texts_of_an_xdf_are_markers(played):
    driver = played(real("xdf/minimal.xdf"), stream="SendDataString", speed=1000.0)
    assert driver.stream.is_marker
    assert all(isinstance(text, str) for chunk in gather(driver, 1) for text in chunk.samples[:, 0])


def test_a_real_nwb_is_played(tmp_path, played):
    import h5py

    path = tmp_path / "file.nwb"
    with gzip.open(real("nwb_ephys/A2929-200711.nwb.gz")) as packed, path.open("wb") as out:
        shutil.copyfileobj(packed, out)
    driver = played(path, stream="x")
    chunk = gather(driver, 5)[0]
    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.append(name) if name.endswith("/x/data") else None)
        np.testing.assert_array_equal(chunk.samples[:, 0], file[found[0]][: len(chunk)])
    assert driver.stream.rate_hz == pytest.approx(120, rel=0.01)


def test_an_electrical_series_keeps_its_conversion(tmp_path, played):
    import h5py

    with h5py.File(tmp_path / "file.nwb", "w") as file:
        group = file.create_group("acquisition/probe")
        group.attrs["neurodata_type"] = "ElectricalSeries"
        data = group.create_dataset("data", data=np.arange(400, dtype=np.int16).reshape(200, 2))
        data.attrs["conversion"], data.attrs["unit"] = 2.34e-6, "volts"
        group.create_dataset("starting_time", data=0.0).attrs["rate"] = 1000.0
        group.create_dataset("electrodes", data=[1, 0])
        file["general/extracellular_ephys/electrodes/channel_name"] = ["AP0", "AP1"]
    driver = played(tmp_path / "file.nwb")
    stream = driver.stream
    assert (stream.scale, stream.unit, stream.kind) == (2.34e-6, "volts", "ecephys")
    assert stream.channels == ("AP1", "AP0")
    np.testing.assert_array_equal(gather(driver, 10)[0].samples[:2], [[0, 1], [2, 3]])


@pytest.mark.parametrize("name", ["file.edf", "file.bdf", "file.xdf", "file.nwb", "file.npz"])
def test_a_file_of_another_format_is_refused(tmp_path, played, name):
    (tmp_path / name).write_bytes(b"nothing of the kind" * 40)
    with pytest.raises(MalformedData, match=name):
        played(tmp_path / name)


def test_an_empty_recording_is_refused(npz, played):
    with pytest.raises(MalformedData, match="no samples"):
        played(npz(data=np.empty((0, 3)))[0])


def test_a_pickle_is_refused(npz, played):
    with pytest.raises(MalformedData, match="pickle"):
        played(npz(data=np.array([{}], object))[0])


def test_a_file_that_is_not_there_is_named(tmp_path, played):
    with pytest.raises(DeviceMissing, match=r"file: There is no file .*gone\.npz"):
        played(tmp_path / "gone.npz")


def test_a_series_that_is_not_there_is_named_with_those_that_are(played):
    with pytest.raises(DeviceMissing, match=r"no series 'laser'"):
        played(real("xdf/minimal.xdf"), stream="laser")


def test_an_unknown_format_is_named(tmp_path, played):
    with pytest.raises(DeviceError, match="no format"):
        played(tmp_path / "file.docx")


def test_a_standing_pace_is_refused(tmp_path):
    with pytest.raises(UsageError, match="speed is 0"):
        Replay.Config(name="file", file=tmp_path, speed=0.0)
