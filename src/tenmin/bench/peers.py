"""Other programs to stand beside, by name: what is missing is said, never skipped silently."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

# distribution -> module; none of them is needed to record.
PEERS = {
    "brainflow": "brainflow",
    "dvg-ringbuffer": "dvg_ringbuffer",
    "h5py": "h5py",
    "mne-lsl": "mne_lsl",
    "numpy-ringbuffer": "numpy_ringbuffer",
    "psutil": "psutil",
    "pylsl": "pylsl",
    "pynwb": "pynwb",
    "scipy": "scipy",
}
MISSING = "missing: not installed here"


def load(distribution: str, module: str | None = None) -> ModuleType | None:
    """The module of a peer, or None where it is not installed or cannot be imported."""
    try:
        return importlib.import_module(module or PEERS[distribution])
    except (ImportError, OSError):  # OSError: a native library that is not there
        return None


def versions() -> dict[str, str]:
    """Version of every peer; ``missing`` where there is none."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found
