import numpy as np
import pytest

from tenmin.checks.judge import FAIL_CODE, OK_CODE, UNKNOWN_CODE, WARN_CODE, Judge, Threshold

WARN, FAIL = Threshold(10.0, 8.0), Threshold(20.0, 16.0)


def codes(values, warn=WARN, fail=FAIL):
    judge = Judge(warn, fail, 1)
    return [int(judge.step(np.array([float(v)]))[0]) for v in values]


def test_a_level_turns_on_at_the_second_of_three_ticks():
    assert codes([0, 11, 0, 11]) == [OK_CODE, OK_CODE, OK_CODE, WARN_CODE]


def test_one_tick_beyond_is_not_enough():
    assert codes([11, 0, 0, 11, 0, 0]) == [OK_CODE] * 6


def test_the_limit_itself_is_not_beyond():
    assert codes([10, 10, 10]) == [OK_CODE] * 3


def test_a_level_turns_off_after_five_ticks_at_its_off_threshold():
    assert codes([11, 11, 8, 8, 8, 8, 8]) == [OK_CODE] + [WARN_CODE] * 5 + [OK_CODE]


def test_between_the_thresholds_a_level_stays():
    assert codes([11, 11] + [9] * 20)[1:] == [WARN_CODE] * 21


def test_a_tick_above_the_off_threshold_starts_the_count_anew():
    assert codes([11, 11, 8, 8, 8, 8, 9, 8, 8, 8, 8])[-1] == WARN_CODE


def test_the_worse_level_is_told():
    assert codes([25, 25]) == [OK_CODE, FAIL_CODE]


def test_a_fail_falls_back_to_warn():
    assert codes([25, 25] + [12] * 5)[-1] == WARN_CODE


def test_nan_is_unknown_even_while_a_level_is_on():
    assert codes([25, 25, np.nan]) == [OK_CODE, FAIL_CODE, UNKNOWN_CODE]


def test_nan_ends_no_level():
    assert codes([11, 11] + [np.nan] * 9 + [9])[-1] == WARN_CODE


def test_small_values_can_be_the_bad_ones():
    low = Threshold(0.4, 0.5, below=True)
    assert codes([0.9, 0.3, 0.3], low, None) == [OK_CODE, OK_CODE, WARN_CODE]


def test_three_in_a_row_can_be_asked_for():
    three = Threshold(10.0, 8.0, n_on=3, m_on=3)
    assert codes([11, 11, 0, 11, 11, 11], three, None) == [OK_CODE] * 5 + [WARN_CODE]


@pytest.mark.parametrize("channel", range(3))
def test_channels_are_judged_apart(channel):
    judge = Judge(WARN, FAIL, 3)
    values = np.zeros(3)
    values[channel] = 11
    judge.step(values)
    assert judge.step(values).tolist() == [WARN_CODE * (c == channel) for c in range(3)]
