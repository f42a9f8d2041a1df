"""A simulator in a process of its own, driven by a test: `tenmin.source.Rehearsal`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenmin.errors import DeviceError

PATIENCE_S = 20.0
TABLE_KEYS = ("name", "driver", "primary")  # these the test chooses


class Rehearsed:
    """The far side of one device's wire.

    Attributes
    ----------
    config : dict
        Keys of rig.toml with which the driver finds it.
    faults : tuple of str
        What it can do.
    """

    faults = ("pause", "unplug")

    def __init__(self, name: str, *arguments: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tenmin-rehearsal-")
        self._truth = Path(self._folder.name) / "truth.json"
        command = [sys.executable, "-m", "tenmin_simulators", name, "--truth", str(self._truth)]
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        try:
            table = self._answer()["devices"][0]
        except BaseException:
            self.close()
            raise
        self.config: Mapping[str, Any] = {k: v for k, v in table.items() if k not in TABLE_KEYS}

    @property
    def truth(self) -> Mapping[str, Any]:
        """What it has really sent, as of the last second."""
        return json.loads(self._truth.read_text(encoding="utf-8"))

    def pause(self) -> None:
        """Send nothing more, the wire left open."""
        self.tell({"pause": True})

    def resume(self) -> None:
        """Go on sending; what was not sent is missing."""
        self.tell({"pause": False})

    def unplug(self) -> None:
        """Cut the wire."""
        self.tell({"unplug": True})

    def replug(self) -> None:
        """Bring the device back under the same name."""
        self.tell({"replug": True})

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send one command and wait until it is done.

        Raises
        ------
        DeviceError
            It is refused, or the simulator has died.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError as e:
            raise DeviceError(f"The simulator has died: {e}.") from e
        answer = self._answer()
        if "done" not in answer:
            raise DeviceError(f"The simulator refuses {message}: {answer.get('why')}")

    def close(self) -> None:
        """End it; may be called twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._folder.cleanup()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        # A pipe has no timeout that works on every system: a late process is ended instead.
        watchdog = threading.Timer(PATIENCE_S, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
            watchdog.join()
        if not line:
            raise DeviceError("The simulator ended before it answered; see what it says above.")
        return json.loads(line)


def rehearsed(name: str, **options: object) -> Rehearsed:
    """Start a simulator by name; `options` are those of ``tenmin sim`` (``rate``, ``faults`` …).

    ``faults`` is a list of texts; every other option is passed as ``--key value``.
    """
    arguments: list[str] = []
    for key, value in options.items():
        if key == "faults" and isinstance(value, list | tuple):
            for fault in value:
                arguments += ["--fault", str(fault)]
        else:
            arguments += [f"--{key.replace('_hz', '').replace('_', '-')}", str(value)]
    return Rehearsed(name, *arguments)
