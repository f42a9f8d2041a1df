"""An account of every sample of a file: what was sent, what is there, what is said to be missing.

What was sent is not taken from the program under test: device numbers of samples are read from the
file's counter, the samples themselves are made once more by the simulator, and how many there
were, and which markers, is what the simulator wrote down.
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

from tests.soak.truths import EDGE_S, LOST_S, SLACK_S, Sent, Span, Texts, markers

# (n, n_channels) samples [first, first + n), without the counter; the array may be used again
Rows = Callable[[int, int], np.ndarray]
AT_ONCE = 4096  # rows, the most that are made at once
COUNTER = 1 << 16  # a probe's counter wraps there, and a block's first index is below it
WRAPS = 100  # of a counter before the block began, at most
VALUES, INDEX, TEXTS, NUMBER = "values", "index", "texts", "number"
BUILDS = {"quick": quick.build, "lsl": lsl.build}  # their samples depend on seed and index alone


@dataclass(frozen=True)
class Stream:
    """One stream of one file.

    Attributes
    ----------
    name : str
    rate_hz : float
    sent : int
        Samples that the device took from the first recorded one to the planned end of the block;
        where there is none, to the last one that is recorded or told to be missing, at most all
        that its simulator had taken by then. Markers that were sent meanwhile.
    recorded, missing : int
        Rows in the file; samples that the program lists as missing.
    wrong : int
        Rows that are not what the simulator sent under their index.
    first, stop : int
        Its simulator's index of the first sample, and the one after the last, told gaps included.
    holes : tuple of (int, int)
        Device index and length of every step of the index.
    told : tuple of (int, int)
        The gaps that the program lists.
    checked : str
        How its rows were compared with the simulator's: by `VALUES`, by the device's own `INDEX`,
        by `TEXTS`, or by their `NUMBER` alone.
    """

    name: str
    rate_hz: float
    sent: int
    recorded: int
    missing: int
    wrong: int = 0
    first: int = 0
    stop: int = 0
    holes: tuple[tuple[int, int], ...] = ()
    told: tuple[tuple[int, int], ...] = ()
    checked: str = NUMBER

    @property
    def uncounted(self) -> int:
        """Samples that are lost and that nobody counted, and rows that are wrong."""
        return abs(self.sent - self.recorded - self.missing) + self.wrong

    @property
    def longest_s(self) -> float:
        """Longest hole, seconds."""
        return max((n for _, n in self.told), default=0) / self.rate_hz if self.rate_hz else 0.0


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
    truths: Mapping[str, Sent | Texts] | None = None,
) -> tuple[Stream, ...]:
    """Every stream of a file; markers where it is known which were sent.

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
    truths : mapping, optional
        Stream -> what its simulator says that it sent.
    """
    known = truths or {}
    with h5py.File(nwb) as file:
        found = []
        for told in streams:
            name = told["name"]
            if told.get("rate_hz"):
                slack_s = 0.0 if name == reference else SLACK_S
                sent = known.get(name)
                taken = sent if isinstance(sent, Sent) else None
                found.append(_stream(file, told, rows.get(name), planned_s, slack_s, taken))
        span = _span(found, known, planned_s, reference)
        for told in streams:
            texts = known.get(told["name"])
            if span is not None and isinstance(texts, Texts):
                found.append(_texts(file, told, texts, span))
    return tuple(found)


def _stream(
    file: h5py.File,
    told: Mapping[str, Any],
    rows: Rows | None,
    planned_s: float | None,
    slack_s: float,
    truth: Sent | None,
) -> Stream:
    name, gaps = told["name"], tuple((int(i), int(n)) for i, n in told["gaps"])
    rate_hz = float(told["rate_hz"])
    recorded, missing = int(told["samples"]), int(told["missing_samples"])
    sent, first, holes, wrong, checked = recorded + missing, 0, gaps, 0, NUMBER
    shown = recorded  # so many were sent, whatever the program tells
    if f"acquisition/{name}_counter" in file:
        index = file[f"acquisition/{name}_counter/data"][()].astype(np.int64)
        holes, checked = holes_of(index), INDEX
        recorded, stop = len(index), int(index[-1]) + 1
        begun = int(index[0])
        before = sum(n for at, n in gaps if at < begun)
        shown = stop - begun
        sent = shown + before + sum(n for at, n in gaps if at >= stop)
        missing, first = sum(n for _, n in gaps), begun - before
        if rows is not None:
            data = file[f"acquisition/{name}/data"]
            checked, wraps = VALUES, _wraps(index, data, rows) * COUNTER
            wrong, first = wrong_rows(index, data, rows, wraps), first + wraps
            if truth is not None:
                sent = min(sent, truth.n - first)
    if planned_s is not None:
        least, most = (round((planned_s + s) * rate_hz) for s in (-slack_s, slack_s))
        sent = max(shown, min(max(sent, least), most))
    stop = first + recorded + missing
    return Stream(name, rate_hz, sent, recorded, missing, wrong, first, stop, holes, gaps, checked)


def _span(
    found: Sequence[Stream],
    truths: Mapping[str, Sent | Texts],
    planned_s: float | None,
    reference: str,
) -> Span | None:
    """The time of a file and of its holes on the host's clock, by the reference's simulator."""
    clock, stream = truths.get(reference), next((s for s in found if s.name == reference), None)
    if stream is None or not isinstance(clock, Sent) or stream.checked != VALUES:
        return None
    wraps = stream.first // COUNTER * COUNTER
    holes = tuple((clock.at_s(i + wraps), clock.at_s(i + wraps + n)) for i, n in stream.told)
    began_s, ended_s = clock.at_s(stream.first), clock.at_s(stream.first + stream.sent)
    edge_s = EDGE_S if planned_s is not None else LOST_S
    return Span(began_s, ended_s, edge_s, holes)


def _texts(file: h5py.File, told: Mapping[str, Any], texts: Texts, span: Span) -> Stream:
    path = f"events/{told['name']}/value"
    got = list(file[path].asstr()[()]) if path in file else []
    found = markers(got, texts, span)
    wrong = found.wrong + abs(int(told["samples"]) - len(got))
    return Stream(
        told["name"], 0.0, found.sent, len(got), found.missing, wrong=wrong, checked=TEXTS
    )


def holes_of(index: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Index and length of each step of a counter, (n,), that is not 1."""
    steps = np.flatnonzero(np.diff(index) != 1)
    return tuple((int(index[k]) + 1, int(index[k + 1] - index[k]) - 1) for k in steps)


def wrong_rows(index: np.ndarray, data: Any, rows: Rows, begun: int) -> int:
    """How many rows of `data`, (n, n_channels), are not what was sent under their index, (n,).

    The sender's own index is larger by `begun`.
    """
    ends = np.flatnonzero(np.diff(index) != 1) + 1
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
