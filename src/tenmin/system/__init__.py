"""Every call that depends on the operating system, each with its fallback.

Functions take the platform as a keyword, so that a test on one system can force the way of
another: `HERE` is what this system offers, and any part of it may be switched off.
"""

from __future__ import annotations

from typing import NamedTuple

from tenmin.system.awake import Awake
from tenmin.system.disk import occupied_bytes, write_speed
from tenmin.system.files import (
    free_bytes,
    map_file,
    preallocate,
    replace,
    runtime_dir,
    start_writing,
    sync,
    sync_dir,
    writable_caches,
)
from tenmin.system.locks import FileLock
from tenmin.system.manners import (
    FIFO_PRIORITY,
    IMPORTS,
    behave,
    freeze_garbage,
    lock_memory,
    lower_priority,
    priority_of,
    raise_priority,
)
from tenmin.system.memory import ALL_PAGES, MIRROR_UNIT, Mapped, map_mirrored
from tenmin.system.platform import HERE, Platform
from tenmin.system.power import Processor, clock_steps, power_source, processor
from tenmin.system.processes import on_signals, process_alive, spawn, stop_process
from tenmin.system.wake import Bell, Wake, has_unix_sockets, local_endpoint

__all__ = [
    "ALL_PAGES",
    "FIFO_PRIORITY",
    "HERE",
    "IMPORTS",
    "MIRROR_UNIT",
    "Awake",
    "Bell",
    "FileLock",
    "Mapped",
    "Platform",
    "Processor",
    "SerialPort",
    "Wake",
    "behave",
    "clock_steps",
    "free_bytes",
    "freeze_garbage",
    "has_unix_sockets",
    "local_endpoint",
    "lock_memory",
    "lower_priority",
    "map_file",
    "map_mirrored",
    "occupied_bytes",
    "on_signals",
    "power_source",
    "preallocate",
    "priority_of",
    "process_alive",
    "processor",
    "raise_priority",
    "replace",
    "runtime_dir",
    "serial_ports",
    "spawn",
    "start_writing",
    "stop_process",
    "sync",
    "sync_dir",
    "writable_caches",
    "write_speed",
]


class SerialPort(NamedTuple):
    """A serial port, by what does not change when it is plugged in elsewhere."""

    port: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    description: str


def serial_ports() -> list[SerialPort]:
    """The serial ports of this computer, sorted by name."""
    from serial.tools import list_ports

    found = [
        SerialPort(p.device, p.vid, p.pid, p.serial_number, p.description or "")
        for p in list_ports.comports()
    ]
    return sorted(found, key=lambda p: p.port)
