import numpy as np
import pytest
from scipy import signal

from tenmin.checks.lattice import MUSCLE
from tenmin.checks.muscle import Baseline, Muscle
from tenmin.checks.parameters import shipped
from tenmin.verdict import UNKNOWN, WARN
from tests.checks.formulas import fed, formula, gap, smooth_noise
from tests.checks.signals import RATE, bank_of, eeg, noise, verdict_of

BURSTS = ((20.3, 0.8), (23.15, 0.5), (27.0, 1.4), (31.45, 0.25), (36.6, 2.0))


def with_bursts(
    seconds=40, rate_hz=RATE, band=(20, 200), bursts=BURSTS, channels=(0, 1, 4, 5), sd=25
):
    """White noise of 5 microvolts, and louder 20-200 Hz noise on some channels in bursts."""
    rng = np.random.default_rng(0)
    n = int(seconds * rate_hz)
    x = rng.normal(0, 5, (n, 8))
    sections = signal.butter(4, band, "band", fs=rate_hz, output="sos")
    loud = signal.sosfilt(sections, rng.normal(size=(n, len(channels))), axis=0)
    loud *= sd / loud.std(axis=0)
    t = np.arange(n) / rate_hz
    inside = np.any([(t >= a) & (t < a + d) for a, d in bursts], axis=0) if bursts else t < 0
    x[np.ix_(inside, channels)] += loud[inside]
    return x, inside


def envelopes_of(x, rate_hz=RATE, corners=(110.0, 140.0)):
    """Envelopes of the band with scipy."""
    band = signal.butter(4, corners, "band", fs=rate_hz, output="sos")
    y = signal.sosfilt(band, x, axis=0, zi=signal.sosfilt_zi(band)[:, :, None] * x[0])[0]
    y = np.abs(y) * np.pi / 2
    low = signal.butter(2, 30.0, "low", fs=rate_hz, output="sos")
    return signal.sosfilt(low, y, axis=0, zi=signal.sosfilt_zi(low)[:, :, None] * y[0])[0]


def chain(x, anchored_s, rate_hz=RATE, corners=(110.0, 140.0), limit=4.0):
    """The causal chain with scipy: which samples lie beyond the limit."""
    e = envelopes_of(x, rate_hz, corners)
    rest = e[int(rate_hz) : int(anchored_s * rate_hz)]
    z = ((e - rest.mean(axis=0)) / rest.std(axis=0)).sum(axis=1) / np.sqrt(x.shape[1])
    z[: int(rate_hz)] = 0
    return signal.sosfilt(signal.butter(2, 4.0, "low", fs=rate_hz, output="sos"), z) > limit


def masks(x, rate_hz=RATE, anchored_s=15):
    """Bins of each second after a settle period of some seconds, and what was measured."""
    check = formula(Muscle, eeg(8, rate_hz))
    n = int(rate_hz)
    fed(check, x[: anchored_s * n], rate_hz)
    check.anchor()
    found = fed(check, x[anchored_s * n :], rate_hz)
    return np.concatenate(
        [np.zeros(10, bool) if m.bins is None else m.bins[:, 0] for m in found]
    ), found


def test_the_mask_of_five_bursts_is_that_of_the_causal_chain():
    x, _ = with_bursts()
    found, _ = masks(x)
    beyond = chain(x, 15)[15_000:].reshape(-1, 100).any(axis=1)
    assert beyond.sum() > 30
    assert (found == beyond).mean() >= 0.99


