"""What a simulator is asked to do: options, and faults written as ``KIND@SECONDS[:ARG]``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenmin.errors import UsageError

# kind -> what its parts after ``@SECONDS`` or the kind mean; a part in brackets may be left out
FAULTS = {
    "gap": ("N", "[STREAM]"),
    "stall": ("S", "[STREAM]"),
    "disconnect": ("S", "[STREAM]"),
    "burst": ("S", "[STREAM]"),
    "duplicate": ("N", "[STREAM]"),
    "reorder": ("N", "[STREAM]"),
    "dead": ("CHANNEL", "[STREAM]"),
    "saturate": ("CHANNEL", "[STREAM]"),
    "nan": ("CHANNEL", "[STREAM]"),
    "line": ("DB", "[STREAM]"),
    "drift": ("PPM", "[STREAM]"),
    "bend": ("PPM", "[STREAM]"),
    "jitter": ("MS", "[STREAM]"),
    # electrodes
    "hum": ("DB", "S", "[STREAM]"),
    "flat": ("CHANNEL", "S", "[STREAM]"),
    "clip": ("CHANNEL", "S", "[STREAM]"),
    "pop": ("CHANNEL", "SIGMA", "[STREAM]"),
    "white": ("CHANNEL", "[STREAM]"),
    "high_impedance": ("CHANNEL", "[STREAM]"),
    "bridge": ("CHANNEL", "CHANNEL", "[STREAM]"),
    "outside": ("N", "[STREAM]"),
    # people and animals
    "muscle": ("S", "[STREAM]"),
    "blink": ("[STREAM]",),
    "eyes_closed": ("S", "[STREAM]"),
    "sem": ("S", "[STREAM]"),
    "drowsy": ("S", "[STREAM]"),
    "quiet": ("S", "[STREAM]"),
    "active": ("S", "[STREAM]"),
    "run": ("S", "[STREAM]"),
    # cameras and microscopes
    "exposure": ("PERCENT", "[STREAM]"),
    "shift": ("UM", "[STREAM]"),
    "focus": ("UM", "[STREAM]"),
    "overexpose": ("S", "[STREAM]"),
    "bleach": ("TAU", "[STREAM]"),
    # patch clamp
    "access": ("MOHM", "[STREAM]"),
    "seal": ("MOHM", "[STREAM]"),
    "ljp": ("MV", "[STREAM]"),
    # surroundings
    "lux": ("PERCENT", "[STREAM]"),
    "sound": ("DB", "S", "[STREAM]"),
    "warm": ("KELVIN", "[STREAM]"),
}
UNTIMED = ("drift", "jitter")  # these may stand without @SECONDS: they then hold from the start
PLURALS = {"N": "a whole number above 0", "S": "seconds above 0", "DB": "dB above 0"}
PLURALS |= {"PPM": "parts per million between -10000 and 10000", "MS": "milliseconds above 0"}
PLURALS |= {"CHANNEL": "a channel's label or number", "SIGMA": "a number other than 0"}
PLURALS |= {
    "PERCENT": "percent of change above -100",
    "UM": "micrometres, not 0",
    "MV": "millivolts, not 0",
}
PLURALS |= {"TAU": "seconds above 0: a time constant"}
PLURALS |= {"MOHM": "megohms above 0", "KELVIN": "kelvins, not 0"}
SIGNED = ("SIGMA", "UM", "MV", "KELVIN")  # these may be below 0, and not 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what happens, when, how much, and to which stream.

    Attributes
    ----------
    kind : str
        A key of `FAULTS`.
    at_s : float
        Seconds after the faults' zero.
    value : float
        The number among its arguments, the first one of two: samples, seconds, dB, ppm …; 0
        where there is none.
    channel : str
        Label or number of the channel; empty where none is named.
    stream : str
        Name of the stream; empty for the primary one.
    seconds : float
        The second number, where there are two.
    other : str
        The second channel, where there are two.
    """

    kind: str
    at_s: float = 0.0
    value: float = 0.0
    channel: str = ""
    stream: str = ""
    seconds: float = 0.0
    other: str = ""

    def __str__(self) -> str:
        at = f"@{self.at_s:g}" if self.at_s or self.kind not in UNTIMED else ""
        channels, numbers = [self.channel, self.other], [self.value, self.seconds]
        told = [
            channels.pop(0) if meaning == "CHANNEL" else f"{numbers.pop(0):g}"
            for meaning in required(self.kind)
        ]
        return ":".join([f"{self.kind}{at}", *told, *([self.stream] if self.stream else [])])

    @property
    def lasts_s(self) -> float:
        """The argument that is a duration; 0 where there is none."""
        meanings = required(self.kind)
        if "S" not in meanings:
            return 0.0
        numbers = [m for m in meanings if m != "CHANNEL"]
        return (self.value, self.seconds)[numbers.index("S")]


