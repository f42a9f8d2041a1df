import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.errors import FaultyFile
from tenmin.lines import at_line, locate, nearest, read_toml

TEXT = '''\
# a rig
title = "x"
note = """
endpoint = "no"
[[device]]
"""

[rig]
id = "left"   # the id
mains_hz = 50
tags = [
  "a",  # first
  # nothing here
  "b", "c",
  "d"]

[[device]]
name = "probe"
[device.facts]
location = "V1"

[[device]]  # second
name = "belt"
"odd key" = 1
facts = { location = "wheel" }
steps = [
  { id = "one" },
  { id = "two", help = """
]""" },
]
rate.hz = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("note",), 3),
        (("rig",), 8),
        (("rig", "id"), 9),
        (("rig", "tags"), 11),
        (("rig", "tags", 0), 12),
        (("rig", "tags", 2), 14),
        (("rig", "tags", 3), 15),
        (("device",), 17),
        (("device", 0), 17),
        (("device", 0, "facts"), 19),
        (("device", 0, "facts", "location"), 20),
        (("device", 1), 22),
        (("device", 1, "name"), 23),
        (("device", 1, "odd key"), 24),
        (("device", 1, "facts", "location"), 25),
        (("device", 1, "steps", 1, "id"), 28),
        (("device", 1, "rate", "hz"), 31),
    ],
)
def test_a_key_is_found_on_the_line_where_it_begins(path, line):
    assert locate(TEXT, path) == line


@pytest.mark.parametrize(
    "path", [("endpoint",), ("rig", "name"), ("device", 2), ("rig", "tags", 9)]
)
def test_what_is_not_there_has_no_line(path):
    assert locate(TEXT, path) is None


def test_windows_line_ends_count_as_one_line():
    assert locate(TEXT.replace("\n", "\r\n"), ("device", 1, "name")) == 23


def test_a_missing_key_is_named_with_the_line_of_its_table():
    assert nearest(TEXT, ("device", 1, "endpoint")) == 22


def test_a_fault_of_the_whole_file_has_no_line():
    assert at_line(TEXT, ("version",), "version is missing") == "version is missing"


def test_a_fault_is_led_by_its_line():
    assert at_line(TEXT, ("rig", "mains_hz"), "too low") == "line 10: too low"


def test_keys_before_a_syntax_error_are_still_found():
    assert locate(TEXT + "x = = 3\n", ("rig", "mains_hz")) == 10


@settings(deadline=None)
@given(
    tables=st.lists(
        st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.integers(), min_size=1),
        min_size=1,
        max_size=6,
    ),
    blank=st.lists(st.sampled_from(["", "# x = 1", "   "]), max_size=3),
)
def test_every_key_of_every_table_is_found(tables, blank):
    lines, where = [], {}
    for n, table in enumerate(tables):
        lines += [*blank, "[[t]]"]
        where["t", n] = len(lines)
        for key, value in table.items():
            lines += [*blank, f"{key} = {value}"]
            where["t", n, key] = len(lines)
    text = "\n".join(lines)
    assert tomllib.loads(text) == {"t": tables}
    assert {path: locate(text, path) for path in where} == where


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a = 1\nb = = 2\n", "line 2: "),
        (b"a = 1\n\na = 2\n", "line 3: "),
        (b'a = 1\nb = """\nnever closed\n\n', "line 3: "),
        (b"a = 1\nb = '\xff'\n", "line 2: "),
    ],
)
def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path, content, line):
    path = tmp_path / "rig.toml"
    path.write_bytes(content)
    with pytest.raises(FaultyFile) as caught:
        read_toml(path)
    assert caught.value.faults[0].startswith(line)


def test_a_missing_file_is_refused_by_its_name(tmp_path):
    with pytest.raises(FaultyFile, match=r"absent\.toml cannot be read"):
        read_toml(tmp_path / "absent.toml")


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert read_toml(path)[1] == {"a": 1}
