"""Is a recorded file good: schema, best practice, archive, and tenmin's own invariants.

Each validator is asked for everything it has to say; one that is not installed answers UNKNOWN.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tenmin.errors import UsageError
from tenmin.system import writable_caches
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

TIMEOUT_S = 600
BASELINE = "spontaneous_baseline"
FAILING = ("PYNWB_VALIDATION", "CRITICAL", "ERROR")  # of the inspector; ERROR: it crashed itself
BLOCK_SAMPLES = 1 << 22  # timestamps read at once


@dataclass(frozen=True, slots=True)
class Finding:
    """What one validator says of one file.

    Attributes
    ----------
    check : str
        ``schema``, ``inspector``, ``dandi`` or ``invariants``.
    path : str
        The file.
    level : str
        ``OK`` when there is nothing to say; ``WARN``, ``FAIL``; ``UNKNOWN`` when the validator is
        not installed.
    message : str
        What it says, and where in the file.
    """

    check: str
    path: str
    level: str
    message: str = ""


def validate(paths: Iterable[Path | str], *, online: bool = False) -> list[Finding]:
    """Ask every validator about every file.

    Parameters
    ----------
    paths : iterable of Path
        NWB files.
    online : bool
        Let dandi ask its server for news of itself.

    Returns
    -------
    list of Finding
        At least one per file and validator; an OK one where there is nothing to say.

    Raises
    ------
    UsageError
        A file is not there, or no NWB file.
    """
    files = [Path(path) for path in paths]
    missing = [str(path) for path in files if not path.is_file()]
    if missing or not files:
        raise UsageError(f"No such file: {', '.join(missing) or 'none was named'}.")
    if foreign := [str(path) for path in files if not _is_nwb(path)]:
        raise UsageError(f"No NWB file: {', '.join(foreign)}.", remedy="Name files of NWB 2.")
    writable_caches()
    findings: list[Finding] = []
    for path in files:
        for check in (schema, inspector, invariants):
            findings += check(path)
        findings += dandi(path, online=online)
    return findings


def _is_nwb(path: Path) -> bool:
    """Whether a file says so; one that is damaged is for the validators to judge."""
    import h5py

    if not h5py.is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return "nwb_version" in file.attrs
    except OSError:
        return True


def verdicts(findings: Sequence[Finding]) -> list[Verdict]:
    """One verdict per validator: how many messages, and the worst level."""
    order = (OK, UNKNOWN, WARN, FAIL)
    found = []
    for check in dict.fromkeys(finding.check for finding in findings):
        of_it = [finding for finding in findings if finding.check == check]
        level = max((finding.level for finding in of_it), key=order.index)
        said = [finding for finding in of_it if finding.level in (WARN, FAIL)]
        count = None if level == UNKNOWN else float(len(said))
        action = said[0].message if said else ""
        found.append(Verdict(f"validate_{check}", "", level, count, 0.0, "messages", None, action))
    return found


def schema(path: Path) -> list[Finding]:
    """The NWB schema, as cached in the file."""
    writable_caches()
    # `python -m pynwb.validation` exits 0 without checking anything; the function does the work.
    from pynwb import validate as pynwb_validate

    try:
        errors = pynwb_validate(path=str(path))
    except Exception as error:  # the validator stumbles over what it should complain about
        return [Finding("schema", str(path), FAIL, f"cannot be validated: {error!r}")]
    return _all_or_ok("schema", path, [(FAIL, str(error)) for error in errors])


def inspector(path: Path) -> list[Finding]:
    """Best practice: nwbinspector with the archive's configuration, down to suggestions."""
    if importlib.util.find_spec("nwbinspector") is None:
        return [_not_installed("inspector", path, "nwbinspector")]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        run = _run(
            [
                *_program("nwbinspector", "nwbinspector", "inspect_all_cli"),
                str(path),
                "--config",
                "dandi",
                "--threshold",
                "BEST_PRACTICE_SUGGESTION",
                "--progress-bar",
                "False",
                "--json-file-path",
                str(report),
                "--overwrite",
            ]
        )
        if not report.exists():
            return [Finding("inspector", str(path), FAIL, f"nwbinspector failed: {run[-500:]}")]
        told = json.loads(report.read_text("utf-8"))
    scanned = re.search(r"Scanned (\d+) file", run)
    if scanned is None or scanned[1] != "1":  # 0.6 finds no fault in a 2.11 file it cannot read
        return [
            Finding("inspector", str(path), FAIL, f"nwbinspector scanned no file: {run[-500:]}")
        ]
    said = [
        (FAIL if message["importance"] in FAILING else WARN, _sentence(message))
        for message in told["messages"]
    ]
    return _all_or_ok("inspector", path, said)


