"""The devices in the pre-flight: each is opened, heard and closed.

``python -m tenmin.commands.check_devices`` listens to one device whose driver may crash, in a
process of its own: it reads the rig's tables from its standard input and prints what it found.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tenmin.crashes import code_text

if TYPE_CHECKING:
    from tenmin.commands.check import Finding

LISTEN_S = 3.0  # how long a device may take to its first samples
APART_S = 45.0  # for all that the process of one driver does: load its library, open, listen, close


def devices(
    configs: Sequence[Any], tables: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Finding, Any]]:
    """Open each device, wait for its first samples, close it.

    Parameters
    ----------
    configs : sequence of DeviceConfig
        The rig's devices.
    tables : sequence of mapping
        The same as ``[[device]]`` tables.

    Yields
    ------
    tuple of Finding and Stream
        None instead of a stream that is not known.
    """
    from tenmin.apart import wants_isolation
    from tenmin.commands.check import Finding, failed
    from tenmin.errors import RigError
    from tenmin.source import is_derived
    from tenmin.sources import make_driver

    streams: dict[str, Any] = {}
    for config in sorted(configs, key=is_derived):
        name = f"device {config.name}"
        try:
            if is_derived(config):
                source = config.source.partition(":")[0]
                if source not in streams:
                    text = f"its source {source} does not deliver"
                    yield Finding(name, False, text, "Mend the source first.", 3), None
                    continue
                driver = make_driver(config)
                driver.bind(streams[source])
                yield Finding(name, True, f"is made from {config.source}"), driver.stream
                continue
            if wants_isolation(config):
                stream, heard = _listen_apart(config.name, tables)
            else:
                stream, heard = _listen(config.name, make_driver(config))
        except RigError as error:
            yield failed(name, error), None
            continue
        streams[config.name] = stream
        yield _judged(name, config, stream, heard), stream


def _judged(name: str, config: Any, stream: Any, heard: bool) -> Finding:
    from tenmin.commands.check import Finding

    rate = f"{stream.rate_hz:g} Hz" if stream.rate_hz else "irregular"
    text = f"{stream.n_channels} channel{'s' * (stream.n_channels > 1)}, {rate}"
    if config.primary and (stream.is_marker or not stream.is_regular):
        text += ", and the primary device needs regular samples"
        return Finding(name, False, text, "Write primary = true at the neural stream.", 2)
    if heard or not stream.is_regular:
        return Finding(name, True, text + ("" if heard else ", nothing sent yet"))
    silent = f"{text}, but nothing came within {LISTEN_S:g} s"
    return Finding(name, False, silent, "Let the device run, then check again.", 3)


def _listen(name: str, driver: Any) -> tuple[Any, bool]:
    """Stream of an opened driver, and whether it delivers."""
    from tenmin.errors import DeviceError, RigError, StreamStalled

    try:
        driver.start()
        until = time.monotonic() + LISTEN_S
        while time.monotonic() < until:
            with contextlib.suppress(StreamStalled):
                driver.read()
                return driver.stream, True
            if not driver.stream.is_regular:
                break
        return driver.stream, False
    except RigError:
        raise
    except Exception as error:  # a stranger's code
        raise DeviceError(
            f"The driver of {name} failed: {error!r}.",
            remedy="Check the device's keys in rig.toml; else report it to the driver's author.",
        ) from error
    finally:
        driver.stop()


def _listen_apart(name: str, tables: Sequence[Mapping[str, Any]]) -> tuple[Any, bool]:
    """As `_listen`, in another process, whose crash is an error here."""
    from tenmin.errors import DeviceError
    from tenmin.stream import Stream

    asked = json.dumps({"name": name, "devices": list(tables)}).encode()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tenmin.commands.check_devices"],
            input=asked,
            stdout=subprocess.PIPE,
            timeout=2 * APART_S,  # it ends itself before, unless its system is in a bad way
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _fault(name, f"hangs: it was not done in {2 * APART_S:g} s") from error
    if not done.stdout.endswith(b"\n"):
        raise _fault(name, f"crashed: its process ended ({code_text(done.returncode)})")
    said = json.loads(done.stdout)
    if "message" in said:
        failure = DeviceError(said["message"], remedy=said["remedy"])
        failure.exit_code = said["exit_code"]
        raise failure
    return Stream.from_dict(said["stream"]), said["heard"]


def _fault(name: str, how: str) -> Exception:
    from tenmin.errors import DeviceError

    remedy = "Report it, with what is printed above, to the driver's author."
    return DeviceError(f"The driver of {name} {how}.", remedy=remedy)


def main() -> int:
    """Entry point of the process that listens to one device."""
    from tenmin.errors import RigError
    from tenmin.isolation import Teller
    from tenmin.rig import device_configs
    from tenmin.sources import make_driver

    faulthandler.enable()  # a crash of native code leaves the place as its last words
    faulthandler.dump_traceback_later(APART_S, exit=True)
    asked, tell = json.load(sys.stdin), Teller()
    try:
        config = next(c for c in device_configs(asked["devices"]) if c.name == asked["name"])
        stream, heard = _listen(config.name, make_driver(config))
    except RigError as error:
        told = {"message": error.message, "remedy": error.remedy, "exit_code": error.exit_code}
        tell(told)
        return error.exit_code
    tell({"stream": asdict(stream), "heard": heard})
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads that the library left behind are not waited for
