"""The canonical window in samples of the reference clock."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.block import t0_index, window_samples

RATES = st.floats(0.5, 100_000, allow_nan=False)


def test_ten_minutes_at_30_khz_are_eighteen_million_samples():
    assert window_samples(600, 30_000.0) == 18_000_000


@pytest.mark.parametrize(
    ("seconds", "rate", "n"),
    [(0.1, 10.0, 1), (0.3, 10.0, 3), (600, 1000.0, 600_000), (600, 29_999.954, 17_999_972)],
)
def test_the_window_is_the_nearest_whole_number_of_samples(seconds, rate, n):
    assert window_samples(seconds, rate) == n


@settings(deadline=None)
@given(seconds=st.integers(1, 1200), rate=st.integers(1, 100_000))
def test_whole_seconds_at_a_whole_rate_are_exact(seconds, rate):
    assert window_samples(float(seconds), float(rate)) == seconds * rate


@settings(deadline=None)
@given(seconds=st.floats(0, 1200), rate=RATES)
def test_the_window_is_never_off_by_more_than_half_a_sample(seconds, rate):
    exact = Fraction(repr(seconds)) * Fraction(repr(rate))
    assert abs(window_samples(seconds, rate) - exact) <= Fraction(1, 2)


def test_t0_is_one_pad_after_the_start():
    assert t0_index(1_000, 30.0, 30_000.0) == 901_000


def test_a_pad_of_tenths_is_not_a_sample_too_long():
    assert t0_index(0, 0.1, 10.0) == 1


@settings(deadline=None)
@given(start=st.integers(-(2**62), 2**62), pad=st.floats(1, 60), rate=RATES)
def test_t0_is_the_first_index_at_least_one_pad_later(start, pad, rate):
    exact = Fraction(repr(pad)) * Fraction(repr(rate))
    after = t0_index(start, pad, rate) - start
    assert after - 1 < exact <= after


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_no_length_of_time_is_refused(seconds):
    with pytest.raises(ValueError, match="no length of time"):
        window_samples(seconds, 1000.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_an_irregular_stream_cannot_be_the_reference(rate):
    with pytest.raises(ValueError, match=r"reference|length"):
        t0_index(0, 30.0, rate)
