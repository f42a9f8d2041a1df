import numpy as np
import pytest

from tenmin.checks.bank import Bank
from tenmin.checks.lattice import CLIP, LINE
from tenmin.checks.setting import Setting
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

RATE = 1000.0


def eeg(n_channels=8, **fields):
    names = tuple(f"E{c}" for c in range(n_channels))
    given = {"unit": "volts", "scale": 1e-8, "dtype": "int32", "kind": "eeg"}
    return Stream("eeg", names, RATE, **given | {"range_counts": (-40_000.0, 40_000.0)} | fields)


def bank_of(microvolts, stream=None, mains_hz=50.0):
    """A bank that has seen the signal; one count is 0.01 microvolts."""
    stream = stream or eeg(microvolts.shape[1])
    bank = Bank(stream, Setting(mains_hz))
    counts = np.clip(np.rint(microvolts * 100), -40_000, 40_000).astype(np.int32)
    for at in range(0, len(counts), 50):
        bank.feed(Piece(at, at, counts[at : at + 50], None, 0, 0))
    return bank


def verdict_of(bank, name):
    return next(v for v in bank.verdicts() if v.check == name)


def noise(seconds=12, n_channels=8, sd=10.0, seed=0):
    return np.random.default_rng(seed).normal(0, sd, (int(seconds * RATE), n_channels))


def sine(hz, amplitude, seconds=12):
    t = np.arange(int(seconds * RATE)) / RATE
    return amplitude * np.sin(2 * np.pi * hz * t)


def with_tone(db, channel=3, hz=50.0):
    """White noise of 10 microvolts with a line of so many dB in one channel (B.2 Q04)."""
    density = 2 * 10.0**2 / RATE
    rms = np.sqrt((10 ** (db / 10) - 1) * 2.5 * density)
    signal = noise()
    signal[:, channel] += sine(hz, np.sqrt(2) * rms)
    return signal


def test_clean_noise_is_ok_in_every_check_that_can_say_so():
    assert {v.level for v in bank_of(noise()).verdicts()} == {OK}


def test_a_sine_beyond_the_range_is_saturated_for_the_known_share():
    signal = noise()
    signal[:, 2] = sine(13.37, 1.2 * 400)
    unit = next(u for u in bank_of(signal).units if u.parameters.name == "saturation")
    assert unit.values[2] == pytest.approx(1 - 2 / np.pi * np.arcsin(0.96 / 1.2), abs=0.01)


def test_one_saturated_channel_of_eight_is_a_warning_that_names_it():
    signal = noise()
    signal[:, 2] = sine(13.37, 1.2 * 400)
    verdict = verdict_of(bank_of(signal), "saturation")
    assert (verdict.level, verdict.action.split(":")[0]) == (WARN, "E2")


def test_many_saturated_channels_fail():
    signal = noise()
    signal[:, 2:5] = sine(10.0, 1.2 * 400)[:, None]
    assert verdict_of(bank_of(signal), "saturation").level == FAIL


def test_saturated_bins_carry_the_bit():
    signal = noise()
    signal[4300:4320, 5] = 500.0
    bits = bank_of(signal).lattice.bits()
    assert np.argwhere(bits & CLIP).tolist() == [[43, 5]]


def test_without_a_range_saturation_is_unknown():
    bank = bank_of(noise(), eeg(range_counts=None))
    assert verdict_of(bank, "saturation").level == UNKNOWN


@pytest.mark.parametrize("hz", [50.0, 100.0, 150.0, 250.0])
def test_a_line_or_one_of_its_harmonics_of_ten_db_is_a_warning(hz):
    assert verdict_of(bank_of(with_tone(10.0, hz=hz)), "line").level == WARN


def test_the_ratio_of_a_line_is_the_expected_one():
    unit = next(u for u in bank_of(with_tone(9.54)).units if u.parameters.name == "line")
    assert unit.values[3] == pytest.approx(9.54, abs=2.5)


def test_a_tone_beside_the_line_is_no_line():
    assert verdict_of(bank_of(with_tone(10.0, hz=72.0)), "line").level == OK


def test_a_strong_line_fails_only_in_its_channel():
    unit = next(u for u in bank_of(with_tone(25.0)).units if u.parameters.name == "line")
    assert np.flatnonzero(unit.failed).tolist() == [3]


def test_a_line_far_weaker_than_the_signal_does_not_fail():
    signal = noise(sd=1.0)
    signal += sine(4.0, 300.0)[:, None]
    signal[:, 3] += sine(50.0, 3.0)
    assert not next(u for u in bank_of(signal).units if u.parameters.name == "line").failed.any()


def test_a_channel_with_a_line_carries_the_bit():
    bits = bank_of(with_tone(12.0)).lattice.bits()
    assert set(np.flatnonzero((bits & LINE).any(axis=0))) == {3}


def test_without_a_word_on_the_mains_the_line_is_unknown():
    assert verdict_of(bank_of(noise(), mains_hz=None), "line").level == UNKNOWN


def test_the_line_is_unknown_until_four_seconds_have_come():
    assert verdict_of(bank_of(noise(seconds=3.9)), "line").level == UNKNOWN


def test_seconds_are_counted_from_t0_once_it_is_known():
    bank = bank_of(noise())
    bank.anchor(12_500)
    counts = np.zeros((3000, 8), np.int32)
    bank.feed(Piece(12_000, 12_000, counts, None, 0, 0))
    assert bank.lattice.first == -1
    assert bank.lattice.clean_s(0) == 2
