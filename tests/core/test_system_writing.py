"""Bytes on their way to the disk before anybody waits for them."""

from dataclasses import replace

import pytest

from tenmin import system
from tenmin.system import HERE


@pytest.mark.skipif(not HERE.starts_writing, reason="this system begins when it likes")
def test_the_system_can_be_asked_to_begin_with_writing(tmp_path):
    with open(tmp_path / "a", "wb", buffering=0) as file:
        file.write(bytes(10000))
        assert system.start_writing(file.fileno(), 0, 10000)


def test_a_system_that_cannot_be_asked_begins_when_it_likes(tmp_path):
    with open(tmp_path / "a", "wb", buffering=0) as file:
        bare = replace(HERE, starts_writing=False)
        assert not system.start_writing(file.fileno(), 0, 10000, platform=bare)


def test_to_begin_with_writing_what_is_no_file_is_refused():
    assert not system.start_writing(-1, 0, 1)
