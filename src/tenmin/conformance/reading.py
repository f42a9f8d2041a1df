"""Drivers under test: made, started, read with patience."""

from __future__ import annotations

import contextlib
import faulthandler
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tenmin import registry
from tenmin.errors import DeviceError, StreamStalled
from tenmin.source import Driver, Rehearsal
from tenmin.stream import Chunk

PATIENCE_S = 20.0  # for what must happen at all, on a machine however busy
CALL_S = 2.0  # `read` is back after 0.2 s; ten times that is too late
HANG_S = 10.0  # and this is never

_watches: list[tuple[float, int]] = []  # seconds, file descriptor; the last one is running


@contextlib.contextmanager
def watch(seconds: float, words: int | None = None) -> Iterator[None]:
    """End the process, with a traceback, where what is done inside takes longer than this.

    Nothing gentler stops a driver that waits inside a vendor's library.
    """
    _watches.append((seconds, _watches[-1][1] if words is None else words))
    _wind()
    try:
        yield
    finally:
        _watches.pop()
        _wind()


def _wind() -> None:
    faulthandler.cancel_dump_traceback_later()
    if _watches:
        seconds, words = _watches[-1]
        faulthandler.dump_traceback_later(seconds, exit=True, file=words)


def rehearsal(name: str) -> Rehearsal | None:
    """The far side of a driver: of its simulator's module, else of its own; None without one."""
    for group in (registry.SIMULATORS, registry.DRIVERS):
        if name in registry.names(group):
            module = sys.modules[registry.load(group, name).__module__]
            if hasattr(module, "rehearse"):
                return module.rehearse()
    return None


def make(name: str, keys: Mapping[str, Any]) -> Driver:
    """A driver of this name with a configuration of these keys."""
    driver = registry.load(registry.DRIVERS, name)
    return driver(driver.Config(name="device", driver=name, **keys))


def start(driver: Driver) -> None:
    """Start a driver whose device is, or will soon be, there."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return driver.start()
        except DeviceError:
            driver.stop()
            if time.monotonic() > deadline:
                raise


def read(driver: Driver) -> Chunk | DeviceError:
    """One read that returns in time: what it gives, or the error of the device it raises."""
    began = time.monotonic()
    try:
        with watch(HANG_S):
            result: Chunk | DeviceError = driver.read()
    except DeviceError as error:
        result = error
    took = time.monotonic() - began
    assert took < CALL_S, f"read came back after {took:.1f} s"
    return result


def gather(driver: Driver, n: int) -> list[Chunk]:
    """Chunks of at least `n` samples in all; silences are waited out."""
    chunks: list[Chunk] = []
    deadline = time.monotonic() + PATIENCE_S
    while sum(map(len, chunks)) < n:
        assert time.monotonic() < deadline, f"{sum(map(len, chunks))} of {n} samples came"
        result = read(driver)
        if isinstance(result, Chunk):
            chunks.append(result)
        elif not isinstance(result, StreamStalled):
            raise result
    return chunks


def until(driver: Driver, done: Callable[[Chunk | DeviceError], bool]) -> Chunk | DeviceError:
    """Read until a result is the one that is waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        result = read(driver)
        if done(result):
            return result
        assert time.monotonic() < deadline, f"still {result!r}"
