"""Large pages under shared memory: asked for without privileges, done without where refused."""

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tenmin import system
from tenmin.system import HERE
from tenmin.system.pages import HUGE, STEP, take_huge_pages

SIZE = STEP + HUGE + 4096
BARE = [replace(HERE, madvise=False), replace(HERE, fallocate=False), replace(HERE, mirror=False)]


@pytest.fixture
def shared():
    """A new, empty file in shared memory."""
    if not HERE.shm:
        pytest.skip("this system has no /dev/shm")
    with TemporaryDirectory(dir="/dev/shm") as folder:
        fd = os.open(Path(folder) / "file", os.O_RDWR | os.O_CREAT)
        yield fd
        os.close(fd)


def test_no_more_than_the_whole_large_pages_of_a_file_are_taken(shared):
    assert take_huge_pages(shared, SIZE) in (0, STEP, STEP + HUGE)


def test_a_file_on_large_pages_is_full_of_zeros(shared):
    take_huge_pages(shared, SIZE)
    assert os.pread(shared, SIZE + 1, 0) == bytes(SIZE)


def test_no_time_is_spent_beyond_what_was_given(shared):
    assert take_huge_pages(shared, SIZE, within_s=0.0) == 0


@pytest.mark.parametrize("platform", BARE, ids=["no advice", "no space", "no addresses"])
def test_a_system_that_lacks_a_part_of_it_gives_none(shared, platform):
    assert take_huge_pages(shared, SIZE, platform=platform) == 0


def test_a_file_smaller_than_a_large_page_lies_on_small_ones(shared):
    assert take_huge_pages(shared, HUGE - 1) == 0


def test_a_file_on_a_disk_is_mapped_all_the_same(tmp_path):
    memory = system.map_file(tmp_path / "file", SIZE)
    assert memory[:] == bytes(SIZE)


@pytest.mark.parametrize("size", [SIZE, 3 * HUGE])
def test_what_lies_on_large_pages_is_told(shared, size):
    folder = Path(os.readlink(f"/proc/self/fd/{shared}")).parent
    with open(folder / "same", "w+b") as file:
        taken = take_huge_pages(file.fileno(), size)
    if not taken:
        pytest.skip("no large page is free")
    told = system.map_mirrored(folder / "same", 4096).granted["huge_pages"]
    assert told == f"{taken} bytes"
