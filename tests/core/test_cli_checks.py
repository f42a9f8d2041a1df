"""``tenmin checks``: the catalogue, and its page."""

import json
from pathlib import Path

import pytest

from tenmin import cli
from tenmin.checks.parameters import shipped
from tenmin.commands.checks import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"


def said(capsys, *words):
    assert cli.main(["checks", *words]) == 0
    return capsys.readouterr().out


def test_the_list_names_every_check(capsys):
    out = said(capsys, "list")
    assert len(out.splitlines()) == len(shipped().checks)


def test_one_check_is_shown_with_its_rule(capsys):
    out = said(capsys, "show", "line")
    assert "WARN       > 6 dB, 2 of 3 s; off at 4, 5 s" in out
    assert "science.md B.2 Q04" in out


def test_an_id_of_the_specification_shows_all_its_checks(capsys):
    shown = json.loads(said(capsys, "show", "Q05", "--json"))["checks"]
    assert [check["name"] for check in shown] == ["noise", "loud"]


@pytest.mark.parametrize("key", ["id", "what", "where", "unit", "reference", "action"])
def test_every_check_tells_all_of_itself(capsys, key):
    told = json.loads(said(capsys, "list", "--json"))["checks"]
    assert all(check[key] for check in told)


def test_a_wrong_name_is_refused_with_the_nearest_right_one(capsys):
    assert cli.main(["checks", "show", "lines"]) == 2
    assert "Did you mean line" in capsys.readouterr().err


def test_the_changes_of_a_rig_are_shown(capsys, tmp_path):
    (tmp_path / "checks.toml").write_text("[line]\nwarn = { on = 9.0 }\n")
    rig = tmp_path / "rig.toml"
    rig.write_text(
        '[rig]\nid = "a"\nmains_hz = 50\nchecks = "checks.toml"\n'
        '[[device]]\nname = "eeg"\ndriver = "lsl"\nstream_type = "EEG"\nprimary = true\n'
    )
    assert "> 9 dB" in said(capsys, "show", "line", "--rig", str(rig))


def test_the_page_of_the_documentation_is_what_the_command_makes():
    assert PAGE.read_text("utf-8") == page(shipped()), "run `tenmin checks list --markdown`"
