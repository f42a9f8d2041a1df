"""Electrode faults: the truth says exactly which samples are bad."""

import numpy as np
import pytest
from scipy.signal import welch
from tenmin_simulators import signals

RATE = 500.0


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((30_000, 4)) * 10.0


def test_a_dead_channel_is_constant_from_its_onset_and_others_are_not(samples):
    before = samples.copy()
    event = signals.dead(samples, RATE, 2, 10.0)
    assert np.all(samples[5000:, 2] == 0)
    np.testing.assert_array_equal(samples[:5000], before[:5000])
    np.testing.assert_array_equal(samples[:, [0, 1, 3]], before[:, [0, 1, 3]])
    assert (event.channels, event.onset_s, event.offset_s) == ((2,), 10.0, 60.0)


def test_flat_runs_are_the_runs_of_the_truth(samples):
    events = signals.flat_runs(np.random.default_rng(1), samples, RATE, 1, 5)
    same = np.flatnonzero(np.diff(samples[:, 1]) == 0)
    told = np.concatenate(
        [np.arange(round(e.onset_s * RATE), round(e.offset_s * RATE)) for e in events]
    )
    np.testing.assert_array_equal(same + 1, told)


def test_a_clipped_channel_reaches_its_limit_only_where_the_truth_says(samples):
    events = signals.clip(samples, RATE, 0, 20.0)
    told = np.zeros(len(samples), bool)
    for event in events:
        told[round(event.onset_s * RATE) : round(event.offset_s * RATE)] = True
    np.testing.assert_array_equal(np.abs(samples[:, 0]) >= 20.0, told)
    assert np.abs(samples[:, 0]).max() == 20.0


def test_a_pop_is_a_step_that_decays(samples):
    samples[:] = np.random.default_rng(0).standard_normal(samples.shape)
    before = samples.copy()
    events = signals.pops(np.random.default_rng(3), samples, RATE, 3, per_min=4.0)
    added = samples[:, 3] - before[:, 3]
    assert len(events) >= 1
    first = round(events[0].onset_s * RATE)
    assert added[first] == pytest.approx(events[0].magnitude, rel=0.01)
    assert added[first + 100] == pytest.approx(events[0].magnitude * np.exp(-1), rel=0.05)
    assert np.all(added[:first] == 0)


def test_a_white_channel_is_white(samples):
    signals.white(np.random.default_rng(4), samples, RATE, 0, 50.0)
    f, power = welch(samples[:, 0], RATE, "hann", 500)
    slope = np.polyfit(np.log10(f[2:200]), np.log10(power[2:200]), 1)[0]
    assert slope == pytest.approx(0.0, abs=0.1)
    assert samples[:, 0].std() == pytest.approx(50.0, rel=0.02)


def test_a_badly_coupled_channel_hums_and_its_neighbours_do_not(samples):
    signals.high_impedance(np.random.default_rng(5), samples, RATE, 1)
    f, power = welch(samples, RATE, "hann", 1000, axis=0)
    peak = power[np.abs(f - 50) <= 1].mean(0) / power[np.abs(f - 58) <= 3].mean(0)
    assert peak[1] > 30
    assert peak[[0, 2, 3]].max() < 2


def test_bridged_channels_are_identical(samples):
    event = signals.bridged(samples, RATE, 0, 3)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 3])
    assert event.channels == (0, 3)
