"""The journal: what is written reads back; no kill, fault or full disk takes more than its own."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.errors import DiskError, DiskFull, JournalDamaged
from tenmin.recorder.files import open_raw
from tenmin.recorder.journal import (
    SYNC_S,
    JournalWriter,
    StreamJournal,
    commit_all,
)
from tenmin.recorder.reader import JournalReader, StreamReader
from tenmin.recorder.records import RECORD, Received
from tenmin.stream import Stream
from tests.recorder import journals
from tests.recorder.filling import Filling, filling
from tests.recorder.small_disk import run_on_small_disk
from tests.recorder.waiting import until

STREAM = Stream("s", ("a", "b", "c"), 100.0, "volts", dtype="int16", timed=True, counter=True)


def fill(journal: StreamJournal, runs: int = 5, n: int = 7, first: int = 0) -> np.ndarray:
    """Append runs of `n` samples with a gap of 2 before run 3."""
    rows = np.arange(runs * n * 3, dtype=np.int16).reshape(-1, 3) + first
    for i in range(runs):
        index = first + i * n + (2 if i >= 3 else 0)
        piece = rows[i * n : (i + 1) * n]
        journal.append(index, piece, (index + np.arange(n)) / 100.0, 1000 + i, 0, first + i * n)
        journal.commit(float(i))
    return rows


def read(folder: Path, stream: Stream = STREAM) -> tuple[np.ndarray, list[bool]]:
    reader = StreamReader(folder, stream)
    found = [(b.samples.copy(), b.right.tolist()) for b in reader.batches(reader.poll())]
    good = [samples for samples, _ in found]
    right = [each for _, batch in found for each in batch]
    return np.concatenate(good) if good else np.zeros((0, 3)), right


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "int32", "int64", "float32", "float64"]
)
def test_samples_of_any_type_read_back_bit_for_bit(tmp_path, dtype):
    stream = Stream("s", ("a", "b"), 100.0, "volts", dtype=dtype)
    bits = np.random.default_rng(1).integers(0, 256, (50, 2 * np.dtype(dtype).itemsize), np.uint8)
    rows = bits.view(dtype)
    journal = StreamJournal(tmp_path, stream)
    journal.append(3, rows, None, 1)
    journal.close()
    reader = StreamReader(tmp_path, stream)
    (batch,) = reader.batches(reader.poll())
    assert batch.samples.tobytes() == rows.tobytes()


def test_a_record_holds_what_was_told_of_its_run(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    journal.append(41, np.ones((4, 3), np.int16), np.arange(4) + 0.5, 99, 5, 123)
    journal.close()
    (record,) = StreamReader(tmp_path, STREAM).poll()
    told = {name: record[name].item() for name in RECORD.names[:7]}
    assert told == {
        "offset": 0, "n": 4, "flags": 5, "index": 41, "device_time": 0.5, "host_ns": 99, "seq": 123
    }  # fmt: skip


def test_a_record_takes_64_bytes():
    assert RECORD.itemsize == 64


def test_a_strided_view_is_written_as_it_looks(tmp_path):
    rows = np.arange(60, dtype=np.int16).reshape(10, 6)[::2, ::2]
    journal = StreamJournal(tmp_path, STREAM)
    journal.append(0, rows, np.zeros(5), 1)
    journal.close()
    assert np.array_equal(read(tmp_path)[0], rows)


def test_nothing_reserved_is_left_in_a_closed_file(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    rows = fill(journal)
    journal.close()
    assert (tmp_path / "s.bin").stat().st_size == rows.nbytes


def test_records_can_be_read_before_the_journal_is_closed(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    rows = fill(journal)
    assert np.array_equal(read(tmp_path)[0], rows)
    journal.close()


def test_what_is_not_committed_has_no_record(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    journal.append(0, np.zeros((4, 3), np.int16), np.zeros(4), 1)
    assert len(StreamReader(tmp_path, STREAM).poll()) == 0
    journal.close()


def test_a_follower_gets_each_record_once(tmp_path):
    journal, reader = StreamJournal(tmp_path, STREAM), StreamReader(tmp_path, STREAM)
    counts = []
    for first in (0, 100, 200):
        fill(journal, 2, first=first)
        counts.append(len(reader.poll()))
    journal.close()
    assert counts == [2, 2, 2]


def test_gaps_are_the_jumps_of_the_index(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    fill(journal)
    journal.close()
    assert journal.gaps() == [(21, 2)]


@pytest.mark.parametrize("record", [0, 2, 4])
def test_a_flipped_byte_of_the_data_marks_exactly_its_record(tmp_path, record):
    journal = StreamJournal(tmp_path, STREAM)
    fill(journal)
    journal.close()
    flip(tmp_path / "s.bin", record * 42 + 5)
    assert read(tmp_path)[1] == [i != record for i in range(5)]


def test_a_flipped_byte_of_the_times_marks_exactly_its_record(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    fill(journal)
    journal.close()
    flip(tmp_path / "s.time", 1 * 56 + 3)
    assert read(tmp_path)[1] == [True, False, True, True, True]


def test_a_flipped_byte_of_the_index_loses_exactly_its_record(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    rows = fill(journal)
    journal.close()
    flip(tmp_path / "s.idx", 1 * 64 + 20)
    reader = StreamReader(tmp_path, STREAM)
    offsets = reader.poll()["offset"].tolist()
    assert (offsets, reader.broken) == ([0, 14, 21, 28], [1])
    assert np.array_equal(read(tmp_path)[0], np.delete(rows, range(7, 14), axis=0))


@settings(deadline=None, max_examples=80)
@given(cut=st.floats(0, 1), suffix=st.sampled_from([".bin", ".idx", ".time"]))
def test_a_journal_cut_at_any_byte_goes_on_behind_its_last_whole_record(
    tmp_path_factory, cut, suffix
):
    folder = tmp_path_factory.mktemp("cut")
    journal = StreamJournal(folder, STREAM)
    rows = fill(journal)
    journal.close()
    path = folder / f"s{suffix}"
    size = int(cut * path.stat().st_size)
    os.truncate(path, size)
    whole = size // {".bin": 42, ".idx": 64, ".time": 56}[suffix]
    again = StreamJournal(folder, STREAM, resume=True)
    assert again.samples == whole * 7
    more = fill(again, 2, first=1000)
    again.close()
    found, right = read(folder)
    assert all(right)
    assert np.array_equal(found, np.concatenate([rows[: whole * 7], more]))
    shutil.rmtree(folder)


def test_a_resumed_journal_knows_the_last_record_and_the_gaps(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    fill(journal)
    last = journal.last
    again = StreamJournal(tmp_path, STREAM, resume=True)
    assert (again.last, again.gaps(), again.first_index) == (last, [(21, 2)], 0)
    again.close()
    journal.close()


def test_a_stream_without_a_journal_is_resumed_from_nothing(tmp_path):
    journal = StreamJournal(tmp_path, STREAM, resume=True)
    assert journal.last is None
    journal.close()


def test_zeros_behind_the_last_record_are_a_tail(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    rows = fill(journal)
    journal.close()
    with open(tmp_path / "s.idx", "ab") as file:
        file.write(bytes(200))
    assert np.array_equal(read(tmp_path)[0], rows)
    again = StreamJournal(tmp_path, STREAM, resume=True)
    assert again.samples == len(rows)
    again.close()


def test_texts_do_not_belong_into_a_stream_journal(tmp_path):
    with pytest.raises(JournalDamaged, match="texts"):
        StreamJournal(tmp_path, journals.markers())


def test_a_timed_stream_needs_its_times(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    with pytest.raises(JournalDamaged, match="time"):
        journal.append(0, np.zeros((4, 3), np.int16), None, 1)
    journal.close()


@pytest.mark.parametrize("room", [0, 1, 41, 42, 43, 98, 99, 161, 162, 163, 400])
def test_a_full_disk_keeps_every_record_before(tmp_path, room):
    Filling.room, Filling.code = room, errno.ENOSPC
    journal = StreamJournal(tmp_path, STREAM, opener=filling)
    with pytest.raises(DiskFull, match="full"):
        fill(journal)
    Filling.room = 1 << 20  # closing gives back what was reserved
    journal.close()
    _, right = read(tmp_path)
    assert all(right)
    assert len(right) >= room // (42 + 56 + 64)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EIO])
def test_a_disk_that_fails_is_told_apart_from_a_full_one(tmp_path, code):
    Filling.room, Filling.code = 300, code
    journal = StreamJournal(tmp_path, STREAM, opener=filling)
    with pytest.raises(DiskError, match=r"s\."):
        fill(journal)
    Filling.room = 1 << 20
    journal.close()
    assert all(read(tmp_path)[1])


def test_after_a_full_disk_has_room_again_the_journal_goes_on(tmp_path):
    Filling.room, Filling.code = 500, errno.ENOSPC
    journal = StreamJournal(tmp_path, STREAM, opener=filling)
    with pytest.raises(DiskFull):
        fill(journal)
    before = journal.samples
    Filling.room = 1 << 20
    more = fill(journal, 2, first=500)
    journal.close()
    found, right = read(tmp_path)
    assert all(right)
    assert len(found) == before + len(more)


TMPFS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
import numpy as np
from tenmin.errors import DiskFull
from tenmin.recorder.journal import StreamJournal
from tests.recorder.test_journal import STREAM, read
folder = Path(sys.argv[1])
journal = StreamJournal(folder, STREAM)
rows = np.ones((500, 3), np.int16)
try:
    for i in range(10_000):
        journal.append(i * 500, rows, np.zeros(500), i)
        journal.commit(i * 0.05)
except DiskFull:
    journal.close()
    found, right = read(folder)
    print("full", len(found) == journal.samples and all(right) and len(found) > 0)
"""


