import numpy as np
import pytest
from scipy import optimize, signal

from tenmin.checks.exponentials import fit_decay, fit_exponential
from tenmin.checks.membrane import membrane_test

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


def branched(rs=20.0, rm=2000.0, soma_pf=11.0, neck=200.0, dendrite_pf=12.0, step_mv=10.0):
    """Current of a cell with a second compartment behind `neck` MOhm, pA, behind 2 kHz, noisy."""
    leak = 2.0 / rm
    rates = np.array([
        [-(1 / rs + 1 / neck + leak / 2) / soma_pf, 1 / neck / soma_pf],
        [1 / neck / dendrite_pf, -(1 / neck + leak / 2) / dendrite_pf],
    ]) * 1e6  # 1 / (MOhm pF) is 1e6 per second  # fmt: skip
    drive = np.array([1e6 / rs / soma_pf, 0.0])
    steady = -np.linalg.solve(rates, drive)
    speeds, vectors = np.linalg.eig(rates)
    share = np.linalg.solve(vectors, -steady)
    t = np.maximum((np.arange(6000) - STEP) / RATE, 0.0)
    soma = steady[0] + (vectors[0] * share * np.exp(np.outer(t, speeds))).sum(axis=1)
    current = np.where(np.arange(6000) >= STEP, 1e3 * step_mv * (1.0 - soma) / rs, 0.0)
    return bessel(current + np.random.default_rng(4).normal(0, 5.0, 6000), 2e3, "mag")


@pytest.mark.parametrize("rs", [20.0, 30.0])
def test_a_dendrite_does_not_raise_the_access(rs):
    test = membrane_test(branched(rs), RATE, STEP, 10.0, 2e3)
    assert test.access_mohm == pytest.approx(rs, rel=0.1)


def test_a_dendrite_is_told_as_a_second_exponential():
    assert membrane_test(branched(), RATE, STEP, 10.0, 2e3).exponentials == 2


def test_a_cell_of_one_compartment_has_one_exponential():
    assert membrane_test(bessel(response(), 2e3, "mag"), RATE, STEP, 10.0, 2e3).exponentials == 1


def test_a_synaptic_current_on_the_transient_is_no_test():
    t = np.maximum(np.arange(6000) - STEP, 0) / RATE
    synapse = -400.0 * (np.exp(-t / 6e-3) - np.exp(-t / 1e-3))
    assert membrane_test(branched() + synapse, RATE, STEP, 10.0, 2e3) is None


def test_a_test_that_cannot_tell_a_change_of_twenty_percent_is_no_test():
    noise = np.random.default_rng(3).normal(0, 2000.0, 6000)
    assert membrane_test(response() + noise, RATE, STEP, 10.0) is None


def test_two_exponentials_are_those_that_scipy_finds():
    x = np.arange(2000) / 1e5
    y = 3 + 70 * np.exp(-x / 2e-4) + 20 * np.exp(-x / 2e-3)
    y += np.random.default_rng(2).normal(0, 0.5, len(x))

    def curve(x, s, a, b, t, u):
        return s + a * np.exp(-x / t) + b * np.exp(-x / u)

    right, _ = optimize.curve_fit(curve, x, y, (1, 50, 30, 1e-4, 1e-3))
    decay = fit_decay(x, y, 2, 1e-5)
    assert (decay.steady, *decay.heights, *decay.taus) == pytest.approx(tuple(right), rel=1e-3)


def test_the_error_of_the_extrapolation_is_what_scipys_covariance_gives():
    x = np.arange(400) / 1e4
    y = 3.0 + 7.0 * np.exp(-x / 0.004) + np.random.default_rng(2).normal(0, 0.2, 400)
    _, spread = optimize.curve_fit(lambda x, a, b, t: a + b * np.exp(-x / t), x, y, (1, 5, 1e-2))
    error = np.sqrt(spread[0, 0] + spread[1, 1] + 2 * spread[0, 1])
    assert fit_decay(x, y, 1, 1e-4).at(0.0)[1] == pytest.approx(error, rel=1e-3)
