from __future__ import annotations

import contextlib
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.errors import MessageRefused
from tenmin.service import messages, strict

EXAMPLES = [
    messages.Hello(client="test", version="1"),
    messages.Start(subject={"code": "M1"}, facts={"env.lux_at_eye": 12.5}, seconds=60),
    messages.Note(text="größer – µ", onset_host_ns=2**62),
    messages.Event(code="light_change", latency="hardware"),
    messages.Abort(reason="welfare"),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: m.type)
def test_a_request_survives_the_wire(message):
    assert messages.parse(messages.dump(message)) == message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON in UTF-8"),
        (b"[1]", "no JSON object"),
        (b'{"type": "status"}', "version null"),
        (b'{"v": 2, "type": "status"}', "version 2"),
        (b'{"v": true, "type": "status"}', "version true"),
        (b'{"v": 1.0, "type": "status"}', "version 1.0"),
        (b'{"v": 1}', "type null is not known"),
        (b'{"v": 1, "type": "explode"}', 'type "explode" is not known here; known are abort'),
        (b'{"v": 1, "type": ["note"]}', "is not known"),
        (b'{"v": 1, "type": "note", "txt": "x"}', "txt: Extra inputs"),
        (b'{"v": 1, "type": "note", "text": 5}', "text: Input should be a valid string"),
        (b'{"v": 1, "type": "note", "code": "Bad Code"}', "code: String should match"),
        (b'{"v": 1, "type": "note", "text": "a", "text": "b"}', "stands twice"),
        (b'{"v": 1, "type": "start", "seconds": 0}', "seconds: Input should be greater"),
        (b'{"v": 1, "type": "start", "seconds": NaN}', "not finite"),
        (b'{"v": 1, "type": "start", "facts": {"a": 1e999}}', "not finite"),
        (b'{"v": 1, "type": "start", "facts": {"a": 99999999999999999999}}', "64 bits"),
        (b'{"v": 1, "type": "note", "text": "\\ud800"}', "surrogate"),
        (b'{"v": 1, "type": "status", "id": "1"}', "id: String should have at least 8"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"v":1,"type":"start","facts":' + b'{"a":' * 40 + b"1" + b"}" * 41, "too deeply"),
        (b" " * (messages.MAX_BYTES + 1), "65537 bytes; 65536 are allowed"),
    ],
)
def test_a_faulty_message_is_refused_with_its_fault(data, said):
    with pytest.raises(MessageRefused, match=re.escape(said)):
        messages.parse(data)


LEAVES = (
    st.none()
    | st.floats(allow_nan=True)
    | st.integers(-(2**80), 2**80)
    | st.text(st.characters(categories=("L", "N", "Cs")), max_size=5)
    | st.sampled_from(["NaN", "1e999", "9" * 25])  # as texts these are fine
)


@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)
    )
)
def test_what_is_let_through_can_be_written_on_in_any_language(value):
    try:
        content = strict.load(json.dumps({"a": value}).encode(), messages.MAX_BYTES)
    except MessageRefused:
        assert not _is_plain(value)
        return
    assert _is_plain(content)


def _is_plain(value) -> bool:
    if isinstance(value, dict | list):
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        return all(map(_is_plain, inside))
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, int):
        return value.bit_length() <= 64
    return value is None or math.isfinite(value)


@pytest.mark.parametrize("number", [b"1e400", b"1E+0309", b"9" * 400 + b".0", b"-1e309"])
def test_a_number_that_only_looks_finite_is_refused(number):
    with pytest.raises(MessageRefused, match="not finite"):
        strict.load(b'{"a": [' + number + b"]}", messages.MAX_BYTES)


def test_a_message_of_another_socket_is_refused():
    snapshot = messages.Telemetry(type="snapshot", data={})
    with pytest.raises(MessageRefused, match="snapshot"):
        messages.parse(messages.dump(snapshot), messages.REQUESTS)


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes_are_a_message_or_refused(data):
    with contextlib.suppress(MessageRefused):
        assert messages.parse(data).type in messages.REQUESTS


def test_too_long_a_message_is_not_sent():
    with pytest.raises(messages.TooBig, match="65536 are allowed"):
        messages.dump(messages.Start(facts={"a": "x" * messages.MAX_BYTES}))


def test_numbers_that_are_not_finite_leave_as_null():
    data = messages.dump(messages.Ok(data={"a": float("nan"), "b": [np.float32("inf")]}))
    assert json.loads(data)["data"] == {"a": None, "b": [None]}


def test_numpy_numbers_and_paths_leave_as_json():
    data = messages.dump(messages.Ok(data={"n": np.int64(2**40), "p": Path("a")}))
    assert json.loads(data)["data"] == {"n": 2**40, "p": "a"}


@pytest.mark.parametrize("alien", [SimpleNamespace(), np.zeros(3), "\udc80"], ids=str)
def test_what_json_cannot_hold_is_refused(alien):
    with pytest.raises(MessageRefused, match="is no JSON"):
        messages.dump(messages.Ok(data={"a": alien}))


def test_a_message_made_of_wrong_values_is_refused_with_its_fault():
    with pytest.raises(MessageRefused, match="note is wrong: text: String should have at most"):
        messages.make(messages.Note, text="x" * 5000)
