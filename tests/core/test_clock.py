"""Known answers of science.md B.4 and E.2: drift, its uncertainty, and the way back."""

import math

import numpy as np
import pytest

from tenmin.clock import ClockFit, SecondBins, fit, relate, standard_error_ppm, t95

DRIFT_PPM = 37.0
BOOT_S = 4_000_000.0  # a host that has been up for six weeks


def pulses(rng, jitter_s, n, span_s, ppm=DRIFT_PPM):
    """Host times of a stream whose clock runs fast by `ppm`, and its own seconds."""
    host = BOOT_S + np.arange(n) * span_s / n
    stream = (host - BOOT_S) * (1.0 + ppm * 1e-6)
    return stream, host + jitter_s * rng.standard_normal(n)


def drift(line):
    return (1.0 / line.slope - 1.0) * 1e6


@pytest.mark.parametrize(
    ("jitter_s", "n", "span_s", "expected"),
    [
        (1e-3, 600, 600.0, 0.236),
        (50e-6, 600, 600.0, 0.0118),
        (1e-3, 60, 60.0, 7.45),
        (2e-3, 18000, 600.0, 0.086),
    ],
)
def test_the_standard_error_is_that_of_the_specification(jitter_s, n, span_s, expected):
    assert standard_error_ppm(jitter_s, n, span_s) == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(
    ("jitter_s", "n", "span_s", "seeds"),
    [(1e-3, 600, 600.0, 200), (50e-6, 600, 600.0, 200), (1e-3, 60, 60.0, 400)],
)
def test_fits_scatter_as_much_as_their_standard_error(jitter_s, n, span_s, seeds):
    rng = np.random.default_rng(0)
    found = [drift(fit(*pulses(rng, jitter_s, n, span_s))) for _ in range(seeds)]
    expected = standard_error_ppm(jitter_s, n, span_s)
    assert np.std(found) == pytest.approx(expected, rel=4 / math.sqrt(2 * seeds))
    assert np.mean(found) == pytest.approx(DRIFT_PPM, abs=4 * expected / math.sqrt(seeds))


def test_a_drift_of_37_ppm_is_found_within_half_a_ppm_in_600_s():
    rng = np.random.default_rng(1)
    off = [drift(fit(*pulses(rng, 1e-3, 600, 600.0))) - DRIFT_PPM for _ in range(200)]
    assert abs(np.mean(off)) < 0.1
    assert np.mean(np.abs(off) < 0.5) >= 0.92  # 2.1 standard errors: 96.6 % expected


@pytest.mark.parametrize("n", [3, 4, 6, 12, 60, 600])
def test_the_stated_95_percent_hold_what_they_say(n):
    rng = np.random.default_rng(2)
    lines = [fit(*pulses(rng, 1e-3, n, float(n), ppm=0.0)) for _ in range(400)]
    assert 0.92 <= np.mean([abs(line.ppm) <= line.ppm_u95 for line in lines]) <= 0.985


@pytest.mark.parametrize("correlation", [0.3, 0.6, 0.8])
def test_the_stated_95_percent_hold_when_residuals_wander(correlation):
    rng, right = np.random.default_rng(3), 0
    for _ in range(300):
        noise = rng.standard_normal(300)
        for i in range(1, 300):
            noise[i] = correlation * noise[i - 1] + math.sqrt(1 - correlation**2) * noise[i]
        x = np.arange(300.0)
        line = fit(x, x + 1e-3 * noise)
        right += abs(line.ppm) <= line.ppm_u95
    assert right / 300 >= 0.92


def test_the_line_at_its_centre_is_as_sure_as_it_says():
    rng, right = np.random.default_rng(4), 0
    for _ in range(400):
        x = np.arange(50.0)
        line = fit(x, x + 1e-3 * rng.standard_normal(50))
        right += abs(line.to_host(24.5) - 24.5) <= line.offset_u95
    assert 0.92 <= right / 400 <= 0.98


