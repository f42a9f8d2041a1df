from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import ndimage, signal

from tenmin.checks.front import Front, Limits
from tenmin.checks.imaging import (
    Bleaching,
    Brightness,
    Fading,
    Motion,
    PixelSaturation,
    saturated_share,
)
from tenmin.checks.parameters import ParameterSet, shipped
from tenmin.checks.registration import binned, shift_between
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared, Unit
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN
from tests.checks.cuts import CUTS, pieces

P = shipped()
RATE = 30.0
A = 1 - np.exp(-1 / (5.0 * RATE))


def stream(n_channels=1, **facts):
    known = {"dark_offset": "100"} | facts
    names = tuple(f"roi{c}" for c in range(n_channels))
    return Stream("2p", names, RATE, "n/a", dtype="float64", facts=known)


def shared():
    return Shared(Setting(), Spectra())


def values_of(kind, light, of=None, lengths=(7,), skip=()):
    """Values of each second of frames, (n, n_channels), above a dark offset of 100."""
    of = of or stream(light.shape[1])
    front = Front(of, Limits(), origin=0)
    formula = kind(of, P[kind.name], shared())
    found, at = {}, 0
    for part in pieces(light + 100.0, list(lengths)):
        if at not in skip:
            piece = Piece(at, at, part, None, 0, 0)
            found |= {s.number: formula.measure(s).values for s in front.feed(piece)}
        at += len(part)
    return found


def falling(tau_s, seconds=120, n_channels=1):
    t = np.arange(int(seconds * RATE)) / RATE
    return np.repeat((500.0 * np.exp(-t / tau_s))[:, None], n_channels, axis=1)


def test_brightness_is_the_filtered_trace_against_its_first_30_s():
    light = falling(300.0) + np.random.default_rng(0).normal(0, 5, (3600, 1))
    state = [(1 - A) * light[0, 0]]
    smooth, _ = signal.lfilter([A], [1, -(1 - A)], light[:, 0], zi=state)
    base = light[:900, 0].mean()
    found = values_of(Brightness, light)
    for number in (40, 100, 118):
        expected = abs(100 * (smooth[number * 30 + 29] / base - 1))
        assert found[number][0] == pytest.approx(expected, rel=1e-10)


def test_brightness_is_unknown_in_its_first_30_s():
    found = values_of(Brightness, falling(300.0, 40))
    assert [np.isnan(found[n][0]) for n in (0, 29, 30)] == [True, True, False]


def test_brightness_is_held_against_the_first_30_s_of_the_block():
    of = stream()
    formula, front = Brightness(of, P["brightness"], shared()), Front(of, Limits(), origin=0)
    for second in front.feed(Piece(0, 0, np.full((1500, 1), 900.0), None, 0, 0)):
        formula.measure(second)
    formula.anchor()
    front.anchor(1500)
    for second in front.feed(Piece(1500, 1500, np.full((1500, 1), 500.0), None, 0, 0)):
        value = formula.measure(second).values[0]
    assert value == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", [Brightness, Bleaching])
def test_without_a_dark_offset_it_is_unknown(kind):
    blind = Stream("2p", ("roi",), RATE, "n/a", dtype="float64")
    found = values_of(kind, falling(3000.0), blind)
    assert np.isnan([v[0] for v in found.values()]).all()


def test_brightness_is_unknown_for_15_s_after_a_gap():
    found = values_of(Brightness, falling(3000.0), lengths=(30,), skip={60 * 30})
    unknown = [n for n in range(30, 119) if n in found and np.isnan(found[n][0])]
    assert unknown == list(range(61, 76))


def test_one_spoilt_sample_stays_in_its_channel_and_in_its_second():
    light = falling(300.0, n_channels=2)
    light[2000, 0] = np.nan
    found, clean = values_of(Brightness, light), values_of(Brightness, falling(300.0, n_channels=2))
    assert found[100][1] == clean[100][1]
    assert found[100][0] == pytest.approx(clean[100][0], rel=1e-2)


