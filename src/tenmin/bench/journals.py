"""The journal's writer beside plain appends with the same rhythm of syncs."""

from __future__ import annotations

import itertools
import shutil
import time

import numpy as np

from tenmin import system
from tenmin.bench.rounds import interleave
from tenmin.bench.rows import Row, Spread
from tenmin.bench.setting import CHUNK_S, PROBE_HZ, Setting, probe, signal
from tenmin.recorder.journal import SYNC_S, StreamJournal
from tenmin.recording import ROUND_S

WHAT = "append one probe in chunks of 10 ms, fdatasync every 250 ms of data"


def rows(setting: Setting) -> list[Row]:
    """All rows about the journal."""
    n = round(CHUNK_S * PROBE_HZ)
    bank = signal(n * 10, 384)
    chunks = [bank[i : i + n] for i in range(0, len(bank), n)]
    n_chunks = setting.size(500, 50)
    bytes_per_run = n_chunks * chunks[0].nbytes
    ours, raw = Appending(setting, chunks, n_chunks), Raw(setting, chunks, n_chunks)
    names = {"ours": ours.run, "raw write + fdatasync": raw.run, "raw write": raw.run_unsynced}
    taken = interleave(names, setting.rounds)
    found = []
    for name, gate, aim in (
        ("raw write + fdatasync", "≥ 0.8", "≥ 0.95"),
        ("raw write", "", ""),
    ):
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
                "" if gate else "without any sync: the page cache",
            )
        )
    waits = Spread.of([np.quantile(ours.waits, 0.99) * 1e3])
    found.append(Row("journal", "one commit with its syncs, 99th percentile", "ms", waits))
    return found


class Appending:
    """`StreamJournal` as the recorder thread uses it, with the clock of the data."""

    def __init__(self, setting: Setting, chunks: list[np.ndarray], n_chunks: int) -> None:
        self._setting, self._chunks, self._n = setting, chunks, n_chunks
        self._count = itertools.count()
        self.waits: list[float] = []

    def run(self) -> int:
        """Write a journal of its own; it is removed by the next one."""
        folder = self._setting.disk / f"journal-{next(self._count) % 2}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        journal = StreamJournal(folder, probe())
        every, n = round(ROUND_S / CHUNK_S), len(self._chunks[0])
        for i in range(self._n):
            journal.append(i * n, self._chunks[i % len(self._chunks)], None, i, 0, i * n)
            if (i + 1) % every == 0:
                began = time.perf_counter()
                journal.commit(i * CHUNK_S)
                self.waits.append(time.perf_counter() - began)
        journal.close()
        return self._n


class Raw:
    """The least that could be done: write, and sync as often."""

    def __init__(self, setting: Setting, chunks: list[np.ndarray], n_chunks: int) -> None:
        self._path = setting.disk / "raw.bin"
        self._chunks = [np.ascontiguousarray(chunk).data for chunk in chunks]
        self._n = n_chunks

    def run(self, sync: bool = True) -> int:
        """Write a file of its own."""
        every = round(SYNC_S / CHUNK_S)
        self._path.unlink(missing_ok=True)
        with open(self._path, "wb", buffering=0) as file:
            for i in range(self._n):
                file.write(self._chunks[i % len(self._chunks)])
                if sync and (i + 1) % every == 0:
                    system.sync(file.fileno())
            if sync:
                system.sync(file.fileno())
        return self._n

    def run_unsynced(self) -> int:
        """The same without any sync."""
        return self.run(sync=False)
