import numpy as np
import pytest
from scipy import optimize, signal

from tenmin.checks.membrane import fit_exponential, membrane_test

RATE = 100e3
STEP = 1000
RS, RM, CM = 10.0, 500.0, 33.0


def response(rs=RS, rm=RM, cm=CM, step_mv=10.0, seconds=0.06):
    """Current of the circuit at `RATE`, pA; the step comes at sample `STEP`."""
    t = (np.arange(int(seconds * RATE)) - STEP) / RATE
    tau = cm * 1e-6 * rs * rm / (rs + rm)
    steady = step_mv / (rs + rm)
    current = steady + (step_mv / rs - steady) * np.exp(-np.maximum(t, 0) / tau)
    return 1e3 * np.where(t >= 0, current, 0.0)


def bessel(current, hz, norm):
    return signal.sosfilt(signal.bessel(4, hz, fs=RATE, output="sos", norm=norm), current)


def test_the_time_constant_is_the_circuits():
    assert membrane_test(response(), RATE, STEP, 10.0).tau_us == pytest.approx(323.5, abs=0.1)


def test_without_a_filter_resistances_and_capacitance_are_exact():
    test = membrane_test(response(), RATE, STEP, 10.0)
    got = test.access_mohm, test.input_mohm, test.capacitance_pf
    assert got == pytest.approx((RS, RM, CM), rel=1e-4)


@pytest.mark.parametrize(("hz", "expected"), [(10e3, 9.99), (5e3, 9.94), (2e3, 9.50)])
def test_behind_a_bessel_filter_the_extrapolation_is_near_the_known_one(hz, expected):
    test = membrane_test(bessel(response(), hz, "mag"), RATE, STEP, 10.0, hz)
    assert test.access_mohm == pytest.approx(expected, rel=0.025)


@pytest.mark.parametrize(("hz", "within"), [(10e3, 0.01), (5e3, 0.02), (2e3, 0.05)])
def test_behind_the_filters_that_mislead_the_peak_the_delay_corrects(hz, within):
    """scipy's own corner of this filter is where its phase is half way: delay 105^(1/4)/w."""
    filtered = bessel(response(), hz, "phase")
    peak = 1e4 / filtered.max()
    assert peak == pytest.approx({10e3: 11.2, 5e3: 12.8, 2e3: 17.0}[hz], abs=0.1)
    delay = 105**0.25 / (2 * np.pi * hz)
    test = membrane_test(filtered, RATE, STEP, 10.0, hz, delay)
    assert test.access_mohm == pytest.approx(RS, rel=within)


@pytest.mark.parametrize("rs", [10.0, 15.0, 30.0])
def test_two_kilohertz_cost_less_than_a_tenth(rs):
    test = membrane_test(bessel(response(rs), 2e3, "mag"), RATE, STEP, 10.0, 2e3)
    assert test.access_mohm == pytest.approx(rs, rel=0.1)


def test_noise_of_the_recording_costs_less_than_two_percent():
    noise = np.random.default_rng(0).normal(0, 10.0, (50, 6000)).mean(axis=0)
    test = membrane_test(response() + noise, RATE, STEP, 10.0)
    assert test.access_mohm == pytest.approx(RS, rel=0.02)


def test_a_step_down_and_a_holding_current_change_nothing():
    test = membrane_test(-120.0 + response(step_mv=-5.0), RATE, STEP, -5.0)
    assert (test.access_mohm, test.input_mohm) == pytest.approx((RS, RM), rel=1e-3)


def test_the_fit_is_the_one_that_scipy_finds():
    x = np.arange(400) / 1e4
    y = 3.0 + 7.0 * np.exp(-x / 0.004) + np.random.default_rng(2).normal(0, 0.2, 400)
    right, _ = optimize.curve_fit(lambda x, a, b, t: a + b * np.exp(-x / t), x, y, (1, 5, 1e-2))
    assert fit_exponential(x, y) == pytest.approx(tuple(right), rel=1e-4)


@pytest.mark.parametrize("current", [np.zeros(6000), np.arange(6000.0), np.full(6000, np.nan)])
def test_no_transient_is_no_test(current):
    assert membrane_test(current, RATE, STEP, 10.0) is None


def test_a_step_with_nothing_before_it_is_no_test():
    assert membrane_test(response()[STEP:], RATE, 0, 10.0) is None
