"""Example rigs: for each a rig, a subject and a protocol file to copy and change."""

import shutil
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("rig", "subject", "protocol")
# The protocol that suits each example; the file itself is the shipped one.
PROTOCOLS = {
    "human-eeg": "human-eyes-open",
    "lsl": "human-eyes-open",
    "mouse": "head-fixed-acute",
    "quick": "head-fixed-acute",
}


def path_of(name: str, file: str) -> Path:
    """A shipped file: ``rig``, ``subject`` or ``protocol`` of an example rig.

    A simulator without example files of its own takes those of ``quick``.
    """
    name = name if name in PROTOCOLS else "quick"
    if file == "protocol":
        return HERE.parent / "protocols" / f"{PROTOCOLS[name]}.toml"
    return HERE / name / f"{file}.toml"


def names() -> list[str]:
    """Names of the shipped example rigs, sorted."""
    return sorted(PROTOCOLS)


def write(out: Path) -> list[Path]:
    """Write ``out/<rig>/{rig,subject,protocol}.toml``; files that are there stay as they are.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    written = []
    for name in names():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            target = folder / f"{file}.toml"
            if not target.exists():
                shutil.copyfile(path_of(name, file), target)
                written.append(target)
    return written
