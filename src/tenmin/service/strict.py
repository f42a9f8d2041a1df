"""JSON as every language reads it: what Python's reader lets through beyond that is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tenmin.errors import MessageRefused

MAX_DEPTH = 32  # of nested lists and objects; nothing of ours comes near it
_SURROGATE = re.compile("[\ud800-\udfff]")
# What a message must hold, each digit written as 0, for one of its values to be refused: a constant
# or an exponent of which no finite number comes, an integer of 20 digits, an escape.
_SUSPECT = (b"NaN", b"Infinity", b"e000", b"0" * 20, b"\\u")
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")


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
    if _too_deep(content):
        raise MessageRefused("The message is nested too deeply.")
    shape = data.translate(_DIGITS, b"+").replace(b".000000", b".")  # a fraction may be long
    if any(mark in shape for mark in _SUSPECT):  # looking at each value takes half of the time
        _inspect(content)
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return content


def _too_deep(content: dict[str, Any]) -> bool:
    """Whether lists and objects stand in more than `MAX_DEPTH` others."""
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        inside = [item for one in level for item in (one.values() if type(one) is dict else one)]
        level = [item for item in inside if type(item) in (dict, list)]
        if not level:
            return False
    return True


def _inspect(value: Any) -> None:
    """Refuse what Python's JSON lets through but what could not be written on."""
    if isinstance(value, dict):
        for key, item in value.items():
            _inspect(key)
            _inspect(item)
    elif isinstance(value, list):
        for item in value:
            _inspect(item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise MessageRefused("The message holds a number that is not finite.")
    elif isinstance(value, int) and value.bit_length() > 64:
        raise MessageRefused("The message holds an integer of more than 64 bits.")
    elif isinstance(value, str) and _SURROGATE.search(value):
        raise MessageRefused("The message holds half a surrogate pair.")
