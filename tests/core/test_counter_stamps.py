"""Streams without a counter: what is missing is told by the stamps, and nothing is invented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.counter import ESTIMATED, GAP, RECONNECT, RESTART, Indexer, Last
from tenmin.stream import Chunk, Stream

START_S = 12345.678
GAPS = [(5003, 10), (12000, 1000), (20010, 37)]


def stream(rate=1000.0, timed=True):
    return Stream("eeg", ("a",), rate, "volts", dtype="int64", timed=timed)


def stamped(present, rate, packet, stamp):
    """Times of samples whose sender stamps the last of each packet and counts back."""
    times = np.empty(len(present))
    edges = np.union1d(np.arange(0, len(present), packet), np.flatnonzero(np.diff(present) > 1) + 1)
    for a, b in zip(edges, [*edges[1:], len(present)]):
        times[a:b] = stamp(present[b - 1]) - (b - 1 - np.arange(a, b)) / rate
    return times


def play(present, times, size, rate=1000.0):
    """Runs of samples read in chunks of `size`."""
    indexer, runs = Indexer(stream(rate)), []
    for a in range(0, len(present), size):
        b = min(a + size, len(present))
        host_ns = int(times[b - 1] * 1e9)
        runs += indexer.place(Chunk(present[a:b, None], None, times[a:b], host_ns))
    return runs + indexer.flush(), indexer


def without(gaps, n):
    lost = np.zeros(n, bool)
    for index, width in gaps:
        lost[index : index + width] = True
    return np.flatnonzero(~lost)


def missing(runs):
    ends = [r.index + len(r.samples) for r in runs]
    pairs = zip(ends[:-1], (r.index for r in runs[1:]))
    return [(a, b - a) for a, b in pairs if b != a]


@pytest.mark.parametrize("packet", [1, 10, 1000])
@pytest.mark.parametrize("ppm", [0.0, 37.0])
def test_exact_stamps_show_exact_gaps(packet, ppm):
    present = without([(5000, 10), (12000, 1000)], 30_000)
    times = stamped(present, 1000.0, packet, lambda i: START_S + i / 1000.0 / (1 + ppm * 1e-6))
    runs, _ = play(present, times, 10)
    assert missing(runs) == [(5000, 10), (12000, 1000)]
    assert all(r.flags in (0, GAP) for r in runs)


def test_single_samples_are_missed_one_by_one():
    gaps = [(5003, 1), (5010, 1), (9000, 1)]
    present = without(gaps, 20_000)
    runs, _ = play(present, START_S + present / 1000.0, 10)
    assert missing(runs) == gaps


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("packet", "read"), [(1, 10), (10, 10), (20, 20), (10, 50)])
def test_jitter_of_a_whole_interval_hides_no_gap(seed, packet, read):
    rng = np.random.default_rng(seed)
    present = without(GAPS, 30_000)
    times = stamped(
        present, 1000.0, packet, lambda i: START_S + i / 1000.0 + 1e-3 * rng.standard_normal()
    )
    runs, _ = play(present, times, read)
    assert missing(runs) == GAPS
    assert runs[-1].samples[-1, 0] == runs[-1].index + len(runs[-1].samples) - 1


@pytest.mark.parametrize("rate", [30.0, 60.0, 250.0])
@pytest.mark.parametrize("seed", range(3))
def test_slower_streams_show_even_short_gaps_under_jitter(rate, seed):
    rng = np.random.default_rng(seed)
    gaps = [(int(rate * 3), 8), (int(rate * 10), 40), (int(rate * 20), 300)]
    present = without(gaps, int(rate * 60))
    times = START_S + present / rate / (1 + 50e-6) + 1e-3 * rng.standard_normal(len(present))
    assert missing(play(present, times, 1, rate)[0]) == gaps


@pytest.mark.parametrize("seed", range(4))
def test_jitter_alone_is_no_gap(seed):
    rng = np.random.default_rng(seed)
    present = np.arange(30_000)
    times = stamped(
        present, 1000.0, 10, lambda i: START_S + i / 1000.0 + 1e-3 * rng.standard_normal()
    )
    runs, indexer = play(present, times, 10)
    assert missing(runs) == []
    assert indexer.backward > 0


@pytest.mark.parametrize("bunch_s", [0.03, 0.1])
def test_packets_stamped_in_bunches_are_no_gap(bunch_s):
    present = np.arange(30_000)
    times = stamped(
        present, 1000.0, 10, lambda i: START_S + np.ceil(i / 1000.0 / bunch_s) * bunch_s
    )
    assert missing(play(present, times, 10)[0]) == []


@pytest.mark.parametrize("stall_s", [0.05, 0.3, 1.5])
def test_a_sender_that_stalls_and_catches_up_leaves_no_gap(stall_s):
    def stamp(i):
        due = i / 1000.0
        return START_S + (8.0 + stall_s if 8.0 <= due < 8.0 + stall_s else due)

    present = np.arange(20_000)
    runs, _ = play(present, stamped(present, 1000.0, 10, stamp), 10)
    assert missing(runs) == []


def test_a_device_that_is_slower_than_nominal_has_no_gaps():
    present = np.arange(3000)
    runs, _ = play(present, START_S + present / 25.0, 1, rate=30.0)
    assert missing(runs) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(200, 2500), st.integers(1, 300)), max_size=4),
    st.sampled_from([1, 3, 10, 64, 500]),
)
def test_any_cut_of_exactly_stamped_samples_gives_the_same_indices(gaps, size):
    present = without(gaps, 3000)
    runs, _ = play(present, START_S + present / 1000.0, size)
    index = np.concatenate([np.arange(r.index, r.index + len(r.samples)) for r in runs])
    assert index.tolist() == present.tolist()


def test_no_sample_is_lost_while_the_step_is_in_doubt():
    present = without([(5000, 10)], 5050)
    indexer, n = Indexer(stream()), 0
    for a in range(0, len(present), 10):
        part = present[a : a + 10]
        times = START_S + part / 1000.0
        n += sum(len(r.samples) for r in indexer.place(Chunk(part[:, None], None, times, 0)))
    assert n + sum(len(r.samples) for r in indexer.flush()) == len(present)


def test_what_waits_comes_out_by_a_flush_with_its_gap():
    present = without([(5000, 10)], 5020)
    runs, _ = play(present, START_S + present / 1000.0, 10)
    assert missing(runs) == [(5000, 10)]


def test_what_waits_precedes_what_comes_after_a_reconnect():
    indexer = Indexer(stream())

    def place(first, n, at_s):
        index = np.arange(first, first + n)
        return indexer.place(Chunk(index[:, None], None, START_S + index / 1000.0, int(at_s * 1e9)))

    for first in range(0, 3000, 100):
        place(first, 100, first / 1000.0)
    assert place(3050, 10, 3.06) == []
    indexer.reopened()
    runs = place(5000, 10, 5.01)
    assert runs[0].samples[0, 0] == runs[0].index == 3050
    assert runs[0].flags == GAP
    while indexer._held:
        first = int(indexer._held[-1].samples[-1, 0]) + 1
        runs += place(first, 10, (first + 10) / 1000.0)
    assert (runs[1].index, runs[1].flags & (GAP | RECONNECT)) == (5000, GAP | RECONNECT)


def test_a_sender_whose_clock_began_anew_goes_on_by_host_time():
    indexer = Indexer(stream())
    index = np.arange(1000)
    indexer.place(Chunk(index[:, None], None, 500.0 + index / 1000.0, 1_000_000_000))
    indexer.reopened()
    (run,) = indexer.place(Chunk(index[:10, None], None, index[:10] / 1000.0, 3_000_000_000))
    assert (run.index, run.flags) == (1000 + 2000 - 10, GAP | ESTIMATED | RECONNECT)


def test_a_restarted_acquirer_sees_its_own_hole_in_the_stamps():
    last = Last(seq=500, index=500, device_time=START_S + 0.499, host_ns=500_000_000)
    indexer, runs = Indexer(stream(), last), []
    for first in range(1700, 1900, 10):
        index = np.arange(first, first + 10)
        times, host_ns = START_S + index / 1000.0, (first + 10) * 1_000_000
        runs += indexer.place(Chunk(index[:, None], None, times, host_ns))
    assert runs[0].index == runs[0].samples[0, 0] == 1700
    assert runs[0].flags & (GAP | RESTART) == GAP | RESTART


def test_streams_without_counter_or_stamps_are_numbered_as_received():
    indexer = Indexer(stream(timed=False))
    runs = [
        run
        for n in (3, 5, 1)
        for run in indexer.place(Chunk(np.zeros((n, 1), np.int64), None, None, 0))
    ]
    assert [(r.index, r.flags) for r in runs] == [(0, 0), (3, 0), (8, 0)]


def test_streams_without_counter_or_stamps_go_on_by_host_time_after_a_reconnect():
    indexer = Indexer(stream(timed=False))
    indexer.place(Chunk(np.zeros((100, 1), np.int64), None, None, 1_000_000_000))
    indexer.reopened()
    (run,) = indexer.place(Chunk(np.zeros((10, 1), np.int64), None, None, 2_000_000_000))
    assert (run.index, run.flags) == (100 + 1000 - 10, GAP | ESTIMATED | RECONNECT)


def test_irregular_samples_have_no_gaps_but_count_steps_back():
    indexer = Indexer(stream(rate=0.0))
    times = np.array([1.0, 9.0, 8.0, 300.0])
    (run,) = indexer.place(Chunk(np.zeros((4, 1), np.int64), None, times, 0))
    (after,) = indexer.place(Chunk(np.zeros((1, 1), np.int64), None, times[:1], 0))
    assert (run.index, after.index, indexer.backward) == (0, 4, 2)
