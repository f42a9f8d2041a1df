"""Which checks of whole streams apply where, and how the watcher's interface reaches them."""

from dataclasses import replace

import numpy as np
import pytest

from tenmin.checks.peers import Peers
from tenmin.checks.setting import Setting
from tenmin.checks.whole import whole
from tenmin.ring import Piece
from tenmin.stream import FRAME_CHANNELS, Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN
from tenmin.watcher import own

EYE = Stream("eye", ("pupil_diameter", "motion"), 60.0, "n/a", kind="behavior", timed=True)
FRAMES = Stream("frames", FRAME_CHANNELS, 0.0, "n/a", dtype="int64", kind="frames", timed=True)
ROOM = Stream("room", ("lux", "temp", "feedback"), 1.0, "n/a", kind="environment")
CELL = Stream(
    "cell", ("vm", "im"), 20_000.0, "n/a", kind="patch", channel_units=("millivolts", "picoamperes")
)
BODY = Stream("collar", ("acc_x", "acc_y"), 100.0, "n/a", kind="behavior")
LIGHT = Stream("plane", ("roi_1", "roi_2"), 30.0, "n/a", kind="other")
SIZE = {"height": "16", "width": "20"}
PIXELS = tuple(f"p{k}" for k in range(320))
MICROSCOPE = Stream(
    "scope",
    PIXELS,
    30.0,
    "n/a",
    dtype="uint16",
    facts=SIZE | {"dark_offset": "100", "max_code": "4095", "um_per_px": "1"},
)
CAMERA = Stream("camera", PIXELS, 60.0, "n/a", dtype="uint8", facts=SIZE)
LINE = {"sync_channel": "ttl", "sync_threshold": "2.5"}
PROBE = Stream("probe", ("a", "ttl"), 1000.0, "volts", kind="ecephys", counter=True, facts=LINE)
BELT = Stream("belt", ("position", "ttl"), 1000.0, "n/a", kind="behavior", facts=LINE)
CLOCKS = {"drift_of_clock", "jitter_of_pulses", "alignment", "bend_of_clock"}


def setting(primary="probe"):
    return Setting(50.0, peers=Peers(primary))


def names(stream):
    return {check.name for check in whole(stream, setting())}


def said(stream):
    """The checks that speak, those of a bank included."""
    return {verdict.check for check in own(stream, setting()) for verdict in check.verdicts(0.0)}


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (EYE, {"gaps", "pupil_lost", "pupil_snr"}),
        (FRAMES, {"frame_drops"}),
        (replace(EYE, facts={"triggers": "frames"}), {"frame_drops", "frame_triggers"}),
        (replace(EYE, facts={"frame_clock": "frames"}), {"frame_drops", "imaging_triggers"}),
        (replace(EYE, channels=("frame_mean", "frame_focus")), {"gaps", "camera"}),
        (ROOM, {"gaps", "light", "temperature"}),
        (CELL, {"gaps", "access", "patch_noise_fast", "patch_noise_slow"}),
        (PROBE, {"gaps", "sync"}),
        (BELT, {"gaps", "sync"} | CLOCKS),
        (replace(BELT, facts={}), {"gaps"}),
        (MICROSCOPE, {"gaps", "frame_drops", "pixel_saturation", "motion", "bleaching"}),
        (CAMERA, {"gaps", "frame_drops", "camera"}),
        (Stream("notes", ("m",), 0.0, "n/a", dtype="str", kind="marker"), set()),
    ],
)
def test_a_check_runs_where_it_applies(stream, expected):
    assert expected <= names(stream)
    assert not names(stream) - expected - {"gaps", "pupil_lost", "pupil_snr"}


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (BODY, {"body_motion"}),
        (LIGHT, {"brightness", "bleaching"}),
        (replace(EYE, facts={"dark_offset": "100"}), {"brightness", "bleaching"}),
        (MICROSCOPE, {"brightness", "bleaching"}),
        (CELL, {"leak", "resting", "saturation"}),
        (replace(CELL, channel_units=("millivolts", "millivolts")), {"resting"}),
        (Stream("cap", ("Fp1", "O1"), 250.0, "volts", kind="eeg"), {"blinks", "few_blinks"}),
    ],
)
def test_a_bank_runs_where_its_checks_apply(stream, expected):
    assert expected <= said(stream)


def test_a_current_alone_has_no_resting_potential():
    one = replace(CELL, channels=("im",), channel_units=("picoamperes",))
    assert "resting" not in said(one)


def test_what_the_amplifier_was_told_is_no_potential_of_the_cell():
    assert "resting" not in said(replace(CELL, channels=("command", "im")))


def test_pictures_are_judged_frame_by_frame():
    image = np.random.default_rng(0).integers(0, 4000, 320).astype(np.uint16)
    image[:32] = 4095
    frames = np.tile(image, (60, 1))
    checks = list(whole(MICROSCOPE, setting()))
    for second in range(3):
        for check in checks:
            check.feed(piece(60 * second, frames, second + 1.0))
        told = verdicts(checks, second + 1.0)
    assert (told["pixel_saturation"].level, told["pixel_saturation"].value) == (FAIL, 0.1)
    assert (told["motion"].level, told["motion"].value) == (OK, 0.0)


def test_the_brightness_of_pictures_is_that_of_their_mean():
    rng = np.random.default_rng(0)
    checks = [c for c in own(MICROSCOPE, setting()) if c.name == "quality"]
    for second in range(60):
        light = 1000 if second < 30 else 500
        frames = rng.integers(100 + light - 50, 100 + light + 50, (30, 320)).astype(np.uint16)
        for check in checks:
            check.feed(piece(30 * second, frames, second + 1.0))
            check.finish()
            if second == 0:
                check.anchor(0)
    told = {v.check: v for check in checks for v in check.verdicts(60.0)}
    assert told["brightness"].level == FAIL
    assert told["brightness"].value == pytest.approx(50.0, abs=1.0)


