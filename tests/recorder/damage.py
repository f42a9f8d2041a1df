"""Journals cut short or with a flipped byte, and whether what came of them is what is promised.

What a damaged journal still vouches for is found here by the recipe of
``docs/explanation/journal.md``, not by the program under test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from google_crc32c import extend, value

RECORD = np.dtype(
    [
        ("offset", "<u8"),
        ("n", "<u4"),
        ("flags", "<u4"),
        ("index", "<i8"),
        ("device_time", "<f8"),
        ("host_ns", "<i8"),
        ("seq", "<u8"),
        ("crc", "<u4"),
        ("record_crc", "<u4"),
        ("zero", "<u8"),
    ]
)
VOUCHED = 52
LOGS = ("acquirer.jsonl", "events.jsonl", "metrics.jsonl")
DONE = ("result.json", "finaliser.lock")  # no part of what was recorded


@dataclass(frozen=True)
class Harm:
    """What is done to one file of a journal.

    Attributes
    ----------
    file : str
    at : int
        The byte that is flipped, or where the file ends from now on.
    bits : int
        Which bits of that byte are flipped; 0 cuts the file.
    """

    file: str
    at: int
    bits: int = 0

    def __str__(self) -> str:
        if self.bits:
            return f"byte {self.at} of {self.file} flipped by {self.bits:#04x}"
        return f"{self.file} cut at {self.at}"

    def do(self, folder: Path) -> None:
        """Do it."""
        with open(folder / self.file, "r+b") as file:
            if not self.bits:
                file.truncate(self.at)
                return
            file.seek(self.at)
            (old,) = file.read(1)
            file.seek(self.at)
            file.write(bytes([old ^ self.bits]))


def files_of(folder: Path) -> dict[str, int]:
    """Names and sizes of what may be harmed, none of them empty."""
    found = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return {name: size for name, size in found.items() if size and name not in DONE}


@dataclass(frozen=True)
class Vouched:
    """What a stream's files vouch for.

    Attributes
    ----------
    index : ndarray, (n_samples,), int64
    samples : ndarray, (n_samples, n_channels)
    records : int
        How many records.
    """

    index: np.ndarray
    samples: np.ndarray
    records: int


def vouched(folder: Path, name: str, told: Mapping[str, Any]) -> Vouched:
    """All samples whose record and whose checksum are right.

    Parameters
    ----------
    told : mapping
        The stream in an unharmed ``block.json``.
    """
    dtype, n_channels = np.dtype(told["dtype"]), len(told["channels"])
    data = (folder / f"{name}.bin").read_bytes()
    times = (folder / f"{name}.time").read_bytes() if told["timed"] else b""
    raw = (folder / f"{name}.idx").read_bytes()
    raw = raw[: len(raw) // RECORD.itemsize * RECORD.itemsize]
    row, index, samples = dtype.itemsize * n_channels, [], []
    for k, record in enumerate(np.frombuffer(raw, RECORD)):
        at = k * RECORD.itemsize
        if value(raw[at : at + VOUCHED]) != record["record_crc"]:
            continue
        first, n = int(record["offset"]), int(record["n"])
        piece = data[first * row : (first + n) * row]
        when = times[first * 8 : (first + n) * 8] if told["timed"] else b""
        if extend(value(piece), when) == record["crc"]:
            index.append(np.arange(n, dtype=np.int64) + int(record["index"]))
            samples.append(np.frombuffer(piece, dtype).reshape(n, n_channels))
    if not index:
        return Vouched(np.zeros(0, np.int64), np.zeros((0, n_channels), dtype), 0)
    return Vouched(np.concatenate(index), np.concatenate(samples), len(index))


def streams_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The numeric streams that an unharmed ``block.json`` describes."""
    told = json.loads((folder / "block.json").read_text("utf-8"))["streams"]
    return {name: stream for name, stream in told.items() if stream["dtype"] != "str"}