@dataclass(frozen=True, slots=True)
class SimOptions:
    """Options of ``tenmin sim``; every one has a default that fits the simulator.

    Attributes
    ----------
    port : str
        Serial or network port; ``"0"`` lets the simulator choose.
    rate_hz : float, optional
        Nominal rate of the primary stream.
    channels : int, optional
        Channels of the primary stream.
    dtype : str, optional
        Format of the samples (simulator ``lsl`` only).
    seed : int
        The same seed gives the same samples.
    faults : tuple of Fault
        What goes wrong, and when.
    truth : Path, optional
        Where the truth is written.
    while_locked : tuple of Path
        The simulator ends some seconds after nobody holds any of these locks. It then belongs
        to an engine, and timed faults wait until ``{"fault_zero_ns": …}`` comes on stdin.
    """

    port: str = "0"
    rate_hz: float | None = None
    channels: int | None = None
    dtype: str | None = None
    seed: int = 0
    faults: tuple[Fault, ...] = ()
    truth: Path | None = None
    while_locked: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not (math.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise UsageError(f"--rate {self.rate_hz} is not a rate: give Hz above 0.")
        if self.channels is not None and self.channels < 1:
            raise UsageError(f"--channels {self.channels} is too few: give 1 or more.")


def parse_fault(text: str) -> Fault:
    """The fault that ``KIND@SECONDS[:ARG[:STREAM]]`` or ``drift:PPM`` stands for.

    Raises
    ------
    UsageError
        It is none; the message names everything that is wrong with it.
    """
    head, *parts = text.strip().split(":")
    kind, at, seconds = head.partition("@")
    if kind not in FAULTS:
        raise UsageError(f"{text!r}: there is no fault {kind!r}.", remedy=_known())
    wrong = []
    at_s = _number(seconds) if at else 0.0
    if not at and kind not in UNTIMED:
        wrong.append("@SECONDS is missing")
    elif at_s is None or at_s < 0:
        wrong.append(f"{seconds!r} is not a time: give seconds, 0 or more")
    meanings = required(kind)
    if not len(meanings) <= len(parts) <= len(meanings) + 1 or not all(parts):
        needs = f"needs :{':'.join(meanings)} and " if meanings else ""
        wrong.append(f"it {needs}may have :STREAM after it")
    numbers, channels = [], []
    for meaning, part in zip(meanings, parts):
        if meaning == "CHANNEL":
            channels.append(part)
        elif (number := _amount(meaning, part)) is None:
            wrong.append(f"{part!r} is not {PLURALS[meaning]}")
        else:
            numbers.append(number)
    if wrong:
        raise UsageError(f"{text!r}: {'; '.join(wrong)}.", remedy=_known())
    value, lasting, *_ = *numbers, 0.0, 0.0
    channel, other, *_ = *channels, "", ""
    stream = parts[len(meanings)] if len(parts) > len(meanings) else ""
    return Fault(kind, at_s or 0.0, value, channel, stream, lasting, other)


def required(kind: str) -> tuple[str, ...]:
    """What the arguments mean that a kind of fault cannot go without."""
    return tuple(meaning for meaning in FAULTS[kind] if not meaning.startswith("["))


def parse_faults(texts: Iterable[str]) -> tuple[Fault, ...]:
    """All faults; every wrong one is named at once.

    Raises
    ------
    UsageError
        One or more are none.
    """
    faults, wrong = [], []
    for text in texts:
        try:
            faults.append(parse_fault(text))
        except UsageError as e:
            wrong.append(e.message)
    if wrong:
        raise UsageError("\n".join(wrong), remedy=_known())
    return tuple(faults)


def _known() -> str:
    shapes = []
    for kind in FAULTS:
        at = "" if kind in UNTIMED else "@SECONDS"
        shapes.append("".join([kind, at, *(f":{part}" for part in required(kind)), "[:STREAM]"]))
    return f"Known faults: {', '.join(shapes)}."


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _amount(meaning: str, text: str) -> float | None:
    value = _number(text)
    if value is None:
        return None
    if meaning == "PPM":
        return value if abs(value) <= 10_000 else None
    if meaning == "N" and value != int(value):
        return None
    if meaning in SIGNED:
        return value if value else None
    if meaning == "PERCENT":
        return value if value > -100 and value else None
    return value if value > 0 else None


def arguments(argv: Sequence[str], prog: str = "tenmin sim") -> tuple[str, SimOptions]:
    """Name and options from a command line like that of ``tenmin sim``."""
    parser = argparse.ArgumentParser(prog, description="Run one simulated device alone.")
    parser.add_argument("name")
    parser.add_argument("--port", default="0", help="serial port or endpoint; 0 chooses one")
    parser.add_argument("--rate", type=float, help="rate of the primary stream, Hz")
    parser.add_argument("--channels", type=int, help="channels of the primary stream")
    parser.add_argument("--dtype", help="format of the samples (lsl)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[], help=_known())
    parser.add_argument("--truth", type=Path, help="where to write the truth, JSON")
    parser.add_argument("--while-locked", type=Path, nargs="+", default=[])
    given = parser.parse_args(argv)
    options = SimOptions(
        port=given.port,
        rate_hz=given.rate,
        channels=given.channels,
        dtype=given.dtype,
        seed=given.seed,
        faults=parse_faults(given.fault),
        truth=given.truth,
        while_locked=tuple(given.while_locked),
    )
    return given.name, options
