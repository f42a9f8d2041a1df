"""What may be said of a rig, a subject and a session: known paths, their types and limits.

The paths are the keys of the project's metadata dictionary and stand the same everywhere: in
rig.toml, in subject.toml, after ``--set``, and in the recorded file. In TOML a path may be
written with tables (``[env]`` and ``lux_at_eye = 12.0``) or dotted (``env.lux_at_eye = 12.0``).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from tenmin.dictionary import ANY, Kind
from tenmin.dictionary import KINDS as KINDS

Path = tuple[str, ...]  # the keys in the file, which may hold dots themselves
Fault = tuple[Path, str]

OWN = "own."  # facts of a lab that the dictionary does not know
# Instead of a value: ``{ missing = "not_measured" }``, after --set ``missing:not_measured``.
REASONS = ("not_measured", "not_applicable", "withheld")


# What other standards call the same thing.
ALIASES = {
    "subject.subject_id": "subject.code",
    "subject.id": "subject.code",
    "subject.weight": "subject.weight_g",
    "subject.experimenter": "experimenter",
    "experimenters": "experimenter",
    "description": "subject.description",
    "subject.institution": "institution",
    "laboratory": "lab",
    "protocol": "ethics.approval_id",
    "env.lux": "env.lux_at_eye",
    "env.temperature": "env.temp_room_C",
}

# The validators complain about a file without these, whatever was recorded.
ALWAYS_REQUIRED = (
    "subject.code",
    "subject.species",
    "subject.sex",
    "subject.age",
    "subject.description",
    "institution",
    "lab",
    "experimenter",
    "experiment_description",
    "keywords",
    "ethics.approval_id",
)


def flatten(table: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Pairs of keys in the file and value; tables that are values themselves stay whole."""
    for key, value in table.items():
        path = (*at, key)
        if isinstance(value, Mapping) and dotted(path) not in KINDS:
            yield from flatten(value, path)
        else:
            yield path, value


def dotted(path: Iterable[str]) -> str:
    """The name of a fact: ``env.lux_at_eye``."""
    return ".".join(path)