def broken_promises(
    whole: Path, harmed: Path, harm: Harm, nwb: Path, result: Mapping[str, Any]
) -> list[str]:
    """What is promised of a harmed journal and its file, and does not hold.

    Parameters
    ----------
    whole, harmed : Path
        The journal before and after.
    harm : Harm
        What was done to it.
    nwb : Path
        What `recover` made of it.
    result : mapping
        What ``result.json`` says.
    """
    broken = []
    with h5py.File(nwb) as file:
        for name, told in streams_of(whole).items():
            before, left = vouched(whole, name, told), vouched(harmed, name, told)
            numbers = next(s for s in result["streams"] if s["name"] == name)
            broken += [f"{name}: {why}" for why in _kept(file, name, left, numbers)]
            broken += [f"{name}: {why}" for why in _counted(before, left, numbers)]
            if harm.bits and before.records - left.records > 1:
                broken.append(f"{name}: one byte cost {before.records - left.records} records")
    return broken + _said(harm, result, whole, harmed)


def _kept(file: h5py.File, name: str, left: Vouched, numbers: Mapping[str, Any]) -> list[str]:
    if numbers["samples"] != len(left.index):
        return [f"{numbers['samples']} samples, {len(left.index)} are vouched for"]
    if not len(left.index):
        return []
    broken = []
    if f"acquisition/{name}/data" in file:
        data = file[f"acquisition/{name}/data"][()].reshape(left.samples.shape)
        broken += [] if data.tobytes() == left.samples.tobytes() else ["other samples"]
    if f"acquisition/{name}_counter" in file:
        counter = file[f"acquisition/{name}_counter/data"][()]
        broken += [] if np.array_equal(counter, left.index) else ["other device indices"]
    return broken


def _counted(before: Vouched, left: Vouched, numbers: Mapping[str, Any]) -> list[str]:
    """Sent = recorded + listed as missing, index by index."""
    first, stop = int(before.index[0]), int(before.index[-1]) + 1
    if numbers["missing_samples"] != stop - first - len(left.index):
        return [
            f"sent {stop - first}, recorded {len(left.index)}, missing {numbers['missing_samples']}"
        ]
    if not len(left.index):
        return []
    listed = [np.arange(at, at + n, dtype=np.int64) for at, n in numbers["gaps"]]
    found = np.sort(np.concatenate([left.index, *listed]))
    if not np.array_equal(found, np.arange(first, stop)):
        return ["the gaps are not what is missing"]
    return []


def _said(harm: Harm, result: Mapping[str, Any], whole: Path, harmed: Path) -> list[str]:
    """Whether the harm is told, unless it touched nothing that anybody reads."""
    spoilt, broken = result["spoilt"], []
    for name, told in streams_of(whole).items():
        before, left = vouched(whole, name, told), vouched(harmed, name, told)
        lost = before.records > left.records
        if lost != (name in spoilt):
            broken.append(f"{name}: {before.records - left.records} records lost, told {spoilt}")
        numbers = next(s for s in result["streams"] if s["name"] == name)
        if lost and len(left.index) and "damaged" not in numbers["gap_reasons"]:
            broken.append(f"{name}: the reasons are {numbers['gap_reasons']}")
    if harm.file == "block.json" and spoilt.get("block.json") != 1:
        broken.append(f"a damaged block.json is not told: {spoilt}")
    if harm.bits and harm.file in LOGS and _newline(whole, harm):
        return broken  # the line itself is as it was
    if harm.bits and harm.file in LOGS and not spoilt.get(harm.file):
        broken.append(f"a damaged line is not told: {spoilt}")
    return broken


def _newline(whole: Path, harm: Harm) -> bool:
    return (whole / harm.file).read_bytes()[harm.at : harm.at + 1] == b"\n"


def result_of(folder: Path) -> dict[str, Any]:
    """What the finaliser says of its file."""
    return json.loads((folder / "result.json").read_text("utf-8"))
