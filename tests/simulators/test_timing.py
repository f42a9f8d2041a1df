"""Clocks and packets: every number of the truth is exact."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenmin_simulators import signals

ppm = st.floats(-1000, 1000)


@settings(max_examples=100, deadline=None)
@given(
    start=ppm,
    steps=st.lists(st.tuples(st.floats(0.1, 500), ppm), max_size=4),
    slope=st.floats(-0.5, 0.5),
    elapsed=st.floats(0, 600),
)
def test_time_and_cycles_are_each_others_inverse(start, steps, slope, elapsed):
    clock = signals.SampleClock(1000.0, start, tuple(sorted(steps)), slope)
    assert clock.elapsed(clock.cycles(elapsed)) == pytest.approx(elapsed, abs=1e-7)


def test_constant_drift_gives_more_samples_in_proportion():
    assert signals.SampleClock(30_000.0, 37.0).cycles(600.0) == pytest.approx(18_000_666.0)


def test_a_stepped_clock_runs_at_each_of_its_rates_in_turn():
    clock = signals.SampleClock(1000.0, 100.0).stepped(10.0, -100.0)
    assert clock.cycles(10.0) == pytest.approx(10_001.0)
    assert clock.cycles(20.0) == pytest.approx(20_000.0)


def test_a_linear_drift_adds_the_square_of_the_time():
    clock = signals.SampleClock(1000.0, 0.0, (), 1.0)
    assert clock.cycles(100.0) == pytest.approx(100_000 + 1000 * 0.5e-6 * 100**2)


def test_least_squares_on_jittered_packets_finds_the_drift():
    clock = signals.SampleClock(1000.0, 37.0)
    sent, _ = signals.packets(np.random.default_rng(0), clock, 600_000, 1000)
    index = np.array([p.first + p.n - 1 for p in sent]) / 1000.0
    slope = np.polyfit(index, [p.stamp_s for p in sent], 1)[0]
    # Science B.4: SE 0.236 ppm for 600 pulses in 600 s with 1 ms jitter; 4 SE.
    assert (1 / slope - 1) * 1e6 == pytest.approx(37.0, abs=1.0)


chance = st.floats(0, 0.5)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 3000),
    per=st.integers(1, 90),
    drop=chance,
    double=chance,
    swap=chance,
    stall=st.tuples(st.integers(0, 3000), st.integers(1, 500)),
)
def test_the_gaps_of_the_truth_are_what_no_packet_carries(seed, n, per, drop, double, swap, stall):
    sent, truth = signals.packets(
        np.random.default_rng(seed),
        signals.SampleClock(100.0),
        n,
        per,
        p_drop=drop,
        p_duplicate=double,
        p_swap=swap,
        stall=stall,
    )
    times = np.zeros(n, int)
    for packet in sent:
        times[packet.first : packet.first + packet.n] += 1
    missing = np.zeros(n, bool)
    for first, count in truth.gaps:
        assert not missing[first : first + count].any()
        missing[first : first + count] = True
    np.testing.assert_array_equal(times == 0, missing)
    doubled = sorted(set(p.first for p in sent if sum(q.first == p.first for q in sent) > 1))
    assert doubled == sorted(truth.duplicated)
    backwards = [b.first for a, b in pairwise(sent) if b.first < a.first]
    assert backwards == truth.reordered


def test_a_wrapped_counter_reads_as_twos_complement():
    found = signals.wrapped([32767, 32768, 65535, 65536], 16)
    assert found.dtype == np.int16
    assert found.tolist() == [32767, -32768, -1, 0]


def test_holes_joins_neighbours_and_ignores_overlaps():
    assert signals.holes(iter([(5, 5), (0, 2), (6, 2), (12, 1)]), 15) == [(2, 3), (10, 2), (13, 2)]


def test_a_bent_clock_keeps_its_count_and_changes_its_rate_from_then_on():
    clock = signals.SampleClock(1000.0, 20.0).bent(50.0, 2.0).stepped(10.0, 20.0)
    straight = signals.SampleClock(1000.0, 20.0)
    assert clock.cycles(50.0) == pytest.approx(straight.cycles(50.0), abs=1e-9)
    assert clock.cycles(150.0) - straight.cycles(150.0) == pytest.approx(1000 * 1e-6 * 100**2)
    assert clock.elapsed(clock.cycles(150.0)) == pytest.approx(150.0, abs=1e-7)
