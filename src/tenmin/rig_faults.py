"""What can be wrong with the tables of a rig.toml, apart from the types of a driver's keys."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tenmin import registry
from tenmin.errors import FaultyFile
from tenmin.lines import at_line

MAINS_HZ = (50, 60)
# Names become names of files, of folders and of groups in HDF5 on every system.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}

Keys = tuple[str | int, ...]
Fault = tuple[Keys, str]


def head(table: Any, faults: list[Fault]) -> dict[str, Any]:
    """Check ``[rig]``; its faults are appended."""
    if not isinstance(table, dict):
        faults.append((("rig",), "there is no table [rig] with id and mains_hz"))
        return {}
    faults += unknown_keys(table, ("id", "mains_hz", "checks"), ("rig",))
    wrong = unsafe("id", table["id"]) if "id" in table else "[rig] has no id"
    if not wrong and table["id"].lower().startswith("sim-"):
        wrong = f"id = {table['id']!r}: names that begin with sim- belong to simulated rigs"
    if wrong:
        faults.append((("rig", "id"), wrong))
    if not isinstance(table.get("checks", ""), str):
        faults.append((("rig", "checks"), "checks is no text; write the path of a file"))
    mains = table.get("mains_hz")
    if "mains_hz" not in table:
        faults.append((("rig", "mains_hz"), "[rig] has no mains_hz; write 50 or 60"))
    elif isinstance(mains, bool) or mains not in MAINS_HZ:
        faults.append((("rig", "mains_hz"), f"mains_hz = {mains!r}: write 50 or 60, in Hz"))
    return table


def unsafe(key: str, value: Any) -> str:
    """What keeps a text from being the name of a file on every system."""
    if not isinstance(value, str):
        return f"{key} = {value!r}: not a text"
    if value.lower() in RESERVED:
        return f"{key} = {value!r}: Windows keeps this name for itself"
    if not SAFE.fullmatch(value):
        allowed = "letters, digits, _ and -, at most 63, the first a letter or digit"
        return f"{key} = {value!r}: only {allowed}"
    return ""


def unknown_keys(table: Mapping[str, Any], known: Sequence[str], at: Keys) -> list[Fault]:
    """Keys of a table that nobody knows, each with the nearest that is known."""
    faults: list[Fault] = []
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            guess = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            faults.append(((*at, key), f"unknown key {key}; {guess}"))
    return faults


def duplicates(tables: list[Mapping[str, Any]]) -> list[Fault]:
    """Devices with a name that an earlier one has."""
    # Some file systems do not tell upper from lower case.
    names = [str(t["name"]).casefold() if "name" in t else None for t in tables]
    return [
        (("device", n, "name"), f"the name {tables[n]['name']!r} is given to two devices")
        for n, name in enumerate(names)
        if name is not None and name in names[:n]
    ]


def primaries(tables: list[Mapping[str, Any]]) -> list[Fault]:
    """No primary device, or several."""
    marked = [n for n, table in enumerate(tables) if table.get("primary") is True]
    faults: list[Fault] = []
    if not marked:
        text = "no device is primary; write primary = true at the neural stream"
        faults.append((("device",), text))
    if len(marked) > 1:
        names = ", ".join(str(tables[n].get("name")) for n in marked)
        text = f"only one device may be primary, here are {len(marked)}: {names}"
        faults.append((("device", marked[1], "primary"), text))
    return faults


def near(table: Mapping[str, Any], known: Sequence[str]) -> set[str]:
    """Keys that the unknown ones of a table were probably meant to be."""
    unknown = [key for key in table if key not in known]
    return {guess for key in unknown for guess in difflib.get_close_matches(key, known, n=1)}


def orphans(tables: list[Mapping[str, Any]], may_derive: list[bool]) -> list[Fault]:
    """Devices made from another stream: it must be there, and be a device of its own.

    Parameters
    ----------
    tables : list of mapping
        As they stand in the file, whatever else is wrong with them.
    may_derive : list of bool
        Whether the driver of each has a key ``source``.
    """
    derived = [
        n
        for n, (table, may) in enumerate(zip(tables, may_derive, strict=True))
        if may and table.get("source") and not table.get("port")
    ]
    real = [t.get("name") for n, t in enumerate(tables) if n not in derived]
    faults: list[Fault] = []
    for n in derived:
        table = tables[n]
        if isinstance(table["source"], str):  # else its type is told
            source = table["source"].partition(":")[0]
            known = ", ".join(str(name) for name in real if name is not None) or "none"
            text = f"{called(table)}: its source {source!r} is no device of its own ({known})"
            faults += [(("device", n, "source"), text)] if source not in real else []
        if table.get("primary") is True:
            text = f"{called(table)} is made from another stream and cannot be primary"
            faults.append((("device", n, "primary"), text))
    return faults


def called(table: Mapping[str, Any]) -> str:
    """How a message names a device."""
    return f"device {table['name']!r}" if "name" in table else "the device"


def drivers() -> str:
    """The installed drivers, for a message."""
    return ", ".join(registry.names(registry.DRIVERS)) or "none: no driver is installed"


def refuse(headline: str, faults: list[Fault], text: str | None = None) -> None:
    """Raise all faults as one error, in the order of the file."""
    if not faults:
        return
    lines = [at_line(text, keys, fault) if text is not None else fault for keys, fault in faults]
    raise FaultyFile(headline, tuple(sorted(dict.fromkeys(lines), key=_line_number)))


def _line_number(fault: str) -> int:
    found = re.match(r"line (\d+):", fault)
    return int(found[1]) if found else 0
