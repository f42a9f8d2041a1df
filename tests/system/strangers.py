"""Distributions of strangers, put where a test's processes find them."""

from __future__ import annotations

import shutil
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "stranger"


def install(site: Path, module: str, entry_points: str) -> dict[str, str]:
    """Install ``tests/stranger/MODULE.py`` in a folder; the environment that finds it there."""
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(SOURCES / f"{module}.py", site)
    name = module.replace("_", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    return {"PYTHONPATH": str(site)}
