import pytest

from tenmin.checks.arousal.ruleset import load, shipped
from tenmin.errors import FaultyFile


def changed(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return load(path)


def test_the_rules_are_those_of_the_specification():
    rules = shipped()
    dwell = [
        rules["animal"][f"dwell_{s}_s"]
        for s in ("quiet_wake", "active_wake", "locomotion", "drowsy")
    ]
    assert dwell == [1.0, 0.5, 0.3, 5.0]
    assert (rules["speed"]["on"], rules["speed"]["off"]) == (2.0, 1.0)


def test_a_lab_changes_one_number_and_keeps_the_rest(tmp_path):
    rules = changed(tmp_path, "[speed]\non = 3.0\n")
    assert (rules["speed"]["on"], rules["speed"]["off"]) == (3.0, 1.0)


def test_changed_rules_have_another_hash(tmp_path):
    assert changed(tmp_path, "[speed]\non = 3.0\n").sha256 != shipped().sha256


def test_an_empty_file_changes_nothing(tmp_path):
    assert changed(tmp_path, "").sha256 == shipped().sha256 == load(None).sha256


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    text = 'version = "2"\n[speeed]\non = 1.0\n[speed]\nonn = 1.0\noff = "low"\n'
    with pytest.raises(FaultyFile) as told:
        changed(tmp_path, text)
    assert told.value.faults == (
        "version belongs to the shipped file",
        "there is no table speeed",
        "speed has no onn",
        "speed.off is no number",
    )


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FaultyFile):
        load(tmp_path / "none.toml")
