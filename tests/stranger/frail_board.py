"""A counting board whose driver fails on demand: what a stranger's distribution may bring."""

import ctypes
import dataclasses
import time
from pathlib import Path

import numpy as np

from tenmin.source import DeviceConfig
from tenmin.stream import Chunk, Stream

RATE_HZ = 500.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(DeviceConfig):
    """`orders` is a file that says how to fail, once; it is removed first.

    `crashes` says in which call its native code reads a null pointer: "made" or "start".
    """

    orders: str = ""
    whole: bool = True
    crashes: str = ""


class Frail:
    """The board's clock is the host's and never stops, whatever becomes of its driver."""

    Config = Config

    def __init__(self, config):
        if not config.whole:
            raise KeyError("calibration")
        self._crashes = config.crashes
        self._crash_in("made")
        self._orders = Path(config.orders) if config.orders else None
        self.stream = Stream(config.name, ("a",), RATE_HZ, "volts", kind="eeg", counter=True)

    def start(self):
        self._crash_in("start")
        self._next = _due()

    def read(self):
        while _due() < self._next + 25:
            time.sleep(0.01)
        if self._orders is not None and self._orders.exists():
            how = self._orders.read_text()
            self._orders.unlink()
            FAILURES[how]()
        index = np.arange(self._next, _due())
        self._next = int(index[-1]) + 1
        return Chunk(rows(int(index[0]), len(index)), index, None, time.monotonic_ns())

    def stop(self):
        pass

    def _crash_in(self, call):
        if self._crashes == call:
            ctypes.string_at(0)


def rows(first, n):
    """Its samples [first, first + n), (n, 1)."""
    return (np.arange(first, first + n) % 997).astype(np.int16)[:, None]


def _due():
    return int(time.monotonic() * RATE_HZ)


FAILURES = {
    "raise": lambda: 1 / 0,
    "segfault": lambda: ctypes.string_at(0),
    "block": lambda: time.sleep(10_000),
    "block with the lock": lambda: ctypes.PyDLL(None).sleep(10_000),
}
