import numpy as np
import pytest
from scipy import signal

from tenmin.checks.neighbours import Correlation, highest_correlations
from tests.checks.formulas import fed, formula, gap
from tests.checks.signals import RATE, bank_of, noise, unit_of


def alike(seconds=12, n_channels=8, r=0.9, alone=(), seed=0):
    """White noise with one correlation between all channels but those that stand alone."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    own, common = rng.normal(size=(n, n_channels)), rng.normal(size=(n, 1))
    x = np.sqrt(r) * common + np.sqrt(1 - r) * own
    x[:, list(alone)] = own[:, list(alone)]
    return 10 * x


def values_of(x, **kwargs):
    return np.array([m.values for m in fed(formula(Correlation, **kwargs), x)])


def test_the_percentile_is_numpys_of_corrcoef():
    x = alike(1)
    r = np.abs(np.corrcoef(x.T))
    expected = [np.percentile(np.delete(r[c], c), 98) for c in range(8)]
    np.testing.assert_allclose(highest_correlations(x, 98.0), expected, rtol=1e-9)


def test_the_value_is_the_smoothed_percentile_of_filtered_seconds():
    x = alike(12)
    sections = signal.butter(2, (1.0, 50.0), "band", fs=RATE, output="sos")
    start = signal.sosfilt_zi(sections)[:, :, None] * x[0]
    band = signal.sosfilt(sections, x, axis=0, zi=start)[0]
    found = [highest_correlations(s[::7], 98.0) for s in band.reshape(12, 1000, 8)]
    weights = np.exp(-np.arange(12)[::-1] / 10)
    np.testing.assert_allclose(
        values_of(x)[-1], np.average(found, axis=0, weights=weights), rtol=1e-9
    )


def test_a_known_correlation_is_found():
    assert np.median(values_of(alike(60, 2, r=0.6), n_channels=2)[-1]) == pytest.approx(
        0.6, abs=0.05
    )


def test_a_channel_that_stands_alone_is_told_and_the_others_are_not():
    codes = unit_of(bank_of(alike(alone=(5,))), "correlation").codes
    assert np.flatnonzero(codes >= 2).tolist() == [5]


def test_a_dead_channel_is_unknown_and_no_part_of_the_others():
    x = alike()
    clean = values_of(np.delete(x, 3, 1), n_channels=7)
    x[:, 3] = 4.0
    found = values_of(x)
    assert np.isnan(found[:, 3]).all()
    np.testing.assert_allclose(np.delete(found, 3, 1), clean, rtol=1e-12)


def test_nan_makes_its_own_channel_unknown_only():
    x = alike()
    x[5200, 6] = np.nan
    found = values_of(x)
    assert np.isnan(found[5:]).any(axis=0).tolist() == [c == 6 for c in range(8)]


def test_a_gap_is_unknown():
    check = formula(Correlation)
    fed(check, alike(5))
    assert np.isnan(check.measure(gap(5)).values).all()


def test_it_is_unknown_for_three_seconds():
    assert np.isnan(values_of(alike(4))).all(axis=1).tolist() == [True, True, False, False]


def test_it_is_unknown_for_a_single_channel():
    assert np.isnan(values_of(alike(5, 1), n_channels=1)).all()


def test_channels_below_the_limit_in_more_than_a_hundredth_of_the_windows_are_bad():
    x = alike(120)
    x[30_000:33_000, 2] = noise(3)[:, 0]
    check = formula(Correlation)
    fed(check, x)
    assert np.flatnonzero(check.bad).tolist() == [2]


def test_windows_are_counted_from_t0():
    check = formula(Correlation)
    fed(check, alike(10, alone=(2,)))
    check.anchor()
    fed(check, alike(10), first=10)
    assert not check.bad.any()


@pytest.mark.parametrize(("gain", "offset"), [(2.0, 0.0), (1.0, 500.0)])
def test_gain_and_offset_change_nothing(gain, offset):
    x = alike(6)
    np.testing.assert_allclose(values_of(gain * x + offset), values_of(x), rtol=1e-6)


def test_the_order_of_channels_changes_nothing():
    x, order = alike(6), np.random.default_rng(4).permutation(8)
    np.testing.assert_allclose(values_of(x[:, order]), values_of(x)[:, order], rtol=1e-9)
