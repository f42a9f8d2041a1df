import numpy as np
import pytest

from tenmin.checks.amplitude import Outlier
from tenmin.checks.lattice import POP
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared
from tenmin.stream import Stream
from tenmin.verdict import OK, UNKNOWN
from tests.checks.formulas import fed, formula, smooth_noise
from tests.checks.seconds import second_of
from tests.checks.signals import RATE, bank_of, eeg, noise, sine, unit_of, verdict_of

LONG_S = 26  # ten ticks with whole windows, and some to spare
OF_ARRAY = ("loud", "amplitude", "hf_ratio")


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
    signal = noise(seconds=LONG_S)
    signal[:, 5] *= 10
    codes = unit_of(bank_of(signal), "amplitude").codes
    assert codes[5] == 3
    assert not codes[:5].any()


@pytest.mark.parametrize("name", ["amplitude", "hf_ratio"])
def test_the_array_is_unknown_with_fewer_than_eight_good_channels(name):
    assert verdict_of(bank_of(noise(n_channels=7)), name).level == UNKNOWN


def test_a_dead_channel_is_no_part_of_the_array():
    signal = noise()
    signal[:, 0] = 3.0
    assert verdict_of(bank_of(signal), "amplitude").level == UNKNOWN


def test_a_channel_full_of_high_frequencies_stands_out():
    signal = smooth_noise(LONG_S, sd=30.0) + noise(LONG_S, sd=3.0, seed=1)
    signal[:, 2] += noise(LONG_S, sd=30.0, seed=2)[:, 0]
    codes = unit_of(bank_of(signal), "hf_ratio").codes
    assert codes[2] > 0


def test_the_ratio_is_unknown_at_a_rate_too_low_for_it():
    stream = eeg(rate_hz=100.0)
    assert verdict_of(bank_of(noise()[:1200], stream), "hf_ratio").level == UNKNOWN


def test_an_offset_changes_no_amplitude():
    plain, moved = (bank_of(noise() + offset) for offset in (0.0, 200.0))
    for name in OF_ARRAY:
        one, other = unit_of(plain, name).values, unit_of(moved, name).values
        np.testing.assert_allclose(one, other, rtol=1e-3)


def test_a_common_rhythm_is_no_fault_of_any_channel():
    assert verdict_of(bank_of(noise() + sine(10.0, 40.0)[:, None]), "loud").level == OK


def z_of(values):
    spread = 1.4826 * np.median(np.abs(values - np.median(values)))
    return (values - np.median(values)) / spread


def mad_of(samples):
    return np.median(np.abs(samples - np.median(samples, axis=0)), axis=0)


def filtered(signal, order, hz, kind):
    """The whole signal, from the state that its first sample settles to."""
    scipy = pytest.importorskip("scipy.signal")
    sections = scipy.butter(order, hz, kind, fs=RATE, output="sos")
    state = scipy.sosfilt_zi(sections)[:, :, None] * signal[0]
    return scipy.sosfilt(sections, signal, axis=0, zi=state)[0]


def seconds_of(samples, numbers):
    return np.concatenate([samples[k * 1000 : (k + 1) * 1000] for k in numbers])


def uneven(seconds=15, n_channels=9):
    """Channels of different loudness, slow and fast parts, far from zero; whole counts."""
    signal = noise(seconds, n_channels) + np.cumsum(noise(seconds, n_channels, 0.5, 1), axis=0)
    return np.rint(100 * (100 + signal * np.linspace(0.7, 1.3, n_channels))) / 100


def array_by_numpy(signal, numbers):
    """Q09 and Q12a from these seconds of each channel."""
    high, low = filtered(signal, 2, 1.0, "high"), filtered(signal, 4, 50.0, "low")
    amplitude, ratio = [], []
    for c, kept in enumerate(numbers):
        quartiles = np.percentile(seconds_of(high[:, c : c + 1], kept), (25, 75))
        amplitude.append(0.7413 * (quartiles[1] - quartiles[0]))
        fast = seconds_of((signal - low)[:, c : c + 1], kept)
        ratio.append((mad_of(fast) / mad_of(seconds_of(low[:, c : c + 1], kept)))[0])
    return {"amplitude": np.abs(z_of(np.array(amplitude))), "hf_ratio": z_of(np.array(ratio))}


def test_amplitude_and_ratio_are_numpys_of_the_last_ten_seconds():
    signal = uneven()
    bank = bank_of(np.concatenate([signal, signal[:1]]), eeg(9))
    for name, values in array_by_numpy(signal, [range(5, 15)] * 9).items():
        np.testing.assert_allclose(unit_of(bank, name).values, values, rtol=1e-6, atol=1e-6)


def test_seconds_on_the_rails_and_those_after_them_are_left_out_of_their_channel():
    signal = uneven()
    signal[9200:10500, 4] = 400.0
    bank = bank_of(np.concatenate([signal, signal[:1]]), eeg(9))
    numbers = [range(5, 15)] * 4 + [(5, 6, 7, 8, 12, 13, 14)] + [range(5, 15)] * 4
    for name, values in array_by_numpy(signal, numbers).items():
        np.testing.assert_allclose(unit_of(bank, name).values, values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", OF_ARRAY)
def test_a_movement_to_the_rails_raises_nothing_once_it_is_over(name):
    signal = noise(30)
    signal[8000:12500, 2:6] = 400.0
    assert not (unit_of(bank_of(signal), name).codes >= 2).any()


@pytest.mark.parametrize("name", OF_ARRAY)
def test_a_channel_on_the_rails_for_ten_seconds_is_unknown(name):
    signal = noise(20, n_channels=9)
    signal[8000:, 2] = 400.0
    assert np.isnan(unit_of(bank_of(signal), name).values).tolist() == [c == 2 for c in range(9)]


def test_a_pop_that_is_told_late_is_left_out_of_the_second_before():
    stream = eeg()
    shared = Shared(Setting(50.0), Spectra())
    check = Outlier(stream, shipped()["amplitude"], shared)
    signal, wild = noise(12), noise(12)
    wild[8000:9000, 3] *= 50
    found = []
    for k in range(12):
        late = np.zeros((10, 8), np.uint16)
        late[9, 3] = POP * (k == 9)
        shared.masks.begin(k, np.zeros((10, 8), np.uint16))
        shared.masks.add_late(late)
        found.append(check.measure(second_of(wild[k * 1000 : (k + 1) * 1000], RATE, number=k)))
    clean = fed(formula(Outlier), signal)
    assert abs(found[-1].values[3] - clean[-1].values[3]) < 0.5
