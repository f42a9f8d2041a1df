"""What the system gave to every process of a block, for the file and for the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenmin import system
from tenmin.crew import Crew
from tenmin.system import HERE, Awake, Platform


class Granted:
    """Asks for a computer that stays awake, and sums up what was granted to whom.

    Parameters
    ----------
    platform : Platform
        What this system offers.
    """

    def __init__(self, *, platform: Platform = HERE) -> None:
        self._platform = platform
        self._awake: Awake | None = None
        self._host: dict[str, str] = {}

    def keep(self, busy: bool) -> None:
        """Keep the computer awake while a block is under way, and no longer."""
        if busy and self._awake is None:
            self._awake = Awake(platform=self._platform)
            self.look()
        elif not busy and self._awake is not None:
            self._awake.close()
            self._awake = None

    def look(self) -> None:
        """Ask anew how the computer stands: its processor, power and clock."""
        self._host = host(platform=self._platform)

    def told(self, crew: Crew, progress: Mapping[str, Any]) -> dict[str, str]:
        """All of it as ``who.what``, in words.

        Parameters
        ----------
        crew : Crew
            Those that run, with what they said when they were ready.
        progress : mapping
            What the acquirer says: under ``granted`` the ``drivers`` and ``rings`` it has.
        """
        found = dict(self._host)
        if self._awake is not None:
            found["host.sleep"] = self._awake.granted
        for who, told in _by_role(crew, self._platform).items():
            found |= {f"{who}.{what}": str(words) for what, words in told.items()}
        deeper = progress.get("granted", {})
        for name, told in deeper.get("drivers", {}).items():
            found |= {f"driver {name}.{what}": words for what, words in told.items()}
        return found | rings_told(deeper.get("rings", {}))


def _by_role(crew: Crew, platform: Platform) -> dict[str, Mapping[str, str]]:
    """What each kind of process was granted; the second acquirer is the standby."""
    found: dict[str, Mapping[str, str]] = {}
    for worker in crew.workers.values():
        role, told = worker.role, worker.granted
        if role == "finaliser":  # it talks to nobody
            told = {"priority": system.priority_of(worker.process.pid, platform=platform)}
        found["standby" if role == "acquirer" and role in found else role] = told
    return found


def rings_told(rings: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """How the rings are mapped: once for all where they are alike, else one by one."""
    found = {}
    for what in dict.fromkeys(what for told in rings.values() for what in told):
        words = {name: told.get(what, "") for name, told in rings.items()}
        if len(set(words.values())) == 1:
            found[f"rings.{what}"] = next(iter(words.values()))
        else:
            found |= {f"ring {name}.{what}": said for name, said in words.items()}
    return found


def host(*, platform: Platform = HERE) -> dict[str, str]:
    """How the computer stands, as ``host.…``, in words."""
    processor = system.processor(platform=platform)
    found = {
        "host.cores": str(processor.cores),
        "host.governor": processor.governor,
        "host.power": system.power_source(platform=platform),
        "host.clock": system.clock_steps(),
    }
    if processor.limit_hz is not None and processor.highest_hz is not None:
        limit, highest = processor.limit_hz / 1e9, processor.highest_hz / 1e9
        found["host.frequency"] = f"at most {limit:.2f} of {highest:.2f} GHz"
    return found
