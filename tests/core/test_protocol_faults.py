"""A lab's own protocol: what is refused, and where it says the fault is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.errors import FaultyFile
from tenmin.protocol import load

GOOD = """\
id = "ours"
version = "3"
title = "Ours"
species = "animal"
letters = ["A"]
condition = "headfixed_taskfree"
events = ["groom", "whisk"]
more_fields = ["own.arena"]

[timing]
settle_s = 60
block_s = 600
clean_target_s = 540
hard_max_s = 900

[[states]]
states = ["quiet_wake"]
at_least_s = 180

[[steps]]
id = "one"
text = "Do it."
fields = ["env.lux_at_eye"]

[[steps]]
id = "two"
text = "Do that."

[[vocabulary]]
code = "whisk"
text = "whisking"
source = ["operator"]
latency = "human"
mask = 256
before_s = 1.0
after_s = 1.0
"""


@pytest.fixture
def faults_of(tmp_path):
    def faults(text):
        path = tmp_path / "ours.toml"
        path.write_text(text, "utf-8")
        with pytest.raises(FaultyFile) as caught:
            load(path)
        assert str(path) in caught.value.message
        return caught.value.faults

    return faults


@pytest.fixture
def ours(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(GOOD, "utf-8")
    return load(path)


def test_a_protocol_of_the_lab_is_loaded_by_its_path(ours):
    assert (ours.id, ours.version, ours.timing.settle_s) == ("ours", "3", 60.0)


def test_what_is_left_out_has_its_usual_value(ours):
    assert (ours.timing.pads_s, ours.gates.alive_s, ours.extend.rules) == (30.0, 60.0, ())


def test_a_code_of_the_lab_joins_the_shared_vocabulary(ours):
    assert {"whisk", "prompt"} <= {event.code for event in ours.vocabulary}


def test_a_fact_of_the_lab_is_asked_for(ours):
    assert "own.arena" in ours.asked_before()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('title = "Ours"', 'titel = "Ours"', "line 3: unknown key titel; did you mean title?"),
        ("settle_s = 60\n", 'settle_s = "60"\n', "line 11: timing.settle_s = '60': not a number"),
        ("settle_s = 60\n", "settle_s = true\n", "line 11: timing.settle_s = True: not a number"),
        ("settle_s = 60\n", "settle_s = -1\n", "line 11: timing.settle_s = -1: negative"),
        ("settle_s = 60\n", "settle_s = nan\n", "line 11: timing.settle_s = nan: not finite"),
        ("block_s = 600", "block_s = 0", "line 12: timing.block_s = 0: not more than 0"),
        ("settle_s = 60\n", "", "line 10: timing.settle_s is missing"),
        (
            "hard_max_s = 900",
            "hard_max_s = 500",
            "line 14: hard_max_s = 500 is less than block_s = 600",
        ),
        (
            "clean_target_s = 540",
            "clean_target_s = 901",
            "line 13: clean_target_s = 901 cannot be reached within hard_max_s = 900",
        ),
        ('id = "ours"\n', "", "id is missing"),
        ('id = "two"\n', "", "line 25: steps[2].id is missing"),
        ('id = "two"', 'id = "one"', "line 26: one is there twice in steps"),
        ('id = "two"', 'id = "t w o"', "line 26: steps[2].id = 't w o': not letters, digits"),
        ('text = "Do that."', 'text = " "', "line 27: steps[2].text = ' ': empty"),
        (
            '"env.lux_at_eye"',
            '"env.lux_at_eyes"',
            "line 23: unknown fact env.lux_at_eyes; did you mean env.lux_at_eye?",
        ),
        ('"groom", ', '"groming", ', "line 7: unknown event code groming; did you mean groom?"),
        ('code = "whisk"', 'code = "door"', "line 30: event code door is in the shared"),
        ("mask = 256", "mask = 255", "line 34: mask 255 is not one of 1, 2, 4"),
        ('["quiet_wake"]', '["quiet"]', "line 17: states[1].states[1] = 'quiet': not one of"),
        ("at_least_s = 180\n", "", "line 16: neither at_least_s nor at_most_s is given"),
        ('letters = ["A"]', 'letters = "A"', "line 5: letters is not a list"),
        ('species = "animal"', 'species = "human"', "a person needs one of [[instructions]]"),
        ('condition = "headfixed_taskfree"', 'condition = "x"', "line 6: condition = 'x': not one"),
        ("[[states]]", "[[rules]]", "line 16: rules[1].id is missing"),
        ("settle_s = 60\n", "settle_s = = 60\n", "line 11: Invalid value"),
    ],
)
def test_a_fault_is_told_with_its_line(faults_of, old, new, fault):
    assert old in GOOD
    assert any(text.startswith(fault) for text in faults_of(GOOD.replace(old, new, 1)))


def test_a_declared_extension_needs_room(faults_of):
    text = GOOD.replace("hard_max_s = 900", 'hard_max_s = 600\n[extend]\nrules = ["clean_time"]')
    assert faults_of(text) == (
        "line 16: an extension is declared, but hard_max_s leaves no room for it",
    )


def test_an_extension_by_state_needs_a_target(faults_of):
    text = GOOD.replace("at_least_s = 180", "at_most_s = 180")
    text = text.replace("[[states]]", '[extend]\nrules = ["state"]\n\n[[states]]')
    assert faults_of(text)[0].startswith("line 17: extension by state needs")


def test_a_rule_that_holds_for_every_block_cannot_be_changed(faults_of):
    rule = '[[rules]]\nid = "primary_gaps"\ncheck = "gaps"\nthen = "label"\nlabel = "gappy"\n'
    assert faults_of(GOOD + rule) == (
        "line 38: rule primary_gaps holds for every protocol and cannot be changed",
    )


def test_all_faults_are_told_at_once_in_the_order_of_the_lines(faults_of):
    text = (
        GOOD.replace('title = "Ours"', 'titel = "Ours"')
        .replace("settle_s = 60\n", "settle_s = -1\n")
        .replace("hard_max_s = 900", "hard_max_s = 500")
        .replace('id = "two"', 'id = "one"')
        .replace('"groom", ', '"groming", ')
    )
    faults = faults_of(text)
    assert [fault.partition(":")[0] for fault in faults if fault.startswith("line")] == [
        "line 3", "line 7", "line 11", "line 13", "line 14", "line 26",
    ]  # fmt: skip
    assert "title is missing" in faults


def test_an_empty_file_is_told_everything_that_it_lacks(faults_of):
    assert {"id is missing", "timing is missing", "steps is missing"} <= set(faults_of(""))


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    with pytest.raises(FaultyFile, match="cannot be read"):
        load(tmp_path / "none.toml")


LINES = GOOD.splitlines()


@settings(deadline=None)
@given(
    n=st.integers(0, len(LINES) - 1),
    value=st.sampled_from(["1", "-1", "true", '"x"', "[]", "{}", "[[1]]", "{a=1}", "1979-05-27"]),
)
def test_any_value_in_any_place_is_accepted_or_refused_with_faults(tmp_path_factory, n, value):
    key, equals, _ = LINES[n].partition(" = ")
    lines = [*LINES[:n], f"{key}{equals}{value}" if equals else "", *LINES[n + 1 :]]
    path = tmp_path_factory.mktemp("lab") / "ours.toml"
    path.write_text("\n".join(lines), "utf-8")
    try:
        faults = None if load(path).steps else ()
    except FaultyFile as refused:
        faults = refused.faults
    assert faults != ()
