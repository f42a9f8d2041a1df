"""The XML of an LSL outlet as a stream description."""

import doctest
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenmin_drivers import _lsl_info
from tenmin_drivers._lsl_info import XML_LIMIT, common_unit, parse, si_unit, unique_labels

from tenmin.errors import MalformedData


def xml(desc="", count=2, kind="EEG", dtype="float32", rate="250"):
    return (
        f"<info><name>amp</name><type>{kind}</type><channel_count>{count}</channel_count>"
        f"<channel_format>{dtype}</channel_format><nominal_srate>{rate}</nominal_srate>"
        f"<uid>u</uid><desc>{desc}</desc></info>"
    )


def channels(*nodes):
    return "<channels>" + "".join(f"<channel>{node}</channel>" for node in nodes) + "</channels>"


def test_the_examples_hold():
    assert doctest.testmod(_lsl_info).failed == 0


def test_channels_without_a_label_are_named_by_position():
    assert parse(xml(channels("<label>Cz</label>"), count=3)).labels == ("Cz", "ch1", "ch2")


def test_more_labels_than_channels_are_left_out():
    assert parse(xml(channels("<label>a</label>", "<label>b</label>"), count=1)).labels == ("a",)


@given(st.lists(st.sampled_from(["a", "b", "a-2", "", "ch1"]), max_size=12))
def test_labels_become_unique_and_stay_in_order(labels):
    named = unique_labels(labels)
    assert len(set(named)) == len(labels)
    assert all(new.startswith(old) for new, old in zip(named, labels, strict=True))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text)
    except MalformedData:
        return


@given(st.text(max_size=40))
def test_any_name_survives_but_for_what_xml_forbids(text):
    stream = parse(xml(channels(f"<label>{escape(text)}</label>")))
    assert len(stream.labels) == 2


@pytest.mark.parametrize("broken", [xml(dtype="float16"), xml(count="x"), xml(rate="fast"), "<a"])
def test_a_description_that_is_none_is_refused(broken):
    with pytest.raises(MalformedData, match="no valid XML"):
        parse(broken)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("microvolts", ("volts", 1e-6)),
        ("uV", ("volts", 1e-6)),
        ("µV", ("volts", 1e-6)),
        ("μV", ("volts", 1e-6)),
        ("mV", ("volts", 1e-3)),
        ("Volts", ("volts", 1.0)),
        ("mm", ("meters", 1e-3)),
        ("pixels", ("pixels", 1.0)),
        ("", ("unknown", 1.0)),
    ],
)
def test_units_are_spelled_out_in_si(unit, expected):
    assert si_unit(unit) == expected


@pytest.mark.parametrize(("kind", "expected"), [("eeg", "volts"), ("stim", "n/a"), ("", "volts")])
def test_a_power_of_ten_is_volts_where_the_channel_is_a_potential(kind, expected):
    assert si_unit("-6", kind, electrical=True)[0] == expected


def test_channels_of_one_unit_and_two_scales_share_the_unit():
    unit, scale, scales, units = common_unit(
        [("volts", 1e-6), ("volts", 1e-6), ("volts", 1e-3)], True
    )
    assert (unit, scale, units) == ("volts", 1e-6, ())
    assert scales == pytest.approx((1.0, 1.0, 1000.0))


def test_channels_of_other_units_keep_theirs():
    assert common_unit([("n/a", 1.0), ("n/a", 1.0), ("volts", 1e-6)], True) == (
        "volts",
        1e-6,
        (1e6, 1e6, 1.0),
        ("n/a", "n/a", "volts"),
    )


@pytest.mark.parametrize(
    ("kind", "dtype", "expected"),
    [
        ("EEG", "float32", "eeg"),
        ("ECoG", "float32", "ieeg"),
        ("Markers", "string", "marker"),
        ("whatever", "string", "marker"),
        ("Gaze", "float32", "behavior"),
        ("whatever", "float32", "other"),
    ],
)
def test_the_type_of_the_stream_tells_its_kind(kind, dtype, expected):
    assert parse(xml(kind=kind, dtype=dtype)).kind == expected


def test_what_the_amplifier_says_of_itself_is_kept():
    facts = parse(
        xml(
            "<acquisition><manufacturer>M</manufacturer><model>9</model></acquisition>"
            "<reference><label>FCz</label></reference>"
            + channels("<filtering><highpass><lower>0.1</lower></highpass></filtering>")
        )
    ).facts
    assert (facts["manufacturer"], facts["model"], facts["reference"]) == ("M", "9", "FCz")
    assert facts["filtering"] == "highpass: lower=0.1"


def test_a_description_too_long_for_the_file_is_left_out_and_said():
    facts = parse(xml(f"<note>{'x' * XML_LIMIT}</note>")).facts
    assert "xml" not in facts
    assert "characters" in facts["xml_omitted"]
