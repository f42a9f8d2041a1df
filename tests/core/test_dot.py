"""Names and places of a block's files."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tenmin.dot import (
    bytes_needed,
    discard_half_made,
    discard_journal,
    make_folder,
    nwb_name,
    session_id,
)
from tenmin.dot import session_stamp as stamp
from tenmin.errors import DiskError


def test_the_session_is_named_after_its_start_in_utc():
    berlin = timezone(timedelta(hours=1))

    assert stamp(datetime(2026, 11, 20, 11, 15, tzinfo=berlin), False) == "20261120T101500"


def test_a_simulated_session_says_so_in_its_name():
    assert stamp(datetime(2026, 11, 20, 10, 15, tzinfo=UTC), True) == "20261120T101500sim"


def test_the_journal_stands_in_the_folder_of_its_subject(tmp_path):
    folder = make_folder(tmp_path, "M0042", simulated=True)

    assert folder.parent == tmp_path / "sub-M0042"
    assert folder.name == f"sub-M0042_ses-{session_id(folder)}.dot"


def test_two_blocks_within_a_second_do_not_share_a_folder(tmp_path):
    made = {make_folder(tmp_path, "M0042", simulated=False) for _ in range(3)}

    assert len(made) == 3


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DiskError, match="cannot be written"):
        make_folder(tmp_path / "file", "M0042", simulated=False)


@pytest.mark.parametrize(
    ("kinds", "modalities"),
    [
        (["ecephys", "behavior"], "ecephys"),
        (["eeg", "marker"], "ecephys"),
        (["patch"], "ecephys"),
        (["behavior"], "behavior"),
    ],
)
def test_the_file_is_named_after_what_it_holds(tmp_path, kinds, modalities):
    folder = tmp_path / "sub-M0042_ses-20261120T101500.dot"

    assert nwb_name(folder, kinds) == f"sub-M0042_ses-20261120T101500_{modalities}.nwb"


def test_a_probe_needs_the_space_of_its_samples():
    streams = {"probe": {"bytes_per_s": 384 * 2 * 30_000.0}, "markers": {"bytes_per_s": 0.0}}

    assert bytes_needed(streams, 600.0) == 13_824_000_000


def test_a_discarded_journal_is_gone(tmp_path):
    folder = make_folder(tmp_path, "M0042", simulated=False)
    (folder / "block.json").write_text("{}")
    discard_journal(folder)

    assert not folder.exists()


def test_what_a_dead_writer_left_of_the_file_goes(tmp_path):
    folder = make_folder(tmp_path, "M0042", simulated=False)
    part = folder.parent / f"{folder.stem}_ecephys.nwb.part"
    other = folder.parent / f"{folder.stem}_ecephys.nwb"
    for path in (part, other):
        path.write_text("")
    discard_half_made(folder)

    assert (part.exists(), other.exists()) == (False, True)
