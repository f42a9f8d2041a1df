"""Example rigs: for each a rig, a subject and a protocol file to copy and change."""

from pathlib import Path

HERE = Path(__file__).parent


def path_of(name: str, file: str) -> Path:
    """A shipped file: ``rig``, ``subject`` or ``protocol`` of an example rig.

    A simulator without example files of its own takes those of ``quick``.
    """
    own = HERE / name / f"{file}.toml"
    return own if own.is_file() else HERE / "quick" / f"{file}.toml"


def names() -> list[str]:
    """Names of the shipped example rigs, sorted."""
    return sorted(p.name for p in HERE.iterdir() if (p / "rig.toml").is_file())
