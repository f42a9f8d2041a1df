"""What a simulator really did, written where the program under test does not look."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tenmin.errors import DiskError


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a signal.

    Attributes
    ----------
    type : str
        ``burst``, ``dead``, ``line``, ``pop``, ``gap`` ...
    channels : tuple of int
        Which channels; empty for all.
    onset_s, offset_s : float
        Seconds since the first sample; equal for an instant.
    magnitude : float
        In the signal's unit, or samples for gaps.
    """

    type: str
    channels: tuple[int, ...]
    onset_s: float
    offset_s: float
    magnitude: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Itself as JSON has it."""
        return asdict(self)


class TruthFile:
    """The truth on disk: replaced whole each time, so a reader never sees half of it.

    Raises
    ------
    DiskError
        It cannot be written at all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.refused = 0

    def write(self, truth: Mapping[str, Any], *, last: bool = False) -> None:
        """Replace it; a refusal is counted, and is an error only the `last` time."""
        part = self._path.with_name(self._path.name + ".part")
        try:
            part.write_text(json.dumps(truth), encoding="utf-8")
            os.replace(part, self._path)  # Windows refuses while somebody reads it
        except OSError as e:
            self.refused += 1
            if last:
                raise DiskError(f"The truth file {self._path} cannot be written: {e}.") from e
