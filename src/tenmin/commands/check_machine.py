"""The computer in the pre-flight: its processor, its power, and the priority it would grant."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tenmin import system
from tenmin.system import HERE, Platform

if TYPE_CHECKING:
    from tenmin.commands.check import Finding

CORES = 2  # docs/performance.md: what the gates are measured on
ASK_S = 20.0
LIMITS = "/etc/security/limits.d/70-tenmin.conf"
ASKING = "import json; from tenmin.system import behave; print(json.dumps(behave('acquirer')))"


def machine(*, platform: Platform = HERE, root: Path = Path("/sys")) -> Iterator[Finding]:
    """What of the computer would spoil a block: none of it is changed by looking at it."""
    yield processor(platform=platform, root=root)
    yield power(platform=platform, root=root)
    yield priority(asked_for(), platform=platform)


def processor(*, platform: Platform = HERE, root: Path = Path("/sys")) -> Finding:
    """Cores, load, and whether the processor is held back."""
    from tenmin.commands.check import Finding

    found = system.processor(platform=platform, root=root)
    told = [f"{found.cores} core{'s' * (found.cores > 1)}"]
    if found.load is not None:
        told.append(f"{found.load:.1f} programs wanted one in the last minute")
    told.append(f"governor {found.governor}")
    remedies = []
    if found.limit_hz is not None and found.highest_hz is not None:
        limit, highest = found.limit_hz / 1e9, found.highest_hz / 1e9
        told.append(f"at most {limit:.2f} of {highest:.2f} GHz")
    if found.held or found.saving:
        remedies.append(SPEED.get(platform.power, ""))
    if found.cores < CORES:
        remedies.append(f"Give tenmin {CORES} cores.")
    if found.load is not None and found.load > found.cores:
        remedies.append("End what else is running.")
    text, remedy = ", ".join(told), " ".join(remedies)
    return Finding("processor", True, text, remedy, warning=bool(remedy))


SPEED = {
    "sysfs": "Let the processor run at full speed: `powerprofilesctl set performance`, or "
    "`sudo cpupower frequency-set --governor performance`.",
    "pmset": "Switch the low power mode off: `sudo pmset -a lowpowermode 0`.",
    "GetSystemPowerStatus": "Choose the power plan for high performance: "
    "`powercfg /setactive SCHEME_MIN`.",
}


def power(*, platform: Platform = HERE, root: Path = Path("/sys")) -> Finding:
    """Whether the computer runs on mains."""
    from tenmin.commands.check import Finding

    source = system.power_source(platform=platform, root=root)
    if source == "unknown":
        text = "whether it comes from mains or a battery cannot be asked on this system"
        return Finding("power", True, text, looked=False)
    if source == "battery":
        remedy = "Plug the power supply in: on battery a computer slows down, and falls asleep."
        return Finding("power", False, "from the battery", remedy, 3)
    return Finding("power", True, "from mains")


def asked_for() -> dict[str, str]:
    """What an acquirer would be granted: asked by a process that ends at once.

    Returns
    -------
    dict
        As `tenmin.system.behave`; empty where there was no answer.
    """
    args, pipe = [sys.executable, "-c", ASKING], subprocess.PIPE
    with system.spawn(args, stdout=pipe, stderr=subprocess.DEVNULL) as asking:
        try:
            answer, _ = asking.communicate(timeout=ASK_S)
        except subprocess.TimeoutExpired:
            asking.kill()
            return {}
    return json.loads(answer) if asking.returncode == 0 else {}


def priority(granted: dict[str, str], *, platform: Platform = HERE) -> Finding:
    """Whether the data path would run ahead of other programs, and stay in memory."""
    from tenmin.commands.check import Finding

    if not granted:
        text = "what would be granted could not be asked"
        return Finding("priority", True, text, looked=False)
    first, memory = granted["priority"], granted["memory_lock"]
    text = f"samples would be read at priority {first}; locked memory: {memory}"
    lines = []
    if platform.scheduler and not first.startswith("fifo"):
        lines += [f"{getpass.getuser()} - rtprio {system.FIFO_PRIORITY}"]
    if platform.mlockall and memory != "all":
        lines += [f"{getpass.getuser()} - memlock unlimited"]
    if lines:
        remedy = f"As root write into {LIMITS}: {'; '.join(lines)} (one a line); then log in anew."
        return Finding("priority", True, text, remedy, warning=True)
    if first == "normal":
        remedy = "This system gives none to ordinary users: end other programs during the block."
        return Finding("priority", True, text, remedy, warning=True)
    return Finding("priority", True, text)
