from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from tenmin.checks.array import (
    DEAD,
    GOOD,
    NOISE,
    OUT,
    Excess,
    HighPower,
    Likeness,
    Similarity,
    label,
)
from tenmin.checks.coefficients import spike_band
from tenmin.checks.parameters import shipped
from tenmin.stream import Stream
from tests.checks.formulas import formula, gap
from tests.checks.seconds import second_of

FS, C = 30_000.0, 32


def probe(n_channels=C, rate_hz=FS, **facts):
    names = tuple(f"A{c}" for c in range(n_channels))
    return Stream("probe", names, rate_hz, "volts", 1e-6, kind="ecephys", facts=facts)


def array(seed=0, n=9000, dead=6, noisy=13, outside=5):
    """A common signal in all channels but a dead one, one three times as large, and the top."""
    rng = np.random.default_rng(seed)
    common = 20 * rng.normal(size=n)
    x = common[:, None] + rng.normal(size=(n, C))
    x[:, dead] = 0.01 * rng.normal(size=n)
    x[:, noisy] += 2 * common
    if outside:
        x[:, -outside:] = rng.normal(size=(n, outside))
    return x.astype(np.float32)


def truth(dead=6, noisy=13, outside=5):
    labels = np.full(C, GOOD)
    labels[dead], labels[noisy] = DEAD, NOISE
    if outside:
        labels[-outside:] = OUT
    return labels


def detrended(s):
    """As SpikeInterface describes it: minus the median of 11 neighbours, ends repeated."""
    return signal.medfilt(np.r_[[s[0]] * 6, s, [s[-1]] * 6], 11)[6:-6]


def rule(x):
    """The rule of IBL and SpikeInterface for one window, in the raw and the high-passed band."""
    x = x - x.mean(axis=0)
    sections = signal.butter(3, 300.0, "high", fs=FS, output="sos")
    start = signal.sosfilt_zi(sections)[:, :, None] * x[0]
    high = signal.sosfilt(sections, x, axis=0, zi=start)[0]
    high = high - high.mean(axis=0)
    likeness = []
    for band in (x, high):
        r = np.median(band, axis=1)
        likeness.append((band * r[:, None]).sum(axis=0) / (r**2).sum())
    near = likeness[0] - detrended(likeness[0])
    far = detrended(likeness[1]) - 1
    labels = np.where(near < -0.5, DEAD, np.where(near > 1, NOISE, GOOD))
    outside = np.flatnonzero(far < -0.75)
    if C - 1 in outside:
        runs = np.split(outside, np.flatnonzero(np.diff(outside) > 1) + 1)
        labels[runs[-1]] = OUT
    return labels


def done(work):
    """What has been worked through in parts."""
    for _ in work.parts():
        pass
    return work


def similarity(x, sections=None):
    return done(Likeness(x, np.ones(x.shape[1]), sections)).values()


def labelled(x, order=None):
    order = np.arange(C) if order is None else order
    high = similarity(x, spike_band(FS))
    return label(similarity(x), high, shipped()["similarity"], order)


def voted(windows, stream=None, every=5):
    check = formula(Similarity, stream or probe())
    for k, x in enumerate(windows):
        found = check.measure(second_of(np.zeros((1000, C)), 1000.0, number=every * k, piece=x))
    return check, found.values


def test_likeness_is_the_projection_on_the_median_channel():
    x = array().astype(float)
    x -= x.mean(axis=0)
    r = np.median(x, axis=1)
    expected = [np.dot(channel, r) / np.dot(r, r) for channel in x.T]
    np.testing.assert_allclose(similarity(array()), expected, rtol=1e-9, atol=1e-9)


def test_dead_noisy_and_outside_channels_are_told():
    assert np.array_equal(labelled(array()), truth())


@pytest.mark.parametrize("seed", range(6))
def test_labels_are_those_of_the_rule_written_anew(seed):
    rng = np.random.default_rng(seed)
    x = array(seed) * rng.uniform(0.3, 2.5, C).astype(np.float32)
    assert np.array_equal(labelled(x), rule(x))


def test_a_dead_channel_below_the_surface_is_not_outside():
    assert np.array_equal(labelled(array(outside=0)), truth(outside=0))


def test_unlike_channels_at_the_tip_are_not_outside():
    assert OUT not in labelled(array()[:, ::-1])


def test_the_surface_is_where_the_depths_say():
    x, order = array(), np.random.default_rng(1).permutation(C)
    shuffled = np.empty_like(x)
    shuffled[:, order] = x
    found = labelled(shuffled, order)
    assert np.array_equal(found[order], truth())


def test_a_check_takes_the_order_from_the_depths():
    depths = " ".join(str(20.0 * k) for k in range(C)[::-1])
    windows = [array(seed)[:, ::-1] for seed in range(10)]
    check, _ = voted(windows, probe(depths_um=depths))
    assert check.labels[0] == "out"