def read(table: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The facts in a table of TOML, and every fault in it with the keys where it stands."""
    facts: dict[str, Any] = {}
    faults: list[Fault] = []
    for path, value in flatten(table):
        name = dotted(path)
        wrong = fault_of(name, value)
        if wrong:
            faults.append((path, wrong))
        elif name in facts:
            faults.append((path, f"{name} is given twice"))
        else:
            facts[name] = plain(value)
    return facts, faults


def plain(value: Any) -> Any:
    """A value of TOML as JSON has it: dates become text."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def parse(setting: str) -> tuple[str, Any]:
    """Name and value of ``KEY=VALUE`` as given to ``--set``.

    The value is read as its fact wants it: ``21.4`` is a number, and a text where a text is due;
    lists are JSON (``["a", "b"]``) or one item.

    Raises
    ------
    ValueError
        There is no ``=``, the name is unknown or the value does not fit; the message says what.
    """
    name, equals, text = setting.partition("=")
    name, text = name.strip(), text.strip()
    if not equals or not name:
        raise ValueError(f"{setting!r} is not KEY=VALUE")
    reason = text.removeprefix("missing:")
    value = {"missing": reason} if reason != text else _converted(text, KINDS.get(name, ANY).type)
    wrong = fault_of(name, value)
    if wrong:
        raise ValueError(wrong)
    return name, value


def _converted(text: str, kind: str) -> Any:
    if kind in ("text", "date"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return [text] if kind == "texts" else text
    return [value] if kind == "texts" and isinstance(value, str) else value


def fault_of(name: str, value: Any) -> str:
    """What is wrong with a fact, or an empty text."""
    kind = KINDS.get(name)
    if kind is None:
        return "" if name.startswith(OWN) else _unknown(name)
    wrong = _unreasoned(name, value) if is_missing(value) else _misfit(kind, value)
    if not wrong:
        return ""
    example = f"; write for example {kind.example}" if kind.example else ""
    return f"{name} = {_shown(value)}: {wrong}{example}"


def is_missing(value: Any) -> bool:
    """Whether this is a reason instead of a value."""
    return isinstance(value, Mapping) and set(value) == {"missing"}


def known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that have a value."""
    return {name: value for name, value in facts.items() if not is_missing(value)}


def reasons(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts that have a reason instead: ``not_measured``, ``not_applicable``, ``withheld``."""
    return {name: value["missing"] for name, value in facts.items() if is_missing(value)}


def _unreasoned(name: str, value: Any) -> str:
    if name in ALWAYS_REQUIRED:
        return "no file can do without it"
    return "" if value["missing"] in REASONS else f"the reason is one of {', '.join(REASONS)}"


def _unknown(name: str) -> str:
    near = [ALIASES[name]] if name in ALIASES else difflib.get_close_matches(name, KINDS, n=2)
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"unknown fact {name}{guess} (a lab's own facts begin with {OWN!r})"


def _misfit(kind: Kind, value: Any) -> str:
    if kind.type == "any":
        return ""
    if kind.type == "number or none":
        if value == "none":
            return ""
        return _number(kind, value, " or the text none")
    if kind.type in ("number", "integer"):
        return _number(kind, value)
    if kind.type == "date":
        return _date(value)
    if kind.type == "tables":
        right = isinstance(value, list) and all(isinstance(v, Mapping) for v in value)
        return "" if right else "not a list of tables"
    if kind.type == "texts":
        right = isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value)
        if not right:
            return "not a list of texts"
    elif not isinstance(value, str):
        return "not a text"
    elif not value.strip():
        return "empty; leave the line out instead"
    if kind.choices and value not in kind.choices:
        return f"not one of {', '.join(kind.choices)}"
    return kind.form(value) if kind.form else ""


def _number(kind: Kind, value: Any, more: str = "") -> str:
    whole = kind.type == "integer"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        unit = f" in {kind.unit}" if kind.unit else ""
        return f"not {'an integer' if whole else 'a number'}{unit}{more}"
    low = kind.low if kind.low is not None else float("-inf")
    high = kind.high if kind.high is not None else float("inf")
    if not low <= value <= high or value in (float("inf"), float("-inf")):
        return f"not between {low:g} and {high:g} {kind.unit}".rstrip()
    return ""


def _date(value: Any) -> str:
    try:
        date.fromisoformat(value if isinstance(value, str) else value.isoformat()[:10])
    except (ValueError, AttributeError):
        return "not a date"
    return ""


def _shown(value: Any) -> str:
    text = json.dumps(plain(value), ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def missing(facts: Mapping[str, Any], required: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of required facts without a value, each once, in the order they are asked for."""
    wanted = dict.fromkeys((*ALWAYS_REQUIRED, *required))
    return tuple(name for name in wanted if facts.get(name) is None)


def wish(name: str) -> str:
    """A line that asks for a fact: its name, its unit, an example."""
    kind = KINDS.get(name, ANY)
    parts = [kind.unit] if kind.unit else []
    parts += [f"one of {', '.join(kind.choices)}"] if kind.choices else []
    parts += [f"for example {kind.example}"] if kind.example and not kind.choices else []
    return f"{name} ({'; '.join(parts)})" if parts else name


def contradictions(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Facts that do not go together: (name, what is wrong)."""
    found = []
    species, sex = facts.get("subject.species"), facts.get("subject.sex")
    worm = species == "Caenorhabditis elegans"
    if sex is not None and species is not None and (sex in ("XO", "XX")) != worm:
        right = "XO or XX" if worm else "F, M, O or U"
        found.append(("subject.sex", f"subject.sex = {sex!r}: for {species} it is {right}"))
    if species == "Homo sapiens" and "subject.date_of_birth" in facts:
        why = "subject.date_of_birth: never for humans, it would identify them; give subject.age"
        found.append(("subject.date_of_birth", why))
    return found
