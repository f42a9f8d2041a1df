"""Electrode faults: the truth says exactly which samples are bad."""

import numpy as np
import pytest
from scipy.signal import welch
from tenmin_simulators import signals

RATE = 500.0


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((30_000, 4)) * 10.0


def test_a_dead_channel_is_constant_from_its_onset_and_others_are_not(samples):
    before = samples.copy()
    event = signals.dead(samples, RATE, 2, 10.0)
    assert np.all(samples[5000:, 2] == 0)
    np.testing.assert_array_equal(samples[:5000], before[:5000])
    np.testing.assert_array_equal(samples[:, [0, 1, 3]], before[:, [0, 1, 3]])
    assert (event.channels, event.onset_s, event.offset_s) == ((2,), 10.0, 60.0)


def test_flat_runs_are_the_runs_of_the_truth(samples):
    events = signals.flat_runs(np.random.default_rng(1), samples, RATE, 1, 5)
    same = np.flatnonzero(np.diff(samples[:, 1]) == 0)
    told = np.concatenate(
        [np.arange(round(e.onset_s * RATE), round(e.offset_s * RATE)) for e in events]
    )
    np.testing.assert_array_equal(same + 1, told)


def test_a_clipped_channel_reaches_its_limit_only_where_the_truth_says(samples):
    events = signals.clip(samples, RATE, 0, 20.0)
    told = np.zeros(len(samples), bool)
    for event in events:
        told[round(event.onset_s * RATE) : round(event.offset_s * RATE)] = True
    np.testing.assert_array_equal(np.abs(samples[:, 0]) >= 20.0, told)
    assert np.abs(samples[:, 0]).max() == 20.0


def test_a_pop_is_a_step_that_decays(samples):
    samples[:] = np.random.default_rng(0).standard_normal(samples.shape)
    before = samples.copy()
    events = signals.pops(np.random.default_rng(3), samples, RATE, 3, per_min=4.0)
    added = samples[:, 3] - before[:, 3]
    assert len(events) >= 1
    first = round(events[0].onset_s * RATE)
    assert added[first] == pytest.approx(events[0].magnitude, rel=0.01)
    assert added[first + 100] == pytest.approx(events[0].magnitude * np.exp(-1), rel=0.05)
    assert np.all(added[:first] == 0)


def test_a_white_channel_is_white(samples):
    signals.white(np.random.default_rng(4), samples, RATE, 0, 50.0)
    f, power = welch(samples[:, 0], RATE, "hann", 500)
    slope = np.polyfit(np.log10(f[2:200]), np.log10(power[2:200]), 1)[0]
    assert slope == pytest.approx(0.0, abs=0.1)
    assert samples[:, 0].std() == pytest.approx(50.0, rel=0.02)


def test_a_badly_coupled_channel_hums_and_its_neighbours_do_not(samples):
    signals.high_impedance(np.random.default_rng(5), samples, RATE, 1)
    f, power = welch(samples, RATE, "hann", 1000, axis=0)
    peak = power[np.abs(f - 50) <= 1].mean(0) / power[np.abs(f - 58) <= 3].mean(0)
    assert peak[1] > 30
    assert peak[[0, 2, 3]].max() < 2


def test_bridged_channels_are_identical(samples):
    event = signals.bridged(samples, RATE, 0, 3)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 3])
    assert event.channels == (0, 3)


def test_a_clipped_run_stands_mostly_at_the_ends_of_the_range_and_only_there(samples):
    events = signals.clip_runs(np.random.default_rng(6), samples, RATE, 2, 3, 500.0)
    told = np.zeros(len(samples), bool)
    for event in events:
        told[round(event.onset_s * RATE) : round(event.offset_s * RATE)] = True
    full = np.abs(samples[:, 2]) >= 500.0
    assert len(events) == 3
    assert full[told].mean() > 0.7
    assert not full[~told].any()


def test_pops_have_heights_of_the_range_and_keep_their_distance(samples):
    before = samples.copy()
    events = signals.pops(
        np.random.default_rng(7), samples, RATE, 1, per_min=20.0, sigmas=(10.0, 20.0), apart_s=1.0
    )
    heights = np.abs([e.magnitude for e in events]) / before[:, 1].std()
    assert len(events) > 5
    assert heights.min() >= 10.0
    assert heights.max() <= 20.0
    assert np.diff([e.onset_s for e in events]).min() >= 1.0


def test_white_noise_keeps_to_its_time(samples):
    before = samples.copy()
    event = signals.white(np.random.default_rng(8), samples, RATE, 0, 50.0, 10.0, 20.0)
    changed = np.flatnonzero(samples[:, 0] != before[:, 0]) / RATE
    assert (changed.min(), changed.max()) == (10.0, 20.0 - 1 / RATE)
    assert (event.onset_s, event.offset_s) == (10.0, 20.0)


def test_hum_in_episodes_reads_as_its_levels():
    rng = np.random.default_rng(9)
    samples = rng.standard_normal((400_000, 2)) * 10.0
    density = 2 * 10.0**2 / 1000.0
    events = signals.hum(rng, samples, 1000.0, density, levels_db=(8.0, 12.0, 20.0))
    assert sorted(e.magnitude for e in events) == [8.0, 12.0, 20.0]
    for event in events:
        part = slice(round((event.onset_s + 1) * 1000), round((event.offset_s - 1) * 1000))
        f, power = welch(samples[part], 1000.0, "hann", 2000, axis=0)
        away = np.abs(f - 50)
        ratio = power[away <= 1].mean() / power[(away >= 3) & (away <= 8)].mean()
        assert 10 * np.log10(ratio) == pytest.approx(event.magnitude, abs=1.0)


def test_there_is_no_hum_outside_of_its_episodes():
    samples = np.zeros((200_000, 1))
    events = signals.hum(np.random.default_rng(10), samples, 1000.0, 1.0, levels_db=(8.0, 20.0))
    told = np.zeros(len(samples), bool)
    for event in events:
        told[int(event.onset_s * 1000) : int(event.offset_s * 1000) + 1] = True
    assert np.any(samples[told])
    assert not np.any(samples[~told])


def test_sites_of_a_probe_are_what_their_labels_say():
    samples, labels, events = signals.probe_sites(
        np.random.default_rng(11), 30_000, 30_000.0, 48, dead=(5,), noisy=(20, 21), outside=8
    )
    centred = samples - samples.mean(0)
    common = np.median(centred, axis=1)
    alike = centred.T @ common / (common @ common)
    assert np.abs(alike[labels == 0] - 1.0).max() < 0.35
    assert abs(alike[5]) < 0.1
    assert alike[labels == 3].max() < 0.8
    f, power = welch(centred, 30_000.0, "hann", 2048, axis=0)
    high = power[f > 12_000].mean(0)
    assert np.all(high[labels == 2] > 0.02)
    assert np.all(high[labels != 2] < 0.02)
    assert [e.type for e in events] == ["dead", "noisy", "noisy", *["outside"] * 8]


def test_sites_outside_of_the_brain_share_nothing_fast():
    samples, labels, _ = signals.probe_sites(
        np.random.default_rng(12), 30_000, 30_000.0, 48, outside=8
    )
    f, power = welch(samples, 30_000.0, "hann", 2048, axis=0)
    fast = power[(f > 500) & (f < 5000)].mean(0)
    assert fast[labels == 3].max() < fast[labels == 0].min()
