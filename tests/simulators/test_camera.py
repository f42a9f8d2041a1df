"""The simulated camera: every frame measured again, without its generator."""

import numpy as np
import pytest
from tenmin_simulators.behaviour import behave
from tenmin_simulators.camera import IRIS, PUPIL, Camera
from tenmin_simulators.eyes import Lids


def rng(seed=0):
    return np.random.default_rng(seed)


def still(**options):
    """No blinks and no noise of the sensor."""
    return Camera(rng(1), 600, lids=Lids(rng(), per_min=0.0), noise_sd=0.0, **options)


@pytest.fixture(scope="module")
def moving():
    animal = behave(rng(3), 120.0)
    camera = Camera(rng(1), 7200, behaviour=animal, lids=Lids(rng(2), 6.0))
    return camera, animal, camera.frames(0, 7200)


def test_the_pupil_has_the_diameter_of_the_truth(moving):
    camera, _, frames = moving
    some = np.flatnonzero(camera.truth.closed == 0)[::5]
    half = frames[some, :, : frames.shape[2] // 2].astype(np.float32)
    row, column = (camera.truth.centre_px[some, k, None, None] for k in (0, 1))
    rows, columns = np.mgrid[0 : half.shape[1], 0 : half.shape[2]]
    near = np.hypot(rows - row, columns - column) < 24
    below = near & (rows > row + 2)  # the glints are above
    area = ((IRIS - half).clip(0, IRIS - PUPIL) / (IRIS - PUPIL) * below).sum((1, 2))
    expected = np.pi * (camera.truth.pupil_px[some] / 2) ** 2
    assert np.corrcoef(area, expected)[0, 1] > 0.99


def test_a_pupil_without_noise_covers_its_area():
    camera = still()
    frame = camera.frames(100, 1)[0].astype(float)
    row, column = camera.truth.centre_px[100]
    rows, columns = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1] // 2]
    distance = np.hypot(rows - row, columns - column)
    beside = (distance < 20) & (rows > row)
    dark = ((IRIS - frame[:, : columns.shape[1]]) / (IRIS - PUPIL))[beside].sum()
    disk = (distance <= camera.truth.pupil_px[100] / 2)[beside].sum()
    assert dark == pytest.approx(disk, rel=0.05)


def test_there_are_two_glints_on_the_pupil():
    camera = still()
    frame = camera.frames(10, 1)[0]
    row, column = camera.truth.centre_px[10]
    assert frame[round(row - 3), round(column - 3)] > 200
    assert frame[round(row - 3), round(column + 3)] > 200


def test_a_shut_lid_hides_the_pupil(moving):
    camera, _, frames = moving
    half = frames[:, :, : frames.shape[2] // 2]
    dark = (half < 60).sum((1, 2))
    assert (camera.truth.closed > 0.99).sum() > 10
    assert dark[camera.truth.closed > 0.99].max() < 5
    assert dark[camera.truth.closed == 0].min() > 30


def test_motion_energy_follows_the_steps_of_the_truth(moving):
    camera, _, frames = moving
    face = frames[:, :, frames.shape[2] // 2 :].astype(float)
    energy = np.abs(np.diff(face, axis=0)).mean((1, 2))
    assert np.corrcoef(energy, camera.truth.step_px[1:])[0, 1] > 0.98


def test_motion_energy_and_pupil_tell_the_states_apart(moving):
    camera, animal, _ = moving
    code = animal.code[np.minimum((np.arange(7200) / 6).astype(int), len(animal.code) - 1)]
    median = {c: np.median(camera.truth.step_px[code == c]) for c in np.unique(code)}
    assert max(median[c] for c in median if c <= 3) < min(median[c] for c in median if c >= 4)


def test_exposure_scales_the_frames_from_its_time_on():
    camera = still(exposures=((5.0, 0.5),))
    mean = camera.frames(0, 600).mean((1, 2))
    assert mean[310:].mean() / mean[:290].mean() == pytest.approx(0.5, rel=0.02)
    assert camera.truth.events[0].magnitude == -50.0
    assert camera.truth.events[0].onset_s == 5.0


def test_lost_frames_are_those_of_the_truth():
    camera = still(drops=((10, 1), (50, 5)))
    np.testing.assert_array_equal(camera.truth.lost, [10, 50, 51, 52, 53, 54])
    assert len(camera.kept()) == 594
    assert np.diff(camera.truth.time_s[camera.kept()]).max() == pytest.approx(0.1, rel=0.2)


def test_frames_come_sixty_times_a_second_with_the_jitter_asked_for():
    camera = Camera(rng(1), 36_000, jitter=0.1)
    late = camera.truth.time_s - np.arange(36_000) / 60.0
    assert late.std() * 60.0 == pytest.approx(0.1, rel=0.03)
    assert np.all(np.diff(camera.truth.time_s) > 0)


@pytest.mark.parametrize("cut", [1, 7, 31, 32, 33, 100])
def test_frames_are_the_same_whatever_the_cuts(cut):
    whole = Camera(rng(4), 300).frames(0, 200)
    camera = Camera(rng(4), 300)
    pieces = [camera.frames(first, min(cut, 200 - first)) for first in range(0, 200, cut)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_seed_fixes_the_frames_and_another_one_changes_them():
    one, same, other = (Camera(rng(s), 100).frames(0, 40) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_change_while_it_runs_leaves_the_frames_before_as_they_were():
    camera = Camera(rng(1), 600)
    before = camera.frames(0, 120)
    camera.expose(2.0, 1.5)
    np.testing.assert_array_equal(camera.frames(0, 120), before)
    assert camera.frames(130, 10).mean() > 1.3 * before.mean()
