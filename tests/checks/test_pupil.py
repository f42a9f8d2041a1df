import numpy as np
import pytest
from hypothesis import given, settings
from scipy import ndimage, signal

from tenmin.checks.parameters import shipped
from tenmin.checks.pupil import (
    Picture,
    PictureNumbers,
    PupilLost,
    PupilNoise,
    laplacian_variance,
    lost_share,
    signal_to_noise,
    smooth,
)
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN
from tests.checks.cuts import CUTS, pieces

P = shipped()
FPS = 60.0
CAMERA = Stream("eye", ("pupil_diameter_mm", "x"), FPS, "n/a", dtype="float64", timed=True)


def trace(seconds=70, noise=0.05, seed=0):
    """A pupil that waxes and wanes about 3 mm."""
    t = np.arange(int(seconds * FPS)) / FPS
    slow = 3 + 0.5 * np.sin(2 * np.pi * t / 9)
    return slow + np.random.default_rng(seed).normal(0, noise, len(t))


def verdict_of(kind, values, of=CAMERA, lengths=(13,), skip=()):
    check, at = kind(of, P), 0
    for part in pieces(np.column_stack([values, np.zeros(len(values))]), list(lengths)):
        if at not in skip:
            check.feed(Piece(at, at, part, None, 0, 0))
        at += len(part)
    return [check.verdict(t) for t in range(3)][-1]


def without(share, seed=1):
    values = trace()
    lost = np.random.default_rng(seed).permutation(len(values))[: int(share * len(values))]
    values[lost] = np.nan
    return values


@pytest.mark.parametrize("gone", [np.nan, 0.0, -1.0])
def test_a_lost_pupil_is_nan_or_zero_or_below(gone):
    assert lost_share(np.array([3.0, gone, 3.0, gone])) == 0.5


@pytest.mark.parametrize(("share", "level"), [(0.1, OK), (0.3, WARN), (0.7, FAIL)])
def test_the_share_of_lost_pupil_is_judged(share, level):
    verdict = verdict_of(PupilLost, without(share))
    assert (verdict.level, verdict.value) == (level, pytest.approx(share, abs=0.03))


def test_frames_that_never_came_are_lost_as_well():
    gone = {k * 60 for k in range(40, 58)}  # 18 of the last 60 seconds
    verdict = verdict_of(PupilLost, trace(), lengths=(60,), skip=gone)
    assert verdict.value == pytest.approx(0.3)


def test_only_the_last_minute_counts():
    values = trace(100)
    values[:1200] = np.nan
    assert verdict_of(PupilLost, values).value == 0.0


def test_before_five_seconds_it_is_unknown():
    assert verdict_of(PupilLost, trace(4)).level == UNKNOWN


@pytest.mark.parametrize("kind", [PupilLost, PupilNoise])
def test_a_stream_without_a_pupil_is_unknown(kind):
    other = Stream("wheel", ("position", "x"), FPS, "meters")
    assert verdict_of(kind, trace(), other).level == UNKNOWN


def test_smoothing_is_that_of_savitzky_and_golay():
    values = trace()
    assert smooth(values, 31) == pytest.approx(signal.savgol_filter(values, 31, 3), rel=1e-10)


def test_the_signal_to_noise_is_the_ratio_of_variances():
    values = trace()
    slow = signal.savgol_filter(values, 31, 3)
    expected = np.var(slow) / np.var(values - slow)
    assert signal_to_noise(values, 31) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("noise", "level"), [(0.05, OK), (0.3, WARN)])
def test_a_noisy_trace_is_a_warning(noise, level):
    assert verdict_of(PupilNoise, trace(noise=noise)).level == level


def test_a_few_lost_frames_do_not_count_as_noise():
    whole, holed = (signal_to_noise(v, 31) for v in (trace(), without(0.1)))
    assert holed == pytest.approx(whole, rel=0.1)


def test_a_pupil_that_is_hardly_ever_there_has_no_signal_to_noise():
    assert verdict_of(PupilNoise, without(0.85)).level == UNKNOWN


def test_twice_the_diameter_has_the_same_signal_to_noise():
    one, two = (signal_to_noise(gain * trace(), 31) for gain in (1.0, 2.0))
    assert two == pytest.approx(one, rel=1e-9)


@given(CUTS)
@settings(max_examples=10)
def test_any_cut_gives_the_same_verdict(lengths):
    for kind in (PupilLost, PupilNoise):
        values = without(0.3)[:1200]
        assert verdict_of(kind, values, lengths=lengths) == verdict_of(kind, values)


def texture(seed=0, sd=30.0, mean=120.0):
    return mean + np.random.default_rng(seed).normal(0, sd, (80, 100))


def test_focus_is_the_variance_of_the_laplacian():
    frame = texture()
    expected = ndimage.laplace(frame)[1:-1, 1:-1].var()
    assert laplacian_variance(frame) == pytest.approx(expected, rel=1e-12)


def picture(*frames, white=255.0):
    check = Picture("eye", P, white)
    levels = []
    for now_s, frame in enumerate(frames):
        check.feed_frame(frame)
        levels.append(check.verdict(now_s))
    return levels[-1]


@pytest.mark.parametrize(
    ("frame", "action"),
    [
        (texture(mean=30, sd=20), "too dark"),
        (texture(mean=215, sd=20), "too bright"),
        (ndimage.gaussian_filter(texture(), 4), "out of focus"),
    ],
)
def test_a_picture_outside_of_a_limit_is_a_warning_that_says_which(frame, action):
    verdict = picture(*[frame] * 3)
    assert (verdict.check, verdict.level) == ("camera", WARN)
    assert action in verdict.action


def test_a_good_picture_is_ok():
    assert picture(*[texture(k) for k in range(3)]).level == OK


def test_a_flickering_lamp_is_a_warning():
    frames = [texture(k, mean=120 + 45 * (-1) ** k) for k in range(6)]
    assert "varies" in picture(*frames).action


def test_a_camera_of_twelve_bits_is_held_to_the_same_limits():
    frames = [16.0 * texture(k) for k in range(3)]
    assert (picture(*frames, white=4080.0).level, picture(*frames).level) == (OK, WARN)


def test_without_a_new_frame_the_picture_is_unknown():
    check = Picture("eye", P)
    for k in range(3):
        check.feed_frame(texture(k))
    assert [check.verdict(t).level for t in (0.0, 1.0)] == [OK, UNKNOWN]


def numbers(mean, focus, channels=("frame_mean", "frame_focus")):
    """The level of a camera that sends its numbers, in tenths."""
    camera = Stream("eye", channels, 60.0, "n/a", 0.1, kind="behavior")
    check = PictureNumbers(camera, P)
    rows = np.tile([mean * 10.0, focus * 10.0], (60, 1))[:, : len(channels)]
    for second in range(4):
        check.feed(Piece(60 * second, 60 * second, rows, None, 0, 0))
        verdict = check.verdict(float(second))
    return verdict.level


@pytest.mark.parametrize(
    ("mean", "focus", "level"), [(100, 500, OK), (20, 500, WARN), (230, 500, WARN), (100, 50, WARN)]
)
def test_a_camera_may_send_numbers_in_place_of_frames(mean, focus, level):
    assert numbers(mean, focus) == level


def test_a_camera_that_does_not_tell_its_focus_is_unknown():
    assert numbers(100, 0, ("frame_mean",)) == UNKNOWN
