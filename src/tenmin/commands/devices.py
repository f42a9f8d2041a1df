"""``tenmin devices``: what is plugged in or on the network, and which driver fits."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, fields
from typing import Any

from tenmin.commands.console import Console, add_json, table


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin devices``."""
    parser.epilog = "Each line shows the keys for rig.toml; name devices by serial number."
    add_json(parser)


def devices(args: argparse.Namespace, console: Console) -> int:
    """List what can be seen without opening anything."""
    from tenmin import registry
    from tenmin.checks.installed import installed
    from tenmin.errors import RigError

    found: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    serial_drivers = []
    for name in registry.names(registry.DRIVERS):
        try:
            driver = registry.load(registry.DRIVERS, name)
            if "port" in {f.name for f in fields(driver.Config)}:
                serial_drivers.append(name)
            discover = getattr(sys.modules[driver.__module__], "discover", None)
            if discover is not None:
                found += [{"drivers": [name], **one} for one in discover()]
        except RigError as error:
            skipped.append({"driver": name, "reason": error.message, "remedy": error.remedy})
    found = _serial(serial_drivers) + found
    checks = installed()
    listed = [asdict(check) for check in checks]
    console.result({"devices": found, "skipped": skipped, "checks": listed})
    if found:
        rows = [("device", "driver", "keys for rig.toml")]
        console.say(table(rows + [_row(one) for one in found]))
    else:
        console.say("Nothing was found: no serial port and no outlet on the network.")
    if checks:
        told = [(c.name, c.distribution, c.fault or "runs in each block") for c in checks]
        console.say(table([("check", "of", "state"), *told]))
    for one in skipped:
        console.log(f"{one['driver']} was not asked: {one['reason']} {one['remedy']}")
    return 0


def _serial(drivers: list[str]) -> list[dict[str, Any]]:
    from tenmin.system import serial_ports

    listed = []
    for port in serial_ports():
        keys = {"serial_number": port.serial_number} if port.serial_number else {"port": port.port}
        ids = f" ({port.vid:04x}:{port.pid:04x})" if port.vid and port.pid else ""
        text = f"{port.port}: {port.description}{ids}"
        listed.append({"description": text, "drivers": drivers, "keys": keys})
    return listed


def _row(one: dict[str, Any]) -> tuple[str, str, str]:
    keys = ", ".join(f'{k} = "{v}"' for k, v in one["keys"].items())
    return one["description"], " or ".join(one["drivers"]) or "none", keys