def test_a_small_disk_that_fills_up_keeps_every_record(tmp_path):
    assert run_on_small_disk(tmp_path, "1m", TMPFS) == ["full", "True"]


WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from tenmin.recorder.journal import StreamJournal
from tests.recorder.test_journal import STREAM
journal = StreamJournal(Path(sys.argv[1]), STREAM)
i = 0
while True:
    rows = np.arange(i * 21, i * 21 + 21, dtype=np.int64).astype(np.int16).reshape(7, 3)
    journal.append(i * 7, rows, np.zeros(7), i)
    journal.commit(time.monotonic())
    i += 1
"""


@pytest.mark.parametrize("records", [1, 50, 700])
def test_a_killed_writer_loses_nothing_that_has_a_record(tmp_path, records):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], cwd=Path(__file__).parents[2]
    )
    index = tmp_path / "s.idx"
    until(lambda: index.exists() and index.stat().st_size >= records * 64)
    writer.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    writer.wait()
    found, right = read(tmp_path)
    assert all(right)
    wanted = np.arange(len(found) * 3).astype(np.int16).reshape(-1, 3)
    assert np.array_equal(found, wanted)


def test_a_folder_without_block_json_is_no_journal(tmp_path):
    with pytest.raises(JournalDamaged, match=r"block\.json"):
        JournalReader(tmp_path)


def test_a_whole_journal_reads_back(tmp_path):
    made = journals.mouse(tmp_path)
    reader = JournalReader(made.folder)
    for name in ("probe", "treadmill", "frames", "gaze"):
        index, samples, times = reader.read(name)
        assert np.array_equal(index, made.index[name])
        assert samples.tobytes() == made.samples[name].tobytes()
        assert times is None or np.array_equal(times, made.times[name])


def test_a_writer_opens_and_closes_all_its_files(tmp_path):
    writer = JournalWriter(tmp_path / "x.dot")
    writer.add(STREAM).append(0, np.zeros((1, 3), np.int16), np.zeros(1), 0)
    writer.commit(0.0)
    writer.close()
    writer.close()
    assert len(StreamReader(tmp_path / "x.dot", STREAM).poll()) == 1


def test_raw_files_have_no_buffer_of_their_own(tmp_path):
    file = open_raw(tmp_path / "raw", "wb")
    file.write(b"abc")
    assert (tmp_path / "raw").read_bytes() == b"abc"
    file.close()


def test_runs_of_one_write_get_a_record_each(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    rows, times = np.arange(30, dtype=np.int16).reshape(10, 3), np.arange(10) / 100.0
    runs = [Received(4, 0, 50, 0, 0), Received(5, 4, 60, 0, 4), Received(1, 20, 70, 1, 9)]
    journal.append_all(rows, times, runs)
    journal.close()
    records = StreamReader(tmp_path, STREAM).poll()
    told = records[["offset", "n", "index", "device_time", "host_ns", "seq"]].tolist()
    assert told == [(0, 4, 0, 0.0, 50, 0), (4, 5, 4, 0.04, 60, 4), (9, 1, 20, 0.09, 70, 9)]
    assert read(tmp_path)[1] == [True] * 3
    assert journal.gaps() == [(9, 11)]


def test_what_was_overwritten_while_it_was_read_is_taken_back(tmp_path):
    journal = StreamJournal(tmp_path, STREAM)
    rows = fill(journal)
    torn = np.zeros((9, 3), np.int16), np.zeros(9), [Received(9, 80, 1)]
    assert not journal.append_all(*torn, lambda: False)
    assert journal.append_all(rows[:2], np.zeros(2), [Received(2, 90, 1)], lambda: True)
    journal.close()
    assert np.array_equal(read(tmp_path)[0], np.concatenate([rows, rows[:2]]))
    assert [p.stat().st_size for p in sorted(tmp_path.glob("s.[bt]i*"))] == [37 * 6, 37 * 8]


@pytest.mark.parametrize("rhythm_s", [0.02, 0.1, 0.2, 0.3])
def test_data_wait_for_their_sync_no_longer_than_promised(tmp_path, rhythm_s):
    journal = StreamJournal(tmp_path, STREAM)
    synced = []
    for now_s in 100.0 + rhythm_s * np.arange(60):
        journal.append(len(synced), np.zeros((1, 3), np.int16), np.zeros(1), 0)
        if journal.is_due(now_s):
            synced.append(now_s)
        journal.commit(now_s)
    journal.close()
    assert np.diff([*synced, now_s]).max() <= max(SYNC_S, rhythm_s) + 1e-9


def test_streams_are_committed_side_by_side(tmp_path):
    streams = [replace(STREAM, name=f"s{i}") for i in range(5)]
    journals = [StreamJournal(tmp_path, stream) for stream in streams]
    for journal in journals:
        journal.append(0, np.ones((4, 3), np.int16), np.zeros(4), 1)
    with ThreadPoolExecutor(3) as pool:
        commit_all(journals, 100.0, pool)
    assert [len(StreamReader(tmp_path, stream).poll()) for stream in streams] == [1] * 5
    assert not any(journal.is_due(1e9) for journal in journals)
    for journal in journals:
        journal.close()


def test_a_stream_that_cannot_be_committed_keeps_no_other_from_it(tmp_path):
    room, code = Filling.room, Filling.code
    streams = [replace(STREAM, name=f"s{i}") for i in range(3)]
    openers = [open_raw, filling, open_raw]
    Filling.room, Filling.code = 4 * 6 + 4 * 8, errno.EIO
    try:
        journals = [
            StreamJournal(tmp_path, stream, opener=opener)
            for stream, opener in zip(streams, openers)
        ]
        for journal in journals:
            journal.append(0, np.ones((4, 3), np.int16), np.zeros(4), 1)
        with ThreadPoolExecutor(3) as pool, pytest.raises(DiskError, match="s1"):
            commit_all(journals, 100.0, pool)
        assert [len(StreamReader(tmp_path, stream).poll()) for stream in streams] == [1, 0, 1]
        Filling.room = 1 << 20
        for journal in journals:
            journal.close()
    finally:
        Filling.room, Filling.code = room, code
