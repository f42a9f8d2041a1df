"""Where the focus is in a stack: a scene of blobs at known depths, out of focus by a Gaussian."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from tenmin.checks.focus import Axial
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.checks.whole import whole
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

P = shipped()
N = 96
PLANES_UM = np.arange(-15.0, 16.0)


def at_focus(z_um):
    """Expected photons when the focus is at a depth."""
    rng = np.random.default_rng(3)
    image = np.full((N, N), 8.0)
    for depth in rng.uniform(-25, 25, 80):
        row, column = rng.integers(0, N, 2)
        blob = np.zeros((N, N))
        blob[row, column] = 1500.0
        image += np.exp(-0.5 * ((z_um - depth) / 8.0) ** 2) * ndimage.gaussian_filter(blob, 2.5)
    return image


STACK = 100.0 + 12.0 * np.array([at_focus(z) for z in PLANES_UM])


def fed(images, stack=STACK, step_um=1.0, seconds=12):
    check = Axial("2p", P, stack, step_um, 100.0)
    for k in range(seconds):
        check.feed_frame(images[k % len(images)], float(k))
    return check


def noisy(z_um, shift=(0.0, 0.0), light=1.0):
    """Two frames of a focus, laterally off, with shot noise."""
    moved = ndimage.shift(at_focus(z_um), shift, order=3, mode="nearest")
    rng = np.random.default_rng(7)
    return [100.0 + 12.0 * rng.poisson(light * moved) for _ in range(2)]


@pytest.mark.parametrize("plane", [3, 15, 26])
def test_a_plane_of_the_stack_is_found_where_it_is(plane):
    assert fed([STACK[plane]]).focus_um() == pytest.approx(PLANES_UM[plane], abs=0.3)


@pytest.mark.parametrize("z_um", [-9.5, -2.3, 0.4, 7.7])
def test_a_focus_between_planes_is_found_within_a_micrometre(z_um):
    assert fed(noisy(z_um)).focus_um() == pytest.approx(z_um, abs=1.0)


def test_neither_lateral_motion_nor_bleaching_moves_the_focus():
    assert fed(noisy(4.0, (5.3, -7.8), 0.6)).focus_um() == pytest.approx(4.0, abs=1.0)


def test_a_stack_of_other_steps_is_counted_in_micrometres():
    assert fed(noisy(4.0), STACK[1::2], 2.0).focus_um() == pytest.approx(4.0, abs=1.0)


def test_beyond_the_stack_its_end_is_told():
    assert fed([100.0 + 12.0 * at_focus(22.0)]).focus_um() == 15.0


@pytest.mark.parametrize(("z_um", "level"), [(2.0, OK), (-7.0, WARN), (12.0, FAIL)])
def test_the_focus_is_judged_on_either_side(z_um, level):
    check = fed(noisy(z_um))
    verdict = [check.verdict(float(k)) for k in range(3)][-1]
    assert (verdict.level, np.sign(verdict.value)) == (level, np.sign(z_um))


def test_before_ten_seconds_have_passed_the_focus_is_unknown():
    assert fed(noisy(0.0), seconds=9).verdict(9.0).level == UNKNOWN


def test_a_field_that_is_not_the_stacks_is_unknown():
    other = 100.0 + 12.0 * np.random.default_rng(5).poisson(50.0, (N, N))
    assert fed([other]).verdict(12.0).level == UNKNOWN


def test_only_the_last_ten_seconds_count():
    check = fed(noisy(-8.0))
    for k in range(12, 22):
        check.feed_frame(noisy(6.0)[0], float(k))
    assert check.focus_um() == pytest.approx(6.0, abs=1.0)


def scope(**facts):
    known = {"height": str(N), "width": str(N), "dark_offset": "100"} | facts
    return Stream("2p", tuple(map(str, range(N * N))), 1.0, "n/a", dtype="uint16", facts=known)


def axial_of(stream):
    return [check for check in whole(stream, Setting()) if check.name == "axial"]


def test_a_stack_reaches_the_check_by_the_facts_of_the_stream(tmp_path):
    np.save(tmp_path / "stack.npy", STACK.astype(np.uint16))
    (check,) = axial_of(scope(stack=str(tmp_path / "stack.npy"), stack_step_um="1"))
    frames = np.repeat(STACK[22].astype(np.uint16).reshape(1, -1), 12, axis=0)
    check.feed(Piece(0, 0, frames, None, 0, 0))
    assert [check.tick(float(k)) for k in range(3)][-1].value == pytest.approx(7.0, abs=0.3)


def test_without_a_stack_the_check_does_not_apply():
    assert axial_of(scope()) == []
    assert axial_of(replace(scope(), facts={"stack": "x.npy", "stack_step_um": "1"})) == []


@pytest.mark.parametrize("shape", [None, (31, 8, 8), (N, N)])
def test_a_stack_that_cannot_be_used_is_unknown_and_says_why(tmp_path, shape):
    path = tmp_path / "stack.npy"
    if shape:
        np.save(path, np.zeros(shape))
    (check,) = axial_of(scope(stack=str(path), stack_step_um="1"))
    verdict = check.tick(0.0)
    assert verdict.level == UNKNOWN
    assert str(path) in verdict.action
