"""One writer, many readers: what was written is what is read, and every loss is told."""

import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.counter import GAP, Last
from tenmin.errors import DiskError, MalformedData, RigError
from tenmin.ring import Ring, warm
from tenmin.ring._ring import MAX_RUNS
from tenmin.stream import Stream
from tenmin.system import HERE

ONCE = replace(HERE, mirror=False, madvise=False)
needs_mirror = pytest.mark.skipif(not HERE.mirror, reason="this system maps memory once")
DTYPES = ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "int64"]


def small(n_channels=2, dtype="int64", timed=False, rate=256.0):
    names = tuple(f"ch{i}" for i in range(n_channels))
    return Stream("probe", names, rate, "volts", dtype=dtype, timed=timed)


@pytest.fixture
def make_ring(tmp_path):
    """Rings of 256 samples."""
    made = []

    def make(platform=HERE, **fields):
        path = tmp_path / f"{len(made)}.ring"
        made.append(Ring.create(path, small(**fields), 1.0, platform=platform))
        return made[-1]

    yield make
    for ring in made:
        ring.close()


def numbered(start, n, n_channels=2, dtype="int64"):
    """Samples that hold their own number."""
    column = np.arange(start, start + n).astype(dtype)
    return np.repeat(column[:, None], n_channels, axis=1)


def write(ring, start, n, flags=0):
    times = np.arange(start, start + n) / 256.0 if ring.stream.timed else None
    samples = numbered(start, n, ring.stream.n_channels, ring.stream.dtype)
    ring.write(start, samples, times, start * 1000, flags)


def numbers(pieces):
    return [int(v) for p in pieces for v in p.samples[:, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_channels", [1, 5])
def test_samples_of_any_format_come_back_as_they_were(make_ring, dtype, n_channels):
    ring = make_ring(dtype=dtype, n_channels=n_channels)
    reader = ring.reader()
    samples = np.random.default_rng(0).integers(0, 100, (60, n_channels)).astype(dtype)
    ring.write(7, samples, None, 99, GAP)
    (piece,) = reader.read()
    assert (piece.seq, piece.index, piece.host_ns, piece.flags) == (0, 7, 99, GAP)
    assert piece.samples.dtype == dtype
    assert np.array_equal(piece.samples, samples)
    assert piece.device_time is None
    assert reader.valid(piece)


def test_nan_and_signed_zero_keep_every_bit(make_ring):
    ring = make_ring(dtype="float32", n_channels=1)
    reader = ring.reader()
    bits = np.array([0x7FC00001, 0x80000000, 0xFF800000, 1], np.uint32)
    ring.write(0, bits.view(np.float32)[:, None], None, 0)
    assert reader.read()[0].samples[:, 0].view(np.uint32).tolist() == bits.tolist()


@pytest.mark.parametrize("shape", ["columns", "rows", "read-only", "unaligned", "transposed"])
def test_samples_need_not_lie_in_memory_as_the_ring_has_them(make_ring, shape):
    ring = make_ring(n_channels=3, dtype="int32")
    whole = np.arange(240, dtype=np.int32).reshape(40, 6)
    samples = {
        "columns": whole[:, :3],
        "rows": whole[::2, 3:],
        "read-only": np.frombuffer(whole[:, :3].tobytes(), np.int32).reshape(40, 3),
        "unaligned": np.frombuffer(b"x" + whole[:, :3].tobytes(), np.int32, 120, 1).reshape(40, 3),
        "transposed": np.asfortranarray(whole[:, :3]),
    }[shape]
    reader = ring.reader()
    ring.write(0, samples, None, 0)
    assert np.array_equal(reader.read()[0].samples, samples)


def test_device_times_travel_with_their_samples(make_ring):
    ring = make_ring(timed=True)
    reader = ring.reader()
    for start in range(0, 600, 50):
        write(ring, start, 50)
        for piece in reader.read():
            assert piece.device_time.tolist() == (piece.samples[:, 0] / 256.0).tolist()


def test_strided_and_read_only_times_are_taken_as_well(make_ring):
    ring = make_ring(timed=True)
    reader = ring.reader()
    times = np.arange(20.0)
    times.flags.writeable = False
    ring.write(0, numbered(0, 10), times[::2], 0)
    assert reader.read()[0].device_time.tolist() == times[::2].tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.booleans()), min_size=1, max_size=40),
    st.sampled_from([None, 1, 10, 77]),
)
def test_a_reader_that_keeps_up_gets_every_sample_once(tmp_path_factory, steps, at_most):
    ring = Ring.create(tmp_path_factory.mktemp("ring") / "r", small(timed=True), 1.0)
    reader, got, start = ring.reader(), [], 0
    for n, read in steps:
        behind = start + n - reader.position > ring.capacity
        write(ring, start, n) if not behind else None
        start += 0 if behind else n
        while read or behind:
            pieces = reader.read(at_most)
            assert sum(len(p.samples) for p in pieces) <= (at_most or ring.capacity)
            got += numbers(pieces)
            assert all(p.index == p.seq == p.samples[0, 0] for p in pieces)
            if not pieces:
                break
    while pieces := reader.read(at_most):
        got += numbers(pieces)
    assert got == list(range(start))
    assert reader.lost == []
    ring.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 700), st.booleans()), min_size=1, max_size=30))
