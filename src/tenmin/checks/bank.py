"""All checks of one stream that look at every sample: one pass, one verdict per check."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenmin.checks.amplitude import HighFrequencyRatio, Loud, Noise, Outlier
from tenmin.checks.array import Excess, Similarity
from tenmin.checks.blinks import Blinks, Eyes, FewBlinks
from tenmin.checks.drift import Drift
from tenmin.checks.electrical import Flat, Line, Saturation
from tenmin.checks.environment import BodyMotion
from tenmin.checks.front import Front, Limits
from tenmin.checks.imaging import Bleaching, Brightness
from tenmin.checks.lattice import GAP, Lattice
from tenmin.checks.muscle import Muscle
from tenmin.checks.neighbours import Correlation
from tenmin.checks.parameters import Parameters
from tenmin.checks.patch import Leak, Potential, Resting
from tenmin.checks.pops import Pop
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.spiking import Depth, Yield
from tenmin.checks.suppression import Suppression
from tenmin.checks.unit import Shared, Unit
from tenmin.checks.units import Units
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

EVERY: tuple[type[Any], ...] = (Flat, Saturation, Pop, Line, Drift, Suppression, Units)

# Which checks run on which kind of stream; science.md B.6c. Those whose bits others leave out
# stand before them.
OF_KIND: dict[str, tuple[type[Any], ...]] = {
    "ecephys": (*EVERY, Noise, Loud, Excess, Similarity, Yield, Depth),
    "eeg": (
        *(*EVERY, Muscle, Loud, Correlation, Outlier, HighFrequencyRatio),
        *(Blinks, FewBlinks, Eyes),
    ),
    "ieeg": (*EVERY, Loud),
    "patch": (Saturation, Leak, Resting, Potential, Units),
}
MOST_DUE = 2  # seconds that wait to be judged; then the next piece waits for them

# Of streams that are not electrical: each says itself, by `fit`, where it applies.
OTHERS: tuple[type[Any], ...] = (Brightness, Bleaching, BodyMotion)


def has_bank(stream: Stream, setting: Setting) -> bool:
    """Whether any check looks at every sample of a stream."""
    if not stream.is_regular or stream.is_marker:
        return False
    return any(_fitted(kind, stream, setting) is not None for kind in _kinds(stream))


def _kinds(stream: Stream) -> tuple[type[Any], ...]:
    return OF_KIND[stream.kind] if stream.is_electrical else OTHERS


@dataclass(frozen=True)
class Judgement:
    """What the checks said of one second, to be kept.

    Attributes
    ----------
    number : int
    bits : ndarray, (10, n_channels), uint16
    values : ndarray, (n_checks, n_channels), float64
    levels : ndarray, (n_checks, n_channels), int8, or None
        None where only bits are added to a second that was told before.
    """

    number: int
    bits: np.ndarray
    values: np.ndarray
    levels: np.ndarray | None


class Bank:
    """The checks of one stream.

    Every sample is looked at in `take`. What is due once a second takes far longer than a piece
    may wait, so `step` does it in parts.

    Parameters
    ----------
    stream : Stream
        Regular.
    setting : Setting

    Attributes
    ----------
    lattice : Lattice
        The bits of every second so far.
    units : list of Unit
        Those that are on.
    all : tuple of Unit
        In the order of the rows of a `Judgement`.
    judgements : list of Judgement
        Since the owner emptied it.
    n_judged : int
        Seconds.
    """

    def __init__(self, stream: Stream, setting: Setting) -> None:
        parameters = setting.parameters
        self.stream = stream
        self.front = Front(stream, Limits(parameters["saturation"]["share_of_range"]))
        self.shared = Shared(setting, Spectra())
        made = (_unit(kind, stream, self.shared) for kind in _kinds(stream))
        self.units = [unit for unit in made if unit is not None]
        self.all = tuple(self.units)
        self.judgements: list[Judgement] = []
        self.lattice = Lattice(stream.n_channels)
        self.anchored = False
        self.faults: list[str] = []
        self.n_judged = 0
        self._due: deque[Second] = deque()
        self._judging: Iterator[None] | None = None

    def anchor(self, origin: int) -> None:
        """The block's t0 is index `origin`: seconds and the lattice are counted from it."""
        self.finish()
        self.front.anchor(origin)
        self.anchored = True
        self.lattice = Lattice(self.stream.n_channels)
        self.shared.masks.restart()
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
        seconds = self.take(piece)
        self.finish()
        return seconds

    def take(self, piece: Piece) -> list[Second]:
        """Look at the next piece; return the seconds that it completed, which are due now."""
        while len(self._due) >= MOST_DUE:
            self.step()
        seconds = list(self.front.feed(piece))
        self.lattice.unseen(self.front.dropped)
        self._due.extend(seconds)
        return seconds

    def step(self) -> bool:
        """Do a part of one check of a second that is due; False when nothing was."""
        if self._judging is None:
            if not self._due:
                return False
            self._judging = self._judge(self._due.popleft())
        judging, self._judging = self._judging, None
        for _ in judging:
            self._judging = judging
            break
        return True

    def finish(self) -> None:
        """Do all that is due."""
        while self.step():
            pass

    def _judge(self, second: Second) -> Iterator[None]:
        yield from self.shared.spectra.parts(second)
        bits = np.zeros(second.low.shape, np.uint16)
        bits[second.gaps] = GAP
        self.shared.masks.begin(second.number, bits)
        failed = np.zeros(self.stream.n_channels, bool)
        for unit in self.units:
            bits |= yield from self._step(unit, second)
            if unit.before is not None:
                self.shared.masks.add_late(unit.before)
            if unit.by_channel:
                failed |= unit.failed
            yield
        self.lattice.add(second.number, bits, failed)
        self._keep(second.number, bits)
        self.n_judged += 1

    def _keep(self, number: int, bits: np.ndarray) -> None:
        values = np.array([unit.values for unit in self.all])
        levels = np.array([unit.codes for unit in self.all])
        self.judgements.append(Judgement(number, bits, values, levels))
        late = [unit.before for unit in self.units if unit.before is not None]
        if late:
            before = np.bitwise_or.reduce(late)
            self.lattice.add(number - 1, before, np.zeros(self.stream.n_channels, bool))
            nothing = np.full_like(values, np.nan)
            self.judgements.append(Judgement(number - 1, before, nothing, None))

    def _step(self, unit: Unit, second: Second) -> Generator[None, None, np.ndarray]:
        """One check's bits, in parts; none, and UNKNOWN, where it raises."""
        try:
            yield from unit.parts(second)
            return unit.step(second)
        except MemoryError:
            raise
        except Exception as error:  # the other checks go on
            self.faults.append(f"{unit.parameters.name}: {type(error).__name__}: {error}")
            if unit.failed_again():
                self.units = [kept for kept in self.units if kept is not unit]
            return np.zeros(second.low.shape, np.uint16)

    def verdicts(self) -> list[Verdict]:
        """The newest verdict of every check."""
        return [unit.verdict() for unit in self.all]

    def bad_channels(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Bad channels of a block: by their levels, or by a rule for whole blocks, (c,), bool."""
        bad = self.lattice.bad_channels(start, stop)
        for unit in self.units:
            bad |= getattr(unit.formula, "bad", False)
        return bad

    def bad_by_rule(self) -> dict[str, np.ndarray]:
        """By check: channels that a rule for whole blocks calls bad so far, (c,), bool."""
        rules = {unit.parameters.name: getattr(unit.formula, "bad", None) for unit in self.all}
        return {name: bad for name, bad in rules.items() if bad is not None}


def _unit(kind: type[Any], stream: Stream, shared: Shared) -> Unit | None:
    """The unit of a check; None where it does not apply to the stream."""
    told = _fitted(kind, stream, shared.setting)
    return None if told is None else Unit(kind(stream, told, shared), stream, told)


def _fitted(kind: type[Any], stream: Stream, setting: Setting) -> Parameters | None:
    """The parameters of a check as they hold for a stream; None where it does not apply."""
    told = setting.parameters[kind.name]
    fitted: Parameters | None = kind.fit(stream, told, setting) if hasattr(kind, "fit") else told
    return fitted
