"""The checks of every regular stream: alive, gaps."""

import numpy as np
import pytest

from tenmin.checks.quality import Alive, Gaps, checks_for
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

PROBE = Stream(
    "probe",
    ("a", "b"),
    1000.0,
    "volts",
    kind="ecephys",
    counter=True,
    range_counts=(-32768.0, 32767.0),
)


def piece(index: int, samples: np.ndarray, host_s: float = 0.0) -> Piece:
    return Piece(index, index, samples, None, round(host_s * 1e9), 0)


def quiet(n: int) -> np.ndarray:
    return np.zeros((n, 2), np.int16)


@pytest.mark.parametrize(
    ("age_s", "level"), [(0.1, OK), (0.5, OK), (0.6, WARN), (2.0, WARN), (2.1, FAIL)]
)
def test_the_age_of_the_newest_sample_decides_whether_a_stream_is_alive(age_s, level):
    check = Alive(PROBE)
    check.feed(piece(0, quiet(1), host_s=10.0))

    assert check.tick(10.0 + age_s).level == level


def test_a_stream_that_never_delivered_is_not_called_alive():
    assert Alive(PROBE).tick(10.0).level == UNKNOWN


@pytest.mark.parametrize(
    ("missing", "level"),
    [((), OK), ((1,), WARN), ((20,), WARN), ((21,), FAIL), ((20,) * 5, WARN), ((20,) * 6, FAIL)],
)
def test_the_single_and_the_total_loss_are_held_against_their_limits(missing, level):
    check, index = Gaps(PROBE), 0
    check.feed(piece(index, quiet(10)))
    for n in missing:
        index += 10 + n
        check.feed(piece(index, quiet(10)))

    verdict = check.tick(0.0)
    assert verdict.level == level
    assert verdict.value == pytest.approx(sum(missing) / 1000)


def test_losses_before_the_block_do_not_count():
    check = Gaps(PROBE)
    check.feed(piece(0, quiet(10)))
    check.feed(piece(500, quiet(10)))
    check.restart()
    check.feed(piece(510, quiet(10)))

    assert check.tick(0.0).level == OK


def test_irregular_streams_have_no_checks_that_would_be_guesses():
    assert checks_for(Stream("markers", ("m",), 0.0, "n/a", dtype="str", kind="marker")) == []
