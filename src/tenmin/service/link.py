"""A worker's end of the wire. It never waits for the engine and outlives it.

One link belongs to one thread; only `post` may be called from others.
"""

from __future__ import annotations

import math
import queue
import re
import threading
import time
from typing import Any

import zmq

from tenmin.errors import MessageRefused, UsageError
from tenmin.service import messages

QUEUE = 1000  # messages kept while the engine does not read
LAST_WORDS_MS = 500  # for `failed` and `done` on their way when the link closes


class WorkerLink:
    """The connection of a worker process to the engine that started it.

    When that engine dies the link is dead for good: a new engine adopts no live process.

    Parameters
    ----------
    endpoint : str
        The engine's `workers` address.
    name : str
        What the engine calls this worker.

    Attributes
    ----------
    dropped : int
        Messages that were not sent, because the engine is gone or does not read.
    malformed : int
        Messages of the engine that could not be read.
    """

    def __init__(self, endpoint: str, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.:-]{0,99}", name, re.ASCII):
            raise UsageError(f"{name!r} is no name of a worker.", remedy="Use letters and digits.")
        self.malformed = 0
        self._dropped = 0
        self._counting = threading.Lock()
        self._posted: queue.Queue[messages.FromWorker] = queue.Queue(QUEUE)
        self._last_heard = time.monotonic()
        self._context: zmq.Context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.routing_id = name.encode()
        self._socket.linger = LAST_WORDS_MS
        self._socket.sndhwm = self._socket.rcvhwm = QUEUE
        self._socket.maxmsgsize = messages.MAX_BYTES
        self._socket.reconnect_ivl = -1  # never: whoever comes next at this address is a stranger
        self._socket.connect(endpoint)

    @property
    def dropped(self) -> int:
        """Messages that were not sent."""
        return self._dropped

    def send(self, kind: str, **fields: Any) -> bool:
        """Send a message of type `kind` without waiting.

        Parameters
        ----------
        kind : str
            One of `messages.FROM_WORKER`: ``ready``, ``progress``, ``verdicts`` ...
        **fields
            Its fields.

        Returns
        -------
        bool
            False, and counted, when it could not be sent.

        Raises
        ------
        MessageRefused
            There is no such type, or it has no such fields: a fault of the caller.
        """
        message = _made(kind, fields)
        self._flush()
        return self._send(message)

    def post(self, kind: str, **fields: Any) -> bool:
        """As `send`, from any thread; it leaves with the owner's next `send` or `receive`."""
        try:
            self._posted.put_nowait(_made(kind, fields))
        except queue.Full:
            self._drop()
            return False
        return True

    def receive(self, timeout_s: float = 0.0) -> list[messages.ToWorker]:
        """What the engine said; waits at most `timeout_s` for the first message."""
        self._flush()
        found: list[messages.ToWorker] = []
        self._socket.poll(max(0, math.ceil(timeout_s * 1000)))
        for _ in range(QUEUE):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._last_heard = time.monotonic()
            try:
                message = messages.parse(b"".join(frames), messages.TO_WORKER)
            except MessageRefused:
                self.malformed += 1
                continue
            if isinstance(message, messages.Ping):
                self._send(messages.Pong())
            else:
                found.append(message)  # type: ignore[arg-type]
        return found

    @property
    def last_heard(self) -> float:
        """When the engine was last heard, `time.monotonic` seconds; at first: the opening."""
        return self._last_heard

    def engine_alive(self, within_s: float = 2.0) -> bool:
        """Whether the engine was heard within the last `within_s` seconds; it pings at 2 Hz.

        Only `receive` hears: call it at least that often.
        """
        return time.monotonic() - self._last_heard <= within_s

    def close(self) -> None:
        """Send what is waiting, for half a second at most; further calls do nothing."""
        if self._context.closed:
            return
        self._flush()
        self._socket.close()
        self._context.term()

    def __enter__(self) -> WorkerLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _flush(self) -> None:
        while True:
            try:
                self._send(self._posted.get_nowait())
            except queue.Empty:
                return

    def _send(self, message: messages.FromWorker) -> bool:
        try:
            self._socket.send(messages.dump(message), zmq.NOBLOCK)
        except (zmq.Again, MessageRefused):
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        with self._counting:
            self._dropped += 1


def _made(kind: str, fields: dict[str, Any]) -> messages.FromWorker:
    model = messages.FROM_WORKER.get(kind)
    if model is None:
        raise MessageRefused(f"A worker has no message {kind!r}.")
    return messages.make(model, **fields)  # type: ignore[return-value]
