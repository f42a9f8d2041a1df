"""Journals that were spoilt by something other than a kill: a file of the rest, or a clear no."""

from __future__ import annotations

import json

import h5py
import pytest

from tenmin.cli import main
from tenmin.errors import JournalDamaged
from tenmin.recorder.files import BLOCK, COPY, sealed, write_block
from tenmin.recorder.recover import recover
from tests.recorder import journals
from tests.recorder.journals import Source, make, probe
from tests.recorder.reading import opened, stream_of


def lines(*objects: object) -> str:
    return "".join(seal(one) + "\n" for one in objects)


def seal(one: object) -> str:
    return sealed(json.dumps(one).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        seal({"streams": []}),
        seal({"streams": {"probe": 3}}),
        seal({"streams": {"probe": {}}}),
    ],
)
def test_a_block_json_of_another_shape_is_called_damaged(tmp_path, text):
    made = make(tmp_path, [Source(probe())])
    for name in (BLOCK, COPY):
        (made.folder / name).write_text(text)
    with pytest.raises(JournalDamaged, match=r"block\.json") as caught:
        recover(made.folder)
    assert caught.value.exit_code == 3


def test_a_block_json_that_misstates_something_is_called_damaged(tmp_path):
    made = make(tmp_path, [Source(probe())])
    write_block(made.folder, {**made.block, "created_utc": 7})
    (made.folder / "acquirer.jsonl").unlink()
    with pytest.raises(JournalDamaged, match="holds what no block writes"):
        recover(made.folder)


def test_an_empty_log_still_gives_a_file(tmp_path):
    made = make(tmp_path, [Source(probe())])
    (made.folder / "acquirer.jsonl").write_text("")
    result = recover(made.folder)
    assert (result["reason"], stream_of(result, "probe")["samples"]) == ("unfinished", 5000)


def test_log_lines_that_tell_nothing_are_left_out(tmp_path):
    made = make(tmp_path, [Source(probe())])
    kinds = ("gap", "marker", "clock", "correction", "clock_pair", "start", "t0", "extend")
    before = (made.folder / "acquirer.jsonl").read_text()
    spoilt = lines(*({"t": kind, "stream": "probe", "index": "x"} for kind in kinds))
    (made.folder / "acquirer.jsonl").write_text(spoilt + before)
    result = recover(made.folder)
    assert (result["whole"], result["t0_index"]) == (True, made.t0)


def test_an_event_without_a_time_is_no_marker_and_the_others_are(tmp_path):
    made = make(tmp_path, [Source(probe())], events=False)
    at_s = journals.SETTLE_NS * 1e-9 + 3.0
    (made.folder / "events.jsonl").write_text(
        lines(
            {"onset_s": "soon", "code": "comment", "value": "lost"},
            {"onset_s": at_s, "code": "comment", "value": "first", "duration_s": "long"},
            {"onset_s": at_s, "code": ["no", "text"], "value": "second"},
        )
    )
    recover(made.folder)
    with opened(made) as nwb:
        assert list(nwb.events["session_markers"]["annotation"][:]) == ["first", "second"]


@pytest.mark.parametrize("file", ["treadmill.bin", "treadmill.idx", "gaze.time", "frames.time"])
def test_a_stream_without_one_of_its_files_is_left_out_and_the_others_kept(tmp_path, file):
    made = journals.mouse(tmp_path)
    (made.folder / file).unlink()
    result = recover(made.folder)
    assert result["left_out"] == [file.split(".")[0]]
    assert result["missing_files"] == [file]
    with opened(made) as nwb:
        assert f"The journal lacked {file}" in nwb.session_description
        assert nwb.acquisition["probe"].data[:].tobytes() == made.samples["probe"].tobytes()


def test_recover_names_the_file_that_is_missing(tmp_path, capsys):
    made = journals.mouse(tmp_path)
    (made.folder / "treadmill.bin").unlink()
    main(["recover", str(made.folder)])
    assert "lacks treadmill.bin: those streams are left out" in capsys.readouterr().err
    with h5py.File(made.folder.parent / made.block["nwb"]) as file:
        assert len(file["acquisition/probe/data"]) == len(made.samples["probe"])