def test_streams_without_anything_to_look_at_have_no_bank():
    assert said(replace(BELT, facts={})) == {"alive", "gaps"}


def piece(index, samples, host_s, times=None):
    return Piece(index, index, np.asarray(samples), times, round(host_s * 1e9), 0)


def verdicts(checks, now_s):
    return {check.name: check.tick(now_s) for check in checks}


def test_samples_that_the_watcher_did_not_see_are_no_gap():
    (gaps,) = [c for c in whole(replace(PROBE, facts={}), setting()) if c.name == "gaps"]
    gaps.feed(piece(0, np.zeros((10, 2)), 0.0))
    gaps.skipped(500)
    gaps.feed(piece(510, np.zeros((10, 2)), 0.5))
    assert gaps.tick(1.0).level == OK


def test_one_long_gap_fails_in_the_reference_stream_and_the_total_is_told():
    stream = replace(PROBE, facts={})
    (gaps,) = [c for c in whole(stream, setting()) if c.name == "gaps"]
    for index in (0, 15, 50):
        gaps.feed(piece(index, np.zeros((10, 2)), 0.0))
    verdict = gaps.tick(1.0)
    assert (verdict.level, verdict.value) == (FAIL, pytest.approx(0.030))


def test_a_gap_before_the_recording_is_forgotten_at_once():
    (gaps,) = [c for c in whole(replace(PROBE, facts={}), setting()) if c.name == "gaps"]
    gaps.feed(piece(0, np.zeros((10, 2)), 0.0))
    gaps.feed(piece(500, np.zeros((10, 2)), 0.0))
    assert gaps.tick(1.0).level == FAIL
    gaps.restart()
    assert gaps.tick(2.0).level == OK


def rows(first, n):
    out = np.zeros((n, len(FRAME_CHANNELS)), np.int64)
    return piece(first, out, 0.0, (first + np.arange(n)) / 60.0)


def balance(lost):
    """The level after five seconds of a camera of which frames are missing."""
    here = setting()
    camera = replace(EYE, facts={"triggers": "frames"})
    eye = next(c for c in whole(camera, here) if c.name == "frame_triggers")
    clock = next(iter(whole(FRAMES, here)))
    assert eye.tick(0.0).level == UNKNOWN
    for check in (eye, clock):
        check.restart()
    for second in range(5):
        clock.feed(rows(60 * second, 60))
        n = 60 - (lost if second == 2 else 0)
        eye.feed(piece(60 * second, np.ones((n, 2)), 0.0))
        eye.tick(float(second))
    return [eye.tick(float(t)) for t in (5, 6, 7)][-1]


@pytest.mark.parametrize(("lost", "level"), [(0, OK), (1, WARN), (5, FAIL)])
def test_frames_are_held_against_the_triggers_of_another_stream(lost, level):
    assert balance(lost).level == level


def line(ppm=0.0, seconds=60, first_s=0.0, lost=(), jitter_s=0.0):
    """Samples of a sync line with a pulse of 50 ms each second of the reference, at 1 kHz."""
    at = np.arange(first_s + 0.4, seconds) * (1 + ppm * 1e-6)
    at = np.delete(at, list(lost)) + np.random.default_rng(0).normal(
        0, jitter_s, len(at) - len(lost)
    )
    high = np.zeros(seconds * 1000)
    for t in at:
        high[round(t * 1000) : round(t * 1000) + 50] = 5.0
    return np.column_stack([np.zeros(len(high)), high])


def synced(ours, reference, seconds, order=(1, 0)):
    """All verdicts of the belt after both streams were fed second by second."""
    here = setting()
    streams = [list(whole(stream, here)) for stream in (BELT, PROBE)]
    told = {}
    for second in range(seconds):
        part = slice(1000 * second, 1000 * (second + 1))
        for k in order:
            for check in streams[k]:
                check.feed(piece(part.start, (ours, reference)[k][part], second + 1.0))
        told = verdicts(streams[0], second + 1.0)
    return told


@pytest.mark.parametrize("order", [(1, 0), (0, 1)])
def test_the_drift_of_a_clock_is_told_by_its_pulses(order):
    verdict = synced(line(500.0), line(), 60, order)["drift_of_clock"]
    assert verdict.level == FAIL
    assert verdict.value == pytest.approx(500.0, abs=25.0)


def test_pulses_that_one_of_both_missed_do_no_harm():
    verdict = synced(line(500.0, lost=(5, 6, 30)), line(lost=(12,)), 60)["drift_of_clock"]
    assert verdict.value == pytest.approx(500.0, abs=25.0)


def test_without_a_line_of_the_reference_clocks_are_unknown():
    told = synced(line(), np.zeros((20_000, 2)), 20)
    assert {told[name].level for name in CLOCKS} == {UNKNOWN}
    assert told["sync"].level == OK


def test_a_line_that_falls_silent_is_told():
    quiet = line(seconds=30)
    quiet[10_000:] = 0.0
    told = synced(quiet, quiet, 30)
    assert (told["sync"].level, told["sync"].value) == (FAIL, pytest.approx(20.6, abs=0.1))


def test_a_line_without_any_pulse_is_unknown():
    assert synced(np.zeros((5000, 2)), np.zeros((5000, 2)), 5)["sync"].level == UNKNOWN
