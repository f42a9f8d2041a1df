"""Thresholds of the checks: shipped ones, and what a lab changes for its rig."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tenmin.checks.judge import Threshold
from tenmin.checks.lattice import BITS
from tenmin.errors import FaultyFile
from tenmin.lines import read_toml

OFF_RATIO, OFF_DB = 0.8, 2.0  # science.md B.1


@dataclass(frozen=True)
class Parameters:
    """What one check goes by.

    Attributes
    ----------
    name, id : str
        ``line``, and what science.md calls it: ``Q04``.
    what, where : str
        What it looks at, in a line; which streams it applies to.
    unit : str
        Of its value and its limits.
    bit : int
        What it sets in the mask lattice; 0 for nothing.
    reference, action : str
        Where the rule comes from; what the operator should do.
    warn, fail : Threshold or None
    values : mapping of str to float
        Everything else that the formula needs.
    """

    name: str
    id: str
    what: str
    where: str
    unit: str
    bit: int
    reference: str
    action: str
    warn: Threshold | None
    fail: Threshold | None
    values: Mapping[str, float]

    def __getitem__(self, key: str) -> float:
        return self.values[key]


@dataclass(frozen=True)
class ParameterSet:
    """All checks' parameters.

    Attributes
    ----------
    version : str
        Of the shipped file.
    checks : mapping of str to Parameters
        By name.
    """

    version: str
    checks: Mapping[str, Parameters]

    def __getitem__(self, name: str) -> Parameters:
        return self.checks[name]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for ``block.json``."""
        return {"version": self.version, "checks": {n: asdict(p) for n, p in self.checks.items()}}

    @property
    def sha256(self) -> str:
        """Hash of everything."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def shipped() -> ParameterSet:
    """The parameters that come with the program."""
    return _read(_tables(), [])


def load(path: Path | None) -> ParameterSet:
    """The shipped parameters, changed by a lab's file.

    Raises
    ------
    FaultyFile
        The file cannot be read, or names what does not exist; all faults at once.
    """
    if path is None:
        return shipped()
    _, changes = read_toml(path)
    faults: list[str] = []
    tables = _merged(_tables(), changes, faults)
    found = _read(tables, faults)
    if faults:
        raise FaultyFile(f"{path} cannot be used:", tuple(faults))
    return found


def _tables() -> dict[str, Any]:
    text = files("tenmin.checks").joinpath("parameters.toml").read_text("utf-8")
    return tomllib.loads(text)


def _merged(tables: dict[str, Any], changes: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    for name, change in changes.items():
        if name == "version":
            faults.append("version belongs to the shipped file")
        elif name not in tables:
            faults.append(f"there is no check {name}")
        elif not isinstance(change, dict):
            faults.append(f"{name} has to be a table")
        else:
            _merge_check(name, tables[name], change, faults)
    return tables


def _merge_check(
    name: str, table: dict[str, Any], change: dict[str, Any], faults: list[str]
) -> None:
    for key, value in change.items():
        if key not in ("warn", "fail", "values"):
            faults.append(f"{name}.{key} cannot be changed")
        elif not isinstance(value, dict):
            faults.append(f"{name}.{key} has to be a table")
        elif key == "values":
            unknown = sorted(set(value) - set(table.get("values", {})))
            faults += [f"{name} has no value {u}" for u in unknown]
            table.setdefault("values", {}).update(value)
        else:
            table[key] = {**table.get(key, {}), **value}


def _read(tables: dict[str, Any], faults: list[str]) -> ParameterSet:
    checks = {}
    for name, table in tables.items():
        if name == "version":
            continue
        values = table.get("values", {})
        faults += [
            f"{name}.values.{key} is no number"
            for key, value in values.items()
            if isinstance(value, bool) or not isinstance(value, int | float)
        ]
        checks[name] = Parameters(
            name=name,
            id=table["id"],
            what=table["what"],
            where=table["where"],
            unit=table["unit"],
            bit=BITS.get(table.get("bit", ""), 0),
            reference=table["reference"],
            action=table["action"],
            warn=_threshold(f"{name}.warn", table.get("warn"), table["unit"], faults),
            fail=_threshold(f"{name}.fail", table.get("fail"), table["unit"], faults),
            values=values,
        )
    return ParameterSet(str(tables["version"]), checks)


def _threshold(
    name: str, table: dict[str, Any] | None, unit: str, faults: list[str]
) -> Threshold | None:
    if table is None:
        return None
    known = {field.name for field in fields(Threshold)}
    faults += [f"{name} has no {key}" for key in sorted(set(table) - known)]
    kept = {key: value for key, value in table.items() if key in known}
    on = kept.get("on")
    if isinstance(on, bool) or not isinstance(on, int | float):
        faults.append(f"{name}.on is no number")
        return None
    below = bool(kept.get("below", False))
    off = on - OFF_DB if unit == "dB" else on * (1 / OFF_RATIO if below else OFF_RATIO)
    return Threshold(**{"off": off, **kept})
