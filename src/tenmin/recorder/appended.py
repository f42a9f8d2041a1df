"""A file of the journal that the watcher appends to: sections of records of one size.

A section is a sealed JSON line that describes it, and records behind it. A record is a mark, the
CRC-32C of its section's line, its own bytes, and the CRC-32C of all of these. Damage costs the
records that it hit, that of a section's line the section; what follows the last sound piece is the
tail of a kill.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from google_crc32c import value

from tenmin.errors import DiskError, DiskFull
from tenmin.recorder.files import (
    Open,
    disk_errors,
    encoded,
    open_raw,
    sealed,
    unsealed,
    write_all,
)

MARK = b"\x01rec"  # begins a record; a line of JSON begins with `{`
LINE = b'{"'
CRC_BYTES = 4
FRAME = len(MARK) + 2 * CRC_BYTES  # of a record
ROOM_BYTES = 8 << 20  # of what waits for the disk: five minutes of 384 channels
CLOSE_S = 5.0  # to wait for the disk at the end


@dataclass
class Section:
    """What one writer wrote.

    Attributes
    ----------
    head : dict
        Its first line.
    crc : bytes
        Of that line, as its records repeat it.
    records : list of bytes
        Whole ones, in order, without their frames.
    lines : list of dict
        Further lines.
    """

    head: dict[str, Any]
    crc: bytes
    records: list[bytes] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def array(self, dtype: np.dtype) -> np.ndarray:
        """The records, (n_records,); those of another size are left out."""
        whole = [record for record in self.records if len(record) == dtype.itemsize]
        return np.frombuffer(b"".join(whole), dtype)


def crc_of(data: bytes) -> bytes:
    """CRC-32C, little-endian."""
    return int(value(data)).to_bytes(CRC_BYTES, "little")


def read_sections(path: Path) -> tuple[list[Section], int]:
    """The sections of a file, and how many stretches of it are damaged.

    Returns
    -------
    sections : list of Section
        Empty where there is no file.
    damaged : int
        A torn tail is none.
    """
    with disk_errors(path):
        data = path.read_bytes() if path.is_file() else b""
    sections, damaged, _ = _split(data)
    return sections, damaged


def _split(data: bytes) -> tuple[list[Section], int, int]:
    """Sections, damaged stretches, and where the last sound piece ends."""
    sections: list[Section] = []
    at = sound = damaged = 0
    broken = False
    while at < len(data):
        size = _take(data, at, sections)
        if size:
            damaged += broken
            at = sound = at + size
            broken = False
            continue
        broken = True
        at = min((n for n in (data.find(x, at + 1) for x in (MARK, LINE)) if n > 0), default=-1)
        if at < 0:
            break
    return sections, damaged, sound


def _take(data: bytes, at: int, sections: list[Section]) -> int:
    """Take the line or record at a byte; its length, 0 where there is no sound one."""
    if data.startswith(MARK, at):
        return _take_record(data, at, sections[-1]) if sections else 0
    if not data.startswith(LINE, at) or (end := data.find(b"\n", at)) < 0:
        return 0
    line = unsealed(data[at:end])
    if line is None:
        return 0
    if "record_bytes" in line:
        sections.append(Section(line, crc_of(data[at:end])))
    elif sections:
        sections[-1].lines.append(line)
    return end + 1 - at


def _take_record(data: bytes, at: int, section: Section) -> int:
    size = section.head["record_bytes"]
    whole = data[at : at + size]
    body, crc = whole[:-CRC_BYTES], whole[-CRC_BYTES:]
    if len(whole) < size or not body.startswith(MARK + section.crc) or crc_of(body) != crc:
        return 0
    section.records.append(body[FRAME - CRC_BYTES :])
    return int(size)


class Appended:
    """The writing side: nothing here waits for the disk.

    A thread writes. Where the disk hangs or is full, what does not find room among the waiting is
    lost and counted: the checks go on.

    Parameters
    ----------
    path : Path
        Made where it is missing; else its torn tail is cut off.
    opener : callable
        Opens it.

    Attributes
    ----------
    failure : DiskFull or DiskError or None
        The newest reason why something is not in the file.
    """

    def __init__(self, path: Path, opener: Open = open_raw) -> None:
        self.path = path
        self._turned_away = self._failed = 0
        self.failure: DiskFull | DiskError | None = None
        with disk_errors(path):
            if path.exists():
                _cut_tail(path)
            self._file: BinaryIO = opener(path, "ab")
        self._section = b""
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._taken = self._done = 0  # bytes; each is counted by one thread only
        self._thread = threading.Thread(target=self._write, name=path.name, daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Records and lines that are not in the file, and will not be."""
        return self._turned_away + self._failed

    def begin(self, head: Mapping[str, Any], record_bytes: int) -> None:
        """Begin a section whose records have so many bytes, frame not counted."""
        line = self._sealed({**head, "record_bytes": record_bytes + FRAME})
        self._section = crc_of(line)
        self._put(line + b"\n")

    def line(self, content: Mapping[str, Any]) -> None:
        """Append a sealed line to the section."""
        self._put(self._sealed(content) + b"\n")

    @staticmethod
    def _sealed(content: Mapping[str, Any]) -> bytes:
        return sealed(encoded(content, separators=(",", ":")))

    def record(self, parts: Sequence[np.ndarray]) -> None:
        """Append a record of these arrays, one behind the other."""
        body = MARK + self._section + b"".join(part.tobytes() for part in parts)
        self._put(body + crc_of(body))

    def _put(self, data: bytes) -> None:
        if self._taken - self._done + len(data) > ROOM_BYTES:
            self._turned_away += 1
            return
        self._taken += len(data)
        self._waiting.put(data)

    def _write(self) -> None:
        while (data := self._waiting.get()) is not None:
            try:
                with disk_errors(self.path):
                    write_all(self._file, memoryview(data))
            except (DiskFull, DiskError) as error:
                self.failure = error
                self._failed += 1
            self._done += len(data)

    def close(self) -> None:
        """Write what waits, for `CLOSE_S` at most, and close; may be called twice."""
        if not self._thread.is_alive():
            return
        self._waiting.put(None)
        self._thread.join(CLOSE_S)  # where the disk hangs, the thread ends with the process
        if not self._thread.is_alive():
            with disk_errors(self.path):
                self._file.close()


def _cut_tail(path: Path) -> None:
    _, _, sound = _split(path.read_bytes())
    with open(path, "r+b") as file:
        file.truncate(sound)
