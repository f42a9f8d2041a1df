"""The simulated patch clamp against theory and SciPy's filters."""

import numpy as np
import pytest
from scipy import signal
from tenmin_simulators.patch import STEP_MV, Cell, Clamp, impulse, step_response

CELL = Cell(10.0, 500.0, 33.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def quiet(duration_s=60.0, **options):
    return Clamp(rng(1), duration_s, noise_pa=0.0, **options)


def pulse(clamp, at_s, before=500, after=900):
    """Current about a pulse, its baseline taken off."""
    first = round(at_s * clamp.rate_hz)
    current = clamp.samples(first - before, before + after)[:, 0]
    return current[before:] - current[:before].mean()


def test_the_time_constant_is_that_of_the_specification():
    assert CELL.tau_s == pytest.approx(323.5e-6, abs=1e-7)


def test_without_a_filter_the_first_current_gives_the_access_resistance():
    first, steady = step_response(CELL, -5.0, np.array([0.0, 1.0]), None)
    assert -5.0 / first * 1e3 == pytest.approx(10.0)
    assert -5.0 / steady * 1e3 == pytest.approx(510.0)


@pytest.mark.parametrize("corner_hz", [10e3, 5e3, 2e3])
def test_the_filtered_response_is_that_of_scipys_bessel_filter(corner_hz):
    t = np.arange(0, 0.01, 1e-6)
    low_pass = signal.bessel(4, 2 * np.pi * corner_hz, analog=True, norm="mag")
    _, expected, _ = signal.lsim(low_pass, step_response(CELL, 5.0, t, None), t)
    found = step_response(CELL, 5.0, t, corner_hz)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_peak_behind_a_filter_reads_too_much_resistance():
    t = np.arange(0, 0.01, 1e-6)
    read = [5e3 / step_response(CELL, 5.0, t, hz).max() for hz in (10e3, 5e3, 2e3)]
    assert read[0] == pytest.approx(11.1, abs=0.1)
    assert read[2] > 14.0
    assert np.all(np.diff(read) > 0)


def test_before_the_step_there_is_no_current():
    assert np.all(step_response(CELL, 5.0, np.array([-1.0, -1e-9])) == 0)


def test_the_impulse_response_is_the_slope_of_the_step_response():
    rate = 200e3
    resistor = Cell(1.0, 1e-6, 1e-3)
    step = step_response(resistor, 1.0, (np.arange(100) + 0.5) / rate, 5e3) / 1e3
    np.testing.assert_allclose(np.cumsum(impulse(rate, 5e3))[:100], step, atol=0.005)


@pytest.mark.parametrize("at_s", [0.25, 29.75, 59.75])
def test_the_ramp_of_the_access_resistance_is_in_the_samples(at_s):
    clamp = quiet(corner_hz=None)
    rs = 10.0 + 5.0 * at_s / 60.0
    first = pulse(clamp, at_s)[0] - STEP_MV * 1e3 / 5000.0  # the seal leaks
    assert STEP_MV / first * 1e3 == pytest.approx(rs, rel=1e-6)
    where = np.argmin(np.abs(clamp.truth.onset_s - at_s))
    assert clamp.truth.rs_mohm[where] == pytest.approx(rs)


def test_the_membrane_can_be_fitted_from_the_samples():
    clamp = quiet(rs_mohm=(10.0, 10.0), corner_hz=None)
    current = pulse(clamp, 0.25)
    steady = current[800:].mean()
    t = np.arange(100) / clamp.rate_hz
    slope, top = np.polyfit(t, np.log(np.abs(current[:100] - steady)), 1)
    assert -1.0 / slope == pytest.approx(CELL.tau_s, rel=1e-3)
    assert np.exp(top) == pytest.approx(5e3 / 10 - 5e3 / 510, rel=1e-3)


def test_crossings_are_the_first_pulses_beyond_the_limits():
    truth = quiet(600.0).truth
    for percent, at in truth.crossings_s.items():
        before, after = truth.rs_mohm[truth.onset_s < at], truth.rs_mohm[truth.onset_s >= at]
        assert before.max() <= 10.0 * (1 + percent / 100) * 1.0005
        assert after.min() > 10.0 * (1 + percent / 100)
    assert truth.crossings_s[20] == pytest.approx(240.5, abs=0.5)
    assert truth.crossings_s[30] == pytest.approx(360.5, abs=0.5)


def test_a_lost_seal_leaks():
    clamp = quiet(seal_loss=((30.0, 500.0),))
    before, after = (clamp.samples(round(t * 50e3), 1000)[:, 0].mean() for t in (29.6, 30.6))
    assert after - before == pytest.approx(1e3 * -70.0 / 500.0 - 1e3 * -70.0 / 5000.0, rel=0.01)
    assert [e.type for e in clamp.truth.events] == ["seal"]


def test_the_reading_holds_the_junction_potential():
    with_, without = (quiet(ljp_mv=mv).samples(0, 5000)[:, 2] for mv in (14.3, 0.0))
    np.testing.assert_allclose(with_ - without, 14.3)


def test_the_resting_potential_drifts_as_far_as_asked():
    clamp = quiet(600.0, drift_mv=8.0)
    rest = clamp.truth.rest_mv
    assert rest[-20:].mean() - rest[:20].mean() == pytest.approx(8.0, abs=0.6)


def test_noise_is_filtered_like_the_current():
    clamp = Clamp(rng(2), 60.0, corner_hz=2e3, rate_hz=50e3)
    current = clamp.samples(0, 12_000)[:, 0]
    f, power = signal.welch(current - current.mean(), 50e3, "hann", 2000)
    low, high = power[(f > 100) & (f < 500)].mean(), power[f > 10e3].mean()
    assert low == pytest.approx(4.0**2 / 25e3, rel=0.2)
    assert high < 0.01 * low


@pytest.mark.parametrize("cut", [1000, 8191, 8192, 8193, 30_000])
def test_samples_are_the_same_whatever_the_cuts(cut):
    whole = Clamp(rng(3), 60.0).samples(0, 60_000)
    clamp = Clamp(rng(3), 60.0)
    pieces = [clamp.samples(k, min(cut, 60_000 - k)) for k in range(0, 60_000, cut)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_seed_fixes_the_samples_and_another_one_changes_them():
    one, same, other = (Clamp(rng(s), 10.0).samples(0, 1000) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_change_while_it_runs_leaves_the_samples_before_as_they_were():
    clamp = Clamp(rng(1), 60.0)
    before = clamp.samples(0, 50_000)
    clamp.access(1.0, 40.0)
    clamp.lose_seal(1.0, 100.0)
    clamp.junction(1.0, 0.0)
    np.testing.assert_array_equal(clamp.samples(0, 50_000), before)
    assert clamp.truth.rs_mohm[2] == 40.0
