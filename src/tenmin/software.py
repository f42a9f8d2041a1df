"""Which software makes the file: names and versions, without importing any of it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("tenmin", "numpy", "numba", "pynwb", "hdmf", "h5py", "isal", "pyzmq", "pylsl")


def versions() -> dict[str, str]:
    """Version of each package that has a part in the file, of Python, and of the system."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
