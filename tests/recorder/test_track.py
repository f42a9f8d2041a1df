"""What the journal holds stands in the file, wherever records, reads and chunks are cut."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.errors import DiskError
from tenmin.recorder import reader as reading
from tenmin.recorder.chunks import ArrayWriter, ChunkWriter, Press
from tenmin.recorder.journal import StreamJournal
from tenmin.recorder.reader import StreamReader
from tenmin.recorder.track import Track
from tenmin.stream import Stream

CHANNELS = ("a", "b", "c")


def stream_of(timed):
    return Stream("s", CHANNELS, 100.0, "volts", dtype="int16", timed=timed, counter=True)


def rows_of(n, first=0):
    return np.arange(first * 3, (first + n) * 3).astype("<i2").reshape(n, 3)


def append(journal, first, n, timed):
    stamps = np.arange(first, first + n) / 8.0 if timed else None
    journal.append(first, rows_of(n, first), stamps, first)
    journal.commit(float(first))


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def track_of(folder, file, timed, height, press):
    def writer(name, tail, dtype):
        width = tuple(min(2, c) for c in tail)
        return ChunkWriter(
            file.create_dataset(
                name, (0, *tail), dtype, maxshape=(None, *tail), chunks=(height, *width),
                compression="gzip", compression_opts=1, shuffle=True,
            ),
            press,
        )  # fmt: skip

    times = writer("times", (), "<f8") if timed else None
    samples, counter = writer("samples", (3,), "<i2"), writer("counter", (), "<i8")
    return Track(StreamReader(folder, stream_of(timed)), samples, times, counter)


@settings(deadline=None, max_examples=60)
@given(
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    looks=st.integers(1, 12),
    height=st.integers(1, 30),
    timed=st.booleans(),
    batch=st.sampled_from([6, 60, 200, 1 << 20]),
    spoilt=st.sets(st.integers(0, 11), max_size=4),
)
def test_good_records_are_in_the_file_and_damaged_ones_are_told(
    tmp_path_factory, cuts, looks, height, timed, batch, spoilt
):
    folder = tmp_path_factory.mktemp("track")
    before, reading.BATCH_BYTES = reading.BATCH_BYTES, batch
    try:
        with h5py.File(folder / "a.h5", "w") as file, Press() as press:
            journal = StreamJournal(folder, stream_of(timed))
            track, first = track_of(folder, file, timed, height, press), 0
            for k, n in enumerate(cuts):
                append(journal, first, n, timed)
                if k in spoilt:
                    flip(folder / "s.bin", first * 6)
                first += n
                if k % looks == 0:
                    track.advance()
            journal.close()
            while track.advance():
                pass
            track.finish()
            kept = [k for k in range(len(cuts)) if k not in spoilt]
            starts = np.cumsum([0, *cuts])
            index = np.concatenate(
                [np.zeros(0, int), *(np.arange(starts[k], starts[k + 1]) for k in kept)]
            )
            assert track.n == track.samples.rows == len(index)
            assert np.array_equal(file["counter"][:], index)
            assert np.array_equal(file["samples"][:], rows_of(first)[index])
            assert not timed or np.array_equal(file["times"][:], index / 8.0)
            assert sorted(track.damaged) == [
                (starts[k], n) for k, n in enumerate(cuts) if k in spoilt
            ]
            assert np.array_equal(track.index() if kept else index, index)
    finally:
        reading.BATCH_BYTES = before


def test_only_whole_bands_are_written_before_the_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file, Press() as press:
        journal = StreamJournal(tmp_path, stream_of(False))
        track = track_of(tmp_path, file, False, 10, press)
        append(journal, 0, 25, False)
        assert track.advance()
        assert (track.samples.rows, len(file["samples"])) == (20, 20)
        track.finish()
        assert (track.n, len(file["samples"])) == (25, 25)
        journal.close()


def test_a_record_that_changes_between_two_readings_stops_the_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file, Press() as press:
        journal = StreamJournal(tmp_path, stream_of(False))
        track = track_of(tmp_path, file, False, 10, press)
        append(journal, 0, 15, False)
        track.advance()
        flip(tmp_path / "s.bin", 12 * 6)
        with pytest.raises(DiskError, match="other samples than before"):
            track.finish()
        journal.close()


def test_rows_of_a_table_come_at_the_end(tmp_path):
    journal = StreamJournal(tmp_path, stream_of(True))
    append(journal, 0, 5, True)
    journal.close()
    track = Track(
        StreamReader(tmp_path, stream_of(True)), ArrayWriter(3, "<i2"), ArrayWriter(1, "<f8")
    )
    track.advance()
    assert track.samples.rows == 0
    track.finish()
    assert np.array_equal(track.samples.dataset, rows_of(5))
    assert np.array_equal(track.stamps(), np.arange(5) / 8.0)
