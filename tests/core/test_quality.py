"""Whether a stream delivers."""

from dataclasses import replace

import numpy as np
import pytest

from tenmin.checks.quality import OWN, Alive
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


@pytest.mark.parametrize(
    ("age_s", "level"), [(1.0, OK), (2.0, OK), (2.1, WARN), (5.0, WARN), (5.1, FAIL)]
)
def test_a_slow_stream_is_given_some_of_its_own_intervals(age_s, level):
    check = Alive(replace(PROBE, rate_hz=1.0))
    check.feed(piece(0, quiet(1), host_s=10.0))

    assert check.tick(10.0 + age_s).level == level


def test_a_stream_that_never_delivered_is_not_called_alive():
    assert Alive(PROBE).tick(10.0).level == UNKNOWN


def test_irregular_streams_have_no_checks_that_would_be_guesses():
    markers = Stream("markers", ("m",), 0.0, "n/a", dtype="str", kind="marker")
    assert [make(markers) for make in OWN.values()] == [None]
