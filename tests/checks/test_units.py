import numpy as np
import pytest

from tenmin.checks.bank import OF_KIND
from tenmin.checks.units import Units
from tenmin.stream import Stream
from tests.checks.formulas import fed, formula, gap, smooth_noise
from tests.checks.signals import eeg


def patch(unit="millivolts", channels=("Vm",), **fields):
    return Stream("patch", channels, 1000.0, unit, dtype="float64", kind="patch", **fields)


def last(check, samples):
    return fed(check, samples)[-1].values


@pytest.mark.parametrize(("sd_uv", "expected"), [(0.005, 10.0), (20.0, 0.004), (5e4, 10.0)])
def test_the_value_is_how_many_times_the_amplitude_is_out_of_an_eegs_band(sd_uv, expected):
    check = formula(Units, eeg(8, dtype="float64"))
    told = last(check, np.random.default_rng(0).normal(0, sd_uv, (12_000, 8)))
    assert told == pytest.approx(expected, rel=0.1)


def test_an_eeg_of_twenty_microvolts_told_as_volts_is_a_hundred_times_out():
    assert (last(formula(Units), smooth_noise(sd=20e6, hz=40)) > 100).all()


def test_half_a_volt_of_electrode_offset_can_be():
    assert (last(formula(Units), smooth_noise() + 0.5e6) < 1).all()


@pytest.mark.parametrize(("mv", "out"), [(-70.0, False), (-0.07, False), (-1576.0, True)])
def test_a_membrane_beyond_two_hundred_millivolts_cannot_be(mv, out):
    noise = np.random.default_rng(0).normal(0, 0.5, (12_000, 1))
    told = [second.values[0] for second in fed(formula(Units, patch()), mv + noise)]
    assert (told[-1] > 1) == out


def test_a_current_of_amperes_told_as_picoamperes_is_too_small():
    noise = np.random.default_rng(0).normal(0, 1e-12, (12_000, 1))
    assert fed(formula(Units, patch("picoamperes")), noise)[-1].values[0] > 100


def test_one_channel_that_is_a_thousand_times_louder_is_no_matter_of_the_unit():
    samples = smooth_noise()
    samples[:, 3] *= 1e5
    assert (last(formula(Units), samples) < 1).all()


def test_nothing_is_known_before_ten_seconds():
    assert np.isnan(last(formula(Units), smooth_noise(seconds=9))).all()


def test_dead_channels_tell_nothing_of_the_unit():
    assert np.isnan(last(formula(Units), np.zeros((12_000, 8)))).all()


def test_channels_at_the_end_of_the_range_tell_nothing_of_the_unit():
    clipped = np.ones((10, 8), np.int64)
    told = fed(formula(Units), smooth_noise(sd=1e6), clipped=clipped)[-1].values
    assert np.isnan(told).all()


def test_a_second_with_a_gap_is_unknown():
    check = formula(Units)
    fed(check, smooth_noise())
    assert np.isnan(check.measure(gap(12)).values).all()


def test_a_channel_in_another_unit_is_left_out():
    stream = patch(channels=("Vm", "bath"), channel_units=("millivolts", "degrees C"))
    check = formula(Units, stream)
    fed(check, np.random.default_rng(0).normal(-70, 0.5, (12_000, 2)))
    assert check.about.tolist() == [True, False]


def test_a_stream_that_tells_no_unit_is_unknown():
    check = formula(Units, patch("n/a"))
    told = fed(check, np.random.default_rng(0).normal(-70, 0.5, (12_000, 1)))[-1].values
    assert np.isnan(told[check.about]).tolist() == [True]


def test_it_runs_on_every_electrical_kind():
    assert all(Units in OF_KIND[kind] for kind in ("eeg", "ieeg", "ecephys", "patch"))
