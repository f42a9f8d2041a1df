import numpy as np
import pytest
from hypothesis import given

from tenmin.checks._kernels import suppressed
from tenmin.checks.bank import Bank
from tenmin.checks.setting import Setting
from tenmin.checks.suppression import Suppression
from tests.checks.cuts import CUTS, pieces
from tests.checks.formulas import fed, formula, gap
from tests.checks.signals import RATE, eeg, noise, unit_of

ASLEEP = Setting(facts={"dot.condition": "anaesth"})
LIGHT = Setting(
    facts={"dot.condition": "anaesth", "dot.state_definition": "light anaesthesia, urethane"}
)
THETA = 1.75 * 25.0


def bursts(seconds=70, seed=0):
    """Two seconds of 50 microvolts in turn with three of 2 microvolts; which samples are quiet."""
    quiet = (np.arange(int(seconds * RATE)) / RATE) % 5.0 >= 2.0
    x = np.random.default_rng(seed).normal(0, 1, (len(quiet), 8))
    return x * np.where(quiet, 2.0, 50.0)[:, None], quiet


def recursion(x, beta, theta):
    """Sample by sample, one channel: which samples are suppressed."""
    mean, variance, found = x[0], 0.0, []
    for value in x.tolist():
        d = value - mean
        mean += (1 - beta) * d
        variance = beta * (variance + (1 - beta) * d * d)
        found.append(variance < theta)
    return np.array(found)


def test_the_samples_are_those_of_the_recursion():
    x, _ = bursts(7)
    beta = 0.9534 ** (200 / RATE)
    mean, variance = x[0].copy(), np.zeros(8)
    found = []
    for row in x:
        counts = np.zeros(8, np.int64)
        suppressed(row[None], 1 - beta, THETA, mean, variance, counts)
        found.append(counts)
    expected = np.stack([recursion(c, beta, THETA) for c in x.T], axis=1)
    assert np.array_equal(np.array(found, bool), expected)


@given(CUTS)
def test_the_count_is_the_same_over_any_cut(lengths):
    x, _ = bursts(2)
    told = []
    for cut in ([len(x)], lengths):
        mean, variance, counts = x[0].copy(), np.zeros(8), np.zeros(8, np.int64)
        for piece in pieces(x, cut):
            suppressed(piece, 0.01, THETA, mean, variance, counts)
        told.append((mean.tolist(), variance.tolist(), counts.tolist()))
    assert told[0] == told[1]


def test_nan_is_counted_nowhere_and_stays_in_its_channel():
    x, _ = bursts(2)
    x[500, 3] = np.nan
    mean, variance, counts = x[0].copy(), np.zeros(8), np.zeros(8, np.int64)
    suppressed(x, 0.01, THETA, mean, variance, counts)
    assert np.isnan(mean).tolist() == [c == 3 for c in range(8)]


def test_the_ratio_over_a_minute_is_that_of_the_recursion():
    x, _ = bursts(70)
    found = fed(formula(Suppression, setting=ASLEEP), x)[-1].values
    beta = 0.9534 ** (200 / RATE)
    expected = [recursion(c, beta, THETA)[-60_000:].mean() for c in x.T]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_ratio_of_scripted_bursts_is_about_their_quiet_share():
    x, quiet = bursts(70)
    found = fed(formula(Suppression, setting=ASLEEP), x)[-1].values
    np.testing.assert_allclose(found, quiet[-60_000:].mean(), atol=0.15)


@pytest.mark.parametrize("rate_hz", [200.0, 500.0])
def test_the_memory_is_as_long_at_any_rate(rate_hz):
    x, _ = bursts(70)
    step = int(RATE / rate_hz)
    check = formula(Suppression, eeg(8, rate_hz), setting=ASLEEP)
    slow = fed(check, x[::step], rate_hz)[-1].values
    fast = fed(formula(Suppression, setting=ASLEEP), x)[-1].values
    np.testing.assert_allclose(slow, fast, atol=0.03)


def test_lively_signals_are_not_suppressed():
    assert not fed(formula(Suppression, setting=ASLEEP), noise(40, sd=30.0))[-1].values.any()


def test_it_is_unknown_with_less_than_half_a_minute():
    known = [
        np.isfinite(m.values).all()
        for m in fed(formula(Suppression, setting=ASLEEP), bursts(35)[0])
    ]
    assert known.index(True) == 30  # the first second only starts the recursion


def test_a_gap_is_unknown_and_adds_nothing():
    check = formula(Suppression, setting=ASLEEP)
    fed(check, bursts(40)[0])
    assert np.isnan(check.measure(gap(40)).values).all()
    after = fed(check, bursts(2)[0], first=41)
    assert np.isnan(after[0].values).all()
    assert np.isfinite(after[1].values).all()


def test_nan_makes_its_own_channel_unknown_only_and_not_for_ever():
    x, _ = bursts(50)
    x[40_500, 2] = np.nan
    found = np.array([m.values for m in fed(formula(Suppression, setting=ASLEEP), x)])
    assert np.isnan(found[40]).tolist() == [c == 2 for c in range(8)]
    assert np.isfinite(found[-1]).all()


def named(setting):
    return {unit.parameters.name for unit in Bank(eeg(), setting).units}


def test_it_runs_only_under_anaesthesia():
    assert "suppression" not in named(Setting())
    assert "suppression" in named(ASLEEP)
    assert "suppression" in named(Setting(facts={"anaes.agent": "isoflurane"}))


def test_it_warns_only_if_the_anaesthesia_is_said_to_be_light():
    silent, told = (unit_of(Bank(eeg(), s), "suppression") for s in (ASLEEP, LIGHT))
    assert silent.parameters.warn is None
    assert told.parameters.warn.on == 0.05
