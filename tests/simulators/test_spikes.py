"""Spiking units: rates, shared latent, branching parameter, and waveforms where they belong."""

import numpy as np
import pytest
from tenmin_simulators import signals


def rng(seed=0):
    return np.random.default_rng(seed)


def counts(trains, step_s):
    edges = np.arange(0, trains.duration_s + step_s / 2, step_s)
    return np.histogram(np.concatenate(trains.times_s), edges)[0]


def test_poisson_units_fire_at_their_rates_and_are_as_variable_as_poisson():
    trains = signals.poisson_trains(rng(), np.full(40, 5.0), 200.0)
    found = [len(t) / 200.0 for t in trains.times_s]
    assert np.mean(found) == pytest.approx(5.0, abs=0.15)
    binned = counts(trains, 0.1)
    assert binned.var() / binned.mean() == pytest.approx(1.0, abs=0.15)


def test_a_shared_latent_correlates_units_and_keeps_their_mean_rate():
    found = [signals.latent_trains(rng(s), np.full(40, 5.0), 200.0) for s in range(5)]
    rates = [np.mean([len(t) for t in trains.times_s]) / 200.0 for trains in found]
    assert np.mean(rates) == pytest.approx(5.0, rel=0.1)
    binned = counts(found[0], 0.1)
    assert binned.var() / binned.mean() > 3.0


def test_branching_activity_decays_with_its_branching_parameter():
    trains = signals.branching_trains(rng(1), 200, 400.0, m=0.9)
    activity = counts(trains, trains.step_s).astype(float)
    activity -= activity.mean()
    lags = np.arange(1, 8)
    r = [np.mean(activity[:-k] * activity[k:]) / activity.var() for k in lags]
    slope = np.polyfit(lags, np.log(r), 1)[0]
    assert np.exp(slope) == pytest.approx(0.9, abs=0.02)
    assert sum(map(len, trains.times_s)) / 200 / 400.0 == pytest.approx(3.0, rel=0.1)


def test_spike_times_are_sorted_and_within_the_recording():
    for trains in (
        signals.poisson_trains(rng(), np.full(5, 20.0), 10.0),
        signals.latent_trains(rng(), np.full(5, 20.0), 10.0),
        signals.branching_trains(rng(), 5, 10.0, rate_hz=20.0),
    ):
        for times in trains.times_s:
            assert np.all(np.diff(times) >= 0)
            assert np.all((times >= 0) & (times < 10.0))


def test_a_waveform_has_its_trough_at_the_spike_time():
    unit = signals.footprints(rng(2), 1, 12, 30_000.0)[0]
    trains = signals.Trains([np.array([0.5])], np.ones(1), 1.0)
    samples = np.zeros((30_000, 12), np.float32)
    signals.add_spikes(samples, 30_000.0, trains, [unit])
    assert samples.min(1).argmin() == 15_000
    assert -300 <= samples.min() <= -50


@pytest.mark.parametrize("loop", [True, False])
def test_a_waveform_at_the_end_goes_on_at_the_start_only_in_a_loop(loop):
    unit = signals.footprints(rng(3), 1, 4, 30_000.0)[0]
    trains = signals.Trains([np.array([0.9999])], np.ones(1), 1.0)
    samples = np.zeros((30_000, 4), np.float32)
    signals.add_spikes(samples, 30_000.0, trains, [unit], loop=loop)
    assert np.any(samples[:30] != 0) == loop
    assert np.any(samples[-30:] != 0)


def test_two_spikes_that_overlap_add_up():
    unit = signals.footprints(rng(4), 1, 4, 30_000.0)[0]
    both = signals.Trains([np.array([0.5, 0.5])], np.ones(1), 1.0)
    samples = np.zeros((30_000, 4), np.float32)
    signals.add_spikes(samples, 30_000.0, both, [unit])
    assert samples.min() == pytest.approx(2 * unit.waveform.min(), rel=1e-6)


def test_rates_spread_log_normally_about_their_median():
    rates = signals.unit_rates(rng(5), 4000)
    assert np.median(rates) == pytest.approx(3.0, rel=0.1)
    assert np.std(np.log(rates)) == pytest.approx(1.0, abs=0.08)
