"""The wires a simulator holds the far end of: LSL outlets and a serial port on a pty."""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from tenmin.errors import DeviceError, LibraryMissing, UsageError

OUTLET_BUFFER_S = 5  # the default of 360 s would be 8 GB for a probe
SLOW_OUTLET_BUFFER_S = 60
BOOT_S = 0.05  # a serial board is silent for this long after its port was opened


class Wire(Protocol):
    """What a sender needs of a wire."""

    def plug(self) -> None:
        """Bring it up; the same names as before."""

    def unplug(self) -> None:
        """Cut it; harmless when it is cut."""

    def listening(self) -> bool:
        """Whether anybody is at the other end."""

    def push(self, samples: np.ndarray, first: int, stamp_s: float) -> int:
        """Send samples from index `first` on, the last one at `stamp_s`; returns how many went."""


def lsl() -> ModuleType:
    """The pylsl module.

    Raises
    ------
    LibraryMissing
        It, or the library that it wraps, is not there.
    """
    try:
        return importlib.import_module("pylsl")
    except (ImportError, RuntimeError, OSError) as e:  # pylsl raises RuntimeError for liblsl
        raise LibraryMissing(
            f"Lab Streaming Layer cannot be loaded: {e}", remedy="Run pip install 'pylsl>=1.18.6'."
        ) from e


@dataclass(frozen=True)
class OutletInfo:
    """What an outlet says of itself.

    Attributes
    ----------
    name, type, source_id : str
    channels : sequence of str
        Labels, under ``desc/channels/channel/label``.
    rate_hz : float
        0 for irregular streams.
    dtype : str
        numpy name, or ``"str"``.
    units, types : sequence of str
        One per channel, or empty.
    acquisition : mapping of str to str
        ``desc/acquisition/…``: manufacturer, model, serial_number, uV_per_count …
    """

    name: str
    type: str
    source_id: str
    channels: Sequence[str]
    rate_hz: float
    dtype: str
    units: Sequence[str] = ()
    types: Sequence[str] = ()
    acquisition: Mapping[str, str] = field(default_factory=dict)


FORMATS = {
    "float32": "float32",
    "float64": "double64",
    "str": "string",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
}


class LslWire:
    """An LSL outlet."""

    def __init__(self, info: OutletInfo) -> None:
        if info.dtype not in FORMATS:
            raise UsageError(
                f"LSL has no format {info.dtype!r}.", remedy=f"Choose one of {', '.join(FORMATS)}."
            )
        self.info = info
        self._lsl = lsl()
        self._outlet: Any = None
        # On Linux both clocks are the same; elsewhere their origins may differ.
        self._shift = self._lsl.local_clock() - time.monotonic()
        if abs(self._shift) < 1e-3:
            self._shift = 0.0

    def plug(self) -> None:
        if self._outlet is None:
            fast = self.info.rate_hz * len(self.info.channels) > 1e5
            self._outlet = self._lsl.StreamOutlet(
                self._stream_info(), 0, OUTLET_BUFFER_S if fast else SLOW_OUTLET_BUFFER_S
            )

    def unplug(self) -> None:
        self._outlet = None  # pylsl destroys it with its last reference

    def listening(self) -> bool:
        return self._outlet is not None and self._outlet.have_consumers()

    def push(self, samples: np.ndarray, first: int, stamp_s: float) -> int:
        self._outlet.push_chunk(samples, stamp_s + self._shift)
        return len(samples)

    def push_text(self, text: str, stamp_s: float) -> None:
        """Send one marker."""
        self._outlet.push_sample([text], stamp_s + self._shift)

    def _stream_info(self) -> Any:
        i = self.info
        info = self._lsl.StreamInfo(
            i.name, i.type, len(i.channels), i.rate_hz, FORMATS[i.dtype], i.source_id
        )
        channels = info.desc().append_child("channels")
        for k, label in enumerate(i.channels):
            channel = channels.append_child("channel").append_child_value("label", label)
            if i.units:
                channel.append_child_value("unit", i.units[k])
            if i.types:
                channel.append_child_value("type", i.types[k])
        acquisition = info.desc().append_child("acquisition")
        for key, value in i.acquisition.items():
            acquisition.append_child_value(key, value)
        return info


