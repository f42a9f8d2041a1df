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
    required,
)

from tenmin.commands.sim import FAULTS as help_text
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
        ("pop@4:AP3:12", Fault("pop", 4.0, 12.0, channel="AP3")),
        ("pop@4:AP3:-12:probe", Fault("pop", 4.0, -12.0, channel="AP3", stream="probe")),
        ("flat@4:3:0.5", Fault("flat", 4.0, 0.5, channel="3")),
        ("hum@4:12:20", Fault("hum", 4.0, 12.0, seconds=20.0)),
        ("bridge@4:Cz:Pz", Fault("bridge", 4.0, channel="Cz", other="Pz")),
        ("blink@4", Fault("blink", 4.0)),
        ("blink@4:eye", Fault("blink", 4.0, stream="eye")),
        ("muscle@4:2", Fault("muscle", 4.0, 2.0)),
        ("lux@4:-50", Fault("lux", 4.0, -50.0)),
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
        "drift:100000", "stall@1:-1", "dead@1:", "@1:5", "pop@1:AP3", "pop@1:AP3:0", "blink",
        "blink@1:a:b", "hum@1:12", "hum@1:12:-1", "bridge@1:Cz", "lux@1:-100", "flat@1:AP3:x",
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
    amounts=st.tuples(st.integers(1, 999), st.integers(1, 999)),
    channels=st.tuples(words, words),
    stream=st.just("") | words,
)
def test_a_fault_survives_being_written_and_read(kind, at, amounts, channels, stream):
    named = required(kind).count("CHANNEL")
    numbers = len(required(kind)) - named
    value, seconds = (*map(float, amounts[:numbers]), 0.0, 0.0)[:2]
    channel, other = (*channels[:named], "", "")[:2]
    fault = Fault(kind, float(at), value, channel, stream, seconds, other)
    assert parse_fault(str(fault)) == fault


@given(text=st.text(max_size=30))
def test_any_text_is_a_fault_or_a_usage_error(text):
    try:
        kind = parse_fault(text).kind
    except UsageError:
        kind = None
    assert kind is None or kind in FAULTS


@pytest.mark.parametrize(
    ("text", "lasts_s"), [("flat@1:AP3:2", 2.0), ("hum@1:12:20", 20.0), ("pop@1:AP3:12", 0.0)]
)
def test_a_fault_knows_how_long_it_lasts(text, lasts_s):
    assert parse_fault(text).lasts_s == lasts_s


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


def test_the_help_of_the_command_shows_every_fault_as_it_is_written():
    shown = help_text.split()
    for kind in FAULTS:
        at = "" if kind in UNTIMED else "@T"
        assert ":".join([kind + at, *required(kind)]) in shown
