"""All checks of one electrical stream: one pass over its samples, one verdict per check."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenmin.checks.amplitude import HighFrequencyRatio, Loud, Noise, Outlier
from tenmin.checks.array import Excess, Similarity
from tenmin.checks.drift import Drift
from tenmin.checks.electrical import Flat, Line, Saturation
from tenmin.checks.front import Front, Limits
from tenmin.checks.lattice import GAP, Lattice
from tenmin.checks.muscle import Muscle
from tenmin.checks.neighbours import Correlation
from tenmin.checks.pops import Pop
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.spiking import Depth, Yield
from tenmin.checks.suppression import Suppression
from tenmin.checks.unit import Shared, Unit
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

EVERY: tuple[type[Any], ...] = (Flat, Saturation, Pop, Line, Drift, Suppression)

# Which checks run on which kind of stream; science.md B.6c.
OF_KIND: dict[str, tuple[type[Any], ...]] = {
    "ecephys": (*EVERY, Noise, Loud, Excess, Similarity, Yield, Depth),
    "eeg": (*EVERY, Loud, Correlation, Outlier, Muscle, HighFrequencyRatio),
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
        made = (_unit(kind, stream, self.shared) for kind in OF_KIND[stream.kind])
        self.units = [unit for unit in made if unit is not None]
        self.lattice = Lattice(stream.n_channels)
        self.anchored = False
        self.faults: list[str] = []
        self.off: list[Unit] = []  # those that raised too often

    def anchor(self, origin: int) -> None:
        """The block's t0 is index `origin`: seconds and the lattice are counted from it."""
        self.front.anchor(origin)
        self.anchored = True
        self.lattice = Lattice(self.stream.n_channels)
        for unit in self.units:
            unit.anchor()

    def skipped(self, n: int) -> None:
        """The `n` samples before the next piece were not seen."""
        self.front.skipped(n)

    def spoilt(self) -> None:
        """The last piece was overwritten while it was looked at: its second is left out."""
        self.front.spoilt()

    def feed(self, piece: Piece) -> list[Second]:
        """Take the next piece; return the seconds that it completed, judged."""
        seconds = list(self.front.feed(piece))
        self.lattice.unseen(self.front.dropped)
        for second in seconds:
            self._judge(second)
        return seconds

    def _judge(self, second: Second) -> None:
        self.shared.spectra.add(second)
        bits = np.zeros(second.low.shape, np.uint16)
        bits[second.gaps] = GAP
        failed = np.zeros(self.stream.n_channels, bool)
        for unit in self.units:
            bits |= self._step(unit, second)
            if unit.by_channel:
                failed |= unit.failed
        self.lattice.add(second.number, bits, failed)
        late = [unit.before for unit in self.units if unit.before is not None]
        if late:
            before = np.bitwise_or.reduce(late)
            self.lattice.add(second.number - 1, before, np.zeros_like(failed))

    def _step(self, unit: Unit, second: Second) -> np.ndarray:
        """One check's bits; none, and UNKNOWN, where it raises."""
        try:
            return unit.step(second)
        except MemoryError:
            raise
        except Exception as error:  # the other checks go on
            self.faults.append(f"{unit.parameters.name}: {type(error).__name__}: {error}")
            if unit.failed_again():
                self.units = [kept for kept in self.units if kept is not unit]
                self.off.append(unit)
            return np.zeros(second.low.shape, np.uint16)

    def verdicts(self) -> list[Verdict]:
        """The newest verdict of every check."""
        return [unit.verdict() for unit in (*self.units, *self.off)]

    def bad_channels(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Bad channels of a block: by their levels, or by a rule for whole blocks, (c,), bool."""
        bad = self.lattice.bad_channels(start, stop)
        for unit in self.units:
            bad |= getattr(unit.formula, "bad", False)
        return bad


def _unit(kind: type[Any], stream: Stream, shared: Shared) -> Unit | None:
    """The unit of a check; None where it does not apply to the stream."""
    told = shared.setting.parameters[kind.name]
    if hasattr(kind, "fit"):
        told = kind.fit(stream, told, shared.setting)
    return None if told is None else Unit(kind(stream, told, shared), stream, told)
