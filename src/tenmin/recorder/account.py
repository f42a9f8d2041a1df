"""What the logs of a journal say happened: start, window, end, gaps and their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COMPLETE, ABORTED, UNFINISHED = "complete", "aborted", "unfinished"


@dataclass(frozen=True)
class Account:
    """The acquirer's own account of a block.

    Attributes
    ----------
    start_ns : int or None
        Host time of the start command.
    t0, n_window : int or None
        First index and length of the canonical window; None when t0 was never reached.
    stop : int or None
        Planned end, the pad after the window and any extension included.
    pad : int
        Length of the pad after the window, samples.
    reason : str
        How it ended: ``complete``, ``aborted`` …; ``unfinished`` without an ``end`` line.
    end_ns : int or None
        Host time of the end.
    gap_reasons : dict of (str, int) to dict
        The ``gap`` lines by stream and index.
    markers : dict of str to list of dict
        The ``marker`` lines by stream.
    """

    start_ns: int | None = None
    t0: int | None = None
    n_window: int | None = None
    stop: int | None = None
    pad: int = 0
    reason: str = UNFINISHED
    end_ns: int | None = None
    gap_reasons: Mapping[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)
    markers: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def extension(self) -> int:
        """Samples that were planned between the window and the pad after it."""
        if self.t0 is None or self.n_window is None or self.stop is None:
            return 0
        return max(0, self.stop - self.pad - self.t0 - self.n_window)


TRICKLE = ("marker", "clock", "correction", "clock_pair")  # go on until the devices are closed


TOLD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # texts and numbers of a kind of line
    "gap": (("stream",), ("index",)),
    "marker": (("stream", "value"), ("host_ns",)),
    "clock": (("stream",), ("x", "y")),
    "correction": (("stream",), ("host_s", "offset_s")),
    "clock_pair": (("utc",), ("host_ns",)),
    "start": ((), ("host_ns",)),
    "t0": ((), ("index", "n_window", "stop", "zero_index")),
    "extend": ((), ("stop",)),
}


def is_told(line: Mapping[str, Any]) -> bool:
    """Whether a line of the log tells what its kind must; one that was spoilt is left out."""
    texts, numbers = TOLD.get(str(line.get("t")), ((), ()))
    return all(isinstance(line.get(key), str) for key in texts) and all(
        isinstance(line.get(key), int | float) for key in numbers
    )


def until_end(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The log without what came in after its last ``end``, while the devices were closed.

    One who followed the journal saw a part of that, and `recover` would see all of it.
    """
    end = max((n for n, line in enumerate(lines) if line.get("t") == "end"), default=len(lines))
    return [line for n, line in enumerate(lines) if n < end or line.get("t") not in TRICKLE]


def samples_told(
    lines: Sequence[Mapping[str, Any]], stream: str
) -> tuple[int, list[tuple[int, int]]]:
    """Samples of a stream in the journal when it was closed, and its gaps, by the log alone.

    0 where no line tells the samples; a gap is its first missing index, and how many.
    """
    ends = [line.get("samples") for line in lines if line.get("t") == "end"]
    told = ends[-1].get(stream, 0) if ends and isinstance(ends[-1], Mapping) else 0
    mine = [line for line in lines if line.get("t") == "gap" and line["stream"] == stream]
    gaps = [(line["index"], line["n"]) for line in mine if isinstance(line.get("n"), int)]
    return told if isinstance(told, int) else 0, sorted(gaps)


def read_account(lines: Sequence[Mapping[str, Any]]) -> Account:
    """Sum up ``acquirer.jsonl``; of lines that are there twice, the first start and last end."""
    first: dict[str, Mapping[str, Any]] = {}
    last: dict[str, Mapping[str, Any]] = {}
    gaps: dict[tuple[str, int], Mapping[str, Any]] = {}
    markers: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        kind = str(line.get("t"))
        first.setdefault(kind, line)
        last[kind] = line
        if kind == "gap":
            gaps[str(line["stream"]), int(line["index"])] = line
        elif kind == "marker":
            markers.setdefault(str(line["stream"]), []).append(line)
    t0 = first.get("t0")
    end = last.get("end", {})
    told: dict[str, Any] = {}
    if t0 is not None:
        told = {"t0": int(t0["index"]), "n_window": int(t0["n_window"])}
        told["pad"] = int(t0["stop"]) - told["t0"] - told["n_window"]
        told["stop"] = int(last.get("extend", t0)["stop"])
    return Account(
        start_ns=first["start"]["host_ns"] if "start" in first else None,
        reason=str(end.get("reason", UNFINISHED)),
        end_ns=end.get("host_ns"),
        gap_reasons=gaps,
        markers=markers,
        **told,
    )
