"""Logs and JSON files of the journal: whole lines, whole files, whatever happens."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.errors import DiskError, DiskFull, JournalDamaged
from tenmin.recorder.files import BLOCK, COPY, count_spoilt, read_block, read_lines, sealed
from tenmin.recorder.journal import JsonLog, read_log, write_block, write_json
from tenmin.recorder.reader import JournalReader
from tests.recorder.filling import Filling, filling


def test_a_log_goes_on_behind_its_last_whole_line(tmp_path):
    path = tmp_path / "log.jsonl"
    log = JsonLog(path)
    log.write({"a": 1}, sync=True)
    log.close()
    with open(path, "ab") as file:
        file.write(b'{"b": 2')
    again = JsonLog(path)
    again.write({"c": 3})
    again.close()
    assert read_log(path) == [{"a": 1}, {"c": 3}]


def test_a_log_of_nothing_but_a_torn_line_begins_anew(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"x" * 10_000)
    JsonLog(path).close()
    assert path.read_bytes() == b""


@given(cut=st.integers(0, 400))
def test_a_log_cut_at_any_byte_keeps_its_whole_lines(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    lines = [{"n": i, "text": "µ" * i} for i in range(6)]
    texts = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines)
    data = b"".join(sealed(text.encode()) + b"\n" for text in texts)
    path.write_bytes(data[:cut])
    whole = data[:cut].count(b"\n")
    assert read_log(path) == lines[:whole]


def test_reading_a_log_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "log.jsonl"
    log = JsonLog(path)
    log.write({"a": 1})
    first, at = read_lines(path)
    log.write({"b": 2})
    log.close()
    assert (first, read_lines(path, at)[0]) == ([{"a": 1}], [{"b": 2}])


def test_a_log_writes_numbers_that_are_none_as_null(tmp_path):
    log = JsonLog(tmp_path / "log.jsonl")
    log.write({"x": float("nan"), "n": np.int64(3), "a": np.arange(2)})
    log.close()
    assert read_log(tmp_path / "log.jsonl") == [{"x": None, "n": 3, "a": [0, 1]}]


def test_a_line_that_found_no_room_leaves_no_part(tmp_path):
    Filling.room, Filling.code = 45, errno.ENOSPC
    log = JsonLog(tmp_path / "log.jsonl", opener=filling)
    log.write({"a": "0123456789"})
    with pytest.raises(DiskFull):
        log.write({"b": "0123456789"})
    log.close()
    assert read_log(tmp_path / "log.jsonl") == [{"a": "0123456789"}]


def test_block_json_is_replaced_whole(tmp_path):
    write_block(tmp_path / "x.dot", {"seconds": 600.0})
    write_block(tmp_path / "x.dot", {"seconds": 300.0})
    assert JournalReader(tmp_path / "x.dot").block == {"format": 1, "seconds": 300.0}
    assert {path.name for path in (tmp_path / "x.dot").iterdir()} == {BLOCK, COPY}


def flip(path, at, bits=0xFF):
    with open(path, "r+b") as file:
        file.seek(at)
        (old,) = file.read(1)
        file.seek(at)
        file.write(bytes([old ^ bits]))


@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_a_flipped_byte_of_a_log_costs_at_most_its_line(tmp_path_factory, at, bits):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    log = JsonLog(path)
    lines = [{"n": n, "text": "µ" * n} for n in range(6)]
    for line in lines:
        log.write(line)
    log.close()
    flip(path, at % path.stat().st_size, bits)
    found = read_log(path)
    assert len(found) >= len(lines) - 1
    assert all(line in lines for line in found)
    assert count_spoilt(path) >= len(lines) - len(found)


@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_a_flipped_byte_of_block_json_is_found_and_its_copy_read(tmp_path_factory, at, bits):
    folder = tmp_path_factory.mktemp("x.dot")
    write_block(folder, {"seconds": 600.0, "subject": {"subject_id": "M0042"}})
    told = read_block(folder)
    flip(folder / BLOCK, at % (folder / BLOCK).stat().st_size, bits)
    assert told is not None
    assert read_block(folder) == (told[0], COPY)


def test_a_block_json_that_is_spoilt_with_its_copy_is_damaged(tmp_path):
    write_block(tmp_path, {"seconds": 600.0})
    flip(tmp_path / BLOCK, 20)
    flip(tmp_path / COPY, 0)
    with pytest.raises(JournalDamaged, match=r"checksum of .*block\.json is wrong"):
        JournalReader(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError):
        write_json(tmp_path / "file" / "block.json", {})
