"""Dataclasses as the schema of a TOML table: every fault of it at once."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

Path = tuple[str | int, ...]
T = TypeVar("T")

IDENTIFIER = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")
_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: table names, list positions and keys from the root."""

    path: Path
    text: str


def entry(
    *default: Any,
    choices: tuple[str, ...] = (),
    low: float = 0.0,
    above: float | None = None,
    identifier: bool = False,
    named_by: str | None = None,
) -> Any:
    """A field of a table, with what its values may be.

    Parameters
    ----------
    default
        At most one; without it the key must be given.
    choices : tuple of str
        The only texts allowed, where not empty.
    low, above : float
        A number is at least `low`, and more than `above` where that is given.
    identifier : bool
        Letters, digits and single ``.``, ``_`` or ``-`` in between.
    named_by : str, optional
        For a list of tables: the key by which they are told apart.
    """
    rules = {
        "choices": choices,
        "low": low,
        "above": above,
        "identifier": identifier,
        "named_by": named_by,
    }
    if default:
        return dataclasses.field(default=default[0], metadata=rules)
    return dataclasses.field(metadata=rules)


def build(cls: type[T], table: Any, faults: list[Fault], at: Path = ()) -> T | None:
    """A value of the dataclass `cls` from a table; None when the table has a fault of its own.

    Every fault is appended to `faults`, those of the tables inside it as well.
    """
    if not isinstance(table, dict):
        faults.append(Fault(at, f"{_shown(at)} is not a table"))
        return None
    before = len(faults)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            faults.append(Fault((*at, key), f"unknown key {key}{_guess(key, fields)}"))
    values: dict[str, Any] = {}
    for key, field in fields.items():
        if key in table:
            value = _value(hints[field.name], table[key], field.metadata, faults, (*at, key))
            values[field.name] = value
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            faults.append(Fault((*at, key), f"{_shown((*at, key))} is missing"))
    return cls(**values) if len(faults) == before else None


def _value(kind: Any, value: Any, rules: Any, faults: list[Fault], at: Path) -> Any:
    if typing.get_origin(kind) in (
        types.UnionType,
        typing.Union,
    ):  # X | None: TOML has no None to write
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is tuple:
        return _items(typing.get_args(kind)[0], value, rules, faults, at)
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type[Any], kind), value, faults, at)
    wrong = _misfit(kind, value, rules)
    if wrong:
        faults.append(Fault(at, f"{_shown(at)} = {value!r}: {wrong}"))
        return None
    return float(value) if kind is float else value


def _items(kind: Any, values: Any, rules: Any, faults: list[Fault], at: Path) -> Any:
    if not isinstance(values, list):
        faults.append(Fault(at, f"{_shown(at)} is not a list"))
        return None
    items = tuple(_value(kind, v, rules, faults, (*at, n)) for n, v in enumerate(values))
    name = rules.get("named_by")
    seen: set[Any] = set()
    for n, value in enumerate(values):
        key = value.get(name) if name and isinstance(value, dict) else value
        if not isinstance(key, str):
            continue
        if key in seen:
            where = (*at, n, name) if name else (*at, n)
            faults.append(Fault(where, f"{key} is there twice in {_shown(at)}"))
        seen.add(key)
    return items


def _misfit(kind: Any, value: Any, rules: Any) -> str:
    fits: dict[Any, Callable[[Any], bool]] = {
        str: lambda v: isinstance(v, str),
        bool: lambda v: isinstance(v, bool),
        int: lambda v: isinstance(v, int) and not isinstance(v, bool),
        float: lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    }
    if not fits[kind](value):
        return f"not {_NAMES[kind]}"
    return _bad_text(value, rules) if kind is str else _bad_number(kind, value, rules)


def _bad_text(value: str, rules: Any) -> str:
    choices = rules.get("choices", ())
    if choices and value not in choices:
        return f"not one of {', '.join(choices)}"
    if not value.strip():
        return "empty"
    if rules.get("identifier") and not IDENTIFIER.fullmatch(value):
        return "not letters, digits and single . _ - between them"
    return ""


def _bad_number(kind: Any, value: Any, rules: Any) -> str:
    if kind is bool:
        return ""
    if not math.isfinite(value):
        return "not finite"
    if value < rules.get("low", 0.0):
        return "negative" if rules.get("low", 0.0) == 0 else f"less than {rules['low']:g}"
    above = rules.get("above")
    return f"not more than {above:g}" if above is not None and value <= above else ""


def _shown(at: Path) -> str:
    text = ""
    for part in at:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


def _guess(key: str, known: Any) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
