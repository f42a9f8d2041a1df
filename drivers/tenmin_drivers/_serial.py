"""Serial ports: found by serial number, opened for us alone, their errors in words."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

from tenmin.errors import DeviceError, DeviceMissing, LibraryMissing, PortInUse, UsageError
from tenmin.source import STALL_S, DeviceConfig

PULL_S = STALL_S * 0.7  # leaves time for a batch and the parser before `read` must be back


@dataclass(frozen=True, kw_only=True)
class SerialConfig(DeviceConfig):
    """Keys of every serial device: `serial_number` (preferred) or `port`.

    Attributes
    ----------
    port : str, optional
        ``COM3``, ``/dev/ttyACM0``; with `serial_number` too, the port must be that device.
    baud : int
        Ignored by USB boards.
    """

    port: str | None = None
    baud: int = 115_200


def open_port(config: Any) -> Any:
    """The device's port, a ``serial.Serial`` whose ``read(n)`` waits `PULL_S` at most.

    Raises
    ------
    DeviceMissing, PortInUse, DeviceError
        It is not there; another program has it; it refuses.
    """
    serial = _library()
    port = find_port(config)
    try:
        return serial.Serial(port, config.baud, timeout=PULL_S, exclusive=True)
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise _refusal(config.name, port, error) from error


def find_port(config: Any) -> str:
    """Name of the port of the device that a table of rig.toml means."""
    from serial.tools import list_ports

    listed = list_ports.comports()
    if config.port is None:
        if config.serial_number is None:
            raise UsageError(
                f"Device {config.name} does not say where it is.",
                remedy="Give its serial_number or its port in rig.toml.",
            )
        for entry in listed:
            if entry.serial_number == config.serial_number:
                return str(entry.device)
        there = ", ".join(f"{entry.device} ({entry.serial_number})" for entry in listed) or "none"
        raise DeviceMissing(
            f"{config.name}: no serial device {config.serial_number} is plugged in; found: {there}."
        )
    for entry in listed:
        other = entry.serial_number
        if entry.device == config.port and config.serial_number not in (None, other):
            raise DeviceMissing(
                f"{config.name}: {config.port} is the device {other}, not {config.serial_number}.",
                remedy="Leave port out of rig.toml: the serial number finds the device anywhere.",
            )
    return str(config.port)


def _library() -> Any:
    try:
        import serial
    except ImportError as error:
        raise LibraryMissing(
            f"pyserial cannot be loaded: {error}", remedy="Install it: pip install pyserial."
        ) from error
    return serial


def _refusal(name: str, port: str, error: Exception) -> DeviceError:
    """What the system's error means; Windows tells only by its text."""
    number, text = getattr(error, "errno", None), str(error)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return DeviceMissing(f"{name}: there is no port {port}.")
    if number in (errno.EAGAIN, errno.EBUSY) or "PermissionError" in text:
        return PortInUse(
            f"{name}: another program has {port} open.",
            remedy="Close the other program (serial monitor, earlier run), then retry.",
        )
    if number in (errno.EACCES, errno.EPERM):
        return DeviceError(
            f"{name}: {port} may not be opened by this user.",
            remedy="Install the udev rules (`tenmin udev install`) or join the group dialout.",
        )
    return DeviceError(f"{name}: {port} cannot be opened ({text}).")
