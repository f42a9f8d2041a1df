import numpy as np
import pytest

from tenmin.stream import Stream
from tenmin.verdict import OK, UNKNOWN
from tests.checks.signals import bank_of, eeg, noise, sine, unit_of, verdict_of


def probe(n_channels=8):
    names = tuple(f"A{c}" for c in range(n_channels))
    facts = {"unit": "volts", "scale": 1e-8, "dtype": "int32", "kind": "ecephys"}
    return Stream("probe", names, 6000.0, **facts)


def spikes_of(sd, seconds=5):
    signal = np.random.default_rng(0).normal(0, 1, (seconds * 6000, 8))
    return bank_of(signal * np.asarray(sd), probe())


def test_white_noise_of_twenty_microvolts_has_a_sigma_of_nearly_twenty():
    # 300 Hz of 3000 are cut off: 20 * sqrt(0.9).
    values = unit_of(spikes_of(20.0), "noise").values
    np.testing.assert_allclose(values, 20 * np.sqrt(0.9), rtol=0.03)


@pytest.mark.parametrize(("sd", "code"), [(10.0, 0), (20.0, 2), (40.0, 3)])
def test_noise_is_judged_in_microvolts(sd, code):
    assert set(unit_of(spikes_of(sd), "noise").codes) == {code}


def test_noise_is_unknown_before_three_seconds():
    assert verdict_of(spikes_of(10.0, seconds=2), "noise").level == UNKNOWN


def test_a_channel_six_times_as_loud_as_the_others_is_a_warning():
    codes = unit_of(spikes_of([5, 5, 5, 30, 5, 5, 5, 5]), "loud").codes
    assert np.flatnonzero(codes).tolist() == [3]


def test_loudness_is_unknown_with_too_few_channels():
    assert verdict_of(bank_of(noise(n_channels=3)), "loud").level == UNKNOWN


def test_gain_changes_no_loudness():
    once, twice = (unit_of(bank_of(g * noise()), "loud").values for g in (1, 2))
    np.testing.assert_allclose(once, twice, rtol=1e-3)


def test_a_channel_ten_times_as_large_stands_out():
    signal = noise()
    signal[:, 5] *= 10
    codes = unit_of(bank_of(signal), "amplitude").codes
    assert codes[5] == 3
    assert not codes[:5].any()


def test_amplitude_is_unknown_with_fewer_than_eight_good_channels():
    assert verdict_of(bank_of(noise(n_channels=7)), "amplitude").level == UNKNOWN


def test_a_dead_channel_is_no_part_of_the_array():
    signal = noise()
    signal[:, 0] = 3.0
    assert verdict_of(bank_of(signal), "amplitude").level == UNKNOWN


def test_a_channel_full_of_high_frequencies_stands_out():
    signal = noise() + 30 * np.cumsum(noise(seed=1), axis=0) / 1000
    signal[:, 2] += noise(sd=60.0, seed=2)[:, 0]
    codes = unit_of(bank_of(signal), "hf_ratio").codes
    assert codes[2] > 0


def test_the_ratio_is_unknown_at_a_rate_too_low_for_it():
    stream = eeg(rate_hz=100.0)
    assert verdict_of(bank_of(noise()[:1200], stream), "hf_ratio").level == UNKNOWN


def test_an_offset_changes_no_amplitude():
    plain, moved = (bank_of(noise() + offset) for offset in (0.0, 200.0))
    for name in ("loud", "amplitude", "hf_ratio"):
        one, other = unit_of(plain, name).values, unit_of(moved, name).values
        np.testing.assert_allclose(one, other, rtol=1e-3)


def test_a_common_rhythm_is_no_fault_of_any_channel():
    assert verdict_of(bank_of(noise() + sine(10.0, 40.0)[:, None]), "loud").level == OK