def test_running_sums_agree_with_numpy_on_centred_points():
    rng = np.random.default_rng(5)
    x, y = pulses(rng, 1e-3, 600, 600.0)
    line = fit(x, y)
    cx, cy = x - x.mean(), y - y.mean()
    slope = (cx * cy).sum() / (cx * cx).sum()
    assert line.slope == pytest.approx(slope, abs=1e-12)
    residual = cy - slope * cx
    assert line.residual_s == pytest.approx(math.sqrt((residual**2).sum() / 598), rel=1e-6)
    assert (line.n, line.span_s) == (600, pytest.approx(x[-1] - x[0]))


def test_a_month_of_uptime_costs_the_drift_no_digits():
    x = np.arange(600.0)
    line = fit(x, 2.6e6 + x / (1.0 + 37e-6))
    assert drift(line) == pytest.approx(37.0, abs=1e-5)
    assert abs(drift(line) - 37.0) <= line.ppm_u95


def test_a_line_goes_to_the_host_and_back():
    line = fit(*pulses(np.random.default_rng(6), 1e-3, 100, 100.0))
    x = np.linspace(-10.0, 700.0, 50)
    assert line.to_stream(line.to_host(x)) == pytest.approx(x, abs=1e-8)


def test_two_points_make_a_line_of_unknown_uncertainty():
    line = fit(np.array([0.0, 1.0]), np.array([5.0, 6.0]))
    assert line.ppm == pytest.approx(0.0)
    assert line.ppm_u95 == math.inf


@pytest.mark.parametrize("points", [[], [(1.0, 1.0)], [(1.0, 1.0), (1.0, 2.0)]])
def test_no_line_goes_through_fewer_than_two_times(points):
    clock = ClockFit()
    for x, y in points:
        clock.add(x, y)
    with pytest.raises(ValueError, match="two points"):
        clock.line()


def test_a_stream_that_runs_fast_reads_positive_against_the_reference():
    rng = np.random.default_rng(7)
    fast = fit(*pulses(rng, 50e-6, 600, 600.0, ppm=37.0))
    slow = fit(*pulses(rng, 50e-6, 600, 600.0, ppm=-12.0))
    related = relate(fast, slow)
    assert related.drift_ppm == pytest.approx(49.0, abs=related.drift_ppm_u95)
    assert related.drift_ppm_u95 == pytest.approx(math.hypot(fast.ppm_u95, slow.ppm_u95))


def test_a_mapped_time_is_right_to_a_fifth_of_a_millisecond_with_hardware_pulses():
    rng = np.random.default_rng(8)
    fast = fit(*pulses(rng, 50e-6, 600, 600.0, ppm=37.0))
    reference = fit(*pulses(rng, 50e-6, 600, 600.0, ppm=0.0))
    x = np.linspace(0.0, 600.0, 601)
    off = relate(fast, reference).to_reference(x) - x / (1.0 + 37e-6)
    assert math.sqrt((off**2).mean()) < 0.2e-3


def test_a_stream_against_itself_does_not_drift():
    line = fit(*pulses(np.random.default_rng(9), 1e-3, 60, 60.0))
    assert relate(line, line).drift_ppm == 0.0


def test_bins_are_the_means_of_whole_seconds_of_host_time():
    bins = SecondBins()
    points = [(x, 100.25 + x) for x in np.arange(0.0, 2.0, 0.25)]
    done = [b for b in (bins.add(x, y) for x, y in points) if b]
    assert done == [
        (pytest.approx(0.25), pytest.approx(100.5), 3),
        (pytest.approx(1.125), pytest.approx(101.375), 4),
    ]


def test_a_bin_weighs_means_by_their_number():
    bins = SecondBins()
    bins.add(0.0, 10.0, 3)
    bins.add(0.4, 10.4, 1)
    assert bins.add(1.0, 11.0) == (pytest.approx(0.1), pytest.approx(10.1), 4)


def test_a_point_that_is_late_counts_in_the_second_that_is_open():
    bins = SecondBins()
    bins.add(1.0, 11.0)
    assert bins.add(0.9, 10.9) is None
    assert bins.add(2.0, 12.0) == (pytest.approx(0.95), pytest.approx(10.95), 2)


def test_students_quantiles_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 2.5, 3, 4.5, 7, 10, 11, 15.5, 30, 100, 1e6):
        assert t95(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.02)
