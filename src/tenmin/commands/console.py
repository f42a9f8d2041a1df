"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tenmin.errors import FaultyFile, RigError


class Console:
    """Where a command's words go.

    Parameters
    ----------
    json : bool
        Print one JSON object on stdout and nothing else there.
    """

    def __init__(self, json: bool = False) -> None:
        self.json = json

    def say(self, text: str = "") -> None:
        """A line for a person; nothing where a machine reads."""
        if not self.json:
            print(text, flush=True)

    def log(self, text: str) -> None:
        """A line beside the result, on stderr."""
        print(text, file=sys.stderr, flush=True)

    def result(self, value: Mapping[str, Any]) -> None:
        """The one JSON object, if it was asked for."""
        if self.json:
            print(to_json(value), flush=True)

    def line(self, value: Mapping[str, Any]) -> None:
        """One of many JSON objects, a line each."""
        print(to_json(value), flush=True)

    def error(self, error: RigError) -> None:
        """What happened and what to do next, on stderr; as the JSON object too."""
        self.log(f"{error.message}\n{error.remedy}")
        told: dict[str, Any] = {
            "error": error.message,
            "kind": type(error).__name__,
            "remedy": error.remedy,
            "exit_code": error.exit_code,
        }
        if isinstance(error, FaultyFile):
            told["faults"] = list(error.faults)
        self.result(told)


def to_json(value: Any) -> str:
    """JSON of one line; numbers that are not finite become null."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def add_json(parser: argparse.ArgumentParser, what: str = "print one JSON object") -> None:
    """The option ``--json``."""
    parser.add_argument("--json", action="store_true", help=what)


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns side by side."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
