"""The semi-Markov animal of science.md C.3 and E.1 G12, tuning seeds 1 to 8."""

import numpy as np
import pytest

from tests.checks.arousal.mice import TUNING, final_track, kappa, latencies, track

FULL = ("speed", "motion", "pupil", "delta")
DEGRADED = {  # science.md C.3, less 0.03
    FULL: 0.78,
    ("speed", "motion", "delta"): 0.80,
    ("speed", "motion", "pupil"): 0.76,
    ("speed", "delta"): 0.65,
    ("motion", "pupil", "delta"): 0.54,
    ("pupil",): 0.48,
}


@pytest.mark.parametrize("names", DEGRADED, ids="+".join)
def test_the_live_track_agrees_as_the_table_says(names):
    found = [kappa(*track(seed, names)[:2]) for seed in TUNING]
    assert np.mean(found) >= DEGRADED[names]


def test_the_final_track_agrees_almost_perfectly():
    found = [kappa(*final_track(seed)) for seed in TUNING]
    assert np.mean(found) >= 0.93


def test_muscle_takes_the_place_of_the_camera():
    found = [kappa(*track(seed, ("speed", "emg", "delta"))[:2]) for seed in TUNING]
    assert np.mean(found) >= 0.77


def test_time_in_each_state_is_right_within_three_hundredths():
    truth, told = (np.concatenate(x) for x in zip(*(track(s)[:2] for s in TUNING), strict=True))
    errors = [abs(np.mean(truth == k) - np.mean(told == k)) for k in (2, 3, 4, 5)]
    assert max(errors) <= 0.03


def test_locomotion_is_told_within_half_a_second():
    found = np.concatenate([latencies(*track(seed)[:2], 5) for seed in TUNING])
    assert (np.median(found) <= 0.5, np.quantile(found, 0.95) <= 0.8) == (True, True)


def test_drowsiness_is_told_within_seven_seconds():
    found = np.concatenate([latencies(*track(seed)[:2], 2) for seed in TUNING])
    assert np.nanmedian(found) <= 7.0
    assert np.isnan(found).mean() <= 0.05


def test_confidence_says_how_often_the_live_track_is_right():
    sure = np.concatenate([[t.confidence for t in track(seed)[2]] for seed in TUNING])
    right = np.concatenate([truth == told for truth, told, _ in map(track, TUNING)])
    bins = np.minimum((sure * 10).astype(int), 9)
    error = sum(
        np.mean(bins == k) * abs(sure[bins == k].mean() - right[bins == k].mean())
        for k in np.unique(bins)
    )
    assert error <= 0.1
