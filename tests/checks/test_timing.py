import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks.parameters import shipped
from tenmin.checks.timing import (
    Arrivals,
    Gaps,
    Points,
    Rate,
    bend_ms,
    drift_ppm,
    jitter_ms,
    pair_pulses,
    smoothed,
    sync_checks,
)
from tenmin.counter import Indexer
from tenmin.ring import Piece
from tenmin.stream import Chunk, Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

P = shipped()
COUNTED = Stream("probe", ("a",), 1000.0, "volts", kind="ecephys", counter=True)
BLIND = Stream("probe", ("a",), 1000.0, "volts", kind="ecephys")
CAMERA = Stream("camera", ("a",), 30.0, "n/a", timed=True, facts={"fps": "30"})


def piece(index, n, host_s=0.0):
    return Piece(index, index, np.zeros((n, 1), np.int16), None, round(host_s * 1e9), 0)


def gaps_after(*spans, stream=COUNTED, primary=False):
    """The check after pieces of (index, n)."""
    check = Gaps(stream, P, primary=primary)
    for index, n in spans:
        check.feed(piece(index, n))
    return check, check.verdict(0.0)


def test_a_stream_that_nothing_came_of_is_unknown():
    assert gaps_after()[1].level == UNKNOWN


def test_a_stream_without_a_loss_is_ok():
    assert gaps_after((0, 10), (10, 5))[1].level == OK


def test_one_missing_sample_is_a_warning():
    verdict = gaps_after((0, 10), (11, 5))[1]
    assert (verdict.level, verdict.value, verdict.unit) == (WARN, 0.001, "s")


def test_more_than_a_tenth_of_a_second_fails():
    assert gaps_after((0, 10), (60, 50), (170, 1))[1].level == FAIL


@pytest.mark.parametrize(("primary", "level"), [(True, FAIL), (False, WARN)])
def test_one_gap_of_21_ms_fails_only_in_the_primary_stream(primary, level):
    assert gaps_after((0, 10), (31, 5), primary=primary)[1].level == level


def test_without_counter_and_stamps_no_loss_could_show_and_it_is_unknown():
    assert gaps_after((0, 10), (10, 5), stream=BLIND)[1].level == UNKNOWN


def test_a_loss_that_was_seen_is_told_even_so():
    assert gaps_after((0, 10), (40, 5), stream=BLIND)[1].level == WARN


def test_losses_before_the_block_are_forgotten():
    check, _ = gaps_after((0, 10), (500, 5))
    check.restart()
    assert check.verdict(1.0).level == OK


@pytest.mark.parametrize("bits", [16, 32])
def test_missing_samples_are_exact_over_a_wrap_of_the_counter(bits):
    stream = Stream("probe", ("a",), 1000.0, "volts", counter=True, index_bits=bits)
    keep = np.delete(np.arange(400), [17, *range(90, 95), 200])  # one, five in a row, the wrap
    counter = (keep + 2**bits - 200) % 2**bits
    indexer, check = Indexer(stream), Gaps(stream, P)
    for part in np.array_split(np.arange(len(keep)), 7):
        chunk = Chunk(np.zeros((len(part), 1), np.int16), counter[part], None, 0)
        for run in indexer.place(chunk):
            check.feed(Piece(0, run.index, run.samples, None, 0, run.flags))
    assert (check.missing, check.longest) == (7, 5)


def arrivals(stream, ppm, seconds=300, jitter_s=0.0, seed=0):
    """Pieces of 50 ms of a stream that runs so many ppm too fast."""
    late = np.random.default_rng(seed).exponential(jitter_s or 1e-12, seconds * 20)
    n = int(stream.rate_hz / 20)
    for k in range(seconds * 20):
        index = k * n
        yield piece(index, n, 100.0 + (index + n) / (stream.rate_hz * (1 + ppm * 1e-6)) + late[k])


def rate_of(ppm, **more):
    check = Rate(COUNTED, P)
    for each in arrivals(COUNTED, ppm, **more):
        check.feed(each)
    return [check.verdict(float(t)) for t in range(3)][-1]


@pytest.mark.parametrize(("ppm", "level"), [(0, OK), (37, WARN), (-37, WARN), (250, FAIL)])
def test_the_rate_is_judged_by_its_distance_from_nominal(ppm, level):
    verdict = rate_of(ppm)
    assert verdict.level == level
    assert verdict.value == pytest.approx(ppm, abs=1e-2)


def test_the_rate_survives_late_arrivals():
    assert rate_of(37.0, jitter_s=1e-3).value == pytest.approx(37.0, abs=2.0)


def test_a_rate_that_is_not_sure_yet_is_unknown():
    assert rate_of(37.0, seconds=10, jitter_s=20e-3).level == UNKNOWN


def test_a_rate_is_told_against_the_reference_stream():
    reference, check = Arrivals(BLIND), None
    check = Rate(COUNTED, P, reference)
    for own, other in zip(arrivals(COUNTED, 60.0), arrivals(BLIND, 50.0), strict=True):
        check.feed(own)
        reference.feed(other)
    assert check.verdict(0.0).value == pytest.approx(10.0, abs=0.01)


def points_of(reference_s, stream_s):
    points = Points()
    points.add(np.asarray(reference_s), np.asarray(stream_s))
    return points


def pulses(ppm=37.0, jitter_s=1e-3, n=600, every_s=1.0, seed=0, offset_s=5e4):
    t = np.arange(n) * every_s
    jitter = np.random.default_rng(seed).normal(0, 1, n) * jitter_s
    return t, offset_s + t * (1 + ppm * 1e-6) + jitter