def test_what_a_slow_reader_lost_is_exactly_what_it_did_not_get(tmp_path_factory, steps):
    ring = Ring.create(tmp_path_factory.mktemp("ring") / "r", small(), 1.0)
    reader, got, start = ring.reader(), [], 0
    for n, read in [*steps, (1, True)]:
        write(ring, start, n)
        start += n
        if read:
            for piece in reader.read():
                assert reader.valid(piece)
                got += numbers([piece])
    lost = [i for seq, n in reader.lost for i in range(seq, seq + n)]
    assert sorted(got + lost) == list(range(start))
    assert reader.lost_samples == len(lost)
    assert len(lost) <= max(0, start - ring.capacity)
    ring.close()


def test_a_reader_that_lost_run_records_still_knows_which_samples(tmp_path):
    stream = small(rate=MAX_RUNS * 2.0)
    ring = Ring.create(tmp_path / "r", stream, 1.0)
    reader, n = ring.reader(), MAX_RUNS + 500
    for i in range(n):
        write(ring, i, 1)
    got = []
    while pieces := reader.read():
        got += numbers(pieces)
    assert reader.lost == [(0, got[0])]
    assert got == list(range(got[0], n))
    assert len(got) >= MAX_RUNS - 1
    ring.close()


def test_a_run_larger_than_the_ring_leaves_its_end(make_ring):
    ring = make_ring()
    reader = ring.reader()
    write(ring, 0, 1000)
    assert numbers(reader.read()) == list(range(1000 - ring.capacity, 1000))
    assert reader.lost == [(0, 1000 - ring.capacity)]


def test_a_piece_is_void_once_the_writer_has_come_round_and_counts_once(make_ring):
    ring = make_ring()
    reader = ring.reader()
    write(ring, 0, 10)
    (piece,) = reader.read()
    write(ring, 10, 246)
    assert reader.valid(piece)
    write(ring, 256, 1)
    assert not reader.valid(piece)
    assert not reader.valid(piece)
    assert reader.lost == [(0, 10)]


def test_pieces_never_cross_the_end_of_the_ring(make_ring):
    ring = make_ring()
    reader = ring.reader()
    for start in range(0, 2000, 50):
        write(ring, start, 50)
        for piece in reader.read():
            assert piece.seq % ring.capacity + len(piece.samples) <= ring.capacity


def test_a_gap_is_marked_on_the_first_part_of_a_run_only(make_ring):
    ring = make_ring()
    reader = ring.reader()
    write(ring, 0, 240)
    reader.read()
    write(ring, 240, 40, flags=GAP)
    first, second, *_ = reader.read(30)
    assert (first.flags, len(first.samples), second.flags, len(second.samples)) == (GAP, 16, 0, 14)
    assert [p.flags for p in reader.read()] == [0]


