"""From the ring to the journal: every sample once, what is torn never, records short enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin import tape as tape_module
from tenmin.counter import GAP
from tenmin.recorder.reader import StreamReader
from tenmin.ring import Ring
from tenmin.source import DeviceConfig
from tenmin.sources import Flow
from tenmin.stream import Stream
from tenmin.tape import RECORD_S, Tape

RATE_HZ = 1000.0
SHARED = round(RECORD_S * RATE_HZ)  # samples that may share a record


@dataclass
class Deck:
    """A ring of 256 samples and its tape."""

    ring: Ring
    tape: Tape
    reader: StreamReader

    def send(self, index: int, n: int, flags: int = 0) -> None:
        """Samples that hold their own index; they arrive at the index of the last one, in ns."""
        samples = np.repeat(np.arange(index, index + n)[:, None], 2, axis=1)
        times = np.arange(index, index + n) / 7.0 if self.ring.stream.timed else None
        self.ring.write(index, samples, times, index + n - 1, flags)

    def records(self) -> np.ndarray:
        self.tape.journal.commit(0.0)
        return self.reader.poll()

    def indices(self) -> list[int]:
        """What the journal holds, every record's checksum compared."""
        found = []
        for batch in self.reader.batches(self.records()):
            assert batch.right.all()
            for record in batch.records:
                found += range(int(record["index"]), int(record["index"]) + int(record["n"]))
            assert batch.samples[:, 1].tolist() == found[-len(batch.samples) :]
            if batch.device_time is not None:
                assert (batch.device_time == batch.samples[:, 0] / 7.0).all()
        return found


@contextmanager
def opened(**fields) -> Iterator[Deck]:
    given = {"rate_hz": RATE_HZ, "dtype": "int64", "counter": True, **fields}
    stream = Stream("s", ("a", "b"), given.pop("rate_hz"), "volts", **given)
    with TemporaryDirectory() as name:
        folder = Path(name)
        flow = Flow(DeviceConfig(name="s"), folder, lambda line: None)
        flow.stream = stream
        flow.ring = Ring.create(folder / "s.ring", stream, 0.25)
        one = Deck(flow.ring, Tape(flow, folder, False), StreamReader(folder, stream))
        yield one
        one.tape.journal.close()
        one.ring.close()


@pytest.fixture
def deck():
    with ExitStack() as stack:
        yield lambda **fields: stack.enter_context(opened(**fields))


@settings(max_examples=30, deadline=None)
@given(
    st.booleans(),
    st.lists(
        st.tuples(st.integers(1, 60), st.sampled_from([0, 0, 0, 5]), st.booleans()),
        max_size=40,
    ),
)
def test_every_sample_is_written_once_however_it_came(timed, chunks):
    index, sent = 0, []
    with opened(timed=timed) as one:
        for n, gap, take in chunks:
            index += gap
            one.send(index, n, GAP if gap else 0)
            sent += range(index, index + n)
            index += n
            if take or one.ring.written - one.tape.reader.position > 190:
                one.tape.take(None)
        one.tape.take(None)
        assert one.indices() == sent


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 25), st.sampled_from([0, 0, 5])), min_size=1, max_size=9))
def test_a_record_ends_where_a_chunk_ended_and_tells_its_arrival(chunks):
    index, ends = 0, set()
    with opened() as one:
        for n, gap in chunks:
            one.send(index + gap, n, GAP if gap else 0)
            index += gap + n
            ends.add(index - 1)
        one.tape.take(None)
        records = one.records()
    last = records["index"] + records["n"] - 1
    assert set(last.tolist()) <= ends
    assert records["host_ns"].tolist() == last.tolist()


def test_short_chunks_share_a_record(deck):
    one = deck()
    for index in range(25):
        one.send(index, 1)
    one.tape.take(None)
    assert one.records()["n"].tolist() == [SHARED, SHARED, 25 - 2 * SHARED]


def test_chunks_as_long_as_a_record_keep_their_own(deck):
    one = deck()
    for index in range(0, 5 * SHARED, SHARED):
        one.send(index, SHARED)
    one.tape.take(None)
    assert one.records()["n"].tolist() == [SHARED] * 5


def test_a_gap_or_a_flag_begins_a_record(deck):
    one = deck()
    for index, flags in ((0, 0), (2, 0), (5, GAP), (7, 8)):
        one.send(index, 2, flags)
    one.tape.take(None)
    records = one.records()
    assert records[["index", "n", "flags"]].tolist() == [(0, 4, 0), (5, 2, GAP), (7, 2, 8)]


def test_arrivals_that_are_the_only_times_are_all_kept(deck):
    one = deck(rate_hz=0.0, counter=False)
    for index in range(3):
        one.send(index, 1)
    one.tape.take(None)
    assert one.records()["host_ns"].tolist() == [0, 1, 2]


def test_nothing_is_written_beyond_the_end(deck):
    one = deck()
    for index in range(0, 60, 20):
        one.send(index, 20)
    one.tape.take(30)
    assert one.indices() == list(range(30))


@pytest.mark.parametrize("timed", [False, True])
def test_what_is_overwritten_while_it_is_written_leaves_no_trace(deck, timed):
    one = deck(timed=timed)
    for index in range(0, 250, 5):
        one.send(index, 5)
    append, late = one.tape.journal.append_all, iter([250])

    def overtaken(*args):
        for index in late:  # once: the writer comes round to the first 94 samples
            one.send(index, 50)
            one.send(index + 50, 50)
        return append(*args)

    one.tape.journal.append_all = overtaken
    one.tape.take(None)
    del one.tape.journal.append_all
    one.tape.take(None)
    lost = one.ring.written - one.tape.samples
    assert 90 <= lost <= 100
    assert one.tape.reader.lost_samples == lost
    assert one.indices() == list(range(lost, 350))


def test_a_backlog_is_written_in_blocks(deck, monkeypatch):
    monkeypatch.setattr(tape_module, "BLOCK_BYTES", 64 * 16)
    one = deck()
    for index in range(0, 200, 20):
        one.send(index, 20)
    append, sizes = one.tape.journal.append_all, []

    def noted(samples, *args):
        sizes.append(len(samples))
        return append(samples, *args)

    one.tape.journal.append_all = noted
    one.tape.take(None)
    assert sizes == [60, 60, 60, 20]


def test_it_goes_on_where_an_earlier_writer_ended(deck):
    one = deck()
    for index in range(0, 40, 4):
        one.send(index, 4)
    one.tape.take(None)
    one.tape.journal.close()
    for index in range(40, 60, 4):
        one.send(index, 4)
    folder = one.tape.flow.path.parent
    again = Tape(one.tape.flow, folder, True)
    again.take(None)
    assert Deck(one.ring, again, one.reader).indices() == list(range(60))
    again.journal.close()
