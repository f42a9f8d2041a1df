"""Chunks packed here are chunks of any HDF5 reader, and are read back as they are written."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.errors import DiskError
from tenmin.recorder import chunks
from tenmin.recorder.chunks import (
    ArrayWriter,
    ChunkWriter,
    Press,
    chunk_shape,
    deflate,
    shuffle,
    unpacks_to,
)


def dataset(file, rows, shape):
    tail = rows.shape[1:]
    return file.create_dataset(
        "x", (0, *tail), rows.dtype, maxshape=(None, *tail), chunks=shape,
        compression="gzip", compression_opts=1, shuffle=True,
    )  # fmt: skip


def write(path, rows, shape, step):
    """Rows in bands; each band is given in pieces of `step` rows."""
    with h5py.File(path, "w") as file, Press() as press:
        writer = ChunkWriter(dataset(file, rows, shape), press)
        for first in range(0, len(rows), shape[0]):
            band = rows[first : first + shape[0]]
            pieces = [band[at : at + step] for at in range(0, len(band), step)]
            assert writer.write(len(band), lambda pieces=pieces: pieces)
        return writer.rows


@pytest.fixture(params=[1, 1 << 30], ids=["several passes", "one pass"])
def passes(request, monkeypatch):
    monkeypatch.setattr(chunks, "BAND_BYTES", request.param)


@settings(deadline=None, max_examples=60)
@given(
    dtype=st.sampled_from(["<i1", "<i2", "<i4", "<i8", "<f4", "<f8"]),
    n=st.integers(1, 120),
    columns=st.integers(1, 9),
    height=st.integers(1, 50),
    width=st.integers(1, 9),
    step=st.integers(1, 60),
)
def test_rows_cut_anywhere_read_back_by_h5py(
    tmp_path_factory, dtype, n, columns, height, width, step
):
    path = tmp_path_factory.mktemp("h5") / "a.h5"
    rows = np.random.default_rng(n).integers(-100, 100, (n, columns)).astype(dtype)
    assert write(path, rows, (height, min(width, columns)), step) == n
    with h5py.File(path) as file:
        assert file["x"].shape == rows.shape
        assert file["x"][:].tobytes() == rows.tobytes()


def test_a_wide_stream_is_whole_in_one_pass_and_in_several(tmp_path, passes):
    rows = np.random.default_rng(0).integers(-9, 9, (70, 23)).astype("<i2")
    write(tmp_path / "a.h5", rows, (32, 3), 10)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["x"][:], rows)


def test_a_series_of_one_dimension_reads_back(tmp_path):
    rows = np.arange(2500, dtype="<i8") ** 2
    write(tmp_path / "a.h5", rows, (1000,), 300)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["x"][:], rows)


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<u2", "<f4", "<i8"])
def test_a_chunk_of_many_blocks_is_shuffled_as_hdf5_shuffles(tmp_path, dtype):
    rows = np.random.default_rng(0).integers(-9, 9, (5000, 70)).astype(dtype)
    write(tmp_path / "a.h5", rows, (5000, 35), 5000)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][:].tobytes() == rows.tobytes()


def test_nan_and_infinity_keep_their_bits(tmp_path):
    rows = np.array([[np.nan, np.inf], [-0.0, 1e-45]], "<f4")
    write(tmp_path / "a.h5", rows, (2, 2), 1)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][:].tobytes() == rows.tobytes()


def planes_of(n):
    planes = np.empty((2, n, 8), np.uint8)
    shuffle(np.random.default_rng(n).integers(-99, 99, (n, 8)).astype("<i2"), planes)
    return planes


@settings(deadline=None, max_examples=60)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_packed_chunk_with_a_flipped_bit_is_not_the_same(at, bit):
    planes = planes_of(4000)
    packed = bytearray(deflate(planes))
    packed[2 + int(at * (len(packed) - 2))] ^= 1 << bit  # behind the header, which zlib may vary
    assert not unpacks_to(bytes(packed), planes)


@pytest.mark.parametrize("change", ["shorter", "longer", "truncated"])
def test_a_packed_chunk_of_another_length_is_not_the_same(change):
    planes = planes_of(500)
    packed = deflate(planes)
    other = {
        "shorter": deflate(planes[:, :499].copy()),
        "longer": deflate(planes_of(501)),
        "truncated": packed[:-1],
    }
    assert unpacks_to(packed, planes)
    assert not unpacks_to(other[change], planes)


def test_a_file_that_reads_back_differently_is_told_with_its_row(tmp_path, monkeypatch):
    rows = np.zeros((20, 4), "<i2")
    with h5py.File(tmp_path / "a.h5", "w") as file, Press() as press:
        writer = ChunkWriter(dataset(file, rows, (10, 2)), press)
        writer.write(10, lambda: [rows[:10]])
        monkeypatch.setattr(chunks, "deflate", lambda planes: deflate(planes + np.uint8(1)))
        with pytest.raises(DiskError, match="from row 10 on"):
            writer.write(10, lambda: [rows[10:]])
        assert writer.rows == 10


def test_a_band_of_too_few_rows_leaves_the_file_as_it_was(tmp_path):
    rows = np.ones((20, 4), "<i2")
    with h5py.File(tmp_path / "a.h5", "w") as file, Press() as press:
        writer = ChunkWriter(dataset(file, rows, (10, 2)), press)
        assert not writer.write(10, lambda: [rows[:9]])
        assert (writer.rows, writer.dataset.shape) == (0, (0, 4))


def test_streams_that_share_a_press_do_not_mix(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file, Press() as press:
        groups = [file.create_group(name) for name in "ab"]
        bands = [np.full((10, 4), k, "<i2") for k in (1, 1000)]
        writers = [
            ChunkWriter(dataset(g, b, (10, 2)), press) for g, b in zip(groups, bands, strict=True)
        ]
        for _ in range(3):
            for writer, band in zip(writers, bands, strict=True):
                writer.write(10, lambda band=band: [band])
        for writer, band in zip(writers, bands, strict=True):
            assert np.array_equal(writer.dataset[:], np.tile(band, (3, 1)))


def test_a_press_that_was_closed_begins_anew(tmp_path):
    rows = np.ones((20, 4), "<i2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        press = Press()
        writer = ChunkWriter(dataset(file, rows, (10, 2)), press)
        for first in (0, 10):
            writer.write(10, lambda first=first: [rows[first : first + 10]])
            press.close()
        assert writer.rows == 20


def test_rows_of_a_table_are_kept_in_order_or_not_at_all():
    rows = np.arange(12, dtype="<i2").reshape(6, 2)
    table = ArrayWriter(2, "<i2")
    assert table.write(4, lambda: [rows[:1], rows[1:4]])
    assert not table.write(3, lambda: [rows[4:]])
    assert table.write(2, lambda: [rows[4:]])
    assert np.array_equal(table.dataset, rows)


@pytest.mark.parametrize(
    ("rate", "channels", "shape"),
    [
        (30000.0, 384, (30000, 64)),
        (30000.0, 385, (30000, 55)),
        (1000.0, 64, (1000, 64)),
        (1000.0, 65, (1000, 33)),
        (60.0, 4, (1020, 4)),
        (0.0, 2, (4096, 2)),
    ],
)
def test_a_chunk_is_a_second_of_at_most_64_channels(rate, channels, shape):
    assert chunk_shape(rate, channels) == shape