@pytest.mark.parametrize("kind", [Brightness, Bleaching])
def test_twice_the_light_changes_no_percentage(kind):
    light = falling(300.0)
    one, two = values_of(kind, light), values_of(kind, 2 * light)
    assert two[100][0] == pytest.approx(one[100][0], rel=1e-9)


@given(CUTS)
@settings(max_examples=10)
def test_any_cut_of_the_frames_gives_the_same_values(lengths):
    light = falling(300.0, 40) + np.random.default_rng(0).normal(0, 5, (1200, 1))
    for kind in (Brightness, Bleaching):
        one, two = values_of(kind, light), values_of(kind, light, lengths=lengths)
        assert {n: v[0] for n, v in one.items() if v[0] == v[0]} == {
            n: v[0] for n, v in two.items() if v[0] == v[0]
        }


@pytest.mark.parametrize(("tau_s", "level"), [(30_000.0, OK), (4000.0, WARN), (1500.0, FAIL)])
def test_bleaching_is_judged_by_the_loss_to_come(tau_s, level):
    of = stream()
    unit = Unit(Bleaching(of, P["bleaching"], shared()), of, P["bleaching"])
    front = Front(of, Limits(), origin=0)
    for second in front.feed(Piece(0, 0, falling(tau_s) + 100.0, None, 0, 0)):
        unit.step(second)
    assert unit.verdict().level == level


def test_a_time_constant_of_3000_s_loses_18_percent():
    assert values_of(Bleaching, falling(3000.0))[118][0] == pytest.approx(18.127, abs=1e-3)


def test_the_rate_of_bleaching_is_that_of_a_polyfit():
    light = falling(3000.0, 600) + np.random.default_rng(1).normal(0, 5, (18000, 1))
    t = np.arange(18000)[: 599 * 30] / RATE
    b = -np.polyfit(t - t.mean(), np.log(light[: 599 * 30, 0]), 1)[0]
    expected = 100 * (1 - np.exp(-600 * b))
    assert values_of(Bleaching, light)[598][0] == pytest.approx(expected, rel=1e-3)
    assert expected == pytest.approx(18.127, abs=1.0)


def test_bleaching_is_unknown_while_activity_hides_it():
    t = np.arange(1800) / RATE
    light = 500 * (1 + 0.3 * np.sin(2 * np.pi * t / 50))[:, None]
    assert np.isnan(values_of(Bleaching, light)[50][0])


def test_a_region_without_light_is_unknown_and_spoils_no_other():
    light = falling(3000.0, n_channels=2)
    light[:, 0] = -1.0
    found = values_of(Bleaching, light)[118]
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(18.127, abs=1e-3)


def test_the_share_of_saturated_pixels_is_exact():
    frames = np.random.default_rng(0).integers(0, 4096, (3, 50, 40))
    assert saturated_share(frames, 4095) == np.mean(frames == 4095)


@pytest.mark.parametrize(("n", "level"), [(0, OK), (1, OK), (2, WARN), (11, FAIL)])
def test_saturated_pixels_of_ten_thousand_are_judged(n, level):
    frame = np.zeros((100, 100), np.uint16)
    frame.flat[:n] = 4095
    check = PixelSaturation("2p", P, 4095)
    for now_s in range(3):
        check.feed_frames(frame)
        verdict = check.verdict(now_s)
    assert (verdict.level, verdict.value) == (level, n / 1e4)


def test_saturation_without_a_new_frame_is_unknown():
    check = PixelSaturation("2p", P, 4095)
    check.feed_frames(np.zeros((4, 4)))
    assert [check.verdict(t).level for t in (0.0, 1.0)] == [OK, UNKNOWN]


def scene(n=320):
    """Cells of about 8 pixels on a dim ground."""
    rng = np.random.default_rng(0)
    cells = np.zeros((n, n))
    cells[tuple(rng.integers(0, n, (2, 250)))] = rng.uniform(0.5, 2, 250)
    return 100 + 4800 * ndimage.gaussian_filter(cells, 4)


SCENE = scene()


