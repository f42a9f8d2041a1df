"""Where a key stands in a TOML file, so that a fault can be named with its line.

tomllib tells no lines of what it has read. It is asked again with less of the text: a key
stands on the first line whose addition makes it appear. No second grammar is needed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenmin.errors import FaultyFile

Key = str | int
_ABSENT = object()


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file and what it says.

    Raises
    ------
    FaultyFile
        The file cannot be read, is not UTF-8, or is not TOML; with the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FaultyFile(
            f"{path} cannot be read: {error.strerror or error}.",
            remedy="Check the path and the permissions of the file.",
        ) from error
    try:
        text = data.decode("utf-8-sig")  # editors on Windows put a mark in front
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FaultyFile(f"{path} is not UTF-8 text:", (f"line {line}: {error.reason}",)) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FaultyFile(f"{path} is not TOML:", (syntax_fault(text, error),)) from error


def syntax_fault(text: str, error: tomllib.TOMLDecodeError) -> str:
    """What tomllib complains of, led by its line: ``line 3: Invalid value``."""
    said = str(error)
    found = re.search(r" \(at line (\d+), column \d+\)$", said)
    if found:
        return f"line {found[1]}: {said[: found.start()]}"
    return f"line {len(_lines(text.rstrip()))}: {said}"


def locate(text: str, path: Sequence[Key]) -> int | None:
    """The line, counted from 1, on which a key, a table or an item of a list begins.

    Parameters
    ----------
    text : str
        A TOML document; behind a syntax error nothing is found.
    path : sequence of str and int
        Table names, list positions and keys from the root: ``("device", 1, "endpoint")``.

    Returns
    -------
    int or None
        None when it is not there.
    """
    lines = _lines(text)
    before = 0  # the longest prefix, in lines, known to be TOML and without it
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high) // 2
        whole, document = _longest(lines, middle, before)
        if _present(document, path):
            high = whole
        else:
            before, low = whole, middle + 1
    end, document = _longest(lines, low, before)
    if not _present(document, path):
        return None
    return _within(lines, before + 1, end, path)


def nearest(text: str, path: Sequence[Key]) -> int | None:
    """The line of the longest part of `path` that is there; None when nothing of it is."""
    for n in range(len(path), 0, -1):
        line = locate(text, path[:n])
        if line is not None:
            return line
    return None


def at_line(text: str, path: Sequence[Key], fault: str) -> str:
    """A fault led by the line of the nearest part of `path`: ``line 12: unknown key``."""
    line = nearest(text, path)
    return fault if line is None else f"line {line}: {fault}"


def _lines(text: str) -> list[str]:
    # str.splitlines would also split at characters that TOML allows inside a line.
    return text.replace("\r\n", "\n").split("\n")


def _longest(lines: list[str], n: int, floor: int) -> tuple[int, dict[str, Any]]:
    """The longest prefix of at most `n` lines that is TOML: a value may span several lines."""
    while n > floor:
        document = _loads(lines[:n])
        if document is not None:
            return n, document
        n -= 1
    return floor, _loads(lines[:floor]) or {}


def _loads(lines: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _present(document: Any, path: Sequence[Key]) -> bool:
    for key in path:
        if isinstance(document, dict):
            document = document.get(key, _ABSENT)
        elif isinstance(document, list) and isinstance(key, int) and 0 <= key < len(document):
            document = document[key]
        else:
            return False
    return document is not _ABSENT


def _within(lines: list[str], first: int, last: int, path: Sequence[Key]) -> int:
    """The line of an item inside a list that is written over several lines."""
    if first == last or not any(isinstance(key, int) for key in path):
        return first
    if _loads([*lines[:first], "]"]) is None:  # no list begins here
        return first
    before = first - 1  # comments close as well, so an item begins right behind the last close
    for n in range(first, last):
        document = _loads([*lines[:n], "]"])
        if document is None:
            continue
        if _present(document, path):
            break
        before = n
    return before + 1
