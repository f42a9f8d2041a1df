"""The skeleton of a file, written by a process that then gives its memory back."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime

import h5py
import pytest

from tenmin.errors import DiskError, DiskFull, JournalDamaged
from tenmin.recorder import apart
from tenmin.recorder.apart import main, write_skeleton_apart
from tenmin.recorder.files import disk_error
from tenmin.recorder.reader import JournalReader
from tenmin.recorder.skeleton import write_skeleton
from tests.recorder.journals import Source, make, probe, treadmill

START = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)


@pytest.fixture
def made(tmp_path):
    return make(tmp_path / "out", [Source(probe()), Source(treadmill())])


def test_it_is_the_same_skeleton_in_the_same_places(made, tmp_path):
    journal = JournalReader(made.folder)
    here = write_skeleton(tmp_path / "here", journal.block, journal.streams, START)
    before = sorted(made.folder.iterdir())
    assert write_skeleton_apart(made.folder, tmp_path / "there", START) == here
    with h5py.File(tmp_path / "here") as one, h5py.File(tmp_path / "there") as other:
        names: list[list[str]] = [[], []]
        one.visit(names[0].append)
        other.visit(names[1].append)
        assert names[0] == names[1]
        assert other[here["probe"].samples].shape == (0, *one[here["probe"].samples].shape[1:])
    assert sorted(made.folder.iterdir()) == before


def test_what_is_wrong_with_the_journal_is_told_as_it_would_be_here(tmp_path):
    with pytest.raises(JournalDamaged, match=r"holds no block\.json"):
        write_skeleton_apart(tmp_path, tmp_path / "part", START)


def test_a_folder_that_is_not_there_is_a_disk_error(made, tmp_path):
    with pytest.raises(DiskError, match="missing"):
        write_skeleton_apart(made.folder, tmp_path / "missing" / "part", START)


@pytest.mark.skipif(os.name == "nt", reason="there is no program called false")
def test_a_process_that_dies_is_told(made, tmp_path, monkeypatch):
    monkeypatch.setattr(apart.sys, "executable", "false")
    with pytest.raises(DiskError, match="could not be begun"):
        write_skeleton_apart(made.folder, tmp_path / "part", START)


def test_the_process_says_what_failed_in_one_line(made, tmp_path, capsys):
    assert main([str(made.folder), str(tmp_path / "missing" / "part"), START.isoformat()]) == 3
    assert '"failed": "DiskError"' in capsys.readouterr().out


def test_a_disk_that_hdf5_calls_full_in_words_is_full(tmp_path):
    assert isinstance(disk_error(tmp_path, OSError("write failed: No space left")), DiskFull)
    assert isinstance(disk_error(tmp_path, OSError(errno.ENOSPC, "x")), DiskFull)
    assert not isinstance(disk_error(tmp_path, OSError(errno.EIO, "x")), DiskFull)