def view(shift=(0.0, 0.0), seed=None):
    """What a camera sees of the scene that lies so many pixels off, with shot noise if seeded."""
    frame = ndimage.shift(SCENE, shift, order=3, mode="nearest")[32:288, 32:288]
    return frame if seed is None else np.random.default_rng(seed).poisson(frame)


def found(reference, image):
    return shift_between(reference, image, P["motion"])


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-4, 2), (0, 1)])
def test_an_integer_shift_is_recovered_exactly(shift):
    assert found(view(), view(shift)) == shift


@pytest.mark.parametrize("shift", [(3.4, 0.0), (-0.3, 0.7), (5.25, -3.6), (-12, 7), (20, -16)])
def test_a_shift_of_parts_of_a_pixel_is_recovered_to_a_tenth(shift):
    assert found(view(), view(shift)) == pytest.approx(shift, abs=0.1)


def test_on_a_binned_frame_with_shot_noise_it_is_as_good():
    reference = binned(np.mean([view(seed=k) for k in range(20)], axis=0), 2)
    shifts = np.random.default_rng(1).normal(0, 3, (20, 2))
    places = [found(reference, binned(view(s, seed=100 + k), 2)) for k, s in enumerate(shifts)]
    assert np.sqrt(np.mean((2 * np.array(places) - shifts) ** 2)) < 0.1


def test_binning_takes_means_and_leaves_out_what_is_left_over():
    frame = np.arange(35.0).reshape(5, 7)
    expected = [[frame[i : i + 2, k : k + 2].mean() for k in (0, 2, 4)] for i in (0, 2)]
    assert binned(frame, 2).tolist() == expected


def moved(*shifts, um_per_px=1.0, every_s=1.0):
    check = Motion("2p", P, um_per_px)
    for k, shift in enumerate([(0.0, 0.0), *shifts]):
        check.feed_frame(view(shift), k * every_s)
    return check, [check.verdict(t) for t in range(3)][-1]


def test_without_a_frame_motion_is_unknown():
    assert Motion("2p", P, 1.0).verdict(0.0).level == UNKNOWN


def test_a_still_image_does_not_move():
    verdict = moved(*[(0.0, 0.0)] * 4)[1]
    assert (verdict.level, verdict.value) == (OK, 0.0)


def test_motion_is_the_rms_of_ten_seconds():
    shifts = [(4.0, 0.0), (0.0, -4.0)] * 6
    assert moved(*shifts)[1].value == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize(("um_per_px", "level"), [(0.4, OK), (0.7, WARN), (1.5, FAIL)])
def test_motion_is_judged_in_micrometres(um_per_px, level):
    assert moved(*[(4.0, 0.0)] * 12, um_per_px=um_per_px)[1].level == level


def test_without_a_pixel_size_motion_is_unknown_and_still_measured():
    check, verdict = moved((4.0, 0.0), um_per_px=None)
    assert verdict.level == UNKNOWN
    assert check.shifts[-1][1] == pytest.approx(4.0, abs=0.1)


def test_a_single_jump_beyond_ten_micrometres_is_an_event():
    check, _ = moved((1.0, 0.0), (9.0, -8.0), (1.0, 0.0))
    assert [time for time, _ in check.events] == [2.0]
    assert check.events[0][1] == pytest.approx(np.hypot(9, 8), abs=0.3)


def test_a_slow_drift_is_not_swallowed_by_the_running_reference():
    check, _ = moved(*[(0.1 * k, 0.0) for k in range(1, 60)])
    assert check.shifts[-1][1] == pytest.approx(5.9, abs=0.2)


def test_zero_is_the_mean_place_of_the_first_frames():
    few = replaced("motion", first_frames=10.0)
    check = Motion("2p", few, 1.0)
    for k in range(12):
        check.feed_frame(view((6.0, 0.0) if k else (0.0, 0.0)), float(k))
    assert [round(rows, 1) for _, rows, _ in check.shifts][:9] == [0.6] * 9
    assert check.feed_frame(view(), 12.0)[0] == pytest.approx(-5.4, abs=0.1)


