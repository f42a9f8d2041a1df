"""The rules of the arousal tracks as one value: shipped ones, and what a lab changes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tenmin.checks.arousal.states import MODALITIES
from tenmin.errors import FaultyFile
from tenmin.lines import read_toml

AVAILABILITY, VERSION = "availability", "version"


@dataclass(frozen=True)
class Ruleset:
    """Every constant of the arousal tracks.

    Attributes
    ----------
    version : str
        Of the shipped file; a lab's changes show in `sha256`.
    tables : mapping of str to mapping of str to float
        ``rules["speed"]["on"]``.
    availability : tuple of (int, float)
        Bits of modalities and the factor A of science.md C.3.
    """

    version: str
    tables: Mapping[str, Mapping[str, float]]
    availability: tuple[tuple[int, float], ...]

    def __getitem__(self, table: str) -> Mapping[str, float]:
        return self.tables[table]

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Ruleset:
        """What `as_dict` gave."""
        tables = {name: MappingProxyType(dict(table)) for name, table in told["tables"].items()}
        availability = tuple((int(bits), float(factor)) for bits, factor in told[AVAILABILITY])
        return cls(told[VERSION], MappingProxyType(tables), availability)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for ``block.json``."""
        return {
            VERSION: self.version,
            "tables": {name: dict(table) for name, table in self.tables.items()},
            AVAILABILITY: [list(row) for row in self.availability],
        }

    @property
    def sha256(self) -> str:
        """Hash of everything."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()


@cache
def shipped() -> Ruleset:
    """The rules that come with the program."""
    return _read(_document())


def load(path: Path | None) -> Ruleset:
    """The shipped rules, changed by a lab's file.

    Raises
    ------
    FaultyFile
        The file cannot be read, or names what does not exist; all faults at once.
    """
    if path is None:
        return shipped()
    _, changes = read_toml(path)
    document = _document()
    faults = [fault for name, table in changes.items() for fault in _faults(document, name, table)]
    if faults:
        raise FaultyFile(f"{path} cannot be used:", tuple(faults))
    for name, table in changes.items():
        document[name].update(table)
    return _read(document)


def _faults(document: Mapping[str, Any], name: str, table: object) -> list[str]:
    if name in (VERSION, AVAILABILITY):
        return [f"{name} belongs to the shipped file"]
    if name not in document:
        return [f"there is no table {name}"]
    if not isinstance(table, dict):
        return [f"{name} has to be a table"]
    return [f"{name} has no {key}" for key in table if key not in document[name]] + [
        f"{name}.{key} is no number"
        for key, value in table.items()
        if isinstance(value, bool) or not isinstance(value, int | float)
    ]


def _document() -> dict[str, Any]:
    text = files("tenmin.checks.arousal").joinpath("ruleset.toml").read_text("utf-8")
    return tomllib.loads(text)


def _read(document: Mapping[str, Any]) -> Ruleset:
    return Ruleset(
        version=str(document[VERSION]),
        tables=MappingProxyType(
            {
                name: MappingProxyType({key: float(value) for key, value in table.items()})
                for name, table in document.items()
                if name not in (VERSION, AVAILABILITY)
            }
        ),
        availability=tuple(
            (sum(MODALITIES[m] for m in row["modalities"]), float(row["factor"]))
            for row in document[AVAILABILITY]
        ),
    )
