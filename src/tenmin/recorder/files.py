"""Files of the journal that are written whole or line by line, and what may go wrong with them."""

from __future__ import annotations

import errno
import json
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from google_crc32c import value

from tenmin import system
from tenmin.errors import DiskError, DiskFull

FORMAT = 1
BLOCK, COPY = "block.json", "block.copy.json"
HDF5_ERROR = re.compile(r"errno = \d+, error message = '([^']*)'")
SEAL = 17  # bytes of `"crc":"89abcdef"}`, with which every sealed object ends
# A line ends at its newline; a newline that was spoilt still follows a seal.
LINE_END = re.compile(rb'\n|(?<="crc":"[0-9a-f]{8}"\})[^\n]')
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))

Open = Callable[[Path, str], BinaryIO]


def open_raw(path: Path, mode: str) -> BinaryIO:
    """A file without a buffer of its own: what is written survives this process."""
    return open(path, mode, buffering=0)  # type: ignore[return-value]


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into `DiskFull` or `DiskError`."""
    try:
        yield
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: BaseException) -> DiskFull | DiskError:
    """What an error of the operating system, or of HDF5, means for a file."""
    chain = list(_chain(error))
    # HDF5 tells the number in words only.
    if any(getattr(e, "errno", None) in FULL or "No space left" in str(e) for e in chain):
        return DiskFull(f"The disk of {path} is full.")
    found = next((e.strerror for e in chain if isinstance(e, OSError) and e.strerror), None)
    told = HDF5_ERROR.search(" ".join(map(str, chain)))
    return DiskError(f"{path}: {found or (told[1] if told else error)}.")


def blames_disk(error: BaseException) -> bool:
    """Whether an error comes from the operating system.

    What HDF5 could not write when it flushed or closed a file is a RuntimeError.
    """
    return any(isinstance(e, OSError) or HDF5_ERROR.search(str(e)) for e in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def write_all(file: BinaryIO, data: memoryview, start: int | None = None) -> None:
    """Write all bytes, or none: a half-written piece is cut off again.

    `start` is where the file stands, if that is known.
    """
    start = file.tell() if start is None else start
    done = 0
    try:
        done = file.write(data)
        while done < len(data):
            done += file.write(data[done:])
    except OSError:
        if done:
            file.seek(start)
            file.truncate(start)
        raise


def plain(content: Any) -> Any:
    """The same in types of JSON: numpy scalars unwrapped, what is not finite as null."""
    if isinstance(content, Mapping):
        return {str(key): plain(item) for key, item in content.items()}
    if isinstance(content, np.ndarray):
        return plain(content.tolist())
    if isinstance(content, list | tuple | set | frozenset):
        return [plain(item) for item in content]
    if isinstance(content, np.generic):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if content is None or isinstance(content, str | int | float):
        return content
    return str(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that it is there whole or not at all, and on the disk.

    Raises
    ------
    DiskFull, DiskError
        The file as it was before is untouched.
    """
    _write_whole(path, encoded(content, indent=1))


def encoded(content: Mapping[str, Any], **layout: Any) -> bytes:
    """A JSON object as bytes of UTF-8."""
    text = json.dumps(plain(content), ensure_ascii=False, **layout)
    return text.encode("utf-8", "replace")


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with disk_errors(path):
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            system.sync(file.fileno())
        system.replace(part, path)


def sealed(data: bytes) -> bytes:
    """A JSON object with the CRC-32C of what stands before it as its last key, ``crc``."""
    head = data[:-1].rstrip()
    head += b"" if head == b"{" else b","
    return head + b'"crc":"%08x"}' % value(head)


def unsealed(data: bytes) -> dict[str, Any] | None:
    """The object that was sealed; None where a byte of it has changed."""
    if not data.endswith(b'"crc":"%08x"}' % value(data[:-SEAL])):
        return None
    content: dict[str, Any] = json.loads(data)
    del content["crc"]
    return content


def write_block(folder: Path, block: Mapping[str, Any]) -> None:
    """Write ``block.json``: everything that was decided before the first sample; and its copy.

    Without it no sample of the journal can be read, so it is there twice.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    data = sealed(encoded({"format": FORMAT, **block}, indent=1))
    for name in (BLOCK, COPY):
        _write_whole(folder / name, data)


def read_block(folder: Path) -> tuple[dict[str, Any], str] | None:
    """What was decided, and the file that tells it: the first whose checksum is right."""
    for name in (BLOCK, COPY):
        path = folder / name
        with disk_errors(path):
            found = unsealed(path.read_bytes()) if path.is_file() else None
        if found is not None:
            return found, name
    return None


class JsonLog:
    """An append-only file of JSON objects, one a line, each written by one call.

    Opening an existing one goes on behind its last whole line; a torn line is cut off.
    It may be used by several threads.
    """

    def __init__(self, path: Path, opener: Open = open_raw) -> None:
        self.path = path
        self._lock = threading.Lock()
        with disk_errors(path):
            if path.exists():
                _cut_torn_line(path)
            self._file = opener(path, "ab")

    def write(self, line: Mapping[str, Any], *, sync: bool = False) -> None:
        """Append one object.

        Raises
        ------
        DiskFull, DiskError
            The lines before are kept, and no part of this one.
        """
        data = sealed(encoded(line, separators=(",", ":"))) + b"\n"
        with self._lock, disk_errors(self.path):
            write_all(self._file, memoryview(data))
            if sync:
                system.sync(self._file.fileno())

    def sync(self) -> None:
        """Wait until every line is on the disk."""
        with self._lock, disk_errors(self.path):
            system.sync(self._file.fileno())

    def close(self) -> None:
        """Sync and close; may be called twice."""
        with self._lock:
            if not self._file.closed:
                try:
                    with disk_errors(self.path):
                        system.sync(self._file.fileno())
                finally:
                    self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """All lines of a log; those whose checksum is wrong (or that a kill tore) are left out."""
    return read_lines(path)[0]


def read_lines(path: Path, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of a log from byte `start` on, and the byte where the next one begins."""
    raw, whole = _split(path, start)
    found = (unsealed(line) for line in raw)
    return [line for line in found if line is not None], start + whole


def count_spoilt(path: Path) -> int:
    """How many lines of a log are not as they were written."""
    return sum(unsealed(line) is None for line in _split(path, 0)[0])


def _split(path: Path, start: int) -> tuple[list[bytes], int]:
    """Lines from byte `start` on, and how many bytes they take; a torn one is left for later."""
    if not path.exists():
        return [], 0
    with disk_errors(path), open(path, "rb") as file:
        file.seek(start)
        data = file.read()
    lines, at = [], 0
    for end in LINE_END.finditer(data):
        lines.append(data[at : end.start()])
        at = end.end()
    return lines, at


def _cut_torn_line(path: Path) -> None:
    with open(path, "r+b") as file:
        end = keep = file.seek(0, 2)
        while keep > 0:
            begin = max(0, keep - 4096)
            file.seek(begin)
            newline = file.read(keep - begin).rfind(b"\n")
            if newline >= 0:
                keep = begin + newline + 1
                break
            keep = begin
        if keep < end:
            file.truncate(keep)
