"""The simulated microscope against closed forms: bleaching, shot noise, shifts, saturation."""

import numpy as np
import pytest
from scipy.ndimage import shift
from tenmin_simulators.imaging import MAX_CODE, Imaging


def rng(seed=0):
    return np.random.default_rng(seed)


def still(n=18_000, **options):
    """Nothing moves and no cell is active."""
    calm = {"motion_um": 0.0, "focus_um": 0.0, "activity": False} | options
    return Imaging(rng(1), n, **calm)


def test_the_loss_at_600_s_is_that_of_the_closed_form():
    assert still(100).truth.loss_at(600.0) == pytest.approx(18.127, abs=5e-4)


def test_brightness_falls_as_the_truth_says():
    imaging = still()
    t = np.arange(0, 600, 20)
    light = np.array([imaging.frames(int(s * 30), 32).mean() - imaging.truth.offset for s in t])
    slope = np.polyfit(t, np.log(light), 1)[0]
    assert 100 * -np.expm1(600 * slope) == pytest.approx(18.127, abs=0.3)


def test_variance_over_mean_is_the_gain():
    frames = still(900, tau_s=np.inf).frames(0, 900).astype(float)
    mean = frames.mean(0).ravel()
    variance = (np.diff(frames, axis=0).var(axis=0) / 2).ravel()
    gain, zero = np.polyfit(mean, variance, 1)
    assert gain == pytest.approx(12.0, rel=0.03)
    assert -zero / gain == pytest.approx(100.0, abs=8.0)


def test_a_step_moves_the_image_by_the_micrometres_of_the_truth():
    imaging = still(300, shifts=((5.0, 6.0),), tau_s=np.inf)
    before = imaging.photons(np.array([10]))[0]
    after = imaging.photons(np.array([200]))[0]
    np.testing.assert_allclose(after[:, 5:], shift(before, (0, 3))[:, 5:], atol=1e-3)
    assert (imaging.truth.x_um[10], imaging.truth.x_um[200]) == (0.0, 6.0)


def test_a_shift_of_part_of_a_pixel_is_exact():
    imaging = still(300, shifts=((5.0, 3.4 * 2.0),), tau_s=np.inf)
    frames = imaging.photons(np.array([0, 299]))
    rows, columns = (np.fft.rfft(f.sum(0) - f.sum(0).mean()) for f in frames)
    assert np.abs(rows[1]) == pytest.approx(np.abs(columns[1]), rel=0.2)
    line = frames.sum(axis=1) - frames.sum(axis=1).min()
    fine = np.arange(0, 64, 0.05)
    one, two = (np.interp(fine, np.arange(64), x) for x in line)
    errors = [np.mean((two[k + 100 : -100] - one[100 : -100 - k]) ** 2) for k in range(100)]
    assert np.argmin(errors) * 0.05 == pytest.approx(3.4, abs=0.1)


def test_motion_has_the_size_asked_for():
    truth = Imaging(rng(2), 18_000).truth
    assert truth.x_um.std() == pytest.approx(1.0, rel=0.2)
    assert truth.y_um.std() == pytest.approx(1.0, rel=0.2)


def test_the_stack_is_most_like_the_image_at_the_focus_of_the_truth():
    imaging = still(300, focuses=((5.0, 6.0),), tau_s=np.inf)
    mean = imaging.frames(160, 140).mean(0)
    planes = np.arange(-15.0, 16.0)
    alike = [np.corrcoef(p.ravel(), mean.ravel())[0, 1] for p in imaging.stack(planes)]
    assert planes[np.argmax(alike)] == pytest.approx(6.0, abs=1.0)


def test_overexposed_frames_and_no_others_reach_the_highest_code():
    imaging = still(300, overexposed=((4.0, 5.0),))
    full = (imaging.frames(0, 300) >= MAX_CODE).mean(axis=(1, 2))
    assert full[120:150].min() > 0.001
    assert np.delete(full, np.s_[120:150]).max() == 0.0


def test_transients_rise_at_the_times_of_the_truth():
    imaging = Imaging(rng(3), 3000, motion_um=0.0, focus_um=0.0, tau_s=np.inf)
    cell = int(np.argmax([len(t) for t in imaging.truth.transients_s]))
    row, column = np.round(imaging.truth.places_px[cell]).astype(int)
    trace = imaging.photons(np.arange(3000))[:, row, column]
    own = imaging.truth.transients_s[cell]
    frames = np.ceil(own * 30).astype(int)
    frames = frames[(frames > 0) & (frames < 2999)]
    assert len(frames) >= 3
    assert np.all(trace[frames] > trace[frames - 1])


@pytest.mark.parametrize("cut", [1, 7, 31, 33])
def test_frames_are_the_same_whatever_the_cuts(cut):
    whole = Imaging(rng(4), 300).frames(0, 100)
    imaging = Imaging(rng(4), 300)
    pieces = [imaging.frames(first, min(cut, 100 - first)) for first in range(0, 100, cut)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_seed_fixes_the_frames_and_another_one_changes_them():
    one, same, other = (Imaging(rng(s), 100).frames(0, 40) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_change_while_it_runs_leaves_the_frames_before_as_they_were():
    imaging = Imaging(rng(1), 300)
    before = imaging.frames(0, 90)
    imaging.shift(3.0, 10.0)
    imaging.focus(3.0, 5.0)
    np.testing.assert_array_equal(imaging.frames(0, 90), before)
    assert [e.type for e in imaging.truth.events] == ["shift", "focus"]


def test_bleaching_on_command_goes_on_from_what_is_left():
    scope = Imaging(np.random.default_rng(1), 60 * 30, tau_s=100.0)
    scope.bleach(20.0, 10.0)
    light = scope.truth.light
    assert light[20 * 30] == pytest.approx(np.exp(-0.2))
    assert light[50 * 30] == pytest.approx(np.exp(-0.2 - 3.0))
