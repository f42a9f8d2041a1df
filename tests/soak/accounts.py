"""An account of every sample of a file: what was sent, what is there, what is said to be missing.

What was sent is not taken from the program under test: device numbers of samples are read from the
file's counter, and the samples themselves are made once more by the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tenmin_simulators import lsl, quick
from tenmin_simulators.options import SimOptions
from tenmin_simulators.sender import Sender

# (n, n_channels) samples [first, first + n), without the counter; the array may be used again
Rows = Callable[[int, int], np.ndarray]
AT_ONCE = 4096  # rows, the most that are made at once
SLACK_S = 0.1  # a stream that is no reference begins and ends by its own clock
COUNTER = 1 << 16  # a probe's counter wraps there, and a block's first index is below it
WRAPS = 100  # of a counter before the block began, at most
BUILDS = {"quick": quick.build, "lsl": lsl.build}  # their samples depend on seed and index alone


@dataclass(frozen=True)
class Stream:
    """One stream of one file.

    Attributes
    ----------
    name : str
    rate_hz : float
    sent : int
        Samples that the device took from the first recorded one to the last, or to the planned
        end of the reference.
    recorded, missing : int
        Rows in the file; samples that the program lists as missing.
    wrong : int
        Rows that are not what the simulator sent under their index.
    stop : int
        Device index after the last row.
    holes : tuple of (int, int)
        Device index and length of every step of the index.
    told : tuple of (int, int)
        The gaps that the program lists.
    by_value : bool
        Whether every row was compared with the simulator's.
    """

    name: str
    rate_hz: float
    sent: int
    recorded: int
    missing: int
    wrong: int = 0
    stop: int = 0
    holes: tuple[tuple[int, int], ...] = ()
    told: tuple[tuple[int, int], ...] = ()
    by_value: bool = False

    @property
    def uncounted(self) -> int:
        """Samples that are lost and that nobody counted, and rows that are wrong."""
        return abs(self.sent - self.recorded - self.missing) + self.wrong

    @property
    def longest_s(self) -> float:
        """Longest hole, seconds."""
        return max((n for _, n in self.told), default=0) / self.rate_hz


def rows_of(name: str, options: SimOptions) -> dict[str, Rows]:
    """What can make each stream's samples again, for simulators where index and seed suffice."""
    if name not in BUILDS:
        return {}
    senders = [s for s in BUILDS[name](options).senders if isinstance(s, Sender)]
    return {s.name: lambda first, n, s=s: s.make(first, n, 0.0)[:, :-1] for s in senders}


def account(
    nwb: Path,
    streams: Sequence[Mapping[str, Any]],
    rows: Mapping[str, Rows],
    planned_s: float | None,
    reference: str,
) -> tuple[Stream, ...]:
    """Every numeric stream of a file.

    Parameters
    ----------
    nwb : Path
    streams : sequence of mapping
        What the program says of each.
    rows : mapping
        Stream -> what makes its samples again.
    planned_s : float or None
        Seconds of the block with its pads; None where it was cut short.
    reference : str
        The stream that the block's length is counted in.
    """
    with h5py.File(nwb) as file:
        return tuple(
            _stream(file, told, rows.get(told["name"]), planned_s, told["name"] == reference)
            for told in streams
            if told.get("rate_hz")
        )


def _stream(
    file: h5py.File,
    told: Mapping[str, Any],
    rows: Rows | None,
    planned_s: float | None,
    reference: bool,
) -> Stream:
    name, gaps = told["name"], tuple((int(i), int(n)) for i, n in told["gaps"])
    rate_hz = float(told["rate_hz"])
    recorded, missing = int(told["samples"]), int(told["missing_samples"])
    sent = stop = recorded + missing
    holes, wrong, compared = gaps, 0, False
    if f"acquisition/{name}_counter" in file:
        index = file[f"acquisition/{name}_counter/data"][()].astype(np.int64)
        holes = holes_of(index)
        recorded, stop = len(index), int(index[-1]) + 1
        first = int(index[0])
        sent = stop - first + sum(n for at, n in gaps if at >= stop or at < first)
        missing = sum(n for _, n in gaps)
        if rows is not None:
            compared = True
            wrong = wrong_rows(index, file[f"acquisition/{name}/data"], rows)
    if planned_s is not None:
        planned = planned_s * rate_hz
        sent = max(sent, round(planned) if reference else round(planned - SLACK_S * rate_hz))
    return Stream(name, rate_hz, sent, recorded, missing, wrong, stop, holes, gaps, compared)


def holes_of(index: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Index and length of each step of a counter, (n,), that is not 1."""
    steps = np.flatnonzero(np.diff(index) != 1)
    return tuple((int(index[k]) + 1, int(index[k + 1] - index[k]) - 1) for k in steps)


def wrong_rows(index: np.ndarray, data: Any, rows: Rows) -> int:
    """How many rows of `data`, (n, n_channels), are not what was sent under their index, (n,)."""
    ends = np.flatnonzero(np.diff(index) != 1) + 1
    begun = _wraps(index, data, rows) * COUNTER
    cuts = np.union1d(ends, np.arange(0, len(index), AT_ONCE))
    wrong = at = 0
    for piece in np.split(index, cuts[cuts > 0]):
        if not len(piece):
            continue
        sent, got = rows(int(piece[0]) + begun, len(piece)), data[at : at + len(piece)]
        bits = f"u{got.dtype.itemsize}"
        same = sent.astype(got.dtype).view(bits) == got.reshape(sent.shape).view(bits)
        wrong += int((~same.all(axis=1)).sum())
        at += len(piece)
    return wrong


def _wraps(index: np.ndarray, data: Any, rows: Rows) -> int:
    """How often the sender's counter had wrapped before the file's first row."""
    for n in range(WRAPS):
        if np.array_equal(rows(int(index[0]) + n * COUNTER, 1)[0], data[0], equal_nan=True):
            return n
    return 0
