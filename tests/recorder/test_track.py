"""What stands in the file is compared with the journal's checksums, wherever records are cut."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.errors import DiskError
from tenmin.recorder.chunks import ArrayWriter, ChunkWriter
from tenmin.recorder.records import checksum
from tenmin.recorder.track import Verifier

COLUMNS = 3


def dataset(file, name, tail, dtype, height):
    width = tuple(min(2, c) for c in tail)
    return file.create_dataset(
        name, (0, *tail), dtype, maxshape=(None, *tail), chunks=(height, *width),
        compression="gzip", compression_opts=1, shuffle=True,
    )  # fmt: skip


def verified(folder, cuts, heights, timed, spoil=None):
    """A verifier that was asked after each record; `spoil`: a row that the file gets wrong."""
    n = sum(cuts)
    rows = np.arange(n * COLUMNS, dtype="<i2").reshape(n, COLUMNS)
    stamps = np.arange(n) / 8.0
    with h5py.File(folder / "a.h5", "w") as file:
        samples = ChunkWriter(dataset(file, "x", (COLUMNS,), "<i2", heights[0]))
        times = ChunkWriter(dataset(file, "t", (), "<f8", heights[1])) if timed else None
        verifier, row = Verifier(samples, times), 0
        for k in cuts:
            at = slice(row, row + k)
            verifier.expect(row, k, checksum(rows[at], stamps[at] if timed else None))
            stored = rows[at].copy()
            if spoil is not None and row <= spoil < row + k:
                stored[spoil - row, 1] += 1
            samples.append(stored)
            if times is not None:
                times.append(stamps[at])
            verifier.check()
            row += k
        samples.finish()
        if times is not None:
            times.finish()
        verifier.check()
    return verifier


@settings(deadline=None, max_examples=60)
@given(
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    heights=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    timed=st.booleans(),
)
def test_every_record_is_checked_however_bands_cut_it(tmp_path_factory, cuts, heights, timed):
    verifier = verified(tmp_path_factory.mktemp("h5"), cuts, heights, timed)
    assert verifier.done
    assert verifier.checked == sum(cuts)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("spoil", [0, 9, 10, 25, 39])
def test_a_row_that_reads_back_differently_is_told_with_its_record(tmp_path, timed, spoil):
    first = spoil // 8 * 8
    with pytest.raises(DiskError, match=f"from row {first} on"):
        verified(tmp_path, [8] * 5, (10, 7), timed, spoil)


def test_two_streams_that_share_memory_do_not_mix(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        writers = [ChunkWriter(dataset(file, name, (4,), "<i2", 10)) for name in "ab"]
        verifiers = [Verifier(writer, None) for writer in writers]
        for start in range(0, 60, 7):
            for k, (writer, verifier) in enumerate(zip(writers, verifiers)):
                rows = np.full((7, 4), start + k * 1000, "<i2")
                verifier.expect(start, 7, checksum(rows, None))
                writer.append(rows)
                verifier.check()
        for writer, verifier in zip(writers, verifiers):
            writer.finish()
            verifier.check()
            assert (verifier.done, verifier.checked) == (True, 63)


def test_rows_of_a_table_are_checked_at_its_end():
    rows, stamps = np.arange(6, dtype="<i2").reshape(3, 2), np.arange(3.0)
    table, times = ArrayWriter(2, "<i2"), ArrayWriter(1, "<f8")
    verifier = Verifier(table, times)
    verifier.expect(0, 3, checksum(rows, stamps))
    table.append(rows)
    times.append(stamps)
    verifier.check()
    assert not verifier.done
    table.finish()
    times.finish()
    verifier.check()
    assert verifier.done
