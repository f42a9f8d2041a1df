"""The records of an index file: 64 bytes that say where a run of samples is, and vouch for it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from google_crc32c import extend, value

from tenmin.recorder.files import disk_errors

RECORD = np.dtype(
    [
        ("offset", "<u8"),  # sample number in .bin of its first sample
        ("n", "<u4"),
        ("flags", "<u4"),
        ("index", "<i8"),  # device index of its first sample
        ("device_time", "<f8"),
        ("host_ns", "<i8"),
        ("seq", "<u8"),  # sequence number in the ring
        ("crc", "<u4"),  # of its bytes in .bin, continued over those in .time
        ("record_crc", "<u4"),  # of the 52 bytes before
        ("zero", "<u8"),
    ]
)
VOUCHED = 52  # bytes of a record that its own checksum covers
_VOUCHED, _CLOSING = struct.Struct("<QIIqdqQI"), struct.Struct("<IQ")  # a `RECORD` in two parts


class Last(NamedTuple):
    """The last whole record of a stream: where a resumed journal goes on."""

    offset: int
    n: int
    flags: int
    index: int  # type: ignore[assignment]  # shadows tuple.index
    device_time: float
    host_ns: int
    seq: int


class Received(NamedTuple):
    """What a record tells of samples besides where they are.

    Attributes
    ----------
    n : int
        How many.
    index : int
        Device index of the first one.
    host_ns : int
        Arrival of the last one, monotonic ns.
    flags : int
        What is true of the step before them: 1 gap, 2 estimated, 4 reconnect, 8 restart.
    seq : int
        Sequence number in the ring.
    """

    n: int
    index: int  # type: ignore[assignment]  # shadows tuple.index
    host_ns: int
    flags: int = 0
    seq: int = 0


def packed(record: Last, crc: int) -> bytes:
    """The 64 bytes of a record; `crc` is that of its samples and times."""
    vouched = _VOUCHED.pack(*record, crc)
    return vouched + _CLOSING.pack(value(vouched), 0)


def read_records(path: Path, start: int = 0) -> np.ndarray:
    """Records of an index file from record `start` on, not yet checked.

    Returns
    -------
    ndarray, (n_records,), RECORD
        A torn one at the end is left out.
    """
    if not path.exists():
        return np.zeros(0, RECORD)
    with disk_errors(path), open(path, "rb") as file:
        file.seek(start * RECORD.itemsize)
        data = file.read()
    return np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], RECORD)


def are_whole(records: np.ndarray) -> np.ndarray:
    """Which records' own checksums are right.

    Returns
    -------
    ndarray, (n_records,), bool
    """
    data = records.tobytes()
    size = RECORD.itemsize
    found = [value(data[at : at + VOUCHED]) for at in range(0, len(data), size)]
    return np.array(found, np.uint32) == records["record_crc"]


def checksum(samples: np.ndarray, device_time: np.ndarray | None) -> int:
    """CRC-32C of a record's samples, continued over its device times."""
    crc = extend(0, np.ascontiguousarray(samples).reshape(-1))
    return crc if device_time is None else extend(crc, np.ascontiguousarray(device_time))
