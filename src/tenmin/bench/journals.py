"""The way into the journal beside plain appends with the same rhythm of syncs."""

from __future__ import annotations

import itertools
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tenmin import system
from tenmin.bench.rounds import interleave
from tenmin.bench.rows import Row, Spread
from tenmin.bench.setting import CHUNK_S, PROBE_HZ, Setting, probe, recorded, signal
from tenmin.recorder.journal import SYNC_S, commit_all
from tenmin.recording import ROUND_S, SYNCS
from tenmin.tape import BLOCK_BYTES, Tape

SYNC_ROUNDS = int(SYNC_S / ROUND_S)  # what comes later than `SYNC_S` would be too late
WHAT = (
    "push one probe in chunks of 10 ms and write what a round of 100 ms brings, "
    f"fdatasync every {SYNC_ROUNDS * ROUND_S * 1e3:.0f} ms of data"
)
RAW, CHUNKS, UNSYNCED = "raw write + fdatasync", "the same, a write per chunk", "raw write"
NOTES = {
    RAW: "blocks and syncs as ours; no ring, no checksums, no records",
    UNSYNCED: "without any sync: the page cache",
}


def rows(setting: Setting) -> list[Row]:
    """All rows about the journal."""
    n = round(CHUNK_S * PROBE_HZ)
    bank = signal(n * 10, 384)
    chunks = [bank[i : i + n] for i in range(0, len(bank), n)]
    n_chunks = setting.size(500, 50)
    bytes_per_run = n_chunks * chunks[0].nbytes
    ours = Appending(setting, chunks, n_chunks)
    raw, single = Raw(setting, bank, n_chunks, BLOCK_BYTES), Raw(setting, bank, n_chunks, 0)
    names = {"ours": ours.run, RAW: raw.run, CHUNKS: single.run, UNSYNCED: raw.run_unsynced}
    taken = interleave(names, setting.rounds)
    ours.close()
    found = []
    for name, gate, aim in ((RAW, "≥ 0.8", "≥ 0.95"), (CHUNKS, "", ""), (UNSYNCED, "", "")):
        mb = bytes_per_run / n_chunks / 1e6
        found.append(
            Row(
                "journal",
                WHAT,
                "MB/s",
                Spread.of(mb / taken["ours"]),
                name,
                Spread.of(mb / taken[name]),
                Spread.of(taken[name] / taken["ours"]),
                gate,
                aim,
                NOTES.get(name, ""),
            )
        )
    waits = Spread.of([np.quantile(ours.waits, 0.99) * 1e3])
    found.append(Row("journal", "one commit with its syncs, 99th percentile", "ms", waits))
    return found


class Appending:
    """Ring and `Tape` as the recorder thread uses them, with the clock of the data."""

    def __init__(self, setting: Setting, chunks: list[np.ndarray], n_chunks: int) -> None:
        self._setting, self._chunks, self._n = setting, chunks, n_chunks
        self._flow = recorded(setting, probe(), 1.0)
        self._syncs = ThreadPoolExecutor(SYNCS)
        self._count = itertools.count()
        self.waits: list[float] = []

    def run(self) -> int:
        """Write a journal of its own; it is removed by the next one."""
        folder = self._setting.disk / f"journal-{next(self._count) % 2}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        ring = self._flow.ring
        assert ring is not None
        tape = Tape(self._flow, folder, False)
        every, n = round(ROUND_S / CHUNK_S), len(self._chunks[0])
        for i in range(self._n):
            ring.write(i * n, self._chunks[i % len(self._chunks)], None, i)
            if (i + 1) % every == 0:
                tape.take(None)
                began = time.perf_counter()
                commit_all([tape.journal], i * CHUNK_S, self._syncs)
                self.waits.append(time.perf_counter() - began)
        tape.journal.close()
        return self._n

    def close(self) -> None:
        """End the threads."""
        self._syncs.shutdown()


class Raw:
    """The least that could be done: write, and sync as often.

    Parameters
    ----------
    bank : ndarray
        What a round brings, in chunks.
    n_chunks : int
        How many to write.
    block : int
        Bytes of a write; less than a chunk stands for one.
    """

    def __init__(self, setting: Setting, bank: np.ndarray, n_chunks: int, block: int) -> None:
        self._path = setting.disk / "raw.bin"
        self._n = n_chunks
        chunk = round(CHUNK_S * PROBE_HZ) * bank.shape[1] * bank.itemsize
        step = max(1, block // chunk) * chunk
        data = np.ascontiguousarray(bank).reshape(-1).view(np.uint8)
        self._blocks = [data[at : at + step].data for at in range(0, data.nbytes, step)]
        self._rounds = round(n_chunks * chunk / data.nbytes)

    def run(self, sync: bool = True) -> int:
        """Write a file of its own."""
        self._path.unlink(missing_ok=True)
        with open(self._path, "wb", buffering=0) as file:
            for turn in range(1, self._rounds + 1):
                for block in self._blocks:
                    file.write(block)
                if sync and turn % SYNC_ROUNDS == 0:
                    system.sync(file.fileno())
            if sync:
                system.sync(file.fileno())
        return self._n

    def run_unsynced(self) -> int:
        """The same without any sync."""
        return self.run(sync=False)
