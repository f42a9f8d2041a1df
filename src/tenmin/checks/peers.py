"""What the checks of one stream need of another one: counts of frames, pulses of a sync line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenmin.checks.announced import CODE, Announced, announced

if TYPE_CHECKING:
    from tenmin.checks.frames import FrameCount
    from tenmin.checks.sync import Pulses


@dataclass
class Peers:
    """Shared by all streams of a block in one watcher; a stream that is not open is not in it.

    Attributes
    ----------
    primary : str
        Name of the reference stream; empty where nobody told.
    frames : dict of str to FrameCount
        By stream of kind ``frames``.
    pulses : dict of str to Pulses
        By stream with a sync line.
    test_pulses : list of Announced
        Those that events have told, in order.
    """

    primary: str = ""
    frames: dict[str, FrameCount] = field(default_factory=dict)
    pulses: dict[str, Pulses] = field(default_factory=dict)
    test_pulses: list[Announced] = field(default_factory=list)

    def happened(self, code: str, value: str, onset_host_ns: int, duration_s: float) -> None:
        """Take an event of the block's log: those of test pulses concern a check."""
        if code == CODE:
            self.test_pulses.append(announced(value, onset_host_ns, duration_s))