class PtyWire:
    """A serial board on a pseudo-terminal, whose path stays when it is plugged in again.

    Opening the port restarts the board: it is silent for `BOOT_S`, then counts from 0.

    Parameters
    ----------
    name : str
        Last part of the port's path.
    frame : function (samples, index) -> bytes
        The frames of samples whose own numbers begin at `index`.
    frame_bytes : int
        Size of a frame.
    """

    def __init__(
        self, name: str, frame: Callable[[np.ndarray, int], bytes], frame_bytes: int
    ) -> None:
        if not hasattr(os, "openpty"):
            raise DeviceError(
                "This system has no pseudo-terminals.",
                remedy="Install a pair of virtual COM ports (com0com) and name one of them by "
                "--port; the driver opens the other.",
            )
        self._frame, self._frame_bytes = frame, frame_bytes
        self._folder = Path(tempfile.mkdtemp(prefix="tenmin-sim-"))
        self.port = str(self._folder / name)
        self._master: int | None = None
        self._rest = b""
        self._base: int | None = None
        self._opened_ns: int | None = None

    def plug(self) -> None:
        if self._master is not None:
            return
        tty = importlib.import_module("tty")
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        part = Path(self.port + ".part")
        part.symlink_to(os.ttyname(slave))
        os.replace(part, self.port)
        os.close(slave)  # so that a hang-up shows that nobody has the port open
        self._closed()

    def unplug(self) -> None:
        if self._master is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.port)
            os.close(self._master)
            self._master = None
            self._closed()

    def listening(self) -> bool:
        if self._master is None:
            return False
        poll = select.poll()
        poll.register(self._master, select.POLLHUP)
        if any(what & select.POLLHUP for _, what in poll.poll(0)):
            self._closed()
            return False
        now = time.monotonic_ns()
        if self._opened_ns is None:
            self._opened_ns = now
        return now - self._opened_ns >= BOOT_S * 1e9

    def push(self, samples: np.ndarray, first: int, stamp_s: float) -> int:
        if self._base is None:
            self._base = first
        data = self._rest + self._frame(samples, first - self._base)
        try:
            sent = os.write(self._master, data)  # type: ignore[arg-type]
        except BlockingIOError:
            sent = 0
        except OSError:  # the other side closed it just now
            self._closed()
            return 0
        taken = min(max(sent - len(self._rest), 0), len(data))
        whole = -(-taken // self._frame_bytes)
        # A frame that was cut goes on with the next push; frames that found no room are lost.
        end = len(self._rest) + whole * self._frame_bytes
        self._rest = data[sent : max(end, len(self._rest))]
        return whole

    def close(self) -> None:
        """Unplug it for good and remove its folder."""
        self.unplug()
        with contextlib.suppress(FileNotFoundError):
            self._folder.rmdir()

    def _closed(self) -> None:
        self._rest, self._base, self._opened_ns = b"", None, None


class ComWire(PtyWire):
    """A serial board on a port of this computer, for systems without pseudo-terminals.

    One end of a pair of virtual ports; whether the other end is open cannot be seen, so it
    sends from the start.
    """

    def __init__(
        self, port: str, frame: Callable[[np.ndarray, int], bytes], frame_bytes: int
    ) -> None:
        self._frame, self._frame_bytes = frame, frame_bytes
        self.port = port
        self._serial: Any = None

    def plug(self) -> None:
        if self._serial is None:
            serial = importlib.import_module("serial")
            try:
                self._serial = serial.Serial(self.port, 115200, write_timeout=0.2)
            except serial.SerialException as e:
                raise DeviceError(f"The port {self.port} cannot be opened: {e}.") from e

    def unplug(self) -> None:
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def listening(self) -> bool:
        return self._serial is not None

    def push(self, samples: np.ndarray, first: int, stamp_s: float) -> int:
        serial = importlib.import_module("serial")
        try:
            self._serial.write(self._frame(samples, first))
        except serial.SerialTimeoutException:
            return 0
        return len(samples)

    def close(self) -> None:
        self.unplug()


def serial_wire(
    port: str, name: str, frame: Callable[[np.ndarray, int], bytes], frame_bytes: int
) -> PtyWire:
    """A pty, or the port that is named (``"0"``: a pty)."""
    if port in ("", "0"):
        return PtyWire(name, frame, frame_bytes)
    return ComWire(port, frame, frame_bytes)
