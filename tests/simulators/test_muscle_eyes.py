"""Muscle and eyes: what the text of science.md E.1 says of G7 and G8, by oracles of our own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, find_peaks, sosfiltfilt, welch
from tenmin_simulators import montage
from tenmin_simulators.eyes import Eyes, Lids
from tenmin_simulators.human_eeg import LABELS
from tenmin_simulators.muscle import Muscle

RATE = 1000.0


def rng(seed=0):
    return np.random.default_rng(seed)


def some_muscle(seed=0):
    muscle = Muscle(rng(seed), LABELS, RATE)
    muscle.scatter(rng(seed + 100), 600.0)
    return muscle


def some_eyes(seed=0):
    eyes = Eyes(Lids(rng(seed)), LABELS, RATE)
    eyes.lids.close(20.0, 30.0)
    eyes.lids.drowse(40.0, 60.0)
    eyes.roll(40.0, 60.0)
    return eyes


def played(what, seconds, start_s=0.0):
    samples = np.zeros((round(seconds * RATE), len(LABELS)))
    what.add(samples, round(start_s * RATE))
    return samples


def test_five_bursts_of_muscle_come_in_ten_minutes_far_apart():
    events = some_muscle().events
    assert len(events) == 5
    gaps = [b.onset_s - a.offset_s for a, b in pairwise(events)]
    assert min(gaps) >= 5.0
    assert 0.0 <= events[0].onset_s < events[-1].offset_s <= 600.0


def test_a_burst_has_the_rms_of_its_truth_at_the_temples():
    muscle = Muscle(rng(), LABELS, RATE)
    event = muscle.place(1.0, 9.0, 50.0)
    inside = played(muscle, 10.0)[1500:8500]
    assert inside[:, LABELS.index("T7")].std() == pytest.approx(event.magnitude, rel=0.1)
    assert inside[:, LABELS.index("T8")].std() == pytest.approx(event.magnitude, rel=0.1)
    assert np.all(inside[:, LABELS.index("Cz")] == 0)


def test_a_burst_is_noise_between_20_and_200_hz():
    muscle = Muscle(rng(), LABELS, RATE)
    muscle.place(0.0, 60.0)
    f, power = welch(played(muscle, 60.0)[:, LABELS.index("T7")], RATE, "hann", 1000)
    inside = (f >= 20) & (f <= 200)
    assert power[inside].sum() / power.sum() > 0.99
    assert power[inside & (f < 60)].mean() == pytest.approx(
        power[inside & (f > 160)].mean(), rel=0.2
    )


def test_there_is_no_muscle_outside_of_the_bursts():
    muscle = some_muscle()
    samples = played(muscle, 600.0)
    told = np.zeros(len(samples), bool)
    for event in muscle.events:
        told[round(event.onset_s * RATE) : round(event.offset_s * RATE)] = True
    np.testing.assert_array_equal(np.any(samples != 0, axis=1), told)


def test_muscle_without_a_temporal_channel_is_refused():
    with pytest.raises(ValueError, match="temporal"):
        Muscle(rng(), ["Fz", "Cz", "Pz"], RATE)


def test_blinks_come_fifteen_times_a_minute():
    counts = [len(Lids(rng(seed)).events_until(600.0)) for seed in range(40)]
    assert np.mean(counts) == pytest.approx(150, abs=6)


def test_blinks_last_and_rise_as_the_text_says():
    events = Lids(rng()).events_until(6000.0)
    length = np.array([e.offset_s - e.onset_s for e in events])
    height = np.array([e.magnitude for e in events])
    assert length.min() >= 0.2 - 1e-9
    assert length.max() <= 0.4 + 1e-9
    assert 100.0 <= height.min() < 110.0
    assert 290.0 < height.max() <= 300.0


def test_every_blink_of_the_truth_is_a_peak_of_its_height_and_no_other_is():
    eyes = Eyes(Lids(rng(3)), LABELS, RATE)
    front = played(eyes, 600.0)[:, LABELS.index("Fp1")]
    events = [e for e in eyes.events_until(600.0) if e.offset_s < 600.0]
    peaks, _ = find_peaks(front, height=50.0)
    assert len(peaks) == len(events)
    np.testing.assert_allclose(front[peaks], [e.magnitude for e in events], rtol=0.01)
    middle = [(e.onset_s + e.offset_s) / 2 for e in events]
    np.testing.assert_allclose(peaks / RATE, middle, atol=2e-3)


def test_a_blink_is_biphasic():
    eyes = Eyes(Lids(rng(), per_min=0.0), LABELS, RATE)
    eyes.lids.blink(1.0, 0.3, 200.0)
    front = played(eyes, 3.0)[:, 0]
    assert front.max() == pytest.approx(200.0, rel=1e-3)
    assert front.min() == pytest.approx(-30.0, rel=1e-2)
    assert front.argmax() < front.argmin()


def test_blinks_fall_off_from_front_to_back():
    eyes = Eyes(Lids(rng(), per_min=0.0), LABELS, RATE)
    eyes.lids.blink(1.0)
    peak = played(eyes, 2.0).max(axis=0)
    rows = [peak[LABELS.index(name)] for name in ("Fpz", "AFz", "Fz", "FCz", "Cz", "O1")]
    assert np.all(np.diff(rows[:5]) < 0)
    assert rows[5] == 0


def test_nobody_blinks_with_closed_eyes():
    lids = Lids(rng())
    lids.close(100.0, 200.0)
    during = [e for e in lids.events_until(400.0) if e.type == "blink" and 100 <= e.onset_s < 200]
    assert during == []
    assert len([e for e in lids.events_until(400.0) if e.type == "blink"]) > 50


def test_closing_the_eyes_changes_nothing_before():
    open_, closed = Lids(rng(5)), Lids(rng(5))
    closed.close(100.0, 130.0)
    assert closed.events_until(100.0) == open_.events_until(100.0)


def test_a_blink_on_command_changes_nothing_before():
    free, told = Lids(rng(5)), Lids(rng(5))
    at = free.events_until(100.0)[-1].onset_s + 0.1  # while another one is under way
    told.blink(at)
    assert told.events_until(at) == free.events_until(at)


def test_lids_are_shut_in_a_closure_and_open_around_it():
    lids = Lids(rng(), per_min=0.0)
    lids.close(2.0, 4.0)
    np.testing.assert_array_equal(lids.closed(np.array([1.9, 3.0, 4.1])), [0.0, 1.0, 0.0])


def test_blinks_of_a_drowsy_person_are_long():
    lids = Lids(rng())
    lids.drowse(100.0, 300.0)
    events = lids.events_until(400.0)
    slow = [e.offset_s - e.onset_s for e in events if 100 <= e.onset_s < 300]
    fast = [e.offset_s - e.onset_s for e in events if not 100 <= e.onset_s < 300]
    assert min(slow) >= 0.6 - 1e-9
    assert max(fast) <= 0.4 + 1e-9


def test_slow_eye_movements_are_of_a_third_of_a_hertz_and_opposite_at_the_temples():
    eyes = Eyes(Lids(rng(), per_min=0.0), LABELS, RATE)
    event = eyes.roll(0.0, 60.0, 200.0)
    samples = played(eyes, 60.0)
    left, right = samples[:, LABELS.index("F7")], samples[:, LABELS.index("F8")]
    np.testing.assert_allclose(left, -right)
    f, power = welch(right - left, RATE, "hann", 30_000)
    assert f[power.argmax()] == pytest.approx(0.3, abs=0.04)
    low, high = event.magnitude * 0.95, event.magnitude * 1.01
    assert low < np.abs(right - left).max() < high


def test_the_filter_of_the_oracle_finds_the_blinks_in_a_background():
    eyes = Eyes(Lids(rng(9)), LABELS, RATE)
    noise = np.cumsum(rng(8).standard_normal(300_000)) * 0.5
    front = played(eyes, 300.0)[:, 0] + noise
    band = sosfiltfilt(butter(2, (0.5, 10.0), "bandpass", fs=RATE, output="sos"), front)
    peaks, _ = find_peaks(band, height=60.0, distance=500)
    truth = np.array([(e.onset_s + e.offset_s) / 2 for e in eyes.events_until(300.0)])
    hit = [np.abs(peaks / RATE - t).min() < 0.2 for t in truth]
    assert np.mean(hit) > 0.95


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 9000), min_size=1, max_size=12), seed=st.integers(0, 3))
def test_muscle_and_eyes_are_the_same_whatever_the_cuts(cuts, seed):
    whole, pieces = np.zeros((70_000, len(LABELS))), np.zeros((70_000, len(LABELS)))
    for one in (some_eyes(seed), some_muscle(seed)):
        one.add(whole, 0)
    again, first = (some_eyes(seed), some_muscle(seed)), 0
    for n in [*cuts, len(pieces)]:
        for one in again:
            one.add(pieces[first : first + n], first)
        first += len(pieces[first : first + n])
    np.testing.assert_array_equal(pieces, whole)


def test_another_seed_gives_other_blinks_and_the_same_seed_the_same():
    assert Lids(rng(1)).events_until(60.0) == Lids(rng(1)).events_until(60.0)
    assert Lids(rng(1)).events_until(60.0) != Lids(rng(2)).events_until(60.0)


def test_the_truth_of_the_eyes_does_not_depend_on_who_looked_first():
    one, other = Lids(rng(4)), Lids(rng(4))
    for t in range(1, 100):
        one.closed(np.array([t * 1.0]))
    assert one.events_until(100.0) == other.events_until(100.0)


def test_names_of_no_head_see_nothing():
    for weights in (montage.frontal, montage.temporal, montage.posterior, montage.sideways):
        assert not weights(["EX1", "ch7", "AP12", "Status"]).any()
