"""Continuous generators against oracles of the tests' own: PSD by SciPy, DFA by its five lines."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert, welch
from tenmin_simulators import signals


def rng(seed=0):
    return np.random.default_rng(seed)


def dfa(x, rate_hz, shortest_s, longest_s):
    """Science D.2."""
    y = np.cumsum(x - x.mean())
    sizes = np.unique(np.round(np.geomspace(shortest_s, longest_s, 20) * rate_hz).astype(int))
    fluctuation = []
    for n in sizes:
        windows = np.lib.stride_tricks.sliding_window_view(y, n)[:: n // 2]
        t = np.arange(n) - (n - 1) / 2
        centred = windows - windows.mean(1, keepdims=True)
        slope = centred @ t / (t @ t)
        fluctuation.append(np.sqrt(np.mean((centred - slope[:, None] * t) ** 2)))
    return np.polyfit(np.log10(sizes), np.log10(fluctuation), 1)[0]


def test_the_oracle_gives_the_exponent_of_the_reference_fixture():
    x = np.random.default_rng(12345).standard_normal(6000)
    assert dfa(x, 10.0, 5.0, 60.0) == pytest.approx(0.495304497, abs=1e-6)


@pytest.mark.parametrize("hurst", [0.5, 0.7, 0.9])
def test_fractional_noise_has_the_hurst_exponent_asked_for(hurst):
    found = [dfa(signals.fgn(rng(s), 6000, hurst), 10.0, 1.0, 60.0) for s in range(50)]
    assert np.mean(found) == pytest.approx(hurst, abs=0.015)


def test_fractional_noise_has_the_covariance_of_its_definition():
    h, n = 0.8, 64
    runs = np.array([signals.fgn(rng(s), n, h) for s in range(4000)])
    lag = np.arange(4)
    expected = 0.5 * (np.abs(lag - 1) ** 1.6 - 2 * lag**1.6 + (lag + 1) ** 1.6)
    found = [np.mean(runs[:, : n - k] * runs[:, k:]) for k in lag]
    np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("chi", [0.0, 1.0, 1.5, 2.0])
def test_the_background_falls_with_the_exponent_asked_for(chi):
    x = signals.coloured(rng(1), 120_000, 200.0, chi, rows=4)
    f, power = welch(x, 200.0, "hann", 2000, axis=0)
    band = (f >= 2) & (f <= 40)
    slope = np.polyfit(np.log10(f[band]), np.log10(power[band].mean(1)), 1)[0]
    assert -slope == pytest.approx(chi, abs=0.05)


def test_the_background_has_the_covariance_of_its_truth():
    matrix = signals.mixing(6, 3)
    x, truth = signals.background(rng(2), 200_000, 500.0, matrix, chi=1.0, low_hz=2.0)
    np.testing.assert_allclose(np.diag(truth.covariance), 400.0, rtol=1e-5)
    np.testing.assert_allclose(np.cov(x.T), truth.covariance, atol=20.0)


def test_the_background_is_cut_from_a_longer_record_so_that_its_ends_do_not_match():
    cut = np.abs([np.ptp(signals.coloured(rng(s), 2000, 100.0, 2.0)[[0, -1]]) for s in range(30)])
    loop = np.abs(
        [
            np.ptp(signals.coloured(rng(s), 2000, 100.0, 2.0, oversample=1)[[0, -1]])
            for s in range(30)
        ]
    )
    assert np.median(cut) > 5 * np.median(loop)


def test_the_oscillation_has_its_frequency_and_amplitude_statistics():
    x, truth = signals.oscillation(rng(3), 600 * 250, 250.0)
    f, power = welch(x, 250.0, "hann", 2500)
    assert f[power.argmax()] == pytest.approx(10.0, abs=0.11)
    assert truth.amplitude.std() / truth.amplitude.mean() == pytest.approx(0.5, abs=0.15)
    assert x.std() == pytest.approx(1.0, abs=0.15)


def test_the_oscillations_envelope_has_long_memory():
    found = []
    for seed in range(20):
        x, _ = signals.oscillation(rng(seed), 600 * 100, 100.0, hurst=0.75)
        envelope = np.abs(hilbert(x))[: 600 * 100].reshape(-1, 10).mean(1)
        found.append(dfa(envelope, 10.0, 5.0, 60.0))
    assert np.mean(found) == pytest.approx(0.75, abs=0.06)


def test_a_band_carrier_keeps_within_its_band():
    x, _ = signals.oscillation(rng(4), 60_000, 250.0, f0_hz=20.0, band_hz=4.0)
    f, power = welch(x, 250.0, "hann", 1000)
    inside = (f >= 16) & (f <= 24)
    assert power[inside].sum() / power.sum() > 0.99


def test_bursts_are_where_their_truth_says_and_nowhere_else():
    x, events = signals.bursts(rng(5), 600 * 200, 200.0)
    silent = np.ones(len(x), bool)
    for event in events:
        inside = slice(round(event.onset_s * 200), round(event.offset_s * 200))
        assert np.abs(x[inside]).max() > 0.8 * event.magnitude
        silent[inside] = False
    assert 35 < len(events) < 90
    assert np.all(x[silent] == 0)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_mains_hum_is_the_same_whatever_the_cuts(cuts):
    episodes = [(0.3, 1.0, 5.0), (1.5, 1.8, 2.0)]
    whole = signals.line(0, 4000, 2000.0, episodes, harmonics=(1, 0.3))
    ends = [0, *sorted(cuts), 4000]
    parts = [
        signals.line(a, b - a, 2000.0, episodes, harmonics=(1, 0.3)) for a, b in pairwise(ends)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-9)


def test_mains_hum_has_the_rms_asked_for_within_its_episode_and_is_silent_outside():
    x = signals.line(0, 60_000, 2000.0, [(10.0, 20.0, 7.0)])
    assert np.std(x[22_000:38_000]) == pytest.approx(7.0, rel=0.01)
    assert np.all(x[:20_000] == 0)
    assert np.all(x[40_000:] == 0)


def test_mains_hum_wanders_by_a_twentieth_of_a_hertz():
    x = signals.line(0, 80_000, 1000.0, [(-1.0, 1e9, 1.0)])
    frequency = np.diff(np.unwrap(np.angle(hilbert(x)))) * 1000 / (2 * np.pi)
    inner = frequency[1000:-1000]
    assert inner.max() == pytest.approx(50.05, abs=0.01)
    assert inner.min() == pytest.approx(49.95, abs=0.01)


@pytest.mark.parametrize(
    "make",
    [
        lambda g: signals.coloured(g, 500, 100.0),
        lambda g: signals.oscillation(g, 500, 100.0)[0],
        lambda g: signals.bursts(g, 5000, 100.0)[0],
        lambda g: signals.fgn(g, 100, 0.7),
        lambda g: signals.behave(g, 60.0).motion,
        lambda g: np.concatenate(signals.latent_trains(g, np.full(3, 9.0), 5.0).times_s),
        lambda g: np.concatenate(signals.branching_trains(g, 20, 5.0).times_s),
    ],
)
def test_the_same_seed_gives_the_same_samples_and_another_one_others(make):
    np.testing.assert_array_equal(make(rng(9)), make(rng(9)))
    one, other = make(rng(9)), make(rng(10))
    assert one.shape != other.shape or np.any(one != other)
