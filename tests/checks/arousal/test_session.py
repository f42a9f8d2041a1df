"""From the streams of a simulated mouse to both tracks."""

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
from tenmin_simulators.behaviour import behave

from tenmin.checks.arousal import Arousal, Joiner, rows
from tenmin.checks.arousal.features import NAMES, Features
from tenmin.checks.arousal.roles import roles
from tenmin.checks.arousal.session import ANAESTHESIA, ANIMAL, HUMAN, IN_VITRO, matrix
from tenmin.stream import Stream
from tests.checks.arousal.mice import RULES, kappa, states
from tests.checks.arousal.test_extractors import pink
from tests.checks.arousal.test_roles import BELT, EYE

SETTLE_S, BLOCK_S = 200, 200
LFP = Stream("lfp", ("1", "2", "3"), 250.0, "volts", 1e-6, kind="ieeg")


def recorded(seed, seconds):
    """Behaviour, and (times, samples) of the belt, the eye and the field, in physical units."""
    b = behave(np.random.default_rng(seed), seconds)
    rng = np.random.default_rng((seed, 1))
    belt, eye, lfp = (np.arange(round(seconds * r)) / r for r in (100.0, 30.0, 250.0))
    pupil = 0.6 + 1.6 * b.at("pupil", eye) + 0.005 * rng.standard_normal(len(eye))
    motion = np.exp(0.5 * b.at("motion", eye))
    wave = 10 ** (b.at("delta", lfp) / 4) * np.sin(2 * np.pi * 2.3 * lfp)
    return b, {
        "treadmill": (belt, b.at("position_cm", belt)[:, None] / 100),
        "eye": (eye, np.c_[pupil, motion, np.ones(len(eye))]),
        "lfp": (lfp, pink(len(lfp), 3, seed) + 12 * wave[:, None]),
    }


@functools.cache
def session(seed=1, without=(), cut_s=1.0):
    seconds = SETTLE_S + BLOCK_S
    b, data = recorded(seed, seconds)
    streams = [s for s in (BELT, EYE, LFP) if s.name not in without]
    found = [(r, r.extractor(0.0, RULES)) for r in roles(streams, ANIMAL, RULES)]
    joiner = Joiner(0.0, {role.what: its.names for role, its in found})
    arousal = Arousal(ANIMAL, RULES)
    for k in range(round(seconds / cut_s)):
        for role, its in found:
            t, x = data[role.stream]
            at = slice(*np.searchsorted(t, (k * cut_s, (k + 1) * cut_s)))
            joiner.put(role.what, its.feed(t[at], x[at][:, list(role.channels)]))
        for t, f in joiner.take((k + 1) * cut_s):
            arousal.step(t, f, t <= SETTLE_S)
    return b.code, arousal, arousal.close()


def in_block(ticks):
    return [tick for tick in ticks if tick.t > SETTLE_S + 0.05]


def score(code, ticks):
    told = states(in_block(ticks))
    return kappa(code[SETTLE_S * 10 : SETTLE_S * 10 + len(told)], told)


def test_from_samples_to_states_both_tracks_agree_with_the_truth():
    code, arousal, final = session()
    assert score(code, arousal.live) >= 0.7
    assert score(code, final) >= 0.9


def test_the_final_track_is_as_long_as_the_live_one_and_leaves_it_alone():
    _, arousal, final = session()
    before = list(arousal.live)
    arousal.close()
    assert (len(final), arousal.live) == (len(before), before)


def test_any_cut_gives_the_same_tracks():
    _, one, first = session()
    _, other, second = session(cut_s=0.37)
    n = min(len(first), len(second))
    assert one.live[: n - 20] == other.live[: n - 20]


def test_a_missing_camera_lowers_the_confidence_and_running_is_still_told():
    code, full, _ = session()
    _, less, _ = session(without=("eye",))
    told = states(in_block(less.live))
    truth = code[SETTLE_S * 10 : SETTLE_S * 10 + len(told)]
    mean = [np.mean([t.confidence for t in in_block(a.live)]) for a in (full, less)]
    assert mean[1] < mean[0] - 0.1
    assert 4 not in told
    assert np.mean(told[truth == 5] == 5) > 0.8


def test_a_block_whose_features_were_kept_has_the_same_final_track():
    _, live, final = session()
    settling = sum(t <= SETTLE_S for t in live.times)
    again = Arousal.again(ANIMAL, live.times, live.raw, settling, RULES)
    assert again.close() == final


def test_rows_of_both_tracks_cover_the_block():
    _, arousal, final = session()
    for ticks in (arousal.live, final):
        found = rows(ticks, SETTLE_S, SETTLE_S + BLOCK_S - 1.0, RULES.version)
        assert sum(r.stop_time - r.start_time for r in found) == pytest.approx(BLOCK_S - 1.0)


def test_features_come_as_a_matrix_with_a_row_per_tick():
    _, arousal, final = session()
    assert matrix(arousal.features()).shape == (len(final), len(NAMES))


def test_what_the_track_rests_on_can_be_stored():
    _, arousal, _ = session()
    told = json.loads(json.dumps(arousal.settings()))
    assert told["ruleset_sha256"] == RULES.sha256
    assert told["calibration"]["motion"]["sigma"] > 0


def test_thresholds_do_not_move_inside_the_block():
    _, arousal, _ = session()
    kept = arousal.calibration
    again = Arousal(ANIMAL, RULES)
    for t, f in zip(arousal.times, arousal.raw, strict=True):
        if t > SETTLE_S + 1.0:
            break
        again.step(t, f, t <= SETTLE_S)
    assert again.calibration == kept


def test_the_families_have_their_own_states():
    given = {
        HUMAN: (Features(theta_fraction=0.2, delta_fraction=0.3, alpha_fraction=0.4), {0, 3}),
        ANAESTHESIA: (Features(delta_fraction=0.9), {0, 6}),
        IN_VITRO: (Features(activity=5.0), {0, 7}),
    }
    for kind, (features, expected) in given.items():
        arousal, told = Arousal(kind, RULES), set()
        for k in range(1, 1200):
            f = replace(features, theta_fraction=features.theta_fraction + 0.01 * (k % 2))
            told.add(arousal.step(k / 10, f, k < 900).state)
        assert told == expected
        assert len(arousal.close()) == 1199
