import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin import examples, facts, protocol
from tenmin.errors import FaultyFile, UsageError
from tenmin.rig import load_rig
from tenmin.subject import load_subject, merge, of_nwb, require, weight

GOOD = """experimenter = ["Operator, Rig"]
[subject]
code = "M0042"
species = "Mus musculus"
sex = "F"
age = "P90D"
weight_g = 21.4
description = "Adult mouse."
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "subject.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_subject_file_becomes_facts(written):
    found = load_subject(written(GOOD)).facts
    assert found["subject.code"] == "M0042"
    assert found["experimenter"] == ["Operator, Rig"]


FAULTY = {
    "a species in English": ('"Mus musculus"', '"mouse"', "line 4: subject.species"),
    "a species of three words": ('"Mus musculus"', '"Mus musculus domesticus"', "line 4:"),
    "an age in words": ('"P90D"', '"14 weeks"', "line 6: subject.age"),
    "an age of nothing": ('"P90D"', '"P"', "line 6:"),
    "an age that is a number": ('"P90D"', "90", "line 6: subject.age = 90: not a text"),
    "a weight as text": ("21.4", '"21"', "line 7: subject.weight_g"),
    "a weight of nothing": ("21.4", "0", "line 7: subject.weight_g = 0: not between"),
    "an id with a slash": ('"M0042"', '"M/42"', "line 3: subject.code"),
    "an id with an underscore": ('"M0042"', '"M_42"', "line 3:"),
    "an id of two dots": ('"M0042"', '".."', "line 3:"),
    "a sex in words": ('"F"', '"female"', "line 5: subject.sex"),
    "the sex of a worm": ('"F"', '"XX"', "line 5: subject.sex = 'XX': for Mus musculus"),
    "an empty text": ('"Adult mouse."', '""', "line 8: subject.description"),
    "a name without a comma": ('"Operator, Rig"', '"Rig Operator"', "line 1: experimenter"),
    "a name that is no list": ('["Operator, Rig"]', '"Operator, Rig"', "line 1: experimenter"),
    "the key of NWB": ("code =", "subject_id =", "did you mean subject.code?"),
    "a weight by another name": ("weight_g", "weight", "did you mean subject.weight_g?"),
    "an infinite weight": ("21.4", "inf", "line 7:"),
    "a reason that is none": ("21.4", '{ missing = "lazy" }', "line 7: subject.weight_g"),
    "no code, for a reason": ('"M0042"', '{ missing = "withheld" }', "no file can do without it"),
}


@pytest.mark.parametrize(("old", "new", "fault"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_subject_is_refused_with_the_line(written, old, new, fault):
    with pytest.raises(FaultyFile) as caught:
        load_subject(written(GOOD.replace(old, new)))
    assert len(caught.value.faults) == 1
    assert fault in caught.value.faults[0]


def test_a_birth_date_of_a_human_is_refused(written):
    text = GOOD.replace("Mus musculus", "Homo sapiens") + "date_of_birth = 2000-01-01\n"
    with pytest.raises(FaultyFile, match=r"line 9: subject\.date_of_birth: never for humans"):
        load_subject(written(text))


@pytest.mark.parametrize("age", ["P90D", "P1Y2M", "P12W", "P10D/P12D", "P90Y/", "P1DT12H"])
def test_ages_as_the_archive_takes_them(age):
    assert facts.fault_of("subject.age", age) == ""


def test_a_date_becomes_text(written):
    text = GOOD + "date_of_birth = 2026-08-01\n"
    assert load_subject(written(text)).facts["subject.date_of_birth"] == "2026-08-01"


def test_a_lab_may_have_facts_of_its_own(written):
    assert load_subject(written(GOOD + "[own]\ncage = 12\n")).facts["own.cage"] == 12


@pytest.mark.parametrize("absent", facts.ALWAYS_REQUIRED)
def test_what_the_validators_want_is_asked_for(absent):
    given = {name: "x" for name in facts.ALWAYS_REQUIRED if name != absent}
    with pytest.raises(FaultyFile, match=absent.replace(".", r"\.")):
        require(given, ())


def test_all_missing_facts_are_listed_at_once_each_once():
    with pytest.raises(FaultyFile) as caught:
        require({}, ("env.lux_at_eye", "subject.code", "env.lux_at_eye"))
    assert len(caught.value.faults) == len(facts.ALWAYS_REQUIRED) + 1
    assert caught.value.faults[-1] == "env.lux_at_eye (lux)"


def test_a_reason_stands_for_a_value_that_there_is_not():
    given = {name: "x" for name in facts.ALWAYS_REQUIRED}
    require({**given, "env.humidity_pct": {"missing": "not_measured"}}, ("env.humidity_pct",))


def test_values_and_reasons_are_told_apart():
    given = {"lab": "a", "env.humidity_pct": {"missing": "withheld"}}
    assert facts.known(given) == {"lab": "a"}
    assert facts.reasons(given) == {"env.humidity_pct": "withheld"}


def test_later_sources_win_and_settings_win_over_all():
    found = merge({"lab": "a", "notes": "n"}, {"lab": "b"}, settings=["lab=c"])
    assert found == {"lab": "c", "notes": "n"}


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("env.lux_at_eye=12", "env.lux_at_eye", 12),
        ("subject.code=0042", "subject.code", "0042"),
        ("notes=a=b", "notes", "a=b"),
        ('keywords=["a", "b"]', "keywords", ["a", "b"]),
        ("experimenter=Operator, Rig", "experimenter", ["Operator, Rig"]),
        ("subject.drugs=[]", "subject.drugs", []),
        ("ephys.notch_hz=none", "ephys.notch_hz", "none"),
        ("env.humidity_pct=missing:withheld", "env.humidity_pct", {"missing": "withheld"}),
    ],
)
def test_a_setting_is_read_as_its_fact_wants_it(setting, name, value):
    assert facts.parse(setting) == (name, value)


def test_all_wrong_settings_are_told_at_once():
    with pytest.raises(UsageError, match=r"(?s)'x' is not KEY.*unknown fact env.luxx.*a number"):
        merge(settings=["x", "env.luxx=3", "env.lux_at_eye=dark"])


@given(st.text())
def test_any_setting_is_read_or_refused(text):
    try:
        name, value = facts.parse(text)
    except ValueError:
        return
    assert facts.fault_of(name, value) == ""
    json.dumps(value)


@given(st.floats(1e-3, 1e7))
def test_a_weight_is_written_as_nwb_wants_it(grams):
    number, unit = weight(grams).split(" ")
    assert unit in ("g", "kg")
    assert float(number) * (1000 if unit == "kg" else 1) == pytest.approx(grams, rel=1e-3)
    assert "e" not in number


def test_facts_go_to_the_fields_of_nwb_by_name(written):
    found = of_nwb(load_subject(written(GOOD)).facts)
    assert found["subject_id"] == "M0042"
    assert found["weight"] == "21.4 g"
    assert "strain" not in found


def test_a_missing_weight_is_not_written():
    assert of_nwb({"subject.weight_g": {"missing": "withheld"}}) == {}


def test_every_fact_that_a_protocol_may_ask_for_is_known_or_made_by_the_program():
    unknown = [f.key for f in protocol.fields() if f.key not in facts.KINDS and f.given != "tenmin"]
    assert unknown == []


@pytest.mark.parametrize("name", examples.names())
def test_the_example_files_hold_all_that_their_protocol_asks_for(name):
    rig = load_rig(examples.path_of(name, "rig"))
    subject = load_subject(examples.path_of(name, "subject"))
    wanted = protocol.load(examples.path_of(name, "protocol")).asked_before()
    assert facts.missing(merge(rig.facts, subject.facts), wanted) == ()


def test_examples_are_written_once_and_kept(tmp_path):
    first = examples.write(tmp_path)
    assert len(first) == 3 * len(examples.names())
    (tmp_path / "mouse" / "rig.toml").write_text("mine")
    assert examples.write(tmp_path) == []
    assert (tmp_path / "mouse" / "rig.toml").read_text() == "mine"


def test_every_example_of_a_fact_is_itself_right():
    for name, kind in facts.KINDS.items():
        if kind.example:
            value = tomllib.loads(f"x = {kind.example}")["x"] if kind.example[0] == "[" else None
            assert facts.fault_of(name, kind.example if value is None else value) == ""


def test_no_example_file_is_an_orphan():
    folders = {p.name for p in Path(examples.HERE).iterdir() if (p / "rig.toml").is_file()}
    assert folders == set(examples.names())
