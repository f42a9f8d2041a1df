import numpy as np
import pytest

from tenmin.checks.lattice import CLIP, FLAT, LINE
from tenmin.ring import Piece
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN
from tests.checks.signals import RATE, bank_of, eeg, noise, sine, unit_of, verdict_of


def with_tone(db, channel=3, hz=50.0):
    """White noise of 10 microvolts with a line of so many dB in one channel (B.2 Q04)."""
    density = 2 * 10.0**2 / RATE
    rms = np.sqrt((10 ** (db / 10) - 1) * 2.5 * density)
    signal = noise()
    signal[:, channel] += sine(hz, np.sqrt(2) * rms)
    return signal


def test_clean_noise_with_a_common_rhythm_is_ok_in_all_but_drift_and_eyes_which_take_longer():
    verdicts = bank_of(noise() + sine(10.0, 20.0)[:, None]).verdicts()
    others = {v.check: v.level for v in verdicts if v.level != OK}
    assert others == dict.fromkeys(("drift", "blinks", "few_blinks", "eyes"), UNKNOWN)


def test_a_sine_beyond_the_range_is_saturated_for_the_known_share():
    signal = noise()
    signal[:, 2] = sine(13.37, 1.2 * 400)
    unit = unit_of(bank_of(signal), "saturation")
    assert unit.values[2] == pytest.approx(1 - 2 / np.pi * np.arcsin(0.96 / 1.2), abs=0.01)


def test_one_saturated_channel_of_eight_is_a_warning_that_names_it():
    signal = noise()
    signal[:, 2] = sine(13.37, 1.2 * 400)
    verdict = verdict_of(bank_of(signal), "saturation")
    assert (verdict.level, verdict.action.split(":")[0]) == (WARN, "E2")


def test_many_saturated_channels_fail():
    signal = noise()
    signal[:, 2:5] = sine(13.37, 1.2 * 400)[:, None]
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
    unit = unit_of(bank_of(with_tone(9.54)), "line")
    assert unit.values[3] == pytest.approx(9.54, abs=2.5)


def test_a_tone_beside_the_line_is_no_line():
    assert verdict_of(bank_of(with_tone(10.0, hz=72.0)), "line").level == OK


def test_a_strong_line_fails_only_in_its_channel():
    unit = unit_of(bank_of(with_tone(25.0)), "line")
    assert np.flatnonzero(unit.failed).tolist() == [3]


def test_a_line_far_weaker_than_the_signal_does_not_fail():
    signal = noise(sd=1.0)
    signal += sine(4.0, 300.0)[:, None]
    signal[:, 3] += sine(50.0, 3.0)
    assert not unit_of(bank_of(signal), "line").failed.any()


def test_a_channel_with_a_line_carries_the_bit():
    bits = bank_of(with_tone(12.0)).lattice.bits()
    assert set(np.flatnonzero((bits & LINE).any(axis=0))) == {3}


def test_without_a_word_on_the_mains_the_line_is_unknown():
    assert verdict_of(bank_of(noise(), mains_hz=None), "line").level == UNKNOWN


def test_the_line_is_unknown_until_four_seconds_have_come():
    assert verdict_of(bank_of(noise(seconds=3.9)), "line").level == UNKNOWN


def test_seconds_are_counted_from_t0_once_it_is_known():
    rhythm = sine(10.0, 20.0)[:, None]
    bank = bank_of(noise() + rhythm)
    bank.anchor(12_500)
    counts = np.rint((noise(seconds=3) + rhythm[:3000]) * 100).astype(np.int32)
    bank.feed(Piece(12_000, 12_000, counts, None, 0, 0))
    assert bank.lattice.first == -1
    assert bank.lattice.clean_s(0) == 2


def test_a_constant_channel_is_flat_in_its_first_second():
    signal = noise(seconds=6)
    signal[3000:4000, 2] = 5.0
    assert unit_of(bank_of(signal[:4001]), "flat").codes.tolist() == [0, 0, 2, 0, 0, 0, 0, 0]


def test_a_channel_fails_after_three_flat_seconds():
    signal = noise(seconds=6)
    signal[2000:, 2] = 5.0
    unit = unit_of(bank_of(signal[:5001]), "flat")
    assert np.flatnonzero(unit.failed).tolist() == [2]


def test_bins_in_which_a_channel_stood_still_carry_the_bit():
    signal = noise(seconds=6)
    signal[3100:3300, 2] = 5.0
    bits = bank_of(signal).lattice.bits()
    assert np.argwhere(bits & FLAT).tolist() == [[31, 2], [32, 2]]


def test_an_all_zero_channel_is_flat_from_the_first_second_on():
    signal = noise(seconds=3)
    signal[:, 4] = 0.0
    assert unit_of(bank_of(signal[:1001]), "flat").codes[4] > 0


def test_noise_of_one_code_is_flat():
    signal = noise(seconds=4)
    signal[:, 1] = np.random.default_rng(1).integers(0, 2, 4000) / 100
    assert unit_of(bank_of(signal), "flat").codes[1] > 0


def test_a_channel_far_quieter_than_the_others_is_flat():
    signal = noise(seconds=4)
    signal[:, 6] *= 0.1
    assert unit_of(bank_of(signal), "flat").codes[6] > 0


def test_a_quiet_eeg_as_a_whole_is_below_the_floor():
    assert (unit_of(bank_of(noise(seconds=4, sd=0.3)), "flat").codes > 0).all()
