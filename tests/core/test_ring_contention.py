"""A small ring hammered by a writer and readers in processes of their own, and by kills."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tenmin.counter import GAP
from tenmin.ring import Ring
from tenmin.ring._kernels import RESERVED, WRITTEN
from tenmin.stream import Stream

CHANNELS = 16

# Every sample holds its own number in every channel, so a torn or stale one is seen.
WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from tenmin.ring import Ring

ring = Ring.attach(Path(sys.argv[1]), writer=True)
rng, end = np.random.default_rng(int(sys.argv[2])), time.monotonic() + float(sys.argv[3])
scratch = np.empty((256, 16), np.int64)
index = ring.written
print("ready", flush=True)
while time.monotonic() < end:
    for n in rng.integers(1, 256, 50).tolist():
        samples = scratch[:n]
        samples[:] = np.arange(index, index + n)[:, None]
        ring.write(index, samples, samples[:, 0] / 8.0, index)
        index += n
print(index)
"""
READER = """
import json, sys, time
from pathlib import Path
import numpy as np
from tenmin.ring import Ring

ring = Ring.attach(Path(sys.argv[1]))
reader, end = ring.reader(0), time.monotonic() + float(sys.argv[2])
wrong = got = void = 0
print("ready", flush=True)
while time.monotonic() < end:
    for piece in reader.read():
        samples, times = piece.samples.copy(), piece.device_time.copy()
        if not reader.valid(piece):
            void += len(samples)
            continue
        expected = np.arange(piece.index, piece.index + len(samples))
        right = (samples == expected[:, None]).all() and (times == expected / 8.0).all()
        wrong += not (right and piece.seq == piece.index and piece.host_ns <= piece.index)
        got += len(samples)
print(json.dumps([wrong, got, void, reader.position, reader.lost_samples]))
"""


def start(program, *args):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)], stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def ring(tmp_path):
    names = tuple(f"ch{i}" for i in range(CHANNELS))
    stream = Stream("probe", names, 2048.0, "volts", dtype="int64", timed=True)
    made = Ring.create(tmp_path / "probe.ring", stream, 1.0)
    yield made
    made.close()


def test_no_piece_that_is_called_valid_was_touched(ring):
    writer = start(WRITER, ring.path, 1, 2.0)
    assert writer.stdout.readline() == "ready\n"
    readers = [start(READER, ring.path, 1.5) for _ in range(2)]
    results = [json.loads(r.communicate(timeout=60)[0].splitlines()[-1]) for r in readers]
    written = int(writer.communicate(timeout=60)[0].splitlines()[-1])
    assert written > 20 * ring.capacity
    for wrong, got, _, position, lost in results:
        assert wrong == 0
        assert got > 0
        assert got + lost == position


def test_a_reader_in_the_same_process_agrees_about_its_losses(ring):
    writer = start(WRITER, ring.path, 2, 1.0)
    assert writer.stdout.readline() == "ready\n"
    reader, got = ring.reader(0), 0
    while writer.poll() is None or reader.position < ring.written:
        for piece in reader.read():
            last = int(piece.samples[-1, -1])
            if reader.valid(piece):
                assert last == piece.index + len(piece.samples) - 1
                got += len(piece.samples)
    assert got + reader.lost_samples == ring.written == int(writer.communicate()[0])
    assert got > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_killed_in_the_middle_is_taken_over(ring, seed):
    reader = ring.reader(0)
    writer = start(WRITER, ring.path, seed, 60.0)
    assert writer.stdout.readline() == "ready\n"
    while ring.written < (3 + seed) * ring.capacity:
        reader.read()
    writer.kill()
    writer.communicate()
    before = ring.written

    heir = Ring.attach(ring.path, writer=True)
    last = heir.last
    assert (last.seq, last.index) == (heir.written, heir.written)
    assert last.seq >= before
    assert last.device_time == (last.index - 1) / 8.0
    for piece in heir.reader(0).read():
        assert piece.samples.tolist() == [
            [i] * CHANNELS for i in range(piece.index, piece.index + len(piece.samples))
        ]
    while reader.read():
        pass
    samples = np.repeat(np.arange(5000, 5040)[:, None], CHANNELS, axis=1)
    heir.write(5000, samples, samples[:, 0] / 8.0, 1, GAP)
    new = reader.read()
    assert [v for p in new for v in p.samples[:, 3].tolist()] == list(range(5000, 5040))
    assert new[0].flags == GAP
    assert new[0].seq == last.seq


def test_what_a_dead_writer_tore_stays_untrusted(ring):
    def write(start, n):
        samples = np.repeat(np.arange(start, start + n)[:, None], CHANNELS, axis=1)
        ring.write(start, samples, samples[:, 0] / 8.0, 0)

    write(0, ring.capacity)
    reader = ring.reader(0)
    pieces = reader.read()
    # As if killed while it copied 100 samples: room was reserved, nothing was told.
    ring._counters[RESERVED] += 100
    ring._samples[:60] = -1
    heir = Ring.attach(ring.path, writer=True)
    assert int(heir._counters[WRITTEN]) == ring.capacity
    assert not reader.valid(pieces[0])
    assert [i for p in heir.reader(0).read() for i in p.samples[:, 0].tolist()] == list(
        range(100, ring.capacity)
    )
    samples = np.full((10, CHANNELS), 7)
    heir.write(9, samples, samples[:, 0] * 1.0, 0)
    assert not reader.valid(pieces[0])


def test_samples_copied_but_not_told_are_written_again(ring):
    ring._counters[WRITTEN] = 55  # killed between the copy and the record
    heir = Ring.attach(ring.path, writer=True)
    assert (heir.written, heir.last) == (0, None)
