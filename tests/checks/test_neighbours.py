import numpy as np
import pytest
from scipy import signal

from tenmin.checks.lattice import POP, Masks
from tenmin.checks.neighbours import Correlation, highest_correlations
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared
from tenmin.ring import Piece
from tests.checks.formulas import fed, formula, gap
from tests.checks.seconds import second_of
from tests.checks.signals import RATE, bank_of, eeg, noise, unit_of


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
    found = [highest_correlations(x, 98.0) for x in alike(60, 2, r=0.6).reshape(60, 1000, 2)]
    assert np.median(found) == pytest.approx(0.6, abs=0.02)


def test_a_channel_that_stands_alone_is_told_and_the_others_are_not():
    codes = unit_of(bank_of(alike(alone=(5,))), "correlation").codes
    assert np.flatnonzero(codes >= 2).tolist() == [5]


def test_a_dead_channel_is_unknown_and_no_part_of_the_others():
    x = alike(n_channels=9)
    clean = values_of(np.delete(x, 3, 1))
    x[:, 3] = 4.0
    found = values_of(x, n_channels=9)
    assert np.isnan(found[:, 3]).all()
    np.testing.assert_allclose(np.delete(found, 3, 1), clean, rtol=1e-12)


def test_nan_makes_its_own_channel_unknown_only():
    x = alike(n_channels=9)
    x[5200, 6] = np.nan
    found = values_of(x, n_channels=9)
    assert np.isnan(found[5:]).any(axis=0).tolist() == [c == 6 for c in range(9)]


def test_a_gap_is_unknown():
    check = formula(Correlation)
    fed(check, alike(5))
    assert np.isnan(check.measure(gap(5)).values).all()


def test_it_is_unknown_for_three_seconds():
    assert np.isnan(values_of(alike(4))).all(axis=1).tolist() == [True, True, False, False]


@pytest.mark.parametrize(("n_channels", "unknown"), [(1, True), (7, True), (8, False)])
def test_it_is_unknown_with_fewer_than_eight_channels(n_channels, unknown):
    found = values_of(alike(5, n_channels), n_channels=n_channels)[-1]
    assert np.isnan(found).tolist() == [unknown] * n_channels


def test_few_channels_that_share_nothing_are_not_bad():
    check = formula(Correlation, n_channels=4)
    fed(check, noise(120, 4))
    assert not check.bad.any()


def masked(x, marks):
    """The formula after each second of a signal, with bits (second, bin, channel, late)."""
    masks, told = Masks(), shipped()["correlation"]
    check = Correlation(eeg(x.shape[1]), told, Shared(Setting(50.0), Spectra(), masks))
    values = []
    for k in range(len(x) // 1000):
        bits = np.zeros((10, x.shape[1]), np.uint16)
        masks.begin(k, bits)
        for marked, slot, channel, late in marks:
            if not late and marked == k:
                bits[slot, channel] = POP
            if late and marked == k - 1:
                late_bits = np.zeros_like(bits)
                late_bits[slot, channel] = POP
                masks.add_late(late_bits)
        second = second_of(x[k * 1000 : (k + 1) * 1000], RATE, number=k)
        values.append(check.measure(second).values)
    return check, np.array(values)


def test_a_second_that_another_check_masked_is_no_window_of_its_channel():
    check, values = masked(alike(12, 9), [(6, 1, 2, False)])
    assert np.argwhere(np.isnan(values[2:])).tolist() == [[4, 2]]
    assert (check.n[2], check.n[0]) == (10, 11)


def test_the_window_that_the_end_of_a_mask_moves_is_none_either():
    check, values = masked(alike(12, 9), [(6, 8, 2, False)])
    assert np.argwhere(np.isnan(values[2:])).tolist() == [[4, 2], [5, 2]]
    assert check.n[2] == 9


def test_a_window_that_the_next_second_masks_is_not_counted():
    check, _ = masked(alike(12, 9), [(6, 1, 2, True)])
    assert (check.n[2], check.n[0]) == (10, 11)


def test_a_masked_channel_is_no_part_of_the_others():
    x = alike(12, 9)
    x[6000:7000, [2, 3]] = 1e4 * noise(1, 1)
    _, values = masked(x, [(6, 1, 3, False)])
    assert values[6, 2] < values[5, 2]


def test_a_flat_stretch_in_a_bank_makes_its_second_unknown_and_no_other():
    x = alike(12, 9)
    x[6100:6400, 2] = 0.0
    found = []
    bank = bank_of(x[:6000])
    unit = unit_of(bank, "correlation")
    for at in range(6000, 12_000, 1000):
        bank.feed(Piece(at, at, np.rint(x[at : at + 1000] * 100).astype(np.int32), None, 0, 0))
        found.append(np.isnan(unit.values[2]))
    assert found == [False, True, False, False, False, False]


def test_channels_below_the_limit_in_more_than_a_hundredth_of_the_windows_are_bad():
    x = alike(120)
    x[30_000:33_000, 2] = noise(3)[:, 0]
    check = formula(Correlation)
    fed(check, x)
    assert np.flatnonzero(check.bad).tolist() == [2]


def test_fewer_than_a_hundred_windows_tell_no_bad_channel():
    check = formula(Correlation)
    fed(check, alike(100, alone=(2,)))
    assert not check.bad.any()  # of the newest window the next second may tell more
    fed(check, alike(1), first=100)
    assert np.flatnonzero(check.bad).tolist() == [2]


def test_windows_are_counted_from_t0():
    check = formula(Correlation)
    fed(check, alike(10, alone=(2,)))
    check.anchor()
    fed(check, alike(10), first=10)
    assert (check.low.max(), check.n.min()) == (0, 9)


@pytest.mark.parametrize(("gain", "offset"), [(2.0, 0.0), (1.0, 500.0)])
def test_gain_and_offset_change_nothing(gain, offset):
    x = alike(6)
    np.testing.assert_allclose(values_of(gain * x + offset), values_of(x), rtol=1e-6)


def test_the_order_of_channels_changes_nothing():
    x, order = alike(6), np.random.default_rng(4).permutation(8)
    np.testing.assert_allclose(values_of(x[:, order]), values_of(x)[:, order], rtol=1e-9)
