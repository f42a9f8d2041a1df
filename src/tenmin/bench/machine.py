"""What the figures were measured on: no names of hosts, users or folders."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tenmin import __version__
from tenmin.bench import peers

OURS = ("numpy", "numba", "isal", "google-crc32c", "hdmf", "pyzmq")


def describe() -> dict[str, Any]:
    """Processor, memory, system, load and versions."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "tenmin": __version__,
        "load": load(),
        "versions": {name: version(name) for name in OURS} | peers.versions(),
    }


def load() -> float | None:
    """How many programs wanted a core in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def _processor() -> str:
    found = _field(Path("/proc/cpuinfo"), "model name")
    return found or platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    psutil = peers.load("psutil")
    return None if psutil is None else round(psutil.virtual_memory().total / 1e9, 1)


def _field(path: Path, name: str) -> str:
    if not path.exists():
        return ""
    found = re.search(rf"^{name}\s*:\s*(.+)$", path.read_text("utf-8", "replace"), re.MULTILINE)
    return found[1].strip() if found else ""
