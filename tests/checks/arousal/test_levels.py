import numpy as np
import pytest

from tenmin.checks.arousal.calibration import calibrate
from tenmin.checks.arousal.features import Features
from tenmin.checks.arousal.levels import border, half_sample_mode, scale, two_modes
from tests.checks.arousal.mice import RULES, mouse, ticks_of


def normal(mean, sd, n, seed=0):
    return np.random.default_rng(seed).normal(mean, sd, n)


def test_the_mode_is_not_moved_by_what_lies_above():
    values = np.r_[normal(3.0, 1.0, 6000), normal(20.0, 5.0, 3000, 1)]
    assert half_sample_mode(values) == pytest.approx(3.0, abs=0.5)


def test_the_spread_is_that_of_the_half_below_the_mode():
    values = np.r_[normal(3.0, 1.0, 6000), normal(20.0, 5.0, 3000, 1)]
    assert scale(values).sigma == pytest.approx(1.0, abs=0.35)


def test_values_that_do_not_differ_have_no_scale():
    assert scale(np.ones(100)) is None


def test_ashmans_d_of_two_normal_modes_is_that_of_the_formula():
    found = two_modes(np.r_[normal(0, 1, 5000), normal(10, 2, 5000, 1)])
    assert found.ashman_d == pytest.approx(np.sqrt(2) * 10 / np.sqrt(5), rel=0.05)
    assert found.middle == pytest.approx(5.0, abs=0.2)


@pytest.mark.parametrize(("share", "there"), [(0.01, False), (0.2, True)])
def test_a_few_values_are_no_mode(share, there):
    n = 10_000
    values = np.r_[normal(0, 1, n - int(share * n)), normal(20, 1, int(share * n), 1)]
    assert (border(values, 2.0, 0.05, 1.0) is not None) == there


def settled(seed, names=("speed", "motion", "pupil", "delta")):
    _, columns = mouse(seed)
    return [
        Features(**{n: getattr(f, n) for n in names}, pupil_rate=0.0)
        for f in ticks_of(columns, names)[1]
    ]


def test_z_scores_are_measured_from_the_still_animal():
    found = calibrate(settled(1), RULES)
    assert found.motion.mode == pytest.approx(0.0, abs=0.3)
    assert found.delta.mode == pytest.approx(0.0, abs=0.3)


def test_thresholds_lie_between_still_and_active():
    found = calibrate(settled(1), RULES)
    at = found.motion.mode + found.thresholds.motion * found.motion.sigma
    assert 0.8 < at < 3.0


def test_the_centre_of_the_pupil_is_that_of_quiet_wake():
    assert calibrate(settled(1), RULES).thresholds.pupil_centre == pytest.approx(0.45, abs=0.05)


def test_without_values_there_is_no_scale_and_the_thresholds_are_the_shipped_ones():
    found = calibrate([], RULES)
    assert (found.motion, found.delta, found.emg) == (None, None, None)
    assert found.thresholds.pupil_centre == RULES["pupil"]["centre"]


def test_a_feature_without_scale_is_not_known():
    assert np.isnan(calibrate([], RULES).apply(Features(motion=3.0)).motion)
