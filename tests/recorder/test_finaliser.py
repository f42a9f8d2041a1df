"""From journal to NWB: every sample, its time, and what was missing."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tenmin.recorder.files import unsealed
from tenmin.recorder.finaliser import finalise
from tenmin.recorder.journal import JsonLog, StreamJournal, read_log
from tenmin.recorder.recover import recover
from tenmin.stream import Stream
from tenmin.system import priority_of
from tests.recorder import journals
from tests.recorder.journals import Source, eeg, make, probe, treadmill
from tests.recorder.reading import opened, stream_of


def flip(path: Path, at: int) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))


@pytest.fixture(scope="module")
def mouse(tmp_path_factory):
    made = journals.mouse(tmp_path_factory.mktemp("mouse"))
    return made, finalise(made.folder)


@pytest.fixture(scope="module")
def human(tmp_path_factory):
    made = journals.human(tmp_path_factory.mktemp("human"))
    return made, finalise(made.folder)


@pytest.mark.parametrize("name", ["probe", "treadmill", "gaze"])
def test_every_sample_is_in_the_file_bit_for_bit(mouse, name):
    made, _ = mouse
    with opened(made) as nwb:
        data = nwb.acquisition[name].data[:]
    assert data.dtype == made.samples[name].dtype
    assert data.tobytes() == made.samples[name].tobytes()


def test_a_series_of_one_channel_has_one_dimension(mouse):
    with opened(mouse[0]) as nwb:
        assert nwb.acquisition["treadmill"].data.ndim == 1


@pytest.mark.parametrize("name", ["probe", "treadmill"])
def test_the_counter_of_a_device_is_a_series_of_its_own(mouse, name):
    made, _ = mouse
    with opened(made) as nwb:
        assert np.array_equal(nwb.acquisition[f"{name}_counter"].data[:], made.index[name])


def test_raw_device_times_are_kept(mouse, human):
    with opened(mouse[0]) as nwb:
        raw = nwb.acquisition["gaze_device_time"].data[:]
    assert np.array_equal(raw, mouse[0].times["gaze"])
    with opened(human[0]) as nwb:
        raw = nwb.acquisition["eeg_device_time"].data[:]
    assert np.array_equal(raw, human[0].times["eeg"])


def test_the_reference_is_timed_by_its_own_counter(mouse):
    made, _ = mouse
    with opened(made) as nwb:
        series = nwb.acquisition["probe"]
        assert (series.starting_time, series.rate) == (2.0, 1000.0)


def test_a_drifting_stream_has_its_measured_rate(mouse):
    made, result = mouse
    with opened(made) as nwb:
        assert nwb.acquisition["treadmill"].rate == pytest.approx(500 * (1 + 37e-6), rel=1e-9)
    told = stream_of(result, "treadmill")
    assert abs(told["drift_ppm"] - 37.0) <= told["drift_ppm_u95"]


def test_frames_made_from_the_probe_have_the_drift_of_their_own_count(mouse):
    told = stream_of(mouse[1], "frames")
    assert abs(told["drift_ppm"] + 20.0) <= told["drift_ppm_u95"]


def test_frame_triggers_that_count_tell_the_microscopes_drift(tmp_path):
    stream = Stream(
        "frames", ("frame", "source_index", "missed"), 0.0, "n/a", dtype="int64", kind="frames",
        timed=True, clock="probe", facts={"nominal_rate_hz": "30"},
    )  # fmt: skip
    number = np.delete(np.arange(140), [50, 51])
    made = make(tmp_path, [Source(probe()), Source(stream, times=number / (30 * (1 - 2e-5)))])
    journal = StreamJournal(made.folder, stream)
    rows = np.column_stack([number, number, np.zeros_like(number)])
    journal.append(0, rows, made.times["frames"], journals.SETTLE_NS)
    journal.close()
    told = stream_of(finalise(made.folder), "frames")
    assert told["drift_ppm"] == pytest.approx(-20.0, abs=1e-3)
    assert told["rate_hz"] == pytest.approx(30 * (1 - 2e-5), rel=1e-9)


def test_irregular_samples_stand_where_the_sender_stamped_them(mouse):
    made, _ = mouse
    truth = made.host_s["gaze"] - journals.SETTLE_NS * 1e-9
    with opened(made) as nwb:
        assert nwb.acquisition["gaze"].timestamps[:] == pytest.approx(truth, abs=1e-8)


def test_helper_series_share_the_timestamps_of_their_stream(mouse):
    made, _ = mouse
    with h5py.File(made.folder.parent / made.block["nwb"]) as file:
        link = file["acquisition/gaze_device_time"].get("timestamps", getlink=True)
    assert link.path == "/acquisition/gaze/timestamps"


def test_frames_are_events_on_the_probes_clock(mouse):
    made, _ = mouse
    with opened(made) as nwb:
        table = nwb.events["frames"]
        truth = made.host_s["frames"] - journals.SETTLE_NS * 1e-9
        assert table["timestamp"][:] == pytest.approx(truth, abs=1e-9)
        assert np.array_equal(table["device_time"][:], made.times["frames"])
        assert np.array_equal(table["level"][:], made.samples["frames"][:, 0])


def test_markers_are_events_at_their_senders_time(mouse):
    with opened(mouse[0]) as nwb:
        table = nwb.events["markers"]
        assert list(table["value"][:]) == ["start", "stimulus", "stop"]
        assert table["timestamp"][:] == pytest.approx([2.5, 3.25, 4.0], abs=1e-6)


def test_clock_corrections_are_kept_and_not_applied_to_raw_times(mouse):
    with opened(mouse[0]) as nwb:
        series = nwb.acquisition["gaze_time_correction"]
        assert set(series.data[:]) == {-1234.5}


def test_the_window_is_a_row_of_epochs_in_device_indices(mouse):
    made, result = mouse
    with opened(made) as nwb:
        rows = nwb.epochs.to_dataframe()
    row = rows[rows.label == "spontaneous_baseline"].iloc[0]
    assert (row.t0_index, row.n_window) == (made.t0, made.n_window)
    assert (row.start_time, row.stop_time) == (3.0, 6.0)
    assert (result["t0_index"], result["n_window"]) == (made.t0, made.n_window)
    assert list(rows.label) == ["settling", "pad", "spontaneous_baseline", "pad"]


def test_pads_are_invalid_times(mouse):
    with opened(mouse[0]) as nwb:
        rows = nwb.invalid_times.to_dataframe()
    assert rows[["start_time", "stop_time", "reason", "stream"]].values.tolist() == [
        [2.0, 3.0, "pad", "all"],
        [6.0, 7.0, "pad", "all"],
    ]


def test_every_clock_fit_is_a_row_of_clock_sync(mouse):
    with opened(mouse[0]) as nwb:
        rows = nwb.analysis["clock_sync"].to_dataframe().set_index("stream")
    assert rows.loc["treadmill"].drift_ppm == pytest.approx(37.0, abs=1e-3)
    assert rows.loc["gaze"].method == "time_correction"
    assert "against the host" in rows.method.iloc[-1]


def test_operator_notes_and_verdicts_are_session_markers(mouse):
    with opened(mouse[0]) as nwb:
        rows = nwb.events["session_markers"].to_dataframe()
    told = dict(zip(rows.marker, rows.annotation))
    assert told["verdict"] == "alive of probe OK value 1 s limit 2 s"
    assert told["gate"] == "id facts, level OK"
    assert told["comment"] == "the animal (is: quiet)"


def test_times_before_zero_stand_at_zero_and_say_so(mouse):
    with opened(mouse[0]) as nwb:
        rows = nwb.events["session_markers"].to_dataframe()
    assert rows.timestamp.iloc[0] == 0.0
    assert "5.000 s before" in rows.annotation.iloc[0]


def test_a_simulated_recording_says_so_in_name_and_text(mouse):
    made, _ = mouse
    with opened(made) as nwb:
        assert nwb.session_description.startswith("SIMULATED")
        assert nwb.session_id.endswith("sim")


def test_the_start_is_that_of_settle_in_utc(mouse):
    with opened(mouse[0]) as nwb:
        assert nwb.session_start_time == journals.UTC0


def test_rig_protocol_and_facts_are_in_the_file(mouse):
    made, _ = mouse
    with opened(made) as nwb:
        assert json.loads(nwb.source_script)["rig"] == made.block["rig"]


def test_what_the_system_granted_is_a_table_with_the_priority_of_the_writer(mouse):
    made, _ = mouse
    with opened(made) as nwb:
        table = nwb.analysis["granted"]
        granted = dict(zip(table["item"].data[:], table["granted"].data[:]))
    writer = granted.pop("finaliser.priority")
    assert granted == made.block["granted"]
    assert writer == priority_of()


def test_the_logs_of_the_journal_are_in_the_file(mouse):
    made, _ = mouse
    with opened(made) as nwb:
        text = nwb.scratch["journal_log"].data
        text = text[()] if hasattr(text, "shape") else text
    text = text.decode() if isinstance(text, bytes) else text
    assert [unsealed(line.encode()) for line in text.splitlines()] == read_log(
        made.folder / "acquirer.jsonl"
    )


def test_float_eeg_keeps_its_bits_and_its_unit(human):
    made, _ = human
    with opened(made) as nwb:
        series = nwb.acquisition["eeg"]
        assert series.data[:].tobytes() == made.samples["eeg"].tobytes()
        assert (series.conversion, series.unit) == (1e-6, "volts")
        assert list(series.electrodes.table["location"][:]) == ["scalp"] * 8
        assert list(series.electrodes.table["reference"][:]) == ["FCz"] * 8
        assert list(series.electrodes.table["electrode_name"][:]) == list(eeg().channels)


def test_a_marker_that_is_json_is_kept_byte_for_byte(human):
    with opened(human[0]) as nwb:
        assert list(nwb.events["markers"]["value"][:]) == [b"eyes open", b'{"code": 7}']


def test_the_file_is_plain_gzip_in_chunks_of_a_second(mouse):
    made, _ = mouse
    with h5py.File(made.folder.parent / made.block["nwb"]) as file:
        data = file["acquisition/probe/data"]
        assert (data.compression, data.shuffle, data.chunks) == ("gzip", True, (1000, 16))


def test_result_json_says_what_the_file_holds(mouse):
    made, result = mouse
    written = json.loads((made.folder / "result.json").read_text())
    assert written == json.loads(json.dumps(result))
    assert written["verified"]
    told = stream_of(written, "probe")
    assert (told["samples"], told["window_samples"], told["gaps"]) == (5000, 3000, [])


def test_window_samples_follow_the_reference_clock(mouse):
    made, result = mouse
    start, stop = 3.0, 6.0
    for name in ("treadmill", "gaze", "frames"):
        at = made.host_s[name] - journals.SETTLE_NS * 1e-9
        inside = np.count_nonzero((at >= start - 1e-9) & (at < stop - 1e-9))
        assert stream_of(result, name)["window_samples"] == inside


@pytest.mark.parametrize("n", [1, 10, 10_000])
def test_a_gap_is_found_exactly(tmp_path, n):
    made = make(tmp_path, [Source(probe(4, 5000.0), gaps=[(6000, n)], first=50)])
    result = finalise(made.folder)
    told = stream_of(result, "probe")
    assert (told["gaps"], told["missing_samples"]) == ([[6050, n]], n)
    assert told["window_samples"] == made.n_window - n
    with opened(made) as nwb:
        series = nwb.acquisition["probe"]
        truth = (made.index["probe"] - made.zero_index) / 5000.0
        assert series.rate is None
        assert np.array_equal(series.timestamps[:], truth)
        rows = nwb.invalid_times.to_dataframe()
    gap = rows[rows.stream == "probe"].iloc[0]
    assert gap.reason == "gap: counter"
    assert [gap.start_time, gap.stop_time] == pytest.approx(
        [(6050 - made.zero_index) / 5000.0, (6050 + n - made.zero_index) / 5000.0], abs=1e-9
    )


def test_a_gap_in_another_stream_leaves_the_reference_alone(tmp_path):
    made = make(tmp_path, [Source(probe()), Source(treadmill(), ppm=40.0, gaps=[(700, 3)])])
    finalise(made.folder)
    truth = made.host_s["treadmill"] - journals.SETTLE_NS * 1e-9
    with opened(made) as nwb:
        assert nwb.acquisition["probe"].rate == 1000.0
        assert nwb.acquisition["treadmill"].timestamps[:] == pytest.approx(truth, abs=1e-7)


def test_a_damaged_record_is_a_gap_and_the_rest_is_kept(tmp_path):
    made = make(tmp_path, [Source(probe(), chunk=50)])
    flip(made.folder / "probe.bin", (1000 + 7) * 32)
    result = finalise(made.folder)
    assert stream_of(result, "probe")["gaps"] == [[1000, 50]]
    assert result["damaged"] == {"probe": [[1000, 50]]}
    kept = np.delete(made.samples["probe"], range(1000, 1050), axis=0)
    with opened(made) as nwb:
        assert np.array_equal(nwb.acquisition["probe"].data[:], kept)
        assert "gap: damaged" in set(nwb.invalid_times["reason"][:])


def test_an_aborted_block_is_a_file_that_says_so(tmp_path):
    made = make(tmp_path, [Source(probe())], stop_s=2.5, end="aborted")
    result = finalise(made.folder)
    assert (result["reason"], result["whole"]) == ("aborted", False)
    with opened(made) as nwb:
        rows = nwb.epochs.to_dataframe()
        assert "aborted" in nwb.session_description
    assert list(rows.label) == ["settling", "pad", "spontaneous_baseline_aborted"]
    assert rows.stop_time.iloc[-1] == 4.5


def test_a_block_that_ended_before_t0_has_no_window(tmp_path):
    made = make(tmp_path, [Source(probe())], stop_s=0.5, end="aborted")
    result = finalise(made.folder)
    assert not result["whole"]
    with opened(made) as nwb:
        assert list(nwb.epochs["label"][:]) == ["settling", "pad"]


def test_a_journal_without_an_end_gives_a_whole_window(tmp_path):
    made = make(tmp_path, [Source(probe())], end=None)
    result = recover(made.folder)
    assert (result["reason"], result["whole"]) == ("unfinished", True)
    with opened(made) as nwb:
        assert "not closed" in nwb.session_description


def test_an_extension_is_an_epoch_and_never_moves_the_window(tmp_path):
    made = make(tmp_path, [Source(probe())], stop_s=7.0, end=None)
    log = JsonLog(made.folder / "acquirer.jsonl")
    log.write({"t": "extend", "stop": made.t0 + made.n_window + 2000 + 1000, "host_ns": 0})
    log.write({"t": "end", "reason": "complete", "host_ns": 0})
    log.close()
    finalise(made.folder)
    with opened(made) as nwb:
        rows = nwb.epochs.to_dataframe()
    assert list(rows.label)[2:] == ["spontaneous_baseline", "extension", "pad"]
    assert list(rows.n_window)[2:] == [3000, 2000, 1000]


def test_a_stream_without_samples_is_left_out_and_named(tmp_path):
    silent = Stream("silent", ("x",), 100.0, "volts", kind="ecephys", scale=1e-6, counter=True)
    made = make(tmp_path, [Source(probe()), Source(silent, times=np.zeros(0))])
    result = finalise(made.folder)
    assert result["left_out"] == ["silent"]
    with opened(made) as nwb:
        assert set(nwb.acquisition) == {"probe", "probe_counter"}


def test_a_stream_that_loses_its_end_says_so(tmp_path):
    made = make(tmp_path, [Source(probe()), Source(treadmill(), gaps=[(1000, 10_000)])])
    finalise(made.folder)
    with opened(made) as nwb:
        rows = nwb.invalid_times.to_dataframe()
    row = rows[rows.reason == "no data until the end"].iloc[0]
    assert (row.stream, row.stop_time) == ("treadmill", 7.0)
    assert row.start_time == pytest.approx(4.0, abs=1e-6)


def test_timestamps_that_turn_out_even_become_a_rate(tmp_path):
    even = Stream("even", ("x",), 0.0, "volts", dtype="float64", timed=True)
    source = Source(even, times=np.arange(40) * 0.125, correction=True)
    made = make(tmp_path, [Source(probe()), source])
    finalise(made.folder)
    with opened(made) as nwb:
        assert nwb.acquisition["even"].rate == pytest.approx(8.0)


def test_irregular_samples_without_any_stamp_stand_at_their_arrival(tmp_path):
    bare = Stream("bare", ("x",), 0.0, "volts", dtype="float64")
    made = make(tmp_path, [Source(probe()), Source(bare, times=np.array([0.5, 0.9, 2.2, 2.3]))])
    finalise(made.folder)
    with opened(made) as nwb:
        times = nwb.acquisition["bare"].timestamps[:]
    assert times == pytest.approx(np.array([2.2, 2.2, 2.2, 2.3]) + 2.001, abs=1e-6)


def test_counts_without_a_unit_are_no_potentials(tmp_path):
    counts = probe(scale=1.0)
    made = make(tmp_path, [Source(counts)])
    finalise(made.folder)
    with opened(made) as nwb:
        assert type(nwb.acquisition["probe"]).__name__ == "TimeSeries"


def test_gains_per_channel_are_kept(tmp_path):
    scales = tuple(float(i + 1) for i in range(16))
    made = make(tmp_path, [Source(probe(channel_scales=scales))])
    finalise(made.folder)
    with opened(made) as nwb:
        assert tuple(nwb.acquisition["probe"].channel_conversion[:]) == scales


def test_a_data_set_description_is_made_once_and_never_changed(tmp_path):
    made = make(tmp_path, [Source(probe())])
    finalise(made.folder)
    path = tmp_path / "dandiset.yaml"
    assert path.read_text().count("identifier:") == 1
    path.write_text("mine")
    finalise(made.folder)
    assert path.read_text() == "mine"


def test_nothing_is_left_beside_the_finished_file(mouse):
    made, _ = mouse
    names = sorted(path.name for path in made.folder.parent.iterdir())
    assert names == [made.folder.name, made.block["nwb"]]
