"""What is wrong with a protocol although every key and value is allowed by itself."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from tenmin.facts import OWN
from tenmin.protocol_parts import MASKS
from tenmin.schema import Fault, Path

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a protocol may use, or must not use again.

    Attributes
    ----------
    fields : frozenset of str
        Facts that may be asked for.
    codes, rules : frozenset of str
        The shared event vocabulary and the shared rules.
    """

    fields: frozenset[str]
    codes: frozenset[str]
    rules: frozenset[str]


def contradictions(table: Table, known: Known) -> list[Fault]:
    """Faults between the keys of a protocol; values of a wrong type are passed over here.

    Parameters
    ----------
    table : dict
        The protocol file as tomllib reads it.
    known : Known
        Names that exist outside the file.
    """
    return [
        *_lengths(table),
        *_extension(table),
        *_states(table),
        *_names(table, known),
        *_vocabulary(table, known),
        *_subject(table),
    ]


def _lengths(table: Table) -> Iterator[Fault]:
    timing = _table(table, "timing")
    block, hard = _number(timing, "block_s"), _number(timing, "hard_max_s")
    clean, short = _number(timing, "clean_target_s"), _number(timing, "short_s")
    if block is not None and hard is not None and hard < block:
        text = f"hard_max_s = {hard:g} is less than block_s = {block:g}"
        yield Fault(("timing", "hard_max_s"), text)
    if clean is not None and hard is not None and clean > hard:
        text = f"clean_target_s = {clean:g} cannot be reached within hard_max_s = {hard:g}"
        yield Fault(("timing", "clean_target_s"), text)
    if short is not None and block is not None and short >= block:
        text = f"short_s = {short:g} is not less than block_s = {block:g}"
        yield Fault(("timing", "short_s"), text)


def _extension(table: Table) -> Iterator[Fault]:
    timing = _table(table, "timing")
    rules = _texts(_table(table, "extend").get("rules"))
    block, hard = _number(timing, "block_s"), _number(timing, "hard_max_s")
    if rules and block is not None and block == hard:
        text = "an extension is declared, but hard_max_s leaves no room for it"
        yield Fault(("extend", "rules"), text)
    targets = [target for _, target in _tables(table, "states")]
    if "state" in rules and not any(
        target.get("enforced", True) and "at_least_s" in target for target in targets
    ):
        text = "extension by state needs one of [[states]] that is enforced and has at_least_s"
        yield Fault(("extend", "rules"), text)


def _states(table: Table) -> Iterator[Fault]:
    hard = _number(_table(table, "timing"), "hard_max_s")
    for n, target in _tables(table, "states"):
        at: Path = ("states", n)
        if "at_least_s" not in target and "at_most_s" not in target:
            yield Fault(at, "neither at_least_s nor at_most_s is given")
        least = _number(target, "at_least_s")
        if least is not None and hard is not None and least > hard:
            text = f"at_least_s = {least:g} cannot be reached within hard_max_s = {hard:g}"
            yield Fault((*at, "at_least_s"), text)


def _names(table: Table, known: Known) -> Iterator[Fault]:
    yield from _unknown(table.get("more_fields"), ("more_fields",), "fact", known.fields)
    for n, step in _tables(table, "steps"):
        yield from _unknown(step.get("fields"), ("steps", n, "fields"), "fact", known.fields)
    codes = (event.get("code") for _, event in _tables(table, "vocabulary"))
    own = {str(code) for code in codes if _is_text(code)}
    yield from _unknown(table.get("events"), ("events",), "event code", known.codes | own)


def _unknown(names: Any, at: Path, what: str, known: Collection[str]) -> Iterator[Fault]:
    for n, name in enumerate(names if isinstance(names, list) else []):
        if not _is_text(name) or name in known or (what == "fact" and name.startswith(OWN)):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        yield Fault((*at, n), f"unknown {what} {name}{guess}")


def _vocabulary(table: Table, known: Known) -> Iterator[Fault]:
    for n, event in _tables(table, "vocabulary"):
        code, mask = event.get("code"), event.get("mask")
        if _is_text(code) and code in known.codes:
            text = f"event code {code} is in the shared vocabulary already"
            yield Fault(("vocabulary", n, "code"), text)
        if isinstance(mask, int) and mask > 0 and mask not in MASKS:
            text = f"mask {mask} is not one of {', '.join(map(str, MASKS))}"
            yield Fault(("vocabulary", n, "mask"), text)
    for n, rule in _tables(table, "rules"):
        if _is_text(name := rule.get("id")) and name in known.rules:
            text = f"rule {name} holds for every protocol and cannot be changed"
            yield Fault(("rules", n, "id"), text)


def _subject(table: Table) -> Iterator[Fault]:
    if table.get("species") != "human":
        return
    if not table.get("instructions"):
        yield Fault(("instructions",), "a person needs one of [[instructions]]")
    if "eyes" not in table:
        yield Fault(("eyes",), "eyes is missing: what is the person told to do with them?")


def _table(table: Table, key: str) -> Table:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _tables(table: Table, key: str) -> list[tuple[int, Table]]:
    values = table.get(key)
    found = enumerate(values if isinstance(values, list) else [])
    return [(n, value) for n, value in found if isinstance(value, dict)]


def _number(table: Table, key: str) -> float | None:
    value = table.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
