"""All checks of one electrical stream: one pass over its samples, one verdict per check."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenmin.checks.amplitude import HighFrequencyRatio, Loud, Noise, Outlier
from tenmin.checks.electrical import Flat, Line, Saturation
from tenmin.checks.front import Front, Limits
from tenmin.checks.lattice import GAP, Lattice
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared, Unit
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

EVERY: tuple[type[Any], ...] = (Flat, Saturation, Line)

# Which checks run on which kind of stream; science.md B.6c.
OF_KIND: dict[str, tuple[type[Any], ...]] = {
    "ecephys": (*EVERY, Noise, Loud),
    "eeg": (*EVERY, Loud, Outlier, HighFrequencyRatio),
    "ieeg": (*EVERY, Loud),
    "patch": (Saturation,),
}


class Bank:
    """The checks of one stream.

    Parameters
    ----------
    stream : Stream
        Electrical and regular.
    setting : Setting

    Attributes
    ----------
    lattice : Lattice
        The bits of every second so far.
    units : list of Unit
    """

    def __init__(self, stream: Stream, setting: Setting) -> None:
        parameters = setting.parameters
        self.stream = stream
        self.front = Front(stream, Limits(parameters["saturation"]["share_of_range"]))
        self.shared = Shared(setting, Spectra())
        self.units = [
            Unit(kind(stream, parameters[kind.name], self.shared), stream, parameters[kind.name])
            for kind in OF_KIND[stream.kind]
        ]
        self.lattice = Lattice(stream.n_channels)

    def anchor(self, origin: int) -> None:
        """The block's t0 is index `origin`: seconds and the lattice are counted from it."""
        self.front.anchor(origin)
        self.lattice = Lattice(self.stream.n_channels)

    def feed(self, piece: Piece) -> list[Second]:
        """Take the next piece; return the seconds that it completed, judged."""
        seconds = list(self.front.feed(piece))
        for second in seconds:
            self._judge(second)
        return seconds

    def _judge(self, second: Second) -> None:
        self.shared.spectra.add(second)
        bits = np.zeros(second.low.shape, np.uint16)
        bits[second.gaps] = GAP
        failed = np.zeros(self.stream.n_channels, bool)
        for unit in self.units:
            bits |= unit.step(second)
            failed |= unit.failed
        self.lattice.add(second.number, bits, failed)

    def verdicts(self) -> list[Verdict]:
        """The newest verdict of every check."""
        return [unit.verdict() for unit in self.units]
