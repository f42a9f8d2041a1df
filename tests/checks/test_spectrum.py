import numpy as np
import pytest

from tenmin.checks.spectrum import Spectra, periodogram
from tests.checks.seconds import second_of

signal = pytest.importorskip("scipy.signal")
RATE = 250.0


def spectra_of(samples, skip=()):
    spectra = Spectra()
    spectra.want(10)
    for k in range(len(samples) // 250):
        if k not in skip:
            spectra.add(second_of(samples[k * 250 : (k + 1) * 250], RATE, number=k))
    return spectra


@pytest.mark.parametrize("n", [500, 501])
def test_a_periodogram_is_scipys_segment(n):
    samples = np.random.default_rng(0).normal(3.0, 2.0, (n, 3))
    _, expected = signal.welch(samples, RATE, nperseg=n, axis=0)
    np.testing.assert_allclose(periodogram(samples, RATE), expected, rtol=1e-11, atol=1e-25)


@pytest.mark.parametrize("rate", [250.0, 250.5])
def test_one_segment_is_scipys(rate):
    n, spectra = round(2 * rate), Spectra()
    spectra.want(2)
    samples = np.random.default_rng(0).normal(3.0, 2.0, (n, 3))
    for k, part in enumerate((samples[:250], samples[250:])):
        spectra.add(second_of(part, rate, number=k))
    _, expected = signal.welch(samples, rate, nperseg=n, axis=0)
    np.testing.assert_allclose(spectra.mean(2), expected, rtol=1e-11, atol=1e-25)


def test_only_what_is_wanted_is_kept():
    samples, spectra = np.random.default_rng(3).normal(size=(1000, 60)), Spectra()
    spectra.want(4, 42.0, 58.0)
    spectra.want(3, 92.0, 108.0)
    for k in range(4):
        spectra.add(second_of(samples[k * 250 :][:250], RATE, number=k))
    hz, expected = signal.welch(samples, RATE, nperseg=500, axis=0)
    kept = ((hz >= 42) & (hz <= 58)) | ((hz >= 92) & (hz <= 108))
    assert np.array_equal(spectra.frequencies, hz[kept])
    np.testing.assert_allclose(spectra.mean(4), expected[kept], rtol=1e-12, atol=1e-25)


@pytest.mark.parametrize("seconds", [2, 4, 10])
def test_the_last_seconds_are_scipys(seconds):
    samples = np.random.default_rng(1).normal(size=(3000, 3))
    _, expected = signal.welch(samples[-seconds * 250 :], RATE, nperseg=500, axis=0)
    found = spectra_of(samples).mean(seconds)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-25)


def test_frequencies_are_those_of_two_seconds():
    spectra = spectra_of(np.zeros((500, 1)))
    assert spectra.frequencies[[0, 1, -1]].tolist() == [0.0, 0.5, 125.0]


def test_nothing_is_told_before_the_seconds_are_complete():
    assert spectra_of(np.zeros((750, 1))).mean(4) is None


def test_nothing_is_told_of_seconds_with_a_hole():
    assert spectra_of(np.zeros((1750, 1)), skip={4}).mean(4) is None


def test_after_a_hole_it_is_told_again():
    assert spectra_of(np.zeros((2250, 1)), skip={4}).mean(4) is not None


def test_nan_stays_in_its_channel():
    samples = np.random.default_rng(2).normal(size=(1000, 3))
    clean = spectra_of(samples).mean(4)
    samples[700, 1] = np.nan
    found = spectra_of(samples).mean(4)
    assert np.array_equal(np.delete(found, 1, axis=1), np.delete(clean, 1, axis=1))
