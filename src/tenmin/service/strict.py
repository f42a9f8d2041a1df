"""JSON as every language reads it: what Python's reader lets through beyond that is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tenmin.errors import MessageRefused

MAX_DEPTH = 32  # of nested lists and objects; nothing of ours comes near it
_SURROGATE = re.compile("[\ud800-\udfff]")


class TooBig(MessageRefused):
    """A message is longer than the wire allows."""


def load(data: bytes, max_bytes: int) -> dict[str, Any]:
    """The JSON object in `data`, UTF-8.

    Raises
    ------
    MessageRefused
        It is too big, no JSON object, ambiguous, nested too deeply, or holds a number or a text
        that other languages could not read.
    """
    if len(data) > max_bytes:
        raise TooBig(f"The message has {len(data)} bytes; {max_bytes} are allowed.")
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except RecursionError:
        raise MessageRefused("The message is nested too deeply.") from None
    except ValueError as error:
        raise MessageRefused(f"The message is no JSON in UTF-8: {error}.") from None
    if not isinstance(content, dict):
        raise MessageRefused("The message is no JSON object.")
    _inspect(content, 0)
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return content


def _inspect(value: Any, depth: int) -> None:
    """Refuse what Python's JSON lets through but what could not be written on."""
    if depth > MAX_DEPTH:
        raise MessageRefused("The message is nested too deeply.")
    if isinstance(value, dict):
        for key, item in value.items():
            _inspect(key, depth)
            _inspect(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _inspect(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise MessageRefused("The message holds a number that is not finite.")
    elif isinstance(value, int) and value.bit_length() > 64:
        raise MessageRefused("The message holds an integer of more than 64 bits.")
    elif isinstance(value, str) and _SURROGATE.search(value):
        raise MessageRefused("The message holds half a surrogate pair.")
