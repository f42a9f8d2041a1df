"""A journal cut at any byte, or with any byte flipped: what it vouches for is kept, exactly."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynwb import NWBHDF5IO

from tenmin.errors import JournalDamaged
from tenmin.recorder.files import BLOCK, COPY
from tenmin.recorder.recover import recover
from tenmin.validate import invariants, schema
from tenmin.verdict import OK
from tests.recorder.damage import Harm, broken_promises, files_of
from tests.recorder.journals import Source, eeg, make, probe

EXAMPLES = settings(max_examples=12, deadline=None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A journal of two streams with gaps, that nobody harms."""
    sources = [
        Source(probe(4), chunk=50, gaps=[(700, 13), (2000, 1)], first=1000),
        Source(eeg(), gaps=[(300, 5)]),
    ]
    return make(tmp_path_factory.mktemp("whole"), sources, seconds=1.0).folder


def harmed(whole, folder, harm):
    """A copy of the journal, harmed."""
    copy = folder / whole.parent.name / whole.name
    shutil.copytree(whole, copy)
    harm.do(copy)
    return copy


def check(whole, folder, harm):
    copy = harmed(whole, folder, harm)
    result = recover(copy)
    assert broken_promises(whole, copy, harm, copy.parent / result["nwb"], result) == []


@st.composite
def harms(draw, flip):
    """A place in a file of the journal: its files are drawn first, so that small ones count."""
    name = draw(st.sampled_from(FILES))
    share = draw(st.floats(0.0, 1.0, exclude_max=True))
    return name, share, draw(st.integers(1, 255)) if flip else 0


FILES = (
    *("probe.bin", "probe.idx", "eeg.bin", "eeg.idx", "eeg.time"),
    *("acquirer.jsonl", "events.jsonl", "block.json", "block.copy.json"),
)


def placed(whole, harm):
    name, share, bits = harm
    return Harm(name, int(share * files_of(whole)[name]), bits)


@EXAMPLES
@given(harm=harms(flip=True))
def test_a_flipped_byte_costs_its_record_and_nothing_else(whole, tmp_path_factory, harm):
    check(whole, tmp_path_factory.mktemp("flip"), placed(whole, harm))


@EXAMPLES
@given(harm=harms(flip=False))
def test_a_cut_costs_what_is_behind_it_and_nothing_else(whole, tmp_path_factory, harm):
    check(whole, tmp_path_factory.mktemp("cut"), placed(whole, harm))


@pytest.mark.parametrize("stream", ["probe", "eeg"])
@pytest.mark.parametrize("record", [0, 1, -1])
@pytest.mark.parametrize("suffix", [".idx", ".bin"])
def test_the_first_and_the_last_record_are_counted_as_well(whole, tmp_path, stream, record, suffix):
    name = stream + suffix
    at = {0: 8, 1: 64 + 8, -1: -64 + 8}[record] if suffix == ".idx" else 50 * record
    check(whole, tmp_path, Harm(name, at % files_of(whole)[name], 1))


def test_a_damaged_record_is_an_invalid_time(whole, tmp_path):
    copy = harmed(whole, tmp_path, Harm("probe.bin", 4000, 0x10))
    result = recover(copy)
    path = copy.parent / result["nwb"]
    assert [f for ask in (schema, invariants) for f in ask(path) if f.level != OK] == []
    with NWBHDF5IO(path, "r") as io:
        nwb = io.read()
        table = nwb.invalid_times.to_dataframe()
        assert "damaged" in nwb.session_description
    (row,) = table[table["reason"] == "gap: damaged"].itertuples()
    assert (row.stream, round(row.stop_time - row.start_time, 6)) == ("probe", 0.05)


def test_a_journal_whose_block_json_is_gone_twice_is_refused(whole, tmp_path):
    copy = harmed(whole, tmp_path, Harm(BLOCK, 100))
    Harm(COPY, 30, 1).do(copy)
    with pytest.raises(JournalDamaged, match="checksum") as caught:
        recover(copy)
    assert caught.value.remedy
