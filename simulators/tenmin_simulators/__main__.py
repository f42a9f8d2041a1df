"""``python -m tenmin_simulators NAME``: one simulator alone, without the rest of tenmin."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from tenmin.errors import RigError, UnknownName
from tenmin_simulators.options import arguments

MODULES = {
    "camera": "camera",
    "environment": "environment",
    "frame_trigger": "frame_trigger",
    "human-eeg": "human_eeg",
    "imaging": "imaging",
    "lsl": "lsl",
    "mouse": "mouse",
    "patch": "patch",
    "quick": "quick",
    "treadmill": "treadmill",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator that the command line names; returns the exit code."""
    try:
        name, options = arguments(sys.argv[1:] if argv is None else argv, "tenmin_simulators")
        if name not in MODULES:
            raise UnknownName(f"There is no simulator {name!r} among {', '.join(MODULES)}.")
        module = importlib.import_module(f"tenmin_simulators.{MODULES[name]}")
        return module.run(options)
    except RigError as e:
        print(e, file=sys.stderr)
        return e.exit_code


if __name__ == "__main__":
    sys.exit(main())