def test_labels_are_voted_over_ten_windows():
    odd = [array(seed, dead=9) for seed in range(4)]
    check, values = voted([array(seed) for seed in range(6)] + odd)
    assert (check.labels[6], check.labels[9], check.labels[13]) == ("dead", "good", "noise")
    assert (values[6], values[9], values[31]) == (2.0, 0.0, 1.0)


def test_labels_are_unknown_before_ten_windows():
    check, values = voted([array(seed) for seed in range(9)])
    assert set(check.labels) == {"unknown"}
    assert np.isnan(values).all()
    assert not check.bad.any()


def test_labels_are_not_trusted_when_more_than_a_third_would_be_bad():
    check, values = voted([array(seed, outside=11) for seed in range(10)])
    assert set(check.labels) == {"unknown"}
    assert np.isnan(values).all()


def test_bad_channels_are_those_with_a_bad_label():
    check, _ = voted([array(seed) for seed in range(10)])
    assert np.array_equal(check.bad, truth() != GOOD)


def test_votes_begin_anew_at_t0():
    check, _ = voted([array(seed) for seed in range(10)])
    check.anchor()
    assert set(check.labels) == {"unknown"}


def test_nan_in_one_channel_touches_no_other_label():
    x = array()
    x[50, 20] = np.nan
    found = labelled(x)
    assert found[20] == -1
    assert np.array_equal(np.delete(found, 20), np.delete(truth(), 20))


@pytest.mark.parametrize("change", [lambda x: 2 * x, lambda x: x + np.float32(300)])
def test_gain_and_offset_change_no_label(change):
    assert np.array_equal(labelled(change(array())), truth())


@pytest.mark.parametrize(("fs", "n"), [(30_000.0, 300), (2500.0, 25), (2000.0, 20)])
def test_high_power_is_scipys_welch(fs, n):
    x = np.random.default_rng(0).normal(3, 5, (int(0.3 * fs), 4)).astype(np.float32)
    f, power = signal.welch(x.astype(float), fs, "hann", n, detrend="constant", axis=0)
    expected = power[f > 0.8 * fs / 2].mean(axis=0)
    np.testing.assert_allclose(done(HighPower(x, fs, 0.8, 0.01)).mean(), expected, rtol=1e-9)


def excess_of(sd, rate_hz=FS):
    check = formula(Excess, probe(4, rate_hz))
    piece = np.random.default_rng(0).normal(0, sd, (int(0.3 * rate_hz), 4)).astype(np.float32)
    second = second_of(np.zeros((1000, 4)), 1000.0, piece=piece)
    return check, check.measure(second)


def test_white_noise_has_the_density_of_white_noise():
    np.testing.assert_allclose(excess_of(10.0)[1].values, 2 * 10.0**2 / FS, rtol=0.1)


@pytest.mark.parametrize(("rate_hz", "limit"), [(30_000.0, 0.02), (2500.0, 1.4)])
def test_the_limit_is_that_of_the_band(rate_hz, limit):
    told = Excess.fit(probe(4, rate_hz), shipped()["high_frequency"], None)
    assert (told.warn.on, told.fail.on) == (limit, limit)


@pytest.mark.parametrize("kind", [Excess, Similarity])
def test_between_pieces_the_last_answer_holds_and_then_is_unknown(kind):
    check = formula(kind, probe())
    for k in range(10):
        second = second_of(np.zeros((1000, C)), 1000.0, number=5 * k, piece=array(k))
        first = check.measure(second).values
    for number, known in ((46, True), (49, True), (50, False)):
        later = replace(second, number=number, piece=second.piece[:0])
        values = check.measure(later).values
        assert np.array_equal(values, first) if known else np.isnan(values).all()


@pytest.mark.parametrize("kind", [Excess, Similarity])
def test_work_in_parts_finds_the_same(kind):
    whole, parted = formula(kind, probe()), formula(kind, probe())
    for k in range(10):
        second = second_of(np.zeros((1000, C)), 1000.0, number=5 * k, piece=array(k))
        assert len(list(parted.parts(second))) > 3
        found, expected = parted.measure(second).values, whole.measure(second).values
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", [Excess, Similarity])
def test_a_second_with_a_gap_is_unknown(kind):
    check = formula(kind, probe())
    for k in range(10):
        check.measure(second_of(np.zeros((1000, C)), 1000.0, number=5 * k, piece=array(k)))
    assert np.isnan(check.measure(gap(46, C)).values).all()


def test_nan_in_one_channel_leaves_the_power_of_the_others():
    check = formula(Excess, probe())
    x, y = array(), array()
    y[3, 7] = np.nan
    clean, found = (
        check.measure(second_of(np.zeros((1000, C)), 1000.0, piece=z)).values for z in (x, y)
    )
    assert np.isnan(found).tolist() == [c == 7 for c in range(C)]
    assert np.array_equal(np.delete(found, 7), np.delete(clean, 7))
