"""What the validators say of our files: nothing; and of files that are not good: what it is."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tenmin.cli import main
from tenmin.errors import UsageError
from tenmin.recorder.finaliser import finalise
from tenmin.recorder.journal import write_block
from tenmin.validate import Finding, dandi, inspector, invariants, schema, validate, verdicts
from tests.recorder import journals
from tests.recorder.journals import Source, make, probe, treadmill


def file_of(made):
    finalise(made.folder)
    return made.folder.parent / made.block["nwb"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return file_of(journals.mouse(tmp_path_factory.mktemp("good")))


def messages(findings):
    return [(f.check, f.message) for f in findings if f.level != "OK"]


def test_nothing_is_said_of_a_mouse(good):
    findings = validate([good])
    assert messages(findings) == []
    assert {f.check for f in findings} == {"schema", "inspector", "dandi", "invariants"}


def test_nothing_is_said_of_a_human(tmp_path):
    assert messages(validate([file_of(journals.human(tmp_path))])) == []


def test_nothing_is_said_of_a_recording_with_gaps(tmp_path):
    made = make(
        tmp_path,
        [
            Source(probe(), gaps=[(1000, 1), (2000, 10), (2500, 1500)]),
            Source(treadmill(), ppm=50.0, gaps=[(300, 20)]),
        ],
        markers_at=[(1.0, "only one")],
    )
    assert messages(validate([file_of(made)])) == []


@pytest.mark.parametrize("stop_s", [0.5, 2.5])
def test_nothing_is_said_of_a_block_that_was_cut_short(tmp_path, stop_s):
    made = make(tmp_path, [Source(probe())], stop_s=stop_s, end=None, events=False, markers_at=[])
    assert messages(validate([file_of(made)])) == []


def test_a_missing_subject_fails(tmp_path):
    made = make(tmp_path, [Source(probe())], subject={**journals.MOUSE, "species": "mouse"})
    found = inspector(file_of(made))
    assert any(f.level == "FAIL" and "species" in f.message for f in found)


def test_a_region_outside_the_atlas_is_a_warning(tmp_path):
    made = journals.mouse(tmp_path)
    made.block["facts"]["ephys.target"] = "V1 left"
    write_block(made.folder, made.block)
    found = inspector(file_of(made))
    assert {f.level for f in found} == {"WARN"}


def test_a_file_outside_the_tree_is_not_for_the_archive(tmp_path, good):
    stray = tmp_path / "recording.nwb"
    stray.write_bytes(good.read_bytes())
    assert all(f.level in ("WARN", "FAIL") for f in dandi(stray))


def test_a_file_that_is_no_nwb_fails_the_schema(tmp_path):
    path = tmp_path / "x.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["hello"] = 1
    assert schema(path)[0].level == "FAIL"


def test_a_file_that_is_no_hdf5_fails_everything_without_a_crash(tmp_path):
    path = tmp_path / "x.nwb"
    path.write_text("not this")
    assert all(f.level == "FAIL" for f in (*schema(path), *inspector(path), *invariants(path)))


def spoil(good, tmp_path, change):
    path = tmp_path / good.name
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return [f.message for f in invariants(path) if f.level == "FAIL"]


def test_a_window_of_the_wrong_length_is_found(good, tmp_path):
    def change(file):
        file["intervals/epochs/n_window"][2] = 2999

    assert "not n_window = 2999" in spoil(good, tmp_path, change)[0]


def test_times_before_zero_are_found(good, tmp_path):
    def change(file):
        file["acquisition/probe/starting_time"][()] = -0.1

    assert spoil(good, tmp_path, change) == ["probe begins before zero"]


def test_rows_out_of_order_are_found(good, tmp_path):
    def change(file):
        times = file["events/markers/timestamp"]
        times[:] = times[:][::-1]

    assert spoil(good, tmp_path, change) == ["events/markers is not in the order of time"]


def test_a_counter_that_falls_is_found(good, tmp_path):
    def change(file):
        file["acquisition/probe_counter/data"][10] = 5

    assert "does not rise" in spoil(good, tmp_path, change)[0]


def test_timestamps_of_the_wrong_number_are_found(good, tmp_path):
    def change(file):
        del file["acquisition/gaze/timestamps"]
        file["acquisition/gaze"]["timestamps"] = np.arange(3.0)

    assert any("3 timestamps" in text for text in spoil(good, tmp_path, change))


def test_a_file_that_lost_samples_disagrees_with_its_journal(tmp_path):
    path = file_of(make(tmp_path, [Source(probe())]))
    with h5py.File(path, "r+") as file:
        file["acquisition/probe/data"].resize(4000, axis=0)
    assert any("its journal 5000" in f.message for f in invariants(path))


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        validate([tmp_path / "nowhere.nwb"])


def test_a_verdict_counts_the_messages_of_its_validator():
    findings = [
        Finding("schema", "a", "OK"),
        Finding("inspector", "a", "WARN", "one"),
        Finding("inspector", "a", "FAIL", "two"),
        Finding("dandi", "a", "UNKNOWN", "not installed"),
    ]
    found = {v.check: (v.level, v.value) for v in verdicts(findings)}
    assert found == {
        "validate_schema": ("OK", 0.0),
        "validate_inspector": ("FAIL", 2.0),
        "validate_dandi": ("UNKNOWN", None),
    }


@pytest.mark.parametrize("content", [b"", b"name,value\n"])
def test_a_file_that_is_no_nwb_is_refused_in_one_line(tmp_path, capsys, content):
    path = tmp_path / "table.nwb"
    path.write_bytes(content)
    assert main(["validate", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"No NWB file: {path}." in said
    assert "Traceback" not in said


def test_an_hdf5_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "other.h5"
    h5py.File(path, "w").close()
    with pytest.raises(UsageError, match="No NWB file"):
        validate([path])
