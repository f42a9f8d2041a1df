import dataclasses

import numpy as np
import pytest

from tenmin.checks.arousal.animal import Switch
from tenmin.checks.arousal.features import Features
from tenmin.checks.arousal.final import (
    backdated,
    centred_mean,
    finish,
    rem_like,
    without_short,
)
from tests.checks.arousal.mice import RULES, final_track, live, states, ticks_of, track

TIMES = np.arange(1, 401) * 0.1


def test_a_change_is_moved_back_to_its_candidate_less_the_lag():
    found = backdated(TIMES, [Switch(0.0, 0.1, 3), Switch(20.0, 25.0, 2)], RULES)
    assert TIMES[found == 2][0] == pytest.approx(18.0)


def test_a_change_is_never_moved_before_the_one_that_it_follows():
    switches = [Switch(0.0, 0.1, 3), Switch(10.0, 10.5, 4), Switch(10.3, 15.3, 2)]
    found = backdated(TIMES, switches, RULES)
    assert [s for s in dict.fromkeys(found.tolist())] == [3, 2]


def test_drowsiness_below_six_seconds_is_what_was_before():
    track = np.array([3] * 50 + [2] * 59 + [4] * 50 + [2] * 60 + [3] * 9)
    found = without_short(track, 6.0)
    assert (found[50:109] == 3).all()
    assert (found[159:219] == 2).all()


def test_quiet_with_theta_and_no_muscle_is_like_rem_sleep():
    n = 600
    theta = np.r_[np.full(n, 0.2), np.full(n, 0.8), np.full(n, 0.2)]
    emg = np.r_[np.full(n, 0.0), np.full(n, -2.0), np.full(n, 0.0)]
    told = [Features(theta=float(a), emg=float(b)) for a, b in zip(theta, emg, strict=True)]
    found = rem_like(told, np.full(3 * n, 25), np.full(3 * n, 3), RULES)
    assert abs(found.sum() - n) < 100
    assert found[n + 100 : 2 * n - 100].all()


def test_theta_with_muscle_is_not():
    told = [Features(theta=0.9, emg=0.0)] * 600
    assert not rem_like(told, np.full(600, 25), np.full(600, 3), RULES).any()


def test_a_centred_mean_leaves_out_what_is_not_known():
    found = centred_mean(np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan]), 3)
    assert found[:4].tolist() == [1.0, 2.0, 3.0, 3.0]
    assert np.isnan(found[5])


def test_moving_back_raises_the_score_of_drowsiness():
    def f1(truth, told):
        both = ((truth == 2) & (told == 2)).sum()
        return 2 * both / ((truth == 2).sum() + (told == 2).sum())

    found = [(f1(*track(seed)[:2]), f1(*final_track(seed))) for seed in range(1, 6)]
    before, after = np.mean(found, axis=0)
    assert after > before + 0.05


def test_the_final_track_never_tells_what_cannot_be_told():
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(60):
        values = {n: float(rng.normal(0, 4)) for n in ("speed", "motion", "pupil", "delta")}
        for name in list(values):
            if rng.random() < 0.3:
                del values[name]
        rows += [Features(**values)] * int(rng.integers(1, 80))
    times = [0.1 * (k + 1) for k in range(len(rows))]
    needs = {5: 1, 4: 2 | 4 | 16, 2: 8 | 2, 1: 4 | 16}
    found = finish(times, rows, RULES)
    assert all(t.modalities & needs.get(t.state, -1) or t.state == 0 for t in found)


def test_the_final_track_leaves_the_live_one_alone():
    columns = {"speed": np.r_[np.zeros(100), np.full(50, 9.0), np.zeros(100)]}
    columns["motion"] = columns["speed"] / 2
    times, rows = ticks_of(columns, ("speed", "motion"))
    before = live(times, rows)
    kept = [dataclasses.replace(tick) for tick in before]
    after = finish(times, rows, RULES)
    assert before == kept
    assert (states(after) == 5).argmax() < (states(before) == 5).argmax()
