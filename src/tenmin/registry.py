"""Drivers, simulators, hooks and checks by name, from whatever distributions are installed."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tenmin.errors import AmbiguousName, LibraryMissing, UnknownName

DRIVERS = "tenmin.drivers"
SIMULATORS = "tenmin.simulators"
HOOKS = "tenmin.hooks"
CHECKS = "tenmin.checks"
GROUPS = (DRIVERS, SIMULATORS, HOOKS, CHECKS)


def names(group: str) -> list[str]:
    """Every name registered in `group`, sorted; nothing is imported."""
    return sorted({entry.name for entry in entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """The object that `name` stands for in `group`; nothing else is imported.

    Raises
    ------
    UnknownName
        Nobody registers it; the message holds the nearest names and all of them.
    AmbiguousName
        Several distributions register it.
    LibraryMissing
        It is registered, and importing it fails.
    """
    entry = find(group, name)
    try:
        return entry.load()
    except Exception as error:  # importing it runs anybody's code
        raise LibraryMissing(
            f"The {_kind(group)} {name!r} ({entry.value}) cannot be loaded: {_told(error)}.",
            remedy=f"Install or mend the distribution {_distribution(entry)}.",
        ) from error


def find(group: str, name: str) -> EntryPoint:
    """The one entry point called `name`; see `load` for what is raised."""
    found = {(_distribution(e), e.value): e for e in entry_points(group=group, name=name)}
    if len(found) > 1:
        givers = ", ".join(f"{giver} ({value})" for giver, value in sorted(found))
        raise AmbiguousName(f"Several distributions provide the {_kind(group)} {name!r}: {givers}.")
    if not found:
        raise UnknownName(_unknown(group, name))
    return next(iter(found.values()))


def _unknown(group: str, name: str) -> str:
    known = names(group)
    near = difflib.get_close_matches(name, known, n=3)
    kind = _kind(group)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"There is no {kind} {name!r}.{guess} Installed {kind}s: {', '.join(known) or 'none'}."


def _told(error: Exception) -> str:
    text = str(error).rstrip(".")
    if isinstance(error, ImportError | AttributeError):
        return text
    return f"{type(error).__name__}: {text}"


def _kind(group: str) -> str:
    return group.removeprefix("tenmin.").removesuffix("s")


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"
