"""Streams whose device numbers its samples: exact, whatever the wire does to the packets."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.counter import ESTIMATED, GAP, RECONNECT, RESTART, Indexer, Last
from tenmin.errors import MalformedData
from tenmin.stream import Chunk, Stream

RATE = 1000.0


def stream(bits=None, rate=RATE, **fields):
    described = {"counter": True, "index_bits": bits, **fields}
    return Stream("probe", ("a",), rate, "volts", dtype="int64", **described)


def chunk(true_index, bits=None, host_ns=None, rate=RATE, timed=False):
    """Samples that hold their own true index; the counter as the device shows it."""
    true_index = np.asarray(true_index, np.int64)
    raw = true_index & ((1 << bits) - 1) if bits else true_index
    if bits in (8, 16):
        raw = raw.astype({8: np.int8, 16: np.uint16}[bits])
    if host_ns is None:
        host_ns = int((true_index.max() + 1) / rate * 1e9)
    times = true_index / rate + 77.0 if timed else None
    return Chunk(true_index[:, None], raw, times, host_ns)


def received(runs):
    """Indices of all samples, by the indexer and by what the samples hold."""
    index = [np.arange(r.index, r.index + len(r.samples)) for r in runs]
    held = [r.samples[:, 0] for r in runs]
    return np.concatenate(index).tolist(), np.concatenate(held).tolist()


def missing(runs):
    """(index, n) of every hole between runs."""
    ends = [r.index + len(r.samples) for r in runs]
    pairs = zip(ends[:-1], (r.index for r in runs[1:]))
    return [(a, b - a) for a, b in pairs if b != a]


def cuts(n):
    return st.lists(st.integers(1, 40), min_size=1, max_size=20).map(
        lambda sizes: sorted({0, n, *(int(c) for c in np.cumsum(sizes) if c < n)})
    )


def test_a_chunk_without_loss_is_one_run_and_no_copy():
    given_chunk = chunk(range(5, 25))
    (run,) = Indexer(stream()).place(given_chunk)
    assert (run.index, len(run.samples), run.flags) == (5, 20, 0)
    assert np.shares_memory(run.samples, given_chunk.samples)


@pytest.mark.parametrize("bits", [8, 16, 32, None])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_counter_that_wraps_goes_on_rising(bits, size):
    start = (1 << (bits or 20)) - 150
    indexer, runs = Indexer(stream(bits)), []
    for i in range(start, start + 700, size):
        runs += indexer.place(chunk(range(i, min(i + size, start + 700)), bits))
    index, held = received(runs)
    assert index == held == list(range(start, start + 700))


@pytest.mark.parametrize("bits", [8, 16, 32, None])
@pytest.mark.parametrize("gap", [1, 10, 63])
def test_a_gap_across_the_wrap_is_counted_exactly(bits, gap):
    wrap = 1 << (bits or 20)
    there = [*range(wrap - 50, wrap - 5), *range(wrap - 5 + gap, wrap + 90)]
    indexer = Indexer(stream(bits))
    runs = [
        r for i in range(0, len(there), 9) for r in indexer.place(chunk(there[i : i + 9], bits))
    ]
    assert missing(runs) == [(wrap - 5, gap)]
    assert [r.flags for r in runs if r.index == wrap - 5 + gap] == [GAP]


@pytest.mark.parametrize(("bits", "gap"), [(8, 10_000), (16, 200_000)])
@pytest.mark.parametrize("timed", [False, True])
def test_wraps_during_a_silence_are_counted_by_the_times(bits, gap, timed):
    indexer = Indexer(stream(bits, timed=timed))
    runs = indexer.place(chunk(range(0, 40), bits, timed=timed))
    late = chunk(range(40 + gap, 60 + gap), bits, timed=timed)
    late = Chunk(late.samples, late.index, late.device_time, late.host_ns + 20_000_000)
    assert missing(runs + indexer.place(late)) == [(40, gap)]


def test_wraps_inside_a_chunk_are_counted_by_its_device_times():
    there = [*range(40), *range(5040, 5060)]
    runs = Indexer(stream(8, timed=True)).place(chunk(there, 8, timed=True))
    assert missing(runs) == [(40, 5000)]


def test_a_chunk_that_was_held_up_is_not_taken_for_a_gap():
    indexer = Indexer(stream(8))
    runs = indexer.place(chunk(range(0, 10), 8))
    runs += indexer.place(chunk(range(10, 900), 8, host_ns=900_000_000))
    assert missing(runs) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(1, 598), max_size=60),
    cuts(540),
    st.sampled_from([8, 16, None]),
)
def test_any_cut_of_the_samples_gives_the_same_indices(lost, edges, bits):
    there = [i for i in range(100, 700) if i - 100 not in lost]
    edges = [e for e in edges if e < len(there)] + [len(there)]
    indexer, runs = Indexer(stream(bits)), []
    for a, b in pairwise(edges):
        runs += indexer.place(chunk(there[a:b], bits))
    offset = runs[0].index - there[0]
    index, held = received(runs)
    assert held == there
    assert index == [i + offset for i in there]
    assert indexer.duplicates == indexer.reordered == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["send", "drop", "twice", "swap"]), min_size=1, max_size=40),
    st.integers(1, 12),
    st.sampled_from([8, 16, 32]),
)
def test_dropped_doubled_and_swapped_packets_are_counted_exactly(fates, size, bits):
    packets, swapped, doubled, may_swap = [range(0, size)], 0, 0, False
    for k, fate in enumerate(fates, start=1):
        packet = range(k * size, (k + 1) * size)
        if fate == "twice":
            packets += [packet, packet]
            doubled += size
        elif fate == "swap" and may_swap:
            packets.insert(-1, packet)
            swapped += size
        elif fate != "drop":
            packets.append(packet)
        may_swap = fate == "send"
    indexer, runs, reached, kept = Indexer(stream(bits)), [], -1, []
    for packet in packets:
        runs += indexer.place(chunk(packet, bits))
        kept += [i for i in packet if i > reached]
        reached = max(reached, packet[-1])
    index, held = received(runs)
    assert index == held == kept
    assert (indexer.duplicates, indexer.reordered) == (doubled, swapped)


def test_packets_out_of_order_in_one_chunk_are_put_in_order():
    indexer = Indexer(stream())
    runs = indexer.place(chunk([0, 1, 2, 6, 7, 8, 3, 4, 5, 9], host_ns=10_000_000))
    assert received(runs) == (list(range(10)), list(range(10)))
    assert (indexer.reordered, indexer.duplicates, len(runs)) == (3, 0, 1)


def test_a_packet_sent_twice_in_one_chunk_is_kept_once():
    indexer = Indexer(stream(8))
    runs = indexer.place(chunk([0, 1, 2, 0, 1, 2, 3], 8))
    assert received(runs) == ([0, 1, 2, 3], [0, 1, 2, 3])
    assert (indexer.reordered, indexer.duplicates) == (0, 3)


def test_a_late_packet_counts_once_as_reordered_and_then_as_a_duplicate():
    indexer = Indexer(stream())
    indexer.place(chunk(range(0, 10)))
    indexer.place(chunk(range(20, 30)))
    assert indexer.place(chunk(range(10, 20), host_ns=31_000_000)) == []
    assert indexer.place(chunk(range(10, 20), host_ns=32_000_000)) == []
    assert (indexer.reordered, indexer.duplicates) == (10, 10)


def test_a_counter_that_restarts_with_its_device_goes_on_by_host_time():
    indexer = Indexer(stream(index_restarts=True))
    indexer.place(chunk(range(0, 100), host_ns=1_000_000_000))
    indexer.reopened()
    (run,) = indexer.place(chunk(range(0, 10), host_ns=3_000_000_000))
    assert run.index == 100 + 2000 - 10
    assert run.flags == GAP | ESTIMATED | RECONNECT
    (after,) = indexer.place(chunk(range(10, 20), host_ns=3_010_000_000))
    assert (after.index, after.flags) == (run.index + 10, 0)


def test_a_counter_that_outlives_a_reconnect_shows_the_exact_gap():
    indexer = Indexer(stream())
    indexer.place(chunk(range(0, 100)))
    indexer.reopened()
    (run,) = indexer.place(chunk(range(1234, 1244)))
    assert (run.index, run.flags) == (1234, GAP | RECONNECT)


def test_a_counter_that_was_reset_unannounced_goes_on_by_host_time():
    indexer = Indexer(stream())
    indexer.place(chunk(range(50_000, 50_100), host_ns=1_000_000_000))
    (run,) = indexer.place(chunk(range(0, 10), host_ns=1_500_000_000))
    assert (run.index, run.flags) == (50_100 + 500 - 10, GAP | ESTIMATED)


@pytest.mark.parametrize("bits", [8, 16, None])
def test_a_restarted_acquirer_goes_on_where_the_last_one_ended(bits):
    last = Last(seq=100, index=70_100, device_time=None, host_ns=1_000_000_000)
    later = chunk(range(72_050, 72_100), bits, host_ns=3_000_000_000)
    (run,) = Indexer(stream(bits), last).place(later)
    assert (run.index, run.flags) == (72_050, GAP | RESTART)


def test_an_unsigned_index_of_64_bits_is_taken_as_it_is():
    index = np.arange(1 << 40, (1 << 40) + 5, dtype=np.uint64)
    (run,) = Indexer(stream()).place(Chunk(np.zeros((5, 1), np.int64), index, None, 1))
    assert run.index == 1 << 40


def test_an_empty_chunk_is_no_run():
    empty = Chunk(np.zeros((0, 1), np.int64), np.zeros(0, np.int64), None, 1)
    assert Indexer(stream()).place(empty) == []


def test_a_promised_index_that_is_not_there_is_refused():
    with pytest.raises(MalformedData, match="3 samples with no indices"):
        Indexer(stream()).place(Chunk(np.zeros((3, 1), np.int64), None, None, 1))


def test_promised_device_times_of_another_length_are_refused():
    short = Chunk(np.zeros((3, 1), np.int64), np.arange(3), np.zeros(2), 1)
    with pytest.raises(MalformedData, match="3 samples with 2 device times"):
        Indexer(stream(timed=True)).place(short)


def _reopened(stamped: bool, raw_after: int):
    """Index after a hole of half a second of a board that says that opening restarts it."""
    stream = Stream(
        "board", ("a",), 2000.0, "volts",
        counter=True, index_bits=16, index_restarts=True, timed=stamped,
    )  # fmt: skip
    indexer = Indexer(stream)

    def chunk(raw, t_s, late_s=0.0):
        index = (np.arange(20) + raw) % 65536
        times = t_s + np.arange(20) / 2000.0 if stamped else None
        arrival = round((t_s + 0.01 + late_s) * 1e9)
        return Chunk(np.zeros((20, 1), np.int16), index, times, arrival)

    indexer.place(chunk(60_000, 10.0))
    indexer.reopened()
    (run,) = indexer.place(chunk(raw_after, 10.5, late_s=0.004))
    return run


@pytest.mark.parametrize("stamped", [True, False])
def test_a_counter_that_went_on_over_a_reconnect_is_exact(stamped):
    run = _reopened(stamped, (60_000 + 1000) % 65536)

    assert run.index == 61_000
    assert not run.flags & ESTIMATED


@pytest.mark.parametrize("stamped", [True, False])
def test_a_counter_that_began_anew_is_placed_by_time_and_says_so(stamped):
    run = _reopened(stamped, 0)

    assert run.index == pytest.approx(61_000, abs=1 if stamped else 20)
    assert run.flags & ESTIMATED