def dandi(path: Path, *, online: bool = False) -> list[Finding]:
    """The archive: name, place in the tree and metadata, as ``dandi validate`` sees them."""
    if importlib.util.find_spec("dandi") is None:
        return [_not_installed("dandi", path, "dandi")]
    environment = dict(os.environ)
    if not online:
        environment["DANDI_NO_ET"] = "1"
    command = [*_program("dandi", "dandi.cli.command", "main"), "-l", "ERROR", "validate"]
    run = subprocess.run(
        [*command, "-f", "json_lines", path.name],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    said = []
    for line in run.stdout.splitlines():
        if line.startswith("{"):
            told = json.loads(line)
            level = FAIL if told.get("severity") in ("ERROR", "CRITICAL", 40, 50) else WARN
            said.append((level, f"{told.get('id')}: {told.get('message')}"))
    if run.returncode not in (0, 1) or (run.returncode and not said):
        said.append((FAIL, f"dandi ended with {run.returncode}: {run.stderr.strip()[-500:]}"))
    return _all_or_ok("dandi", path, said)


def invariants(path: Path) -> list[Finding]:
    """What tenmin promises of its files."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            said = [(FAIL, text) for check in INVARIANTS for text in check(file)]
    except (OSError, KeyError, ValueError) as error:
        said = [(FAIL, f"cannot be read: {error}")]
    said += [(FAIL, text) for text in _journal_agrees(path)]
    return _all_or_ok("invariants", path, said)


def _window_is_consistent(file: Any) -> Iterable[str]:
    epochs = file.get("intervals/epochs")
    if epochs is None:
        return
    labels = [_text(label) for label in epochs["label"][:]]
    rows = [i for i, label in enumerate(labels) if label == BASELINE]
    if len(rows) > 1:
        yield f"{len(rows)} rows of epochs are called {BASELINE}"
    for i in rows:
        t0, n = int(epochs["t0_index"][i]), int(epochs["n_window"][i])
        start, stop = float(epochs["start_time"][i]), float(epochs["stop_time"][i])
        zero = int(epochs["t0_index"][labels.index("settling")]) if "settling" in labels else None
        if n <= 0 or stop <= start:
            yield "the window is empty"
        elif zero is not None and start > 0:
            rate = (t0 - zero) / start
            if abs((stop - start) * rate - n) > 0.01:
                yield f"the window lasts {stop - start} s, which is not n_window = {n} samples"


def _tables_are_sorted(file: Any) -> Iterable[str]:
    for group, column in (("intervals", "start_time"), ("events", "timestamp")):
        for name, table in (file.get(group) or {}).items():
            if column not in table:
                continue
            times = table[column][:]
            if np.any(np.diff(times) < 0):
                yield f"{group}/{name} is not in the order of time"
            if np.any(times < 0):
                yield f"{group}/{name} has times before zero"
            if column == "start_time" and np.any(table["stop_time"][:] <= times):
                yield f"{group}/{name} has rows that end before they begin"


def _states_are_sound(file: Any) -> Iterable[str]:
    """science.md C.5: no overlap, no hole, neighbours differ but at the border of an epoch."""
    epochs = file.get("intervals/epochs")
    for name in ("arousal_states_online", "arousal_states_final"):
        table = file.get(f"intervals/{name}")
        if table is None:
            continue
        start, stop, state = (table[key][:] for key in ("start_time", "stop_time", "state"))
        if start.dtype != np.float64 or stop.dtype != np.float64:
            yield f"intervals/{name} has times that are no float64"
        if np.any(start[1:] != stop[:-1]):
            yield f"intervals/{name} has a hole or an overlap"
        borders = np.zeros(0) if epochs is None else epochs["start_time"][:]
        at = start[1:][state[1:] == state[:-1]]
        if len(at) and (not len(borders) or np.abs(at[:, None] - borders).min(axis=1).max() > 1e-6):
            yield f"intervals/{name} has neighbours in the same state inside an epoch"


def _series_are_sound(file: Any) -> Iterable[str]:
    for name, series in (file.get("acquisition") or {}).items():
        if "data" not in series:
            continue
        n = len(series["data"])
        if "starting_time" in series:
            if float(series["starting_time"][()]) < 0:
                yield f"{name} begins before zero"
            if not float(series["starting_time"].attrs["rate"]) > 0:
                yield f"{name} has no rate"
        elif "timestamps" in series:
            times = series["timestamps"]
            if len(times) != n:
                yield f"{name} has {n} samples and {len(times)} timestamps"
            elif n and float(times[0]) < 0:
                yield f"{name} begins before zero"
        else:
            yield f"{name} has neither a rate nor timestamps"


def _counters_are_sound(file: Any) -> Iterable[str]:
    for name, series in (file.get("acquisition") or {}).items():
        if not name.endswith("_counter"):
            continue
        data, before = series["data"], None
        for begin in range(0, len(data), BLOCK_SAMPLES):
            piece = data[begin : begin + BLOCK_SAMPLES]
            if np.any(np.diff(piece) <= 0) or (before is not None and piece[0] <= before):
                yield f"{name} does not rise from sample to sample"
                break
            before = piece[-1]


INVARIANTS: tuple[Callable[[Any], Iterable[str]], ...] = (
    _window_is_consistent,
    _tables_are_sorted,
    _states_are_sound,
    _series_are_sound,
    _counters_are_sound,
)


def _journal_agrees(path: Path) -> Iterable[str]:
    """Where the journal is still there: what it says it put into the file is in it."""
    import h5py

    dots = [dot for dot in path.parent.glob("*.dot") if path.name.startswith(f"{dot.stem}_")]
    for dot in dots:
        if not (dot / "result.json").exists():
            yield f"{dot.name} has no result.json: the file was not finished from it"
            continue
        told = json.loads((dot / "result.json").read_text("utf-8"))
        if not told.get("verified"):
            yield f"{dot.name} does not call the file verified"
        with h5py.File(path, "r") as file:
            for stream in told.get("streams", []):
                series = file.get(f"acquisition/{stream['name']}/data")
                if series is not None and len(series) != stream["samples"]:
                    yield (
                        f"{stream['name']} has {len(series)} samples, its journal "
                        f"{stream['samples']}"
                    )


def _all_or_ok(check: str, path: Path, said: Sequence[tuple[str, str]]) -> list[Finding]:
    if not said:
        return [Finding(check, str(path), OK)]
    return [Finding(check, str(path), level, message) for level, message in said]


def _not_installed(check: str, path: Path, package: str) -> Finding:
    message = f"{package} is not installed; pip install 'tenmin[validate]'"
    return Finding(check, str(path), UNKNOWN, message)


def _program(package: str, module: str, function: str) -> list[str]:
    """The command line of a package, run by this Python wherever its script may be."""
    script = Path(sys.executable).with_name(package + (".exe" if os.name == "nt" else ""))
    if script.exists():
        return [str(script)]
    call = f"import sys; from {module} import {function}; sys.argv[0] = {package!r}; {function}()"
    return [sys.executable, "-c", call]


def _run(command: Sequence[str]) -> str:
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=TIMEOUT_S,
        check=False,
    )
    return run.stdout + run.stderr


def _sentence(message: dict[str, Any]) -> str:
    place = f"{message.get('location') or '/'} {message.get('object_name') or ''}".strip()
    return f"{message['importance']}: {message['message']} ({place})"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
