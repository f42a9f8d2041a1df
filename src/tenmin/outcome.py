"""How a block ended, from its journal folder: what ``tenmin record --json`` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tenmin.block import Block
from tenmin.errors import RigError
from tenmin.recorder.files import read_block
from tenmin.recorder.journal import read_log
from tenmin.verdict import FAIL, OK, UNKNOWN, Verdict, at_least_as_bad

STREAM_KEYS = (
    "name",
    "samples",
    "missing_samples",
    "gaps",
    "window_samples",
    "rate_hz",
    "drift_ppm",
    "drift_ppm_u95",
)


def outcome(
    dot: Path, verdicts: Iterable[Verdict], block: Block | None, error: RigError | None
) -> dict[str, Any]:
    """The end of a block as one JSON-able object.

    Parameters
    ----------
    dot : Path
        The journal's folder, still there.
    verdicts : iterable of Verdict
        The worst of each check while recording.
    block : Block or None
        Where it stood; None when its engine died.
    error : RigError or None
        What went wrong, if anything did.

    Returns
    -------
    dict
        The keys of ``record --json``, and ``labels``, ``error``, ``remedy``, ``exit_code``,
        ``verified``, ``phase``, ``ended``: how the recording came to its end.
    """
    decided = (read_block(dot) or ({}, ""))[0]
    written = _read(dot / "result.json")
    levels = [asdict(v) for v in verdicts]
    nwb = dot.parent / decided["nwb"] if decided else None
    made = nwb is not None and nwb.exists()
    told = {
        "nwb": str(nwb) if made else None,
        "journal": str(dot),
        "simulated": decided.get("simulated"),
        "nonstandard": decided.get("nonstandard"),
        "seconds_asked": decided.get("seconds"),
        "t0_index": written.get("t0_index"),
        "n_window": written.get("n_window"),
        "streams": [_stream(s) for s in _streams(written)],
        "verdicts": levels,
        "arousal": None,
        "completeness": None,
        "validation": None,
        "labels": list(block.labels) if block is not None else ["engine_died"],
        "phase": block.phase.name if block is not None else None,
        "ended": written.get("reason"),
        "verified": bool(written.get("verified")) and made,
        "error": None if error is None else error.message,
        "remedy": None if error is None else error.remedy,
    }
    told["exit_code"] = _exit_code(told, error)
    return told


def latched(dot: Path) -> list[Verdict]:
    """The worst verdict of each check while recording, from the event log of a dead engine.

    What was fine until it died is UNKNOWN: nobody watched the rest.
    """
    worst: dict[tuple[str, str], Verdict] = {}
    recording = False
    for line in read_log(dot / "events.jsonl"):
        if line.get("source") != "engine":
            continue
        if line.get("code") == "phase":
            recording = line.get("value") in ("RECORDING", "EXTENDING", "CLOSING")
        elif line.get("code") == "verdict":
            try:
                verdict = Verdict(**json.loads(line["value"]))
            except (ValueError, TypeError, KeyError):
                continue  # a line that a power cut left half written
            kept = worst.get((verdict.check, verdict.stream))
            if not recording or kept is None or at_least_as_bad(verdict, kept):
                worst[verdict.check, verdict.stream] = verdict
    unseen = "The engine died; nothing was watched after that."
    return [
        replace(v, level=UNKNOWN, value=None, action=unseen) if v.level == OK else v
        for v in worst.values()
    ]


def _stream(numbers: dict[str, Any]) -> dict[str, Any]:
    """What is told of a stream; of imaging frames their balance as well."""
    told = {key: numbers.get(key) for key in STREAM_KEYS}
    return told if numbers.get("frames") is None else {**told, "frames": numbers["frames"]}


def _streams(written: dict[str, Any]) -> list[dict[str, Any]]:
    streams = written.get("streams", [])
    if isinstance(streams, dict):
        return [{"name": name, **numbers} for name, numbers in streams.items()]
    return list(streams)


def _exit_code(told: dict[str, Any], error: RigError | None) -> int:
    if error is not None:
        return error.exit_code
    if told["phase"] == "ABORTED":
        return 4
    if not told["verified"]:
        return 3
    cut = told["phase"] is None and told["ended"] != "complete"
    return 1 if cut or any(v["level"] == FAIL for v in told["verdicts"]) else 0


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}
