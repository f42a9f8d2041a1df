"""What the tracks say of real recordings, where these are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from tenmin.checks.arousal import Arousal, Joiner
from tenmin.checks.arousal.roles import roles
from tenmin.checks.arousal.session import ANIMAL, HUMAN
from tenmin.stream import Stream
from tests.checks.arousal.mice import RULES

DATA = Path(os.environ.get("TENMIN_DATA", "../shared/data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not here")


def play(kind, settle_s, *recorded):
    """(live, final) of streams with their samples, microvolts."""
    found = [
        (role, role.extractor(0.0, RULES, kind == HUMAN), samples)
        for stream, samples in recorded
        for role in roles([stream], kind, RULES)
    ]
    joiner = Joiner(0.0, {role.what: its.names for role, its, _ in found})
    arousal = Arousal(kind, RULES)
    seconds = min(len(samples) / role.rate_hz for role, _, samples in found)
    for k in range(int(seconds)):
        for role, its, samples in found:
            at = np.arange(round(k * role.rate_hz), round((k + 1) * role.rate_hz))
            joiner.put(role.what, its.feed(at / role.rate_hz, samples[at][:, list(role.channels)]))
        for t, f in joiner.take(k + 1.0):
            arousal.step(t, f, t <= settle_s)
    return arousal.live, arousal.close()


def share(ticks, states, start=0.0, stop=np.inf):
    told = [tick.state in states for tick in ticks if start < tick.t <= stop]
    return np.mean(told)


def eyes_open():
    import mne

    raw = mne.io.read_raw_fif(DATA / "eeg_yasa/resting_EO_200Hz_raw.fif", verbose="error")
    return raw.get_data().T * 1e6


def deep_sleep():
    return np.loadtxt(DATA / "eeg_yasa/N3_no-spindles_30sec_100Hz.txt").reshape(-1, 1)


def scalp(rate_hz, *labels):
    return Stream("eeg", labels, rate_hz, "volts", kind="eeg")


@needs_data
def test_a_person_with_open_eyes_is_awake():
    live, final = play(HUMAN, 120.0, (scalp(200.0, "F4-A1", "CZ-A2"), eyes_open()))
    assert min(share(live, {3}, 130), share(final, {3}, 130)) > 0.9


@needs_data
@pytest.mark.parametrize("before", [True, False])
def test_deep_sleep_is_never_awake(before):
    awake = eyes_open()[:24_000:2, 1:]
    samples = np.concatenate([awake, deep_sleep()]) if before else deep_sleep()
    _, final = play(HUMAN, 60.0, (scalp(100.0, "CZ-A2"), samples))
    start = 122.0 if before else 0.0
    assert share(final, {3, 4}, start) == 0.0


@needs_data
def test_an_awake_mouse_is_quiet_or_active():
    import scipy.io

    told = scipy.io.loadmat(DATA / "eeg_mouse/10mins_example_mat.mat", simplify_cells=True)["data"]
    eeg, emg = (
        1e3 * np.asarray(told[name], float).reshape(-1, 1) for name in ("EEG_P", "EMG_DIFF")
    )
    live, final = play(
        ANIMAL,
        120.0,
        (scalp(305.0, "EEG_P"), eeg),
        (Stream("emg", ("EMG_DIFF",), 305.0, "volts"), emg),
    )
    assert share(live, {1, 2}, 120) < 0.05
    assert share(final, {3, 4}, 120) > 0.9
    assert share(final, {5}) == 0.0