def test_the_bursts_are_found_to_a_tenth_of_a_second_or_two():
    x, _ = with_bursts()
    found, _ = masks(x)
    edges = np.diff(found.astype(int), prepend=0, append=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    assert len(starts) == 5
    for (at, duration), a, b in zip(BURSTS, starts / 10 + 15, stops / 10 + 15, strict=True):
        assert abs(a - at) < 0.25
        assert abs(b - at - duration) < 0.45


def test_all_channels_carry_the_bit():
    x, _ = with_bursts(24, bursts=((20.3, 0.8),))
    bits = bank_of(x).lattice.bits() & MUSCLE
    assert bits[205].all()
    assert not bits[:200].any()
    assert (bits.any(axis=1) == bits.all(axis=1)).all()


def test_the_sum_is_a_warning_of_the_stream_that_names_no_channel():
    x, _ = with_bursts(24, bursts=((20.0, 4.0),))
    verdict = verdict_of(bank_of(x, t0=15_000), "muscle")
    assert (verdict.level, verdict.action) == (WARN, shipped()["muscle"].action)


def shared_field(seconds, n_channels=8, seed=3):
    """Noise of 5 microvolts with nine tenths of its power in common."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    common, own = rng.normal(0, 5, (n, 1)), rng.normal(0, 5, (n, n_channels))
    return np.sqrt(0.9) * common + np.sqrt(0.1) * own


def test_the_spread_of_the_sum_in_the_baseline_is_that_of_a_batch():
    e = envelopes_of(shared_field(15))
    z = (e - e.mean(axis=0)) / e.std(axis=0)
    baseline = Baseline(8, least_s=10)
    for second in e.reshape(15, 1000, 8):
        baseline.add(second)
    found = baseline.spread_of_sum(np.ones(8, bool))
    assert found == pytest.approx((z.sum(axis=1) / np.sqrt(8)).std(), rel=1e-9)
    assert found > 2


def test_a_channel_that_was_lost_for_a_second_leaves_the_spread_of_the_others_as_it_is():
    e = envelopes_of(shared_field(15)).reshape(15, 1000, 8)
    whole, others = Baseline(8, least_s=10), np.arange(8) != 3
    holed = Baseline(8, least_s=10)
    for k, second in enumerate(e):
        whole.add(second)
        holed.add(np.where(others | (k != 7), second, np.nan))
    assert holed.spread_of_sum(others) == pytest.approx(whole.spread_of_sum(others), rel=1e-12)


def test_a_shared_field_alone_is_no_muscle():
    x = shared_field(60)
    assert (chain(x, 15)[15_000:] > 0).any()
    assert not masks(x)[0].any()


def test_the_mask_of_channels_that_share_a_field_is_that_of_the_divided_sum():
    x = with_bursts()[0] - with_bursts(bursts=())[0] + shared_field(40)
    rest = envelopes_of(x)[1000:15_000]
    spread = np.corrcoef(rest.T).sum() / 8
    beyond = chain(x, 15, limit=4 * np.sqrt(spread))[15_000:].reshape(-1, 100).any(axis=1)
    assert beyond.sum() > 30
    assert (masks(x)[0] == beyond).mean() >= 0.99


def popped_at(at_s):
    """Muscle bits by second after t0 = 15 s of a bank that saw a step in channel 2."""
    x = smooth_noise(22) + 0.1 * noise(22)
    x[round(at_s * RATE) :, 2] += 300.0
    bits = bank_of(x, t0=15_000).lattice.bits() & MUSCLE
    return (bits != 0).any(axis=1).reshape(-1, 10).any(axis=1)


def test_a_pop_of_one_channel_is_no_muscle_of_all():
    assert not popped_at(18.42).any()


def test_a_pop_that_is_told_late_leaves_nothing_to_the_second_after_it():
    assert not popped_at(18.91)[4:].any()


def test_a_louder_channel_alone_is_weighed_by_the_root_of_the_channels():
    x, _ = with_bursts(24, bursts=((20.0, 4.0),), channels=(0,), sd=200)
    _, found = masks(x)
    wide = np.concatenate([x, np.random.default_rng(9).normal(0, 5, (24_000, 24))], axis=1)
    check = formula(Muscle, eeg(32))
    fed(check, wide[:15_000])
    check.anchor()
    many = fed(check, wide[15_000:])
    assert many[7].values[0] == pytest.approx(found[7].values[0] / 2, rel=0.2)


def test_the_baseline_is_that_of_the_settle_period():
    x, _ = with_bursts(60, bursts=((20.0, 40.0),))
    check = formula(Muscle)
    fed(check, x[:15_000])
    check.anchor()
    values = [m.values[0] for m in fed(check, x[15_000:])]
    assert min(values[8:]) > 4.0


def test_it_is_unknown_until_the_baseline_has_ten_seconds():
    x, _ = with_bursts(14, bursts=())
    known = [np.isfinite(m.values).all() for m in fed(formula(Muscle), x)]
    assert known == [False] * 10 + [True] * 4


def test_a_short_settle_period_goes_on_after_t0():
    x, _ = with_bursts(20, bursts=())
    check = formula(Muscle)
    fed(check, x[:3000])
    check.anchor()
    known = [np.isfinite(m.values).all() for m in fed(check, x[3000:])]
    assert known.index(True) == 8


def test_a_gap_is_unknown_and_so_is_the_second_after_it():
    x, _ = with_bursts(20, bursts=())
    check = formula(Muscle)
    fed(check, x[:15_000])
    assert np.isnan(check.measure(gap(15)).values).all()
    known = [np.isfinite(m.values).all() for m in fed(check, x[15_000:], first=16)]
    assert known == [False, True, True, True, True]


def test_nan_makes_its_own_channel_unknown_only():
    x, _ = with_bursts(20, bursts=())
    x[12_500, 3] = np.nan
    found = np.array([m.values for m in fed(formula(Muscle), x)])
    assert np.isnan(found[12:]).any(axis=0).tolist() == [c == 3 for c in range(8)]


def test_a_dead_channel_is_left_out():
    x, _ = with_bursts(20, bursts=())
    x[:, 2] = 7.0
    found = fed(formula(Muscle), x)[-1].values
    assert np.isnan(found).tolist() == [c == 2 for c in range(8)]


@pytest.mark.parametrize(("gain", "offset"), [(2.0, 0.0), (1.0, 300.0)])
def test_gain_and_offset_change_nothing(gain, offset):
    x, _ = with_bursts(24, bursts=((20.0, 1.0),))
    one, other = masks(x)[1], masks(gain * x + offset)[1]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(b.values, a.values, rtol=1e-6)


def test_a_slow_stream_is_judged_by_a_lower_band_and_says_so():
    stream = eeg(8, 250.0)
    told = Muscle.fit(stream, shipped()["muscle"], None)
    assert formula(Muscle, stream).approximate
    assert told.warn.on == 6.0
    assert told.action.startswith("Approximate, from 30-45 Hz.")


def test_the_mask_of_a_slow_stream_is_that_of_the_causal_chain():
    x, _ = with_bursts(rate_hz=250.0, band=(20, 110))
    found, _ = masks(x, 250.0)
    beyond = chain(x, 15, 250.0, (30.0, 45.0), 6.0)[15 * 250 :].reshape(-1, 25).any(axis=1)
    assert beyond.sum() > 10
    assert (found == beyond).mean() >= 0.99


def test_it_is_unknown_at_a_rate_too_low_for_either_band():
    assert verdict_of(bank_of(noise(), eeg(8, 80.0)), "muscle").level == UNKNOWN
