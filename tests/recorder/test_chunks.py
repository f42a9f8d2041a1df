"""Chunks packed here are chunks of any HDF5 reader."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.recorder.chunks import ChunkWriter, chunk_shape, deflate, inflate


def write(path, rows, cuts, chunks):
    tail = rows.shape[1:]
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "x", (0, *tail), rows.dtype, maxshape=(None, *tail), chunks=chunks,
            compression="gzip", compression_opts=1, shuffle=True,
        )  # fmt: skip
        writer = ChunkWriter(dataset)
        for piece in np.split(rows, cuts):
            writer.append(piece)
        writer.finish()
        bands = range(0, writer.written, writer.band_rows)
        back = [writer.read_band(row).copy() for row in bands]
        return np.concatenate(back) if back else rows[:0]


@settings(deadline=None, max_examples=60)
@given(
    dtype=st.sampled_from(["<i1", "<i2", "<i4", "<i8", "<f4", "<f8"]),
    n=st.integers(1, 120),
    columns=st.integers(1, 9),
    height=st.integers(1, 50),
    width=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 120), max_size=4),
)
def test_rows_cut_anywhere_read_back_by_h5py_and_by_us(
    tmp_path_factory, dtype, n, columns, height, width, cuts
):
    path = tmp_path_factory.mktemp("h5") / "a.h5"
    rows = np.random.default_rng(n).integers(-100, 100, (n, columns)).astype(dtype)
    back = write(path, rows, sorted(c for c in cuts if c <= n), (height, min(width, columns)))
    with h5py.File(path) as file:
        assert file["x"].shape == rows.shape
        assert file["x"][:].tobytes() == rows.tobytes()
    assert back.tobytes() == rows.tobytes()


def test_a_series_of_one_dimension_reads_back(tmp_path):
    rows = np.arange(2500, dtype="<i8") ** 2
    back = write(tmp_path / "a.h5", rows, [3, 1999], (1000,))
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["x"][:], rows)
    assert np.array_equal(back, rows)


def test_nan_and_infinity_keep_their_bits():
    chunk = np.array([[np.nan, np.inf], [-0.0, 1e-45]], "<f4")
    back = np.zeros_like(chunk)
    inflate(deflate(chunk), back, 2)
    assert back.tobytes() == chunk.tobytes()


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<u2", "<f4", "<i8"])
def test_a_chunk_of_many_blocks_is_shuffled_as_hdf5_shuffles(tmp_path, dtype):
    rows = np.random.default_rng(0).integers(-9, 9, (5000, 70)).astype(dtype)
    write(tmp_path / "a.h5", rows, [], (5000, 35))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][:].tobytes() == rows.tobytes()


def test_a_part_of_an_array_is_unpacked_in_place():
    chunk = np.arange(30, dtype="<i2").reshape(6, 5)
    whole = np.full((6, 9), -1, "<i2")
    inflate(deflate(chunk), whole[:, 2:6], 5)  # the chunk is one column wider
    assert np.array_equal(whole[:, 2:6], chunk[:, :4])
    assert (whole[:, [0, 1, 6, 7, 8]] == -1).all()


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
