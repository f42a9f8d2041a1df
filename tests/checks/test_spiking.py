import numpy as np
import pytest

from tenmin.checks.sites import depths_of
from tenmin.checks.spiking import Depth, Yield, centroid
from tenmin.stream import Stream
from tests.checks.formulas import formula, gap
from tests.checks.seconds import second_of

C = 16
DEPTHS = 40.0 * np.arange(C)


def probe(rate_hz=30_000.0, **facts):
    names = tuple(f"A{c}" for c in range(C))
    fields = {"scale": 1e-8, "dtype": "int32", "kind": "ecephys", "facts": facts}
    return Stream("probe", names, rate_hz, "volts", **fields)


def placed():
    return probe(depths_um=" ".join(str(d) for d in DEPTHS))


def second(number, crossings, beyond=None, sigma=10.0):
    return second_of(
        np.zeros((100, C)),
        100.0,
        number=number,
        sigma=np.full(C, sigma),
        crossings=np.asarray(crossings),
        beyond=60.0 * np.asarray(crossings) if beyond is None else beyond,
    )


def poisson(rates, seconds, seed=0):
    return np.random.default_rng(seed).poisson(rates, (seconds, C))


def told(check, counts, first=0):
    return np.array([check.measure(second(first + k, n)).values for k, n in enumerate(counts)])


def test_the_ratio_is_that_of_the_smoothed_rate_to_the_first_minute():
    counts = poisson(np.linspace(3, 40, C), 200)
    check = formula(Yield, probe())
    told(check, counts)
    seen = counts[1:]  # the limit of the first second is not known
    weights = np.exp(-np.arange(len(seen))[::-1] / 30)
    expected = np.log2(np.average(seen, axis=0, weights=weights) / seen[:60].mean(axis=0))
    np.testing.assert_allclose(check.ratios(), expected, rtol=1e-9)


def test_the_value_is_what_more_than_a_fifth_of_the_active_channels_exceed():
    counts = poisson(np.full(C, 20.0), 240)
    counts[61:, :4] *= 4
    check = formula(Yield, probe())
    values = told(check, counts)
    ratios = np.sort(np.abs(check.ratios()))
    assert (ratios > values[-1, 0]).sum() == 3  # of 16: not more than a fifth
    assert values[-1, 0] > 1.5  # while the fourth, a quarter of all, exceeds anything below


def test_three_channels_of_sixteen_are_too_few():
    counts = poisson(np.full(C, 20.0), 240)
    counts[61:, :3] = 0
    assert told(formula(Yield, probe()), counts)[-1].max() < 0.5


def test_a_steady_probe_keeps_its_yield():
    assert np.nanmax(told(formula(Yield, probe()), poisson(np.full(C, 5.0), 600))) < 1.0


def test_silent_channels_are_not_counted():
    rates = np.where(np.arange(C) < 8, 20.0, 0.05)
    counts = poisson(rates, 240)
    counts[61:, :2] *= 4
    assert told(formula(Yield, probe()), counts)[-1].max() > 1.5


def test_the_yield_is_unknown_in_the_first_minute():
    values = told(formula(Yield, probe()), poisson(np.full(C, 20.0), 70))
    assert np.isnan(values).all(axis=1).tolist() == [True] * 60 + [False] * 10


def test_the_first_minute_begins_at_t0():
    check = formula(Yield, probe())
    told(check, poisson(np.full(C, 20.0), 100))
    check.anchor()
    values = told(check, poisson(np.full(C, 60.0), 70))
    assert np.isnan(values[:59]).all()
    assert np.nanmax(values) < 0.5


def test_the_yield_is_unknown_with_fewer_than_five_active_channels():
    rates = np.where(np.arange(C) < 4, 20.0, 0.0)
    assert np.isnan(told(formula(Yield, probe()), poisson(rates, 100))).all()


@pytest.mark.parametrize("kind", [Yield, Depth])
def test_a_gap_is_unknown(kind):
    check = formula(kind, placed())
    told(check, poisson(np.full(C, 1000.0), 100))
    assert np.isnan(check.measure(gap(100, C, 100.0)).values).all()


@pytest.mark.parametrize("kind", [Yield, Depth])
def test_a_channel_without_a_limit_is_unknown_and_the_others_are_not(kind):
    check = formula(kind, placed())
    told(check, poisson(np.full(C, 1000.0), 100))
    odd = second(100, np.full(C, 20))
    odd.sigma[3] = np.nan
    assert np.isnan(check.measure(odd).values).tolist() == [c == 3 for c in range(C)]


def test_yield_makes_no_channel_bad():
    assert not Yield.by_channel


@pytest.mark.parametrize("kind", [Yield, Depth])
def test_slow_streams_have_no_spikes(kind):
    assert kind.fit(probe(2500.0), "parameters", None) is None
    assert kind.fit(probe(), "parameters", None) == "parameters"


def test_the_centre_is_the_weighted_mean_of_the_depths():
    weights = np.random.default_rng(0).uniform(0, 5, C)
    centre, error = centroid(DEPTHS, weights, 400)
    assert centre == pytest.approx(np.average(DEPTHS, weights=weights), rel=1e-12)
    spread = np.average((DEPTHS - centre) ** 2, weights=weights)
    assert error == pytest.approx(np.sqrt(spread / 400), rel=1e-12)


def moving(shift_um, seconds=60, rate=4000.0):
    """Spikes about 300 um along the probe that move at once after thirty seconds."""
    at = np.where(np.arange(seconds)[:, None] < 31, 300.0, 300.0 + shift_um)
    return np.rint(rate * np.exp(-0.5 * ((DEPTHS - at) / 100.0) ** 2)).astype(int)


@pytest.mark.parametrize("shift", [0.0, 15.0, -40.0])
def test_a_shift_is_told_in_micrometres(shift):
    values = told(formula(Depth, placed()), moving(shift))
    assert values[-1, 0] == pytest.approx(abs(shift), abs=1.0)


def test_amplitudes_weigh():
    check = formula(Depth, placed())
    for k in range(41):
        beyond = np.ones(C) if k < 21 else np.where(DEPTHS > 300, 3.0, 1.0)
        found = check.measure(second(k, np.full(C, 1000), beyond)).values[0]
    moved = np.average(DEPTHS, weights=np.where(DEPTHS > 300, 3.0, 1.0)) - DEPTHS.mean()
    assert found == pytest.approx(moved, rel=1e-9)


def test_depth_is_unknown_with_too_few_spikes_to_tell():
    assert np.isnan(told(formula(Depth, placed()), moving(0.0, rate=2.0))).all()


def test_depth_is_unknown_without_positions():
    assert np.isnan(told(formula(Depth, probe()), moving(0.0))).all()


def test_depth_is_unknown_in_the_first_window():
    values = told(formula(Depth, placed()), moving(0.0))
    assert np.isnan(values).all(axis=1).tolist() == [True] * 10 + [False] * 50


def test_depth_is_counted_from_t0():
    check = formula(Depth, placed())
    told(check, moving(40.0))
    check.anchor()
    assert np.nanmax(told(check, moving(40.0)[40:])) < 1.0


@pytest.mark.parametrize(
    ("text", "known"),
    [("0, 20 40 60", True), ("0 20 40", False), ("0 20 40 x", False), ("0 1 2 nan", False)],
)
def test_positions_are_numbers_one_for_each_channel(text, known):
    stream = Stream("p", tuple("abcd"), 30_000.0, "volts", facts={"depths_um": text})
    assert (depths_of(stream) is not None) == known
