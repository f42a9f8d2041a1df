"""What every check of an electrical stream has in common: levels, one verdict, bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tenmin.checks.bands import Bands
from tenmin.checks.judge import (
    FAIL_CODE,
    OK_CODE,
    UNKNOWN_CODE,
    WARN_CODE,
    Judge,
)
from tenmin.checks.lattice import Masks
from tenmin.checks.parameters import Parameters
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

FAIL_SHARE = 0.2  # of a stream's channels; science.md B.2 Q02 takes the same share of a sample's
IN_A_ROW = 3  # exceptions of a formula without a good second between them
N_NAMED = 4  # channels named in a verdict


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of one second.

    Attributes
    ----------
    values : ndarray, (n_channels,), float64
        NaN where a prerequisite is missing: the level is UNKNOWN.
    bins : ndarray of bool, (10, n_channels), or None
        Bins that the bit is set in; None: all bins of a channel whose level is on.
    before : ndarray of bool, (10, n_channels), or None
        Bins of the second before, where only this one could tell.
    """

    values: np.ndarray
    bins: np.ndarray | None = None
    before: np.ndarray | None = None


class Formula(Protocol):
    """One check's formula, with the memory that it needs; a class of a few lines.

    It is made as ``Formula(stream, parameters, shared)``.

    Attributes
    ----------
    name : str
        Of its table in ``parameters.toml``.

    Notes
    -----
    A formula may also have:

    ``fit(stream, parameters, setting)``
        A class method: the parameters as they hold for this stream; None where the check does not
        apply.
    ``anchor()``
        The block's t0 is the beginning of second 0 from now on.
    ``parts(second)``
        An iterator that does what takes long before `measure`, a few milliseconds at a time;
        `measure` does what is left of it.
    ``by_channel``
        False where the values speak of the stream as a whole: no channel is bad for them.
    ``about``
        Channels that it speaks of, (n_channels,), bool: of the others, of another unit say, there
        is nothing to know.
    ``bad``
        Channels that are bad by a rule for whole blocks, (n_channels,), bool.
    """

    name: str

    def measure(self, second: Second) -> Measured:
        """The values of the next second; seconds come in order, with holes where nothing came."""


@dataclass(frozen=True)
class Shared:
    """What the formulas of one stream have in common.

    Attributes
    ----------
    setting : Setting
        The circumstances of the block.
    spectra : Spectra
        The newest power spectra; the seconds were given to it already.
    masks : Masks
        What the checks before this one in the bank's order said of the second.
    bands : Bands
        Filters that more than one formula needs.
    """

    setting: Setting
    spectra: Spectra
    masks: Masks = field(default_factory=Masks)
    bands: Bands = field(default_factory=Bands)


class Unit:
    """A formula, its hysteresis and its verdict.

    Parameters
    ----------
    formula : Formula
    stream : Stream
    parameters : Parameters
    """

    def __init__(self, formula: Formula, stream: Stream, parameters: Parameters) -> None:
        self.formula, self.stream, self.parameters = formula, stream, parameters
        self._judge = Judge(parameters.warn, parameters.fail, stream.n_channels)
        self.by_channel: bool = getattr(formula, "by_channel", True)
        self.about: np.ndarray = getattr(formula, "about", np.ones(stream.n_channels, bool))
        self.codes = np.full(stream.n_channels, UNKNOWN_CODE, np.int8)
        self.values = np.full(stream.n_channels, np.nan)
        self.before: np.ndarray | None = None  # bits of the second before the last
        self._raised = 0  # times in a row

    def anchor(self) -> None:
        """Tell the formula that the block's t0 is the beginning of second 0."""
        anchor = getattr(self.formula, "anchor", None)
        if anchor is not None:
            anchor()

    def parts(self, second: Second) -> Iterator[None]:
        """Do what takes long, a few milliseconds at a time; `step` does what is left of it."""
        parts = getattr(self.formula, "parts", None)
        if parts is not None:
            yield from parts(second)

    def step(self, second: Second) -> np.ndarray:
        """Judge the next second; return its bits, (10, n_channels), uint16."""
        measured = self.formula.measure(second)
        self._raised = 0
        self.values = measured.values
        self.codes = self._judge.step(measured.values)
        bit = np.uint16(self.parameters.bit)
        self.before = None if measured.before is None else measured.before * bit
        on = measured.bins if measured.bins is not None else (self.codes >= WARN_CODE)[None, :]
        return np.broadcast_to(on, (10, len(self.codes))) * bit

    def failed_again(self) -> bool:
        """It raised: nothing is known; whether that was once too often."""
        self.codes = np.full(len(self.codes), UNKNOWN_CODE, np.int8)
        self.values = np.full(len(self.codes), np.nan)
        self.before = None
        self._raised += 1
        return self._raised >= IN_A_ROW

    @property
    def failed(self) -> np.ndarray:
        """Channels at level FAIL, (n_channels,), bool."""
        return self.codes == FAIL_CODE

    def verdict(self) -> Verdict:
        """One verdict of all channels.

        FAIL when more than a fifth of the channels fail; WARN when any is on; else UNKNOWN when
        any channel is, since OK is said of all of them.
        """
        p, names = self.parameters, self.stream.channels
        worst = self._worst()
        level = UNKNOWN if (self.codes[self.about] == UNKNOWN_CODE).any() else OK
        if (self.codes >= WARN_CODE).any():
            level = FAIL if self.failed[self.about].mean() > FAIL_SHARE else WARN
        limit = p.fail if level == FAIL else p.warn or p.fail
        value = float(self.values[worst]) if worst is not None else None
        action = ""
        if level in (WARN, FAIL):
            on = [names[c] for c in np.flatnonzero(self.codes >= WARN_CODE)]
            more = f" and {len(on) - N_NAMED} more" if len(on) > N_NAMED else ""
            action = f"{', '.join(on[:N_NAMED])}{more}: {p.action}" if self.by_channel else p.action
        told = None if limit is None else limit.on
        return Verdict(p.name, self.stream.name, level, value, told, p.unit, action=action)

    def _worst(self) -> int | None:
        known = self.codes != UNKNOWN_CODE
        if not known.any():
            return None
        below = self.parameters.warn is not None and self.parameters.warn.below
        order = np.where(known, self.values, np.inf if below else -np.inf)
        top = self.codes == self.codes[known].max()
        order = np.where(top, order, np.inf if below else -np.inf)
        return int(order.argmin() if below else order.argmax())


def levels(codes: np.ndarray) -> Mapping[str, int]:
    """How many channels are at each level."""
    named = {OK: OK_CODE, UNKNOWN: UNKNOWN_CODE, WARN: WARN_CODE, FAIL: FAIL_CODE}
    return {level: int((codes == code).sum()) for level, code in named.items()}
