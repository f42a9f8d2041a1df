"""A check that fails when it is told to, and every time from then on."""

import ctypes
import os
from pathlib import Path

import numpy as np

from tenmin.checks import OK, Check, Verdict


class Frail(Check):
    """Content until the file FRAIL_ORDERS says how to fail; it leaves a file ``.obeyed`` then."""

    name = "frail.check"

    def __init__(self, stream):
        self.stream = stream
        self._orders = Path(os.environ["FRAIL_ORDERS"])
        self._kept = []

    def feed(self, piece):
        if self._orders.exists():
            how = self._orders.read_text()
            self._orders.with_suffix(".obeyed").touch()
            getattr(self, how)()

    def loops(self):
        while True:
            pass

    def leaks(self):
        self._kept.append(np.ones(100_000_000, np.uint8))

    def raises(self):
        return 1 // 0

    def segfaults(self):
        ctypes.string_at(0)

    def tick(self, now_s):
        return Verdict(self.name, self.stream.name, OK)


def check(stream):
    """One for each electrical stream."""
    return Frail(stream) if stream.is_electrical else None
