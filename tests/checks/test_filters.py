import numpy as np
import pytest
from hypothesis import given

from tenmin.checks._kernels import (
    decimate,
    goertzel,
    goertzel_power,
    settle_sosfilt,
    sosfilt,
)
from tests.checks.cuts import CUTS, N, noise, pieces

signal = pytest.importorskip("scipy.signal")
SECTIONS = signal.butter(4, [1.0, 40.0], "band", fs=250.0, output="sos")


def filtered(samples, lengths, state=None):
    state = np.zeros((len(SECTIONS), 2, samples.shape[1])) if state is None else state
    parts = []
    for piece in pieces(samples, lengths):
        out = np.empty(piece.shape)
        sosfilt(SECTIONS, piece, state, out)
        parts.append(out)
    return np.concatenate(parts)


@given(CUTS)
def test_the_filter_is_scipys_to_the_bit_over_any_cut(lengths):
    samples = noise()
    assert np.array_equal(filtered(samples, lengths), signal.sosfilt(SECTIONS, samples, axis=0))


def test_raw_counts_are_filtered_as_their_values():
    counts = np.random.default_rng(0).integers(-500, 500, (N, 3)).astype(np.int16)
    assert np.array_equal(filtered(counts, [100]), filtered(counts.astype(float), [100]))


def test_the_order_of_channels_makes_no_difference():
    samples = noise()
    order = [3, 0, 4, 1, 2]
    assert np.array_equal(filtered(samples[:, order], [77]), filtered(samples, [77])[:, order])


def test_nan_spoils_its_own_channel_only():
    samples = noise()
    clean = filtered(samples, [50])
    samples[3, 1] = np.nan
    spoilt = filtered(samples, [50])
    assert np.array_equal(np.delete(spoilt, 1, axis=1), np.delete(clean, 1, axis=1))


def test_a_settled_filter_starts_without_a_jump():
    samples = np.full((100, 2), [5.0, -3.0])
    low = signal.butter(2, 10.0, fs=250.0, output="sos")
    state, out = np.zeros((len(low), 2, 2)), np.empty((100, 2))
    settle_sosfilt(low, signal.sosfilt_zi(low), samples[0], state)
    sosfilt(low, samples, state, out)
    np.testing.assert_allclose(out, samples, rtol=1e-9)


@pytest.mark.parametrize(("hz", "tolerance"), [(50.0, 1e-9), (0.5, 1e-8)])
def test_goertzel_is_the_bin_of_the_dft(hz, tolerance):
    rate, n = 3000.0, 30_000
    t = np.arange(n) / rate
    samples = np.stack([np.sin(2 * np.pi * hz * t), np.cos(2 * np.pi * hz * t) + 0.1], axis=1)
    state, omega = np.zeros((2, 2)), 2 * np.pi * hz / rate
    for piece in pieces(samples, [1, 7, 333]):
        goertzel(piece, omega, state)
    expected = np.abs(np.exp(-2j * np.pi * hz * t) @ samples) ** 2
    np.testing.assert_allclose(goertzel_power(state, omega), expected, rtol=tolerance)


@given(CUTS)
def test_decimation_is_a_filter_of_which_every_kth_sample_is_kept(lengths):
    samples, factor = noise(), 3
    taps = signal.firwin(33, 0.3)
    history, out, phase, parts = np.zeros((33, 5)), np.empty((N, 5)), 0, []
    for piece in pieces(samples, lengths):
        phase, n = decimate(piece, taps, history, phase, factor, out)
        parts.append(out[:n].copy())
    expected = signal.lfilter(taps, 1.0, samples, axis=0)[factor - 1 :: factor]
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-9, atol=1e-9)
