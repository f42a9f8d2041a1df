"""Ring files that are cut short or damaged, and sample numbers that are none: all are refused."""

import contextlib

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tenmin.errors import MalformedData, RigError
from tenmin.ring import Ring
from tenmin.stream import Stream

STREAM = Stream("probe", ("a", "b"), 256.0, "volts", dtype="int64", timed=True)
PAGE, WORDS = 4096, 10


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a ring."""
    path = tmp_path_factory.mktemp("whole") / "r"
    Ring.create(path, STREAM, 1.0).close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where damaged copies are put."""
    return tmp_path_factory.mktemp("damaged") / "r"


@pytest.mark.parametrize("part", [0.999, 0.9, 0.6])
def test_a_ring_that_is_cut_short_is_refused_with_a_remedy(whole, place, part):
    place.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(RigError, match="cut short or damaged") as refused:
        Ring.attach(place)
    assert "remove this file" in refused.value.remedy


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_ring_cut_anywhere_is_refused(whole, place, data):
    place.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(RigError):
        Ring.attach(place)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe{{", b"[1, 2]", b"{}", b"null"], ids=["bytes", "list", "no keys", "null"]
)
def test_a_description_that_is_none_is_refused(whole, place, text):
    damaged = bytearray(whole)
    n = int(np.frombuffer(whole, np.int64, WORDS)[8])
    damaged[PAGE : PAGE + n] = text.ljust(n)
    place.write_bytes(damaged)
    with pytest.raises(RigError, match="cut short or damaged"):
        Ring.attach(place)


def test_a_description_of_other_samples_is_refused(whole, place):
    place.write_bytes(whole.replace(b'"int64"', b'"int8" '))
    with pytest.raises(RigError, match="other samples"):
        Ring.attach(place)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 1, 2, 7]), st.integers(-(2**63), 2**63 - 1))
def test_a_wrong_size_or_place_in_its_head_is_refused(whole, place, word, number):
    assume(number != np.frombuffer(whole, np.int64, WORDS)[word])
    with pytest.raises(RigError):
        Ring.attach(with_number(whole, place, word, number))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([3, 4, 5, 6, 8, 9]), st.integers(-(2**63), 2**63 - 1))
def test_any_other_number_in_its_head_ends_in_nothing_but_a_rig_error(whole, place, word, number):
    with contextlib.suppress(RigError):  # some smaller tables fit as well
        Ring.attach(with_number(whole, place, word, number)).close()


def with_number(whole, place, word, number):
    """Where a copy lies in whose head this number stands."""
    damaged = bytearray(whole)
    np.frombuffer(damaged, np.int64, WORDS)[word] = number
    place.write_bytes(damaged)
    return place


@pytest.mark.parametrize("index", [1.5, np.float64(2.0), "3"])
def test_samples_are_not_numbered_by_what_is_no_whole_number(tmp_path, index):
    ring = Ring.create(tmp_path / "r", STREAM, 1.0)
    with pytest.raises(MalformedData, match="no whole number"):
        ring.write(index, np.zeros((5, 2), np.int64), np.zeros(5), 0)
    assert ring.written == 0
    ring.close()


def test_whole_numbers_of_numpy_are_taken(tmp_path):
    ring = Ring.create(tmp_path / "r", STREAM, 1.0)
    reader = ring.reader()
    ring.write(np.uint16(7), np.zeros((5, 2), np.int64), np.zeros(5), 0)
    assert reader.read()[0].index == 7
    ring.close()
