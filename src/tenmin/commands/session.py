"""From a command to a running engine and back: the one place where commands drive a block."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenmin.commands.progress import Progress
from tenmin.errors import EngineGone, RigError
from tenmin.launch import EngineSpec, ensure
from tenmin.service.client import Client
from tenmin.system import FileLock

LOOK_S = 1.0  # how often a silent engine is looked for
INTERRUPTED = "interrupted by the operator"


class Interrupt:
    """The operator's Ctrl-C: the first ends the block in good order, the second only this command.

    Attributes
    ----------
    pressed : bool
        Whether it was pressed.
    """

    def __init__(self) -> None:
        self.pressed = False

    def _press(self, *_: Any) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True

    @contextlib.contextmanager
    def caught(self) -> Iterator[Interrupt]:
        """Take the signal over; only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = signal.signal(signal.SIGINT, self._press)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)


def record_block(spec: EngineSpec, start: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Start a block and follow it to its end; the engine's result.

    Parameters
    ----------
    spec : EngineSpec
        Of the engine to find or start.
    start : dict
        Fields of the `Start` message.
    progress : Progress
        Where to show how far it is.

    Raises
    ------
    RigError
        The engine did not start or refused the block.
    """
    with Interrupt().caught() as interrupt:
        client = ensure(spec)
        with client:
            if interrupt.pressed:
                client.stop()
                raise KeyboardInterrupt
            answer = client.start(timeout_s=60.0, **start)
            progress.say(f"The journal is {answer['dot']}")
            result = _follow(client, spec, progress, interrupt)
        while result is None:
            result = _without_engine(spec, progress, interrupt)
    progress.end()
    return result


def _follow(
    client: Client, spec: EngineSpec, progress: Progress, interrupt: Interrupt
) -> dict[str, Any] | None:
    """Show the block until it is over; None when the engine has died."""
    told = False
    for snapshot in client.snapshots(timeout_s=LOOK_S):
        if interrupt.pressed and not told:
            told = True
            progress.say("Ending the block; press Ctrl-C again to leave at once.")
            with contextlib.suppress(RigError):  # it is over already, or the engine has died
                client.abort(INTERRUPTED)
        if snapshot is None:
            if not FileLock.held(spec.folder / "engine.lock"):
                return None
            progress.say("The engine is silent; waiting for it.")
            continue
        progress.show(snapshot)
        if snapshot.get("over") or snapshot.get("message"):
            result = client.result()["result"]
            if result is not None:
                return result
    return None


def _without_engine(
    spec: EngineSpec, progress: Progress, interrupt: Interrupt
) -> dict[str, Any] | None:
    """Wait for the end of the recording, then let a new engine make the file."""
    progress.say("The engine has died. The recording goes on to its planned end without it.")
    pause = threading.Event()
    while FileLock.held(spec.folder / "acquirer.lock"):
        pause.wait(LOOK_S / 4)
        if interrupt.pressed:
            raise EngineGone("The engine has died, and nobody can be told to end the block.")
    if not (spec.folder / "block_in_progress.json").exists():
        raise EngineGone("The engine died before the block began.", remedy="Start it again.")
    progress.say("The recording has ended. Starting an engine to finish the file.")
    with ensure(spec) as client:
        return _follow(client, spec, progress, interrupt)


def absolute(path: Path | str | None) -> str | None:
    """A path as another process in another folder needs it."""
    return None if path is None else str(Path(path).absolute())