def test_a_new_reader_begins_with_what_comes_next(make_ring):
    ring = make_ring()
    write(ring, 0, 20)
    reader = ring.reader()
    assert (reader.read(), reader.position) == ([], 20)
    write(ring, 20, 5)
    assert numbers(reader.read()) == list(range(20, 25))


@pytest.mark.parametrize("at", [0, 5, 99, 100, 149, 150])
def test_a_reader_begins_where_it_is_told(make_ring, at):
    ring = make_ring()
    write(ring, 0, 100)
    write(ring, 100, 50)
    reader = ring.reader(at)
    assert numbers(reader.read()) == list(range(at, 150))
    assert reader.lost == []


def test_a_reader_told_to_begin_too_far_back_counts_what_is_gone(make_ring):
    ring = make_ring()
    write(ring, 0, 600)
    reader = ring.reader(100)
    assert numbers(reader.read()) == list(range(600 - ring.capacity, 600))
    assert reader.lost == [(100, 600 - ring.capacity - 100)]


@pytest.mark.parametrize("platform", [HERE, ONCE], ids=["twice", "once"])
@pytest.mark.parametrize("total", [10, 256, 300, 511, 512, 700])
@pytest.mark.parametrize("n", [1, 30, 256])
def test_the_newest_samples_are_the_newest(make_ring, platform, total, n):
    ring = make_ring(platform)
    write(ring, 0, total)
    assert ring.latest(n)[:, 0].tolist() == list(range(max(0, total - n), total))


@needs_mirror
@pytest.mark.parametrize("total", [100, 256, 300, 511])
def test_the_newest_samples_are_a_view_wherever_they_lie(make_ring, total):
    ring = make_ring()
    write(ring, 0, total)
    newest = ring.latest(200)
    write(ring, total, 256)
    assert newest[0, 0] == max(0, total - 200) + 256  # the writer came round to it


@pytest.mark.parametrize("total", [256, 300])
def test_where_memory_is_mapped_once_what_crosses_the_end_is_a_copy(make_ring, total):
    ring = make_ring(ONCE)
    write(ring, 0, total)
    assert np.shares_memory(ring.latest(200), ring.latest(1)) == (total == 256)
    assert ring.granted["mapping"] == "once"


@needs_mirror
@pytest.mark.parametrize("n_channels", [1, 3, 7, 385])
def test_a_ring_of_any_width_follows_itself(make_ring, n_channels):
    ring = make_ring(n_channels=n_channels, dtype="int16")
    assert ring.granted["mapping"] == "twice"
    n = ring.capacity - 10
    ring.write(0, np.zeros((n, n_channels), np.int16), None, 0)
    samples = np.arange(20 * n_channels).reshape(20, n_channels).astype(np.int16)
    ring.write(n, samples, None, 0)
    assert np.array_equal(ring.latest(20), samples)


def test_a_process_that_maps_once_reads_a_ring_that_is_mapped_twice(make_ring):
    ring = make_ring()
    other = Ring.attach(ring.path, platform=ONCE)
    write(ring, 0, 300)
    assert other.latest(256).tolist() == ring.latest(256).tolist()


def test_another_process_sees_the_same_stream_and_samples(make_ring):
    ring = make_ring(timed=True, dtype="float32", n_channels=3)
    write(ring, 0, 40)
    program = (
        "import json, sys; from pathlib import Path; from tenmin.ring import Ring\n"
        "ring = Ring.attach(Path(sys.argv[1])); (p,) = ring.reader(0).read()\n"
        "print(json.dumps([ring.stream.channels, ring.written, p.samples.tolist(),"
        " p.device_time.tolist()]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(ring.path)], capture_output=True, check=True
    ).stdout
    (piece,) = ring.reader(0).read()
    expected = [list(ring.stream.channels), 40, piece.samples.tolist(), piece.device_time.tolist()]
    assert json.loads(out) == expected


