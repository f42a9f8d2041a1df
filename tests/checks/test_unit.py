from dataclasses import replace

import numpy as np
import pytest

from tenmin.checks.judge import Threshold
from tenmin.checks.parameters import shipped
from tenmin.checks.unit import Measured, Unit
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

STREAM = Stream("eeg", tuple(f"E{c}" for c in range(10)), 250.0, "volts", kind="eeg")
AT_ONCE = {"n_on": 1, "m_on": 1, "n_off": 1}


class Given:
    """A formula whose values are given."""

    name = "noise"

    def __init__(self, bins=None):
        self.values, self.bins = np.zeros(10), bins

    def measure(self, second):
        return Measured(self.values, self.bins)


def unit_of(values, bins=None, **thresholds):
    defaults = {"warn": Threshold(15.0, 12.0, **AT_ONCE), "fail": Threshold(30.0, 24.0, **AT_ONCE)}
    formula = Given(bins)
    formula.values[: len(values)] = values
    unit = Unit(formula, STREAM, replace(shipped()["noise"], **defaults | thresholds))
    return unit, unit.step(None)


def test_nothing_measured_yet_is_unknown():
    unit = Unit(Given(), STREAM, shipped()["noise"])
    assert unit.verdict().level == UNKNOWN


@pytest.mark.parametrize(
    ("values", "level"),
    [([1.0], OK), ([20.0], WARN), ([40.0, 40.0], WARN), ([40.0] * 3, FAIL), ([np.nan], UNKNOWN)],
)
def test_the_verdict_of_all_channels_follows_from_theirs(values, level):
    assert unit_of(values)[0].verdict().level == level


def test_a_warning_names_the_channels_and_what_to_do():
    action = unit_of([0, 20.0, 0, 40.0])[0].verdict().action
    assert action.startswith("E1, E3: ")
    assert shipped()["noise"].action in action


def test_many_channels_are_counted_and_not_listed():
    assert unit_of([20.0] * 9)[0].verdict().action.startswith("E0, E1, E2, E3 and 5 more: ")


def test_the_value_told_is_the_worst_channels():
    verdict = unit_of([20.0, 25.0])[0].verdict()
    assert (verdict.value, verdict.limit, verdict.unit) == (25.0, 15.0, "uV")


def test_where_small_is_bad_the_smallest_is_told():
    low = Threshold(-1.0, -0.5, below=True, **AT_ONCE)
    assert unit_of([-2.0, -3.0], warn=low, fail=None)[0].verdict().value == -3.0


def test_a_channel_that_is_on_carries_the_bit_in_all_bins():
    _, bits = unit_of([20.0])
    assert bits.shape == (10, 10)
    assert (bits[:, 0] == shipped()["noise"].bit).all()
    assert not bits[:, 1:].any()


def test_a_formula_can_tell_the_bins_itself():
    bins = np.zeros((10, 10), bool)
    bins[3, 7] = True
    _, bits = unit_of([0.0], bins)
    assert np.argwhere(bits).tolist() == [[3, 7]]


class GivenOfFive(Given):
    """A formula that speaks of the first five channels."""

    about = np.arange(10) < 5


def test_channels_that_a_formula_does_not_speak_of_make_nothing_unknown():
    formula = GivenOfFive()
    formula.values = np.where(formula.about, 1.0, np.nan)
    unit = Unit(formula, STREAM, shipped()["noise"])
    unit.step(None)
    assert unit.verdict().level == OK


def test_the_share_that_fails_is_of_the_channels_spoken_of():
    formula = GivenOfFive()
    formula.values = np.where(formula.about, 1.0, np.nan)
    formula.values[:2] = 40.0
    now = {name: Threshold(15.0, 12.0, **AT_ONCE) for name in ("warn", "fail")}
    unit = Unit(formula, STREAM, replace(shipped()["noise"], **now))
    unit.step(None)
    assert unit.verdict().level == FAIL
