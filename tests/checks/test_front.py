import numpy as np
import pytest
from hypothesis import given, settings

from tenmin.checks.front import Front, Limits
from tenmin.checks.grid import Grid
from tenmin.ring import Piece
from tenmin.stream import Stream
from tests.checks.cuts import CUTS

signal = pytest.importorskip("scipy.signal")
SCALE = 0.195e-6


def stream_of(rate_hz, n_channels=4, dtype="int16", **fields):
    names = tuple(f"ch{c}" for c in range(n_channels))
    facts = {"unit": "volts", "scale": SCALE, "kind": "ecephys", "range_counts": (-512.0, 511.0)}
    return Stream("probe", names, rate_hz, dtype=dtype, **facts | fields)


def counts_of(stream, seconds=3.0, seed=0):
    rng = np.random.default_rng(seed)
    n = int(seconds * stream.rate_hz)
    return np.rint(rng.normal(20, 30, (n, stream.n_channels))).astype(stream.dtype)


def seconds_of(stream, samples, lengths=(97,), first=0, skip=()):
    """All seconds of samples fed in pieces; ranges of rows in `skip` never arrive."""
    front, found, at, turn = Front(stream, Limits()), [], 0, 0
    while at < len(samples):
        n = lengths[turn % len(lengths)]
        turn += 1
        gap = next((g for g in skip if g[0] <= at < g[1]), None)
        if gap is not None:
            at = gap[1]
            continue
        stop = min([len(samples), at + n, *(g[0] for g in skip if g[0] > at)])
        piece = Piece(at, first + at, samples[at:stop], None, 0, 0)
        found += front.feed(piece)
        at = stop
    return found


@pytest.mark.parametrize("rate", [250.0, 125.0, 305.0, 30_000.0, 29_999.7])
def test_every_index_lies_in_the_bin_that_its_edges_enclose(rate):
    grid = Grid(rate, 17)
    for index in range(-500, 5000, 7):
        number = grid.number(index)
        assert grid.edge(number) <= index < grid.edge(number + 1)


@pytest.mark.parametrize("rate", [250.0, 30_000.0])
def test_a_second_has_as_many_samples_as_the_rate(rate):
    stream = stream_of(rate)
    found = seconds_of(stream, counts_of(stream))
    assert [(s.number, s.n, s.missing, s.whole) for s in found] == [
        (k, rate, 0, True) for k in range(2)
    ]


@settings(max_examples=20)
@given(CUTS)
def test_a_slow_second_is_the_same_over_any_cut(lengths):
    stream = stream_of(250.0)
    samples = counts_of(stream)
    for one, other in zip(
        seconds_of(stream, samples), seconds_of(stream, samples, lengths), strict=True
    ):
        assert np.array_equal(one.samples, other.samples)
        assert np.array_equal(one.low, other.low)
        assert np.array_equal(one.longest, other.longest)