def test_frames_of_few_photons_are_followed_for_minutes():
    rng = np.random.default_rng(2)
    scene = SCENE[32:160, 32:160]
    check, off = Motion("2p", replaced("motion", first_frames=50.0), 1.0, 0.0), []
    walk = signal.lfilter([0.3], [1, -0.95], rng.normal(0, 1, (300, 2)), axis=0)
    for k, place in enumerate(walk):
        seen = rng.poisson(ndimage.shift(scene, place, order=3, mode="nearest") / 4.0)
        off.append(np.array(check.feed_frame(seen, k / 5.0)) - place)
    off = np.array(off[50:]) + walk[:50].mean(axis=0)
    assert np.sqrt((off**2).mean()) < 0.1


def test_a_frame_without_the_scene_lies_nowhere_and_moves_no_reference():
    check, dark = moved((1.0, 0.0))[0], np.random.default_rng(0).poisson(50, (256, 256))
    assert np.isnan(check.feed_frame(dark, 2.0)).all()
    assert check.feed_frame(view((2.0, 0.0)), 3.0) == pytest.approx((2.0, 0.0), abs=0.1)


def test_where_nothing_is_to_be_found_motion_is_unknown():
    check, rng = moved((1.0, 0.0))[0], np.random.default_rng(0)
    for k in range(20):
        check.feed_frame(rng.poisson(50, (256, 256)), 2.0 + k)
    assert check.verdict(22.0).level == UNKNOWN


def test_a_reference_that_began_in_the_dark_begins_again():
    check = Motion("2p", P, 1.0)
    check.feed_frame(np.random.default_rng(0).poisson(50, (256, 256)), 0.0)
    for k in range(4):
        check.feed_frame(view((0.5 * k, 0.0)), 1.0 + k)
    assert [round(rows, 1) for _, rows, _ in check.shifts][-2:] == [0.5, 1.0]


def replaced(name, **values):
    """The parameters with other values of a check."""
    own = replace(P[name], values={**P[name].values, **values})
    return ParameterSet(P.version, {**P.checks, name: own})


def fade(frames, dark=100.0):
    """What the check says after frames of 1 Hz."""
    check = Fading("2p", P, dark)
    for k, frame in enumerate(frames):
        check.feed_frame(frame, float(k))
    return check.verdict(float(len(frames)))


def test_the_loss_of_pictures_is_that_of_a_polyfit():
    light = 500.0 * np.exp(-np.arange(121) / 3000.0)
    frames = 100.0 + light[:, None, None] * view()[None, :64, :64] / view().mean()
    assert fade(frames).value == pytest.approx(100 * (1 - np.exp(-0.2)), rel=1e-6)


def test_what_dims_a_third_of_an_image_is_no_bleaching():
    t = np.arange(121)
    frames = np.full((121, 64, 64), 600.0) + np.zeros((121, 1, 1))
    frames[:, :20] = 100.0 + 500.0 * np.exp(-t / 300.0)[:, None, None]
    assert fade(frames).value == pytest.approx(0.0, abs=1e-9)


def test_parts_without_light_tell_nothing():
    light = 500.0 * np.exp(-np.arange(121) / 3000.0)
    frames = np.random.default_rng(0).normal(100.0, 1.0, (121, 64, 64))
    frames[:, :24] += light[:, None, None]
    assert fade(frames).value == pytest.approx(18.127, abs=0.1)


@pytest.mark.parametrize(("dark", "n"), [(np.nan, 121), (1e4, 121), (100.0, 30)])
def test_bleaching_of_pictures_is_unknown(dark, n):
    assert fade(np.full((n, 32, 32), 500.0), dark).level == UNKNOWN


def test_what_faded_before_the_block_does_not_count():
    check = Fading("2p", P, 100.0)
    for k in range(200):
        if k == 100:
            check.restart()
        check.feed_frame(np.full((32, 32), 500.0 if k > 99 else 900.0 - 3 * k), float(k))
    assert check.verdict(200.0).value == pytest.approx(0.0, abs=1e-9)
