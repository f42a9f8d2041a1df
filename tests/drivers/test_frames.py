"""Edges and frames of an imaging clock, on samples."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenmin_drivers._frames import (
    EXTRA,
    IRREGULAR,
    MISSED,
    RESTART,
    SOURCE_GAP,
    EdgeFinder,
    FrameCounter,
    Threshold,
)

from tenmin.frames import balance

FS, T, PULSE = 10_000, 333, 30
TTL = Threshold(high=2000, low=800)  # millivolts


def line(edges, n, pulse=PULSE, high=3300):
    samples = np.zeros(n, np.int16)
    for edge in edges:
        samples[edge : edge + pulse] = high
    return samples


def rows_of(edges, fs=FS, rate=FS / T, **keys):
    finder, counter = EdgeFinder(TTL), FrameCounter(fs, rate, **keys)
    found, _ = finder.feed(line(edges, max(edges) + 100), 0)
    return counter.feed(found)


def cut_up(samples, cuts, first=0, **keys):
    finder = EdgeFinder(TTL, **keys)
    edges = [0, *sorted(cut % (len(samples) + 1) for cut in cuts), len(samples)]
    return np.concatenate(
        [finder.feed(samples[a:b], first + a)[0] for a, b in itertools.pairwise(edges)]
    )


def test_frames_at_the_nominal_interval_are_counted():
    rows = rows_of([1000, 1333, 1666])
    assert rows[:, :2].tolist() == [[1, 1000], [2, 1333], [3, 1666]]
    assert not rows[:, 3:].any()


def test_a_missing_frame_is_counted_before_the_next():
    rows = rows_of([1000, 1333, 1999])
    assert rows[2].tolist() == [3, 1999, 666, 1, MISSED]


def test_an_edge_too_soon_after_the_last_is_rejected():
    counter = FrameCounter(FS, FS / T)
    assert counter.feed(np.array([1000, 1020, 1333]))[:, 1].tolist() == [1000, 1333]


def test_a_long_silence_begins_a_new_acquisition():
    rows = rows_of([1000, 1333, 15_000])
    assert rows[2].tolist() == [1, 15_000, 13_667, 0, RESTART]


def test_an_extra_edge_is_kept_and_flagged():
    rows = FrameCounter(FS, FS / T).feed(np.array([1000, 1333, 1333 + 140, 1666, 1999]))
    assert rows[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert rows[:, 4].tolist() == [0, 0, EXTRA, 0, 0]


def test_an_interval_of_no_whole_number_of_periods_is_irregular():
    rows = FrameCounter(FS, FS / T).feed(np.array([1000, 1333, 1333 + 470]))
    assert rows[2, 3:].tolist() == [0, IRREGULAR]


def test_without_a_nominal_rate_the_median_of_the_intervals_serves():
    edges = np.r_[np.arange(0, 20 * T, T), 21 * T]
    assert FrameCounter(FS).feed(edges)[-1, 3:].tolist() == [1, MISSED]


def test_several_pulses_may_make_a_frame():
    edges = np.arange(12) * 100
    rows = FrameCounter(10_000, 25.0, pulses_per_frame=4).feed(edges)
    assert rows[:, :3].tolist() == [[1, 0, 0], [2, 400, 400], [3, 800, 400]]


def test_pulses_missing_within_a_frame_do_not_shift_the_frames():
    edges = np.delete(np.arange(16) * 100, [5, 6])
    rows = FrameCounter(10_000, 25.0, pulses_per_frame=4).feed(edges)
    assert rows[:, 1].tolist() == [0, 400, 800, 1200]
    assert not rows[:, 3].any()


def test_whole_frames_of_pulses_missing_are_counted():
    edges = np.delete(np.arange(16) * 100, range(4, 8))
    rows = FrameCounter(10_000, 25.0, pulses_per_frame=4).feed(edges)
    assert rows[:, [1, 3]].tolist() == [[0, 0], [800, 1], [1200, 0]]


@given(
    st.lists(st.integers(60, 500), min_size=1, max_size=12),
    st.lists(st.integers(0, 10_000), max_size=30),
)
def test_every_chunking_finds_the_same_edges(steps, cuts):
    samples = line(np.cumsum(steps), sum(steps) + 100)
    np.testing.assert_array_equal(cut_up(samples, cuts), np.cumsum(steps))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.lists(st.integers(0, 60)))
def test_every_chunking_of_any_levels_finds_the_same_edges(levels, cuts):
    samples = np.array([0, 1000, 2500, 3300], np.int16)[levels]
    np.testing.assert_array_equal(cut_up(samples, cuts), cut_up(samples, []))


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(1, 5))
def test_the_edges_are_those_of_a_loop_over_the_samples(levels, width):
    samples = np.where(levels, 3300, 0).astype(np.int16)
    expected = [
        k
        for k in range(1, len(levels) - width + 1)
        if not levels[k - 1] and all(levels[k : k + width])
    ]
    assert cut_up(samples, [], min_width=width).tolist() == expected


def test_ringing_within_the_hysteresis_is_no_edge():
    samples = np.array([0, 0, 2100, 1500, 2100, 1500, 2100, 900, 2100, 0, 0], np.int16)
    assert cut_up(samples, []).tolist() == [2]


def test_a_level_that_does_not_last_is_no_edge():
    assert cut_up(line([100], 200, pulse=1), []).tolist() == []


def test_a_line_that_is_high_from_the_start_has_no_edge_there():
    assert cut_up(line([0, 100], 200), []).tolist() == [100]


def test_an_inverted_line_has_its_edges_where_it_falls():
    finder = EdgeFinder(Threshold(2000, 800, inverted=True))
    edges, _ = finder.feed(3300 - line([100, 433], 600), 0)
    assert edges.tolist() == [100, 433]


def test_a_bit_of_a_digital_word_is_a_line():
    word = (line([100, 433], 600, high=1) << 5) | 0b11
    edges, _ = EdgeFinder(Threshold(bit=5)).feed(word, 0)
    assert edges.tolist() == [100, 433]


def test_a_gap_of_the_source_forgets_what_was_pending():
    finder = EdgeFinder(TTL, min_width=5)
    finder.feed(line([98], 100, pulse=2), 0)
    edges, gap = finder.feed(np.full(20, 3300, np.int16), 500)
    assert gap
    assert not len(edges)


def test_a_gap_of_the_source_is_flagged_on_the_next_frame():
    counter = FrameCounter(FS, FS / T)
    counter.feed(np.array([1000]))
    counter.feed(np.array([], np.int64), SOURCE_GAP)
    assert counter.feed(np.array([1000 + 2 * T]))[0, 3:].tolist() == [1, MISSED | SOURCE_GAP]


def acquisition(n=300, start=50_000):
    return FrameCounter(FS, FS / T).feed(start + np.arange(n) * T)


def test_the_balance_of_a_whole_acquisition():
    found = balance(acquisition(), 0, 200_000, FS, expected=300)
    assert (found.frames, found.missing, found.agrees, found.cut) == (300, 0, True, False)
    assert found.quiet_before_s == pytest.approx(5.0)
    assert found.quiet_after_s == pytest.approx((200_000 - 50_000 - 299 * T) / FS)
    assert found.interval_median_s == pytest.approx(T / FS)


def test_frames_up_to_the_edge_mean_that_the_counts_cannot_be_compared():
    assert balance(acquisition(), 49_000, 200_000, FS).cut


def test_a_frame_fewer_than_the_microscope_took_does_not_agree():
    assert balance(acquisition(299), 0, 200_000, FS, expected=300).agrees is False


def test_a_stretch_without_frames_is_quiet_from_end_to_end():
    found = balance(acquisition(), 0, 20_000, FS)
    assert (found.frames, found.quiet_before_s, found.quiet_after_s) == (0, 2.0, 2.0)
    assert np.isnan(found.interval_median_s)
