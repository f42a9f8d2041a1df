import pytest

from tenmin.checks.lattice import LINE
from tenmin.checks.parameters import load, shipped
from tenmin.errors import FaultyFile


def changed(tmp_path, text):
    path = tmp_path / "checks.toml"
    path.write_text(text)
    return load(path)


def test_the_line_check_has_the_thresholds_of_the_specification():
    line = shipped()["line"]
    assert (line.warn.on, line.warn.off, line.fail.on, line.bit) == (6.0, 4.0, 15.0, LINE)


def test_a_ratio_turns_off_at_four_fifths():
    assert shipped()["noise"].warn.off == pytest.approx(12.0)


def test_small_values_that_are_bad_turn_off_above():
    assert shipped()["correlation"].warn.off > shipped()["correlation"].warn.on


def test_every_check_tells_its_source_and_what_to_do():
    assert all(p.reference and p.action and p.id for p in shipped().checks.values())


def test_a_lab_changes_one_threshold_and_keeps_the_rest(tmp_path):
    found = changed(tmp_path, "[line]\nwarn = { on = 9.0 }\n")
    assert (found["line"].warn.on, found["line"].fail.on) == (9.0, 15.0)


def test_a_changed_set_has_another_hash(tmp_path):
    assert changed(tmp_path, "[line.values]\nlive_s = 10.0\n").sha256 != shipped().sha256


def test_an_empty_file_changes_nothing(tmp_path):
    assert changed(tmp_path, "").sha256 == shipped().sha256


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    text = """
        version = "9"
        [lines]
        [line]
        id = "Q99"
        warn = { on = "six", of = 3 }
        [line.values]
        live = 3.0
        segment_s = "two"
        """
    with pytest.raises(FaultyFile) as caught:
        changed(tmp_path, text)
    assert len(caught.value.faults) == 7


def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path):
    with pytest.raises(FaultyFile, match=r"checks\.toml"):
        changed(tmp_path, "[line")
