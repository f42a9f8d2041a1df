"""The checks of other distributions that are installed, and whether they can be loaded."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass

from tenmin import registry
from tenmin.checks.contract import fault_of_name
from tenmin.errors import RigError

TRY_S = 70.0  # the process ends itself after 60 s


@dataclass(frozen=True)
class Installed:
    """One entry point of the group ``tenmin.checks``.

    Attributes
    ----------
    name, distribution : str
        Of the check, and of who provides it.
    fault : str
        Why it cannot be run; empty where it can.
    """

    name: str
    distribution: str
    fault: str


def installed() -> list[Installed]:
    """All of them, each loaded once in a process of its own: it may do anything."""
    return [_looked_at(name) for name in registry.names(registry.CHECKS)]


def _looked_at(name: str) -> Installed:
    try:
        entry = registry.find(registry.CHECKS, name)
    except RigError as error:
        return Installed(name, "several", error.message)
    giver = entry.dist.name if entry.dist is not None else "unknown"
    return Installed(name, giver, fault_of_name(name) or _tried(name))


def _tried(name: str) -> str:
    args = [sys.executable, "-m", "tenmin.checks.guest", "--try", name]
    try:
        done = subprocess.run(args, capture_output=True, stdin=subprocess.DEVNULL, timeout=TRY_S)
    except subprocess.TimeoutExpired:
        return f"it was not loaded within {TRY_S:g} s"
    if done.returncode == 0:
        return ""
    return how_it_ended(done.returncode, done.stderr.decode("utf-8", "replace"))


def how_it_ended(code: int, words: str) -> str:
    """How a process ended, from its exit code and the last it printed."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    place = next((line for line in lines if line.startswith("File ")), "")
    late = next((line for line in lines if line.startswith("Timeout (")), "")
    if late:  # as `faulthandler` prints it: "Timeout (0:00:06)!"
        return (
            f"it looped: nothing came for {late[9:].rstrip('!)')}; {place or 'nobody knows where'}"
        )
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"{name}; {place}" if place else name
    last = lines[-1] if lines else "no word from it"
    return last if code == RigError.exit_code else f"exit code {code}: {last[:300]}"
