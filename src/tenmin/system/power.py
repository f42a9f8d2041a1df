"""The processor's speed, the power it runs on, and the steps of the clock: asked, never changed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenmin.system.platform import HERE, Platform, kernel32

SYS = Path("/sys")
DYNAMIC = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")  # their powersave is no brake
RESTING = {"Charging", "Full", "Not charging"}  # states of a battery that feeds nothing
HELD = 0.95  # of the processor's own highest frequency: a lower limit was set by somebody
COARSE_S = 1e-3
ASK_S = 5.0
PLANS = {  # of Windows, winnt.h: GUID_MAX_POWER_SAVINGS …
    "a1841308-3541-4fab-bc81-f71556f20b4a": "power saver",
    "381b4222-f694-41f0-9685-ff5bb260df2e": "balanced",
    "8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c": "high performance",
}


@dataclass(frozen=True)
class Processor:
    """What the processor may do.

    Attributes
    ----------
    governor : str
        Who chooses its frequency, or the power plan, in words; ``unknown`` where nobody tells.
    saving : bool
        It is told to save power at the cost of speed.
    limit_hz, highest_hz : float or None
        The frequency it may reach, and the one it could; None where nobody tells.
    cores : int
        How many this process may use.
    load : float or None
        Programs that wanted a core in the last minute; None where the system does not say.
    """

    governor: str
    saving: bool
    limit_hz: float | None
    highest_hz: float | None
    cores: int
    load: float | None

    @property
    def held(self) -> bool:
        """Whether a limit below its own highest frequency was set."""
        if self.limit_hz is None or self.highest_hz is None:
            return False
        return self.limit_hz < HELD * self.highest_hz


def processor(*, platform: Platform = HERE, root: Path = SYS) -> Processor:
    """How fast the processor may run; `root` stands for ``/sys``."""
    governor, saving = "unknown", False
    limit = highest = None
    if platform.power == "sysfs":
        governor, saving = _governor(root)
        limit, highest = _limits(root)
    elif platform.power == "GetSystemPowerStatus":
        governor = _plan()
        saving = governor == "power saver"
    elif platform.power == "pmset":
        told = _pmset("-g")
        saving = any(w[:2] == ["lowpowermode", "1"] for w in map(str.split, told.splitlines()))
        governor = ("low power mode" if saving else "normal") if told else "unknown"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return Processor(governor, saving, limit, highest, _cores(), load)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _policies(root: Path) -> list[Path]:
    return sorted((root / "devices/system/cpu").glob("cpu[0-9]*/cpufreq"))


def _governor(root: Path) -> tuple[str, bool]:
    """In words, and whether it saves power; those of several cores one after the other."""
    found: dict[str, bool] = {}
    for policy in _policies(root):
        name, driver = _text(policy / "scaling_governor"), _text(policy / "scaling_driver")
        if not name:
            continue
        saving = name == "powersave"
        if saving and driver in DYNAMIC:
            wish = _text(policy / "energy_performance_preference")
            saving = wish == "power"
            name = f"{name} of {driver}" + (f", {wish}" if wish else "")
        found[name] = saving
    return "; ".join(found) or "unknown", any(found.values())


def _limits(root: Path) -> tuple[float | None, float | None]:
    """Limit and highest frequency, Hz, of the core that is held back most."""
    pairs = []
    for policy in _policies(root):
        limit, highest = _number(policy / "scaling_max_freq"), _number(policy / "cpuinfo_max_freq")
        if limit and highest:
            pairs.append((limit * 1e3, highest * 1e3))
    return min(pairs, key=lambda pair: pair[0] / pair[1], default=(None, None))


def power_source(*, platform: Platform = HERE, root: Path = SYS) -> str:
    """``mains``, ``battery`` or ``unknown``; `root` stands for ``/sys``."""
    if platform.power == "sysfs":
        return _supplies(root / "class/power_supply")
    if platform.power == "GetSystemPowerStatus":
        status = (ctypes.c_ubyte * 12)()  # SYSTEM_POWER_STATUS; its first byte is ACLineStatus
        if not kernel32().GetSystemPowerStatus(ctypes.byref(status)):
            return "unknown"
        return {0: "battery", 1: "mains"}.get(status[0], "unknown")
    if platform.power == "pmset":
        told = _pmset("-g", "batt")
        names = {"AC Power": "mains", "Battery Power": "battery", "UPS Power": "battery"}
        return next((said for name, said in names.items() if f"'{name}'" in told), "unknown")
    return "unknown"


def _supplies(folder: Path) -> str:
    if not folder.is_dir():
        return "unknown"
    told = list(_told(folder))
    if any(kind == "Mains" and online == "1" for kind, _, online in told):
        return "mains"
    states = {status for kind, status, _ in told if kind in ("Battery", "UPS")}
    if "Discharging" in states:
        return "battery"
    # A computer without a battery runs on mains; one whose battery does not discharge, too.
    fed = any(online == "1" for kind, _, online in told if kind != "Battery")
    return "mains" if fed or states <= RESTING else "unknown"


def _told(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, status and ``online`` of each supply of the computer itself."""
    for supply in sorted(folder.iterdir()):
        if _text(supply / "scope") != "Device":  # a mouse has a battery, too
            yield tuple(_text(supply / n) for n in ("type", "status", "online"))  # type: ignore[misc]


def clock_steps(resolution_s: float | None = None) -> str:
    """How fine the clock is that all times are taken of; ``coarse`` where it is no use for that."""
    if resolution_s is None:
        resolution_s = time.get_clock_info("monotonic").resolution
    if resolution_s > COARSE_S:
        return f"coarse: the clock moves in steps of {resolution_s * 1e3:g} ms"
    return f"the clock moves in steps of {resolution_s * 1e9:.3g} ns"


def _text(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text("ascii").strip()
    return ""


def _number(path: Path) -> float | None:
    with contextlib.suppress(ValueError):
        return float(_text(path))
    return None


def _pmset(*words: str) -> str:
    """What macOS says of power; empty where it says nothing."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(["pmset", *words], capture_output=True, text=True, timeout=ASK_S)
        return done.stdout if done.returncode == 0 else ""
    return ""


def _plan() -> str:
    """The power plan of Windows."""
    libraries: Any = getattr(ctypes, "windll")  # noqa: B009  (exists on Windows only)
    found = ctypes.c_void_p()
    if libraries.powrprof.PowerGetActiveScheme(None, ctypes.byref(found)) or not found.value:
        return "unknown"
    name = str(uuid.UUID(bytes_le=ctypes.string_at(found.value, 16)))
    kernel32().LocalFree(found)
    return PLANS.get(name, "a plan of its own")
