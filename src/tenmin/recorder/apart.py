"""The file's skeleton, written by a short-lived process.

pynwb takes 70 MB, and what follows the journal for ten minutes has no use for it until the end.
``python -m tenmin.recorder.apart DOT PART START`` prints the places as JSON, or what went wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from tenmin import errors
from tenmin.errors import DiskError, RigError
from tenmin.recorder.files import disk_error, disk_errors
from tenmin.recorder.reader import JournalReader
from tenmin.recorder.skeleton import Places, write_skeleton
from tenmin.system import spawn


def write_skeleton_apart(dot: Path, part: Path, start: datetime) -> dict[str, Places]:
    """As `write_skeleton` of the streams that the journal has by now, in another process.

    Raises
    ------
    DiskFull, DiskError, JournalDamaged
        As told by the other process.
    """
    # A name of its own: when this process is killed, the other may still be at it while the next
    # one begins the file anew. In the journal, so that it goes with it.
    fresh = dot / f"skeleton.{os.getpid()}.part"
    command = [sys.executable, "-m", "tenmin.recorder.apart", str(dot), str(fresh)]
    child = spawn([*command, start.isoformat()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = child.communicate()
    try:
        told = json.loads(out)
    except ValueError as error:  # killed, or a fault of ours: the last line says which
        last = (err.decode("utf-8", "replace").strip().splitlines() or [f"{child.returncode}"])[-1]
        raise DiskError(f"{part} could not be begun: {last}.") from error
    if "failed" in told:
        raise getattr(errors, told["failed"])(told["message"], remedy=told["remedy"])
    with disk_errors(part):
        os.replace(fresh, part)
    return {name: Places(**places) for name, places in told.items()}


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the process."""
    dot, part, start = sys.argv[1:] if arguments is None else arguments
    try:
        journal = JournalReader(Path(dot))
        begun = datetime.fromisoformat(start)
        try:
            places = write_skeleton(Path(part), journal.block, journal.streams, begun)
        except OSError as error:
            raise disk_error(Path(part), error) from error
    except RigError as error:
        known = type(error).__name__ if hasattr(errors, type(error).__name__) else "RigError"
        print(json.dumps({"failed": known, "message": error.message, "remedy": error.remedy}))
        return error.exit_code
    print(json.dumps({name: asdict(place) for name, place in places.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
