import numpy as np
import pytest
from scipy import signal

from tenmin.checks.drift import Drift, rails
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tests.checks.formulas import fed, formula, gap
from tests.checks.seconds import second_of
from tests.checks.signals import RATE, eeg, noise


def ramp(slope, seconds, start=0.0):
    return start + slope * np.arange(int(seconds * RATE))[:, None] / RATE


def codes(check, signal_uv):
    """WARN or FAIL of each second by the limits of the check, channel 0."""
    p = check.parameters
    values = np.array([m.values[0] for m in fed(check, signal_uv)])
    return np.where(np.isnan(values), -1, (values > p.warn.on) + (values > p.fail.on) * 1)


@pytest.mark.parametrize(("corner", "judged"), [("300", False), ("0.01", True), ("none", True)])
def test_only_amplifiers_that_pass_a_drift_are_judged(corner, judged):
    stream, told = eeg(2, facts={"highpass_hz": corner}), shipped()["drift"]
    assert Drift.fit(stream, told, Setting()) is (told if judged else None)


def test_the_high_pass_may_be_a_fact_of_the_rig():
    setting = Setting(facts={"ephys.hw_highpass_hz": 0.5})
    assert Drift.fit(eeg(2), shipped()["drift"], setting) is None


def test_slow_waves_do_not_make_their_own_unit_small():
    t = np.arange(60_000)[:, None] / RATE
    x = 20 * np.sin(2 * np.pi * (1.1 * t + np.linspace(0, 1, 8))) + 300.0 * (t > 45)
    found = fed(formula(Drift, eeg(8, range_counts=None)), x)[-1].values
    sections = signal.butter(2, (1, 40), "band", fs=RATE, output="sos")
    band = signal.sosfilt(sections, x[:45_000], axis=0)[20_000:]
    sigma = 1.4826 * np.median(np.abs(band), axis=0)
    expected = 300.0 * (1 - np.exp(-1.5)) / sigma
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_what_rounding_hides_is_no_unit_of_a_drift():
    stream = eeg(8, range_counts=None)  # of 0.01 microvolts a count
    x = np.repeat(np.where(np.arange(60_000) < 40_000, 0.0, 0.01)[:, None], 8, axis=1)
    assert fed(formula(Drift, stream), x)[-1].values.max() < 4.0


def test_the_mean_is_scipys_recursion():
    x = noise(20) + ramp(3.0, 20)
    check = formula(Drift)
    fed(check, x)
    a = 1 - np.exp(-1 / (10 * RATE))
    expected = signal.lfilter([a], [1, -(1 - a)], x, axis=0, zi=(1 - a) * x[:1])[0][-1]
    np.testing.assert_allclose(check.mean, expected, rtol=1e-10)


def test_the_mean_of_a_ramp_lags_by_its_time_constant():
    check = formula(Drift)
    fed(check, np.repeat(ramp(1.0, 120), 8, axis=1))
    np.testing.assert_allclose(120 - check.mean, 10.0, rtol=0.01)


def test_the_value_is_the_distance_from_t0_in_robust_sigma():
    check = formula(Drift)
    x = noise(100)
    x[40_000:] += 60.0
    fed(check, x[:40_000])
    start = check.mean
    check.anchor()
    found = fed(check, x[40_000:])[-1].values
    sections = signal.butter(2, (1, 40), "band", fs=RATE, output="sos")
    seconds = signal.sosfilt(sections, x, axis=0)[-10_000:].reshape(10, 1000, 8)[:, ::8]
    sigma = 1.4826 * np.median([np.median(np.abs(s), axis=0) for s in seconds], axis=0)
    np.testing.assert_allclose(found, np.abs(check.mean - start) / sigma, rtol=1e-3)
    assert found == pytest.approx(60 / sigma, rel=0.1)


def test_noise_does_not_drift():
    assert codes(formula(Drift), noise(60)).tolist() == [-1] * 29 + [0] * 31


def test_a_drift_of_more_than_twenty_sigma_is_a_warning():
    x = noise(90, sd=2.0) + ramp(0.3, 90)
    assert codes(formula(Drift, eeg(8, range_counts=None)), x)[-1] == 1


def test_a_drift_of_more_than_half_the_range_fails():
    stream = eeg(8, range_counts=(-6000.0, 6000.0))  # 60 microvolts
    x = noise(120) + ramp(0.5, 120)
    assert codes(formula(Drift, stream), x)[-1] == 2
    assert codes(formula(Drift, eeg(8, range_counts=None)), x)[-1] == 0


def test_a_rail_within_two_minutes_is_a_warning():
    stream = eeg(8, range_counts=(-10_000.0, 10_000.0))  # 100 microvolts
    check = formula(Drift, stream)
    x = noise(60, sd=10.0) + ramp(1.0, 60)
    assert codes(check, x)[-1] == 1
    assert codes(formula(Drift, eeg(8, range_counts=None)), x)[-1] == 0
    assert np.median(check.to_rail_s) == pytest.approx(100 - (60 - 10), rel=0.1)


def test_the_rail_that_is_reached_is_the_one_ahead():
    stream = eeg(8, range_counts=(-10_000.0, 10_000.0))
    check = formula(Drift, stream)
    fed(check, noise(60, sd=1.0) + ramp(-0.5, 60, start=50.0))
    assert np.median(check.to_rail_s) == pytest.approx((50 - 25 + 100) / 0.5, rel=0.1)


def test_t0_does_not_interrupt_the_mean():
    check = formula(Drift)
    fed(check, noise(40))
    check.anchor()
    part = second_of(noise(1), RATE, number=-1, missing=400, gaps=np.ones(10, bool))
    assert np.isnan(check.measure(part).values).all()
    found = fed(check, noise(3))
    assert not np.isnan([m.values for m in found]).any()


def test_it_is_unknown_for_thirty_seconds_after_a_gap():
    check = formula(Drift)
    fed(check, noise(40))
    assert np.isnan(check.measure(gap(40)).values).all()
    known = [np.isfinite(m.values).all() for m in fed(check, noise(40), first=41)]
    assert known.index(True) == 29


def test_a_hole_in_the_seconds_is_a_gap():
    check = formula(Drift)
    fed(check, noise(40))
    assert np.isnan(fed(check, noise(5), first=45)[-1].values).all()


def test_nan_makes_its_own_channel_unknown_only_and_not_for_ever():
    x = noise(80)
    x[40_500, 3] = np.nan
    found = np.array([m.values for m in fed(formula(Drift), x)])
    assert np.isnan(found[40:]).any(axis=0).tolist() == [c == 3 for c in range(8)]
    assert np.isfinite(found[-1]).all()


def test_an_offset_changes_no_drift_and_neither_does_gain():
    stream = eeg(8, range_counts=None)
    x = noise(50) + ramp(1.0, 50)
    plain = fed(formula(Drift, stream), x)[-1].values
    for changed in (x + 1e4, 2 * x):
        np.testing.assert_allclose(
            fed(formula(Drift, stream), changed)[-1].values, plain, rtol=1e-4
        )


def test_rails_are_the_range_in_microvolts():
    low, high = rails(eeg(2, channel_scales=(1.0, -2.0)))
    np.testing.assert_allclose(low, [-400, -800])
    np.testing.assert_allclose(high, [400, 800])
