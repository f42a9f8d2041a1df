"""Tables that no validator has anything to say about, without changing a value."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tenmin.recorder.tables import Column, dynamic_table, spoken, stored


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_texts_keep_their_value_but_for_zeros(values):
    found = [v.decode() if isinstance(v, bytes) else v for v in stored(values).tolist()]
    wanted = [value.replace("\0", "\\0") for value in values]
    assert found == wanted


def test_a_text_with_a_dictionary_is_kept_as_bytes():
    assert stored(['{"a": 1}', "b"]).tolist() == [b'{"a": 1}', b"b"]


def test_yes_and_no_are_kept_as_bytes():
    assert stored(["hit", "miss", "hit"]).dtype.kind == "S"


def test_zeros_and_ones_take_one_byte_each():
    found = stored(np.array([0, 1, 1]))
    assert (found.dtype, found.tolist()) == (np.dtype("int8"), [0, 1, 1])


def test_other_numbers_are_left_alone():
    assert stored(np.array([0, 1, 2], np.int16)).dtype == np.int16


def test_a_column_of_nothing_is_left_out():
    table = dynamic_table("t", "A table.", [
        Column("a", "A.", np.array([1.0, np.nan])), Column("b", "B.", np.array([np.nan, np.nan]))
    ])  # fmt: skip
    assert table.colnames == ("a",)


def test_a_note_like_a_dictionary_is_spoken_with_brackets():
    assert spoken("{a: b}") == "(a: b)"
    assert spoken("plain {x}") == "plain {x}"
