"""A device in shared memory: a bank of samples played for ever, chunk by chunk, at its real rate.

It behaves like an acquisition card: it numbers its samples, and what nobody fetches within
`HOLD_S` is overwritten in the card and lost. It is found by its name only in the processes of a
bench, see `tenmin.bench.rig`.
"""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tenmin.errors import DeviceLost, DeviceMissing
from tenmin.source import DeviceConfig
from tenmin.stream import Chunk, Stream

HOLD_S = 0.5
DRIVER = "bench"


@dataclass(frozen=True, kw_only=True)
class BankConfig(DeviceConfig):
    """Keys of the device.

    Attributes
    ----------
    bank : path
        Raw samples, row after row.
    channels : int
        How many in each row.
    rate_hz, chunk_ms : float
        Rate, and length of what one read returns.
    dtype : str
        Of the bank.
    phase : int
        First row to be played, so that several devices do not play the same rows at once.
    """

    bank: Path
    channels: int
    rate_hz: float
    chunk_ms: float = 10.0
    dtype: str = "int16"
    phase: int = 0


class Bank:
    """The device; each chunk is a view of the bank, stamped with the moment it was complete."""

    Config = BankConfig

    def __init__(self, config: BankConfig) -> None:
        integer = config.dtype.startswith("int")
        self.stream = Stream(
            config.name,
            tuple(f"C{n}" for n in range(config.channels)),
            config.rate_hz,
            "volts",
            2.34375e-6 if integer else 1e-6,
            dtype=config.dtype,
            kind=config.kind or ("ecephys" if integer else "eeg"),
            range_counts=(-512.0, 511.0) if integer else None,
            counter=True,
        )
        self._config = config
        self._rows: np.ndarray | None = None

    def start(self) -> None:
        """Map the bank; the first chunk is complete one chunk from now."""
        config = self._config
        try:
            with open(config.bank, "rb") as file:
                memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise DeviceMissing(f"{config.name}: {config.bank} cannot be read.") from error
        self._rows = np.frombuffer(memory, config.dtype).reshape(-1, config.channels)
        self._n = round(config.chunk_ms * 1e-3 * config.rate_hz)
        self._count = 0
        self._steps = np.arange(self._n, dtype=np.int64)
        self._began_ns = time.monotonic_ns()

    def read(self) -> Chunk:
        """The next chunk; what was held for too long is gone, and its numbers with it."""
        if self._rows is None:
            raise DeviceLost(f"{self.stream.name} is not open.")
        due_ns = self._due()
        wait_s = (due_ns - time.monotonic_ns()) * 1e-9
        if wait_s > 0:
            time.sleep(wait_s)
        elif wait_s < -HOLD_S:
            self._count += int(-wait_s / (self._config.chunk_ms * 1e-3))
            due_ns = self._due()
        first = self._count * self._n
        # Chunks never cross the bank's end: its length is a multiple of theirs.
        at = (first + self._config.phase * self._n) % len(self._rows)
        self._count += 1
        return Chunk(self._rows[at : at + self._n], self._steps + first, None, due_ns)

    def _due(self) -> int:
        return self._began_ns + int((self._count + 1) * self._n / self._config.rate_hz * 1e9)

    def stop(self) -> None:
        """Let the bank go."""
        self._rows = None
