"""Options and faults as they are written on the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenmin_simulators.options import (
    FAULTS,
    UNTIMED,
    Fault,
    SimOptions,
    arguments,
    parse_fault,
    parse_faults,
)

from tenmin.errors import UsageError


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("gap@5:10", Fault("gap", 5.0, 10.0)),
        ("gap@0.5:1:nidaq", Fault("gap", 0.5, 1.0, stream="nidaq")),
        ("stall@2:0.25", Fault("stall", 2.0, 0.25)),
        ("disconnect@2:3:eye", Fault("disconnect", 2.0, 3.0, stream="eye")),
        ("dead@1:AP3", Fault("dead", 1.0, channel="AP3")),
        ("nan@0:5", Fault("nan", 0.0, channel="5")),
        ("line@4:12", Fault("line", 4.0, 12.0)),
        ("drift:-37", Fault("drift", 0.0, -37.0)),
        ("drift@60:50:eye", Fault("drift", 60.0, 50.0, stream="eye")),
    ],
)
def test_a_fault_reads_as_it_is_written(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "", "gap", "gap@", "gap@1", "gap:5", "gap@-1:5", "gap@1:0", "gap@1:2.5", "gap@1:x",
        "gap@nan:5", "gap@1:5:", "gap@1:5:a:b", "boom@1:5", "line@1:-3", "drift:inf",
        "drift:100000", "stall@1:-1", "dead@1:", "@1:5",
    ],
)  # fmt: skip
def test_what_is_no_fault_is_refused_with_the_known_ones(text):
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert repr(text.strip()) in caught.value.message
    assert "gap@SECONDS:N" in caught.value.remedy


def test_all_wrong_faults_are_named_at_once():
    with pytest.raises(UsageError) as caught:
        parse_faults(["gap@1:1", "boom@1:1", "gap@2:x", "line@-1:x"])
    for part in ("boom", "'x' is not a whole number", "'-1' is not a time", "'x' is not dB"):
        assert part in caught.value.message


words = st.text("abcXYZ019", min_size=1, max_size=5)


@given(
    kind=st.sampled_from(sorted(FAULTS)),
    at=st.integers(1, 999),
    amount=st.integers(1, 999),
    channel=words,
    stream=st.just("") | words,
)
def test_a_fault_survives_being_written_and_read(kind, at, amount, channel, stream):
    named = FAULTS[kind][0] == "CHANNEL"
    fault = Fault(kind, float(at), 0.0 if named else float(amount), channel * named, stream)
    assert parse_fault(str(fault)) == fault


@given(text=st.text(max_size=30))
def test_any_text_is_a_fault_or_a_usage_error(text):
    try:
        kind = parse_fault(text).kind
    except UsageError:
        kind = None
    assert kind is None or kind in FAULTS


def test_faults_that_hold_from_the_start_need_no_time():
    assert {parse_fault(f"{kind}:5").at_s for kind in UNTIMED} == {0.0}


def test_a_command_line_gives_name_and_options(tmp_path):
    name, options = arguments(
        ["mouse", "--seed", "3", "--fault", "gap@1:2", "--fault", "drift:9", "--channels", "8"]
    )
    assert name == "mouse"
    assert options.seed == 3
    assert options.channels == 8
    assert [f.kind for f in options.faults] == ["gap", "drift"]


@pytest.mark.parametrize("wrong", [{"rate_hz": 0.0}, {"rate_hz": float("nan")}, {"channels": 0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(UsageError):
        SimOptions(**wrong)