def test_the_description_survives_the_file(tmp_path):
    stream = Stream(
        "probe", ("µ", "b"), 2000.0, "volts", 1e-7, channel_scales=(1.0, 2.0),
        range_counts=(-5.0, 5.0), counter=True, index_bits=16, facts={"model": "Ωmega"},
    )  # fmt: skip
    ring = Ring.create(tmp_path / "r", stream)
    assert Ring.attach(tmp_path / "r").stream == stream
    assert ring.capacity >= 20_000


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_irregular_and_slow_streams_have_room_for_what_was_held_up(tmp_path, rate):
    ring = Ring.create(tmp_path / "r", small(rate=rate))
    reader = ring.reader()
    write(ring, 0, 200)
    assert numbers(reader.read()) == list(range(200))


def test_where_the_stream_stood_is_known_to_who_takes_over(make_ring):
    ring = make_ring(timed=True)
    assert ring.last is None
    write(ring, 1000, 300)
    assert ring.last == Last(300, 1300, 1299 / 256.0, 1_000_000)
    assert Ring.attach(ring.path, writer=True).last == ring.last


@pytest.mark.parametrize(
    ("samples", "times"),
    [
        (np.zeros((5, 3), np.int64), np.zeros(5)),
        (np.zeros((5, 2), np.int32), np.zeros(5)),
        (np.zeros((5, 2), np.int64), np.zeros(4)),
        (np.zeros((5, 2), np.int64), None),
        (np.zeros(5, np.int64), np.zeros(5)),
    ],
)
def test_samples_that_do_not_fit_the_description_are_refused(make_ring, samples, times):
    ring = make_ring(timed=True)
    with pytest.raises(MalformedData, match="its description says 2 channels of int64"):
        ring.write(0, samples, times, 0)
    assert ring.written == 0


def test_what_is_no_array_is_refused(make_ring):
    ring = make_ring()
    with pytest.raises(MalformedData, match="its description says 2 channels"):
        ring.write(0, [[1, 2], [3, 4]], None, 0)
    assert ring.written == 0


def test_a_dtype_with_a_remark_is_the_same_dtype(make_ring):
    ring = make_ring(timed=True)
    marked, times = np.dtype(np.int64, metadata={"a": 1}), np.dtype(float, metadata={"b": 2})
    ring.write(0, numbered(0, 5).astype(marked), np.arange(5).astype(times), 0)
    assert ring.latest(5).tolist() == numbered(0, 5).tolist()


def test_texts_and_streams_without_channels_have_no_ring(tmp_path):
    for stream in (small(n_channels=0), Stream("events", ("m",), 0.0, "n/a", dtype="str")):
        with pytest.raises(RigError, match="no numeric channels"):
            Ring.create(tmp_path / "r", stream)


def test_a_file_that_is_no_ring_is_refused(tmp_path):
    (tmp_path / "r").write_bytes(bytes(10_000))
    with pytest.raises(RigError, match="not a ring"):
        Ring.attach(tmp_path / "r")
    with pytest.raises(DiskError):
        Ring.attach(tmp_path / "missing")


def test_counters_count_beyond_what_32_bits_hold(make_ring):
    ring = make_ring()
    write(ring, 0, 1)
    far = 1 << 40
    ring._counters[:32] = ring._counters[:32] * far  # as after years: reserved and written
    ring._runs[0, 0] = far - 1
    reader = ring.reader()
    assert reader.position == far
    write(ring, far, 100)
    assert numbers(reader.read()) == list(range(far, far + 100))


def test_a_closed_ring_refuses_to_be_written(make_ring):
    ring = make_ring()
    ring.close()
    with pytest.raises(ValueError, match="closed"):
        write(ring, 0, 1)


def test_a_piece_outlives_the_ring_that_it_came_from(make_ring):
    ring = make_ring()
    write(ring, 0, 5)
    (piece,) = ring.reader(0).read()
    ring.close()
    assert numbers([piece]) == [0, 1, 2, 3, 4]


def test_a_write_keeps_no_memory(make_ring):
    ring = make_ring(dtype="int16")
    warm(ring.stream)
    samples = numbered(0, 200, dtype="int16")
    ring.write(0, samples, None, 0)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for i in range(200):
            ring.write(i, samples, None, i)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1000
    assert peak - before < 2000
