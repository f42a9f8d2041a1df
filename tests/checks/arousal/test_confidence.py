import pytest

from tenmin.checks.arousal.confidence import Latch, availability, confidence, reachable
from tests.checks.arousal.mice import RULES

SPEED, PUPIL, FACE, LFP, EMG = 1, 2, 4, 8, 16


@pytest.mark.parametrize(
    ("bits", "factor"),
    [  # science.md C.3
        (SPEED | FACE | PUPIL | LFP, 1.0),
        (SPEED | FACE | LFP, 1.0),
        (SPEED | FACE | PUPIL, 0.97),
        (SPEED | LFP, 0.82),
        (FACE | PUPIL | LFP, 0.69),
        (PUPIL, 0.61),
        (LFP, 0.5),
        (0, 0.0),
    ],
)
def test_the_factor_is_that_of_the_table(bits, factor):
    assert availability(bits, RULES) == factor


def test_another_modality_never_lowers_the_factor():
    for bits in range(32):
        assert all(
            availability(bits | 1 << k, RULES) >= availability(bits, RULES) for k in range(5)
        )


def test_muscle_counts_as_the_face():
    assert availability(SPEED | EMG | LFP, RULES) == availability(SPEED | FACE | LFP, RULES)


@pytest.mark.parametrize(
    ("bits", "missing"),
    [
        (SPEED | FACE | PUPIL | LFP, set()),
        (SPEED | LFP, {1, 4}),
        (FACE | PUPIL | LFP, {5}),
        (PUPIL, {1, 5}),
        (LFP, {1, 4, 5}),
        (SPEED | FACE, {1, 2}),
    ],
)
def test_states_out_of_reach_follow_from_what_is_missing(bits, missing):
    assert {0, 1, 2, 3, 4, 5} - reachable(bits) == missing


def test_a_latch_keeps_what_it_was_between_its_thresholds():
    latch = Latch(2.0, 1.0)
    assert [latch.step(x) for x in (1.5, 2.1, 1.5, 0.9, 1.5)] == [False, True, True, False, False]


def test_a_margin_is_measured_to_the_threshold_that_comes_next():
    latch = Latch(2.0, 1.0)
    before = latch.margin(1.75)
    latch.step(3.0)
    assert (before, latch.margin(1.75), latch.margin(5.0)) == (0.25, 0.75, 1.0)


def test_confidence_is_the_factor_times_the_mean_margin():
    assert confidence(0.8, [1.0, 0.5]) == pytest.approx(0.6)