DRIFT, JITTER, BEND = P["drift_of_clock"], P["jitter_of_pulses"], P["bend_of_clock"]


def test_the_drift_is_that_of_a_centred_polyfit():
    t, y = pulses()
    slope = np.polyfit(t - t.mean(), (y - y.mean()) - (t - t.mean()), 1)[0]
    assert drift_ppm(points_of(t, y), DRIFT) == pytest.approx(slope * 1e6, abs=1e-3)


@pytest.mark.parametrize(
    ("jitter_s", "n", "every_s", "se"),
    [(1e-3, 600, 1.0, 0.236), (5e-5, 600, 1.0, 0.0118), (2e-3, 18000, 1 / 30, 0.086)],
)
def test_the_drift_is_right_within_three_of_its_standard_errors(jitter_s, n, every_s, se):
    points = points_of(*pulses(jitter_s=jitter_s, n=n, every_s=every_s))
    assert drift_ppm(points, DRIFT) == pytest.approx(37.0, abs=3 * se)


def test_a_drift_of_few_jittering_pulses_is_unknown():
    assert np.isnan(drift_ppm(points_of(*pulses(jitter_s=5e-3, n=20)), DRIFT))


def test_the_jitter_is_the_robust_sigma_of_the_residuals():
    t, y = pulses()
    residuals = (y - t) - np.polyval(np.polyfit(t, y - t, 1), t)
    sigma = 1.4826 * np.median(np.abs(residuals - np.median(residuals)))
    assert jitter_ms(points_of(t, y), JITTER) == pytest.approx(1e3 * sigma, abs=1e-5)


def test_ten_pulses_are_needed_for_a_jitter():
    assert np.isnan(jitter_ms(points_of(*pulses(n=9)), JITTER))


def test_a_straight_clock_does_not_bend():
    assert bend_ms(points_of(*pulses(jitter_s=0.0)), BEND) == pytest.approx(0.0, abs=1e-6)


def test_a_bend_is_the_largest_moving_mean_of_the_residuals():
    t, y = pulses(jitter_s=1e-4)
    y = y + 3e-3 * np.sin(2 * np.pi * t / 400)
    residuals = (y - t) - np.polyval(np.polyfit(t, y - t, 1), t)
    means = np.convolve(residuals, np.full(31, 1 / 31), "valid")
    assert bend_ms(points_of(t, y), BEND) == pytest.approx(1e3 * np.abs(means).max(), abs=1e-5)


def test_smoothing_leaves_out_windows_that_reach_beyond_the_data():
    assert len(smoothed(np.arange(100.0), np.ones(100), 30.0)) == 70


@given(st.lists(st.integers(1, 599), max_size=6))
def test_pulses_in_any_pieces_give_the_same_drift(cuts):
    t, y = pulses()
    points = Points()
    for part in np.split(np.arange(600), sorted(cuts)):
        points.add(t[part], y[part])
    assert drift_ppm(points, DRIFT) == drift_ppm(points_of(t, y), DRIFT)


def test_an_offset_changes_no_timing():
    near, far = (points_of(*pulses(offset_s=s)) for s in (0.0, 1e6))
    assert drift_ppm(far, DRIFT) == pytest.approx(drift_ppm(near, DRIFT), abs=1e-3)


def test_a_pulse_that_one_side_did_not_time_is_left_out():
    t, y = pulses(jitter_s=0.0)
    y[33] = np.nan
    assert points_of(t, y).n == 599


def levels_of(points, stream=COUNTED, hardware=True):
    checks = sync_checks(stream, P, points, hardware=hardware)
    found = {}
    for now_s in range(3):
        found = {v.check: v.level for v in (c.verdict(now_s) for c in checks)}
    return found


def test_before_a_pulse_all_are_unknown():
    assert set(levels_of(Points()).values()) == {UNKNOWN}


def test_a_drift_of_60_ppm_is_a_warning_and_has_to_be_corrected():
    found = levels_of(points_of(*pulses(ppm=60.0, jitter_s=5e-5)))
    assert found == {
        "drift_of_clock": WARN,
        "jitter_of_pulses": OK,
        "alignment": WARN,
        "bend_of_clock": OK,
    }


def test_the_misalignment_is_told_in_milliseconds():
    checks = sync_checks(COUNTED, P, points_of(*pulses(ppm=50.0, jitter_s=0.0)))
    assert checks[2].verdict(0.0).value == pytest.approx(30.0, abs=1e-3)


def test_the_misalignment_of_video_is_told_in_frames():
    checks = sync_checks(CAMERA, P, points_of(*pulses(ppm=50.0, jitter_s=0.0)))
    verdict = checks[2].verdict(0.0)
    assert (verdict.value, verdict.unit) == (pytest.approx(0.9, abs=1e-4), "frames")


def test_stamps_may_jitter_more_than_pulses():
    found = levels_of(points_of(*pulses(jitter_s=1.4e-3)), hardware=False)
    assert found["jitter_of_stamps"] == OK


def test_pulses_that_either_side_missed_are_left_out_of_the_pairs():
    t, y = pulses(jitter_s=1e-4, n=50)
    reference, stream = pair_pulses(np.delete(t, [7, 8]), np.delete(y, [20, 49]))
    both = np.delete(np.arange(50), [7, 8, 20, 49])
    assert (reference.tolist(), stream.tolist()) == (t[both].tolist(), y[both].tolist())


def test_no_pulses_make_no_pairs():
    assert len(pair_pulses(np.empty(0), np.arange(3.0))[0]) == 0