@settings(max_examples=10)
@given(CUTS)
def test_a_fast_second_is_the_same_over_any_cut(lengths):
    stream = stream_of(6000.0)
    samples = counts_of(stream)
    for one, other in zip(
        seconds_of(stream, samples), seconds_of(stream, samples, lengths), strict=True
    ):
        for name in ("samples", "low", "high", "sigma", "crossings", "beyond", "longest"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_a_slow_second_holds_its_samples_in_microvolts():
    stream = stream_of(250.0, offset=5e-6)
    samples = counts_of(stream)
    second = seconds_of(stream, samples)[1]
    np.testing.assert_allclose(second.samples, samples[250:500] * SCALE * 1e6 + 5.0, rtol=1e-12)


def test_a_fast_second_holds_its_slow_part_at_about_one_kilohertz():
    stream = stream_of(30_000.0)
    t = np.arange(90_000) / 30_000.0
    wave = np.rint(1000 * np.sin(2 * np.pi * 20 * t))[:, None].repeat(4, axis=1)
    second = seconds_of(stream, wave.astype(np.int16), lengths=(300,))[1]
    assert second.rate_hz == 1000.0
    expected = np.sqrt(0.5) * 1000 * SCALE * 1e6
    np.testing.assert_allclose(second.samples.std(axis=0), expected, rtol=0.01)


def test_what_would_alias_is_gone_from_the_slow_part():
    stream = stream_of(30_000.0)
    t = np.arange(90_000) / 30_000.0
    wave = np.rint(1000 * np.sin(2 * np.pi * 980 * t))[:, None].repeat(4, axis=1)
    second = seconds_of(stream, wave.astype(np.int16), lengths=(300,))[1]
    assert second.samples.std() < 0.01 * 1000 * SCALE * 1e6


def test_the_slow_part_begins_without_a_jump_on_a_large_offset():
    stream = stream_of(30_000.0)
    samples = np.full((60_000, 4), 9000, np.int16)
    first = seconds_of(stream, samples, lengths=(1000,))[0]
    np.testing.assert_allclose(first.samples, 9000 * SCALE * 1e6, rtol=1e-9)


def test_the_spread_of_a_fast_second_is_that_of_sorting():
    stream = stream_of(30_000.0)
    samples = counts_of(stream)
    sections = signal.butter(3, 300.0, "high", fs=30_000.0, output="sos")
    high = signal.sosfilt(sections, samples - float(samples[0, 0]), axis=0)[30_000:60_000]
    mad = np.median(np.abs(high - np.median(high, axis=0)), axis=0)
    found = seconds_of(stream, samples, lengths=(300,))[1]
    np.testing.assert_allclose(found.sigma, 1.4826 * mad * SCALE * 1e6, rtol=0.005)


def test_extremes_of_a_bin_are_numpys():
    stream = stream_of(250.0)
    samples = counts_of(stream)
    second = seconds_of(stream, samples)[1]
    assert second.low[3].tolist() == samples[325:350].min(axis=0).tolist()
    assert second.high[9].tolist() == samples[475:500].max(axis=0).tolist()


def test_clipped_samples_are_counted_in_their_bin():
    stream = stream_of(250.0)
    samples = counts_of(stream)
    samples[330:334, 2] = 500
    clipped = seconds_of(stream, samples)[1].clipped
    assert (clipped.sum(), clipped[3, 2]) == (4, 4)


def test_a_gap_marks_its_bin_and_the_one_after_and_the_second_is_not_whole():
    stream = stream_of(250.0)
    found = seconds_of(stream, counts_of(stream), skip=[(300, 310)])
    assert [s.missing for s in found] == [0, 10]
    assert np.flatnonzero(found[1].gaps).tolist() == [2, 3]
    assert [s.whole for s in found] == [True, False]


def test_bins_in_which_a_filter_settles_after_a_gap_are_marked_too():
    stream = stream_of(6000.0)
    found = seconds_of(stream, counts_of(stream), skip=[(7200, 7260)])
    assert np.flatnonzero(found[1].gaps).tolist() == [2, 3]


def test_a_second_that_never_came_is_left_out():
    stream = stream_of(250.0)
    found = seconds_of(stream, counts_of(stream, 5.0), skip=[(260, 760)])
    assert [s.number for s in found] == [0, 1, 3]


def test_nan_in_one_channel_touches_no_other_and_is_over_a_second_later():
    stream = stream_of(6000.0, dtype="float32")
    samples = counts_of(stream, 4.0)
    clean = seconds_of(stream, samples)
    samples[6100, 1] = np.nan
    found = seconds_of(stream, samples)
    assert np.isnan(found[1].sigma).tolist() == [False, True, False, False]
    assert np.array_equal(np.delete(found[1].sigma, 1), np.delete(clean[1].sigma, 1))
    assert np.isfinite(found[2].sigma).all()


def test_the_order_of_channels_makes_no_difference():
    stream = stream_of(6000.0)
    samples = counts_of(stream)
    order = [2, 0, 3, 1]
    one, other = seconds_of(stream, samples)[1], seconds_of(stream, samples[:, order])[1]
    assert np.array_equal(one.sigma[order], other.sigma)
    assert np.array_equal(one.samples[:, order], other.samples)


def skipping(samples, stream, at, n):
    """Seconds of samples of which `n` from row `at` on were not seen."""
    front, found = Front(stream, Limits()), []
    for start in range(0, len(samples), 50):
        if at <= start < at + n:
            front.skipped(50)
            continue
        found += front.feed(Piece(start, start, samples[start : start + 50], None, 0, 0))
    return found, front


def test_a_second_that_was_not_seen_whole_is_left_out():
    stream = stream_of(250.0)
    found, front = skipping(counts_of(stream, 6.0), stream, 800, 100)
    assert [s.number for s in found] == [0, 1, 2, 4]
    assert front.dropped == {3}


def test_what_was_not_seen_is_no_gap_of_the_stream():
    stream = stream_of(250.0)
    found, _ = skipping(counts_of(stream, 6.0), stream, 800, 100)
    assert all(s.whole for s in found)
