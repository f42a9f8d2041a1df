"""The engine's end of the wire: requests in, replies and telemetry out, workers on a third socket.

Called from one thread. Nothing that arrives here can raise in the engine.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import zmq
from zmq.utils.monitor import recv_monitor_message

from tenmin import errors, system
from tenmin.errors import MessageRefused, PortInUse, RigError, UsageError
from tenmin.service import messages
from tenmin.service.keys import Doorkeeper, Remote, is_loopback

# A message between the two limits is answered with its fault; beyond it the connection is cut.
MAX_FRAME_BYTES = 16 * messages.MAX_BYTES
HIGH_WATER = 1000  # messages waiting for one peer; further ones are dropped, nobody waits
AT_ONCE = 256  # messages taken from one socket per poll, so that a flood starves no timer
PING_S = 0.5
REMEMBERED = 256  # requests whose answer is kept for a client that repeats them
REMEMBERED_S = 60.0
LAST_WORDS_MS = 250  # for replies and telemetry still on their way when the server closes


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    """What a worker said: the name its link was opened with, and the message."""

    worker: str
    message: messages.FromWorker


class Request:
    """One request of a client; the first answer counts.

    Attributes
    ----------
    message : messages.Request
    """

    def __init__(
        self, message: messages.Request, socket: zmq.Socket, envelope: list[bytes]
    ) -> None:
        self.message = message
        self._socket = socket
        self._envelope = envelope
        self._answer: bytes | None = None

    @property
    def answered(self) -> bool:
        """Whether a reply was sent."""
        return self._answer is not None

    def reply(self, data: Mapping[str, Any] | None = None) -> None:
        """Say that the request was carried out."""
        if self.answered:
            return
        ok = messages.Ok(id=self.message.id, data=dict(data or {}))
        try:
            self._answer = messages.dump(ok, messages.MAX_ANSWER_BYTES)
        except MessageRefused as error:
            self.refuse(error)
            return
        self._send()

    def refuse(self, error: RigError) -> None:
        """Say why the request was not carried out."""
        if self.answered:
            return
        self._answer = _error(error, self.message.id)
        self._send()

    def repeated(self, socket: zmq.Socket, envelope: list[bytes]) -> None:
        """The client asks again from another socket: what answer there is goes there."""
        self._socket, self._envelope = socket, envelope
        if self.answered:
            self._send()

    def _send(self) -> None:
        if self._answer is not None:
            _send(self._socket, [*self._envelope, self._answer])


class Server:
    """The three sockets of an engine, and TCP ones where a rig asks for them.

    The caller holds the engine's lock, so that no other engine uses `folder`.

    Parameters
    ----------
    folder : Path
        The rig's folder in the runtime directory.
    remote : Remote, optional
        TCP endpoints for clients on other machines.

    Raises
    ------
    PortInUse
        Somebody else answers at one of the endpoints.
    UsageError
        An endpoint cannot be bound, or one beyond loopback has no keys.
    """

    def __init__(self, folder: Path, remote: Remote | None = None) -> None:
        self.malformed = 0  # messages refused, of clients and workers
        self.unsent = 0  # publications that were too big to be sent
        self._addresses: dict[str, str] = {}
        self._seq = {"snapshot": 0, "event": 0, "result": 0}
        self._heard: dict[str, float] = {}
        self._next_ping = 0.0
        self._memory: OrderedDict[bytes, tuple[float, Request]] = OrderedDict()
        self._doorkeeper: Doorkeeper | None = None
        self._context: zmq.Context = zmq.Context()
        self._sockets: list[zmq.Socket] = []
        try:
            self._open(folder, remote)
        except BaseException:
            self.close()
            raise
        self._poller = zmq.Poller()
        for socket in (*self._commands, self._workers):
            self._poller.register(socket, zmq.POLLIN)
        if self._doorkeeper:
            self._poller.register(self._doorkeeper.socket, zmq.POLLIN)

    def _open(self, folder: Path, remote: Remote | None) -> None:
        self._commands = [self._local(zmq.ROUTER, folder, "commands")]
        self._publishers = [self._local(zmq.PUB, folder, "telemetry")]
        self._workers = self._local(zmq.ROUTER, folder, "workers", router_handover=True)
        if remote is None:
            return
        for endpoint in (remote.commands, remote.telemetry):
            if not endpoint.startswith("tcp://"):
                raise UsageError(
                    f"{endpoint} is no TCP endpoint.", remedy="Write it as tcp://ADDRESS:PORT."
                )
            if remote.secret_key or remote.clients or not is_loopback(endpoint):
                self._doorkeeper = self._doorkeeper or self._guarded(remote)
        self._commands.append(self._remote(zmq.ROUTER, remote.commands, "remote_commands"))
        self._publishers.append(self._remote(zmq.PUB, remote.telemetry, "remote_telemetry"))

    def _guarded(self, remote: Remote) -> Doorkeeper:
        keeper = Doorkeeper(self._context, remote)
        self._sockets.append(keeper.socket)
        return keeper

    def _local(self, kind: int, folder: Path, name: str, router_handover: bool = False) -> Any:
        socket = self._socket(kind)
        if router_handover:  # a restarted worker takes the name of the dead one over
            socket.router_handover = True
        endpoint = system.local_endpoint(folder, f"{name}.sock")
        path = _path(endpoint)
        if path is not None and path.exists() and _answers(self._context, endpoint):
            raise PortInUse(f"Another program answers at {endpoint}.")
        self._bind(socket, endpoint, name)
        return socket

    def _remote(self, kind: int, endpoint: str, name: str) -> Any:
        socket = self._socket(kind)
        if self._doorkeeper:
            self._doorkeeper.guard(socket)
        self._bind(socket, endpoint, name)
        return socket

    def _socket(self, kind: int) -> Any:
        socket = self._context.socket(kind)
        self._sockets.append(socket)
        socket.linger = LAST_WORDS_MS
        socket.sndhwm = socket.rcvhwm = HIGH_WATER
        socket.maxmsgsize = MAX_FRAME_BYTES
        return socket

    def _bind(self, socket: zmq.Socket, endpoint: str, name: str) -> None:
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                raise PortInUse(f"Another program uses {endpoint}.") from error
            raise UsageError(
                f"{endpoint} cannot be opened: {error.strerror}.",
                remedy="Name an address of this machine, or set TENMIN_RUNTIME_DIR to a "
                "short path that may be written.",
            ) from error
        bound = bytes(socket.getsockopt(zmq.LAST_ENDPOINT))
        self._addresses[name] = bound.decode().rstrip("\0")

    @property
    def addresses(self) -> dict[str, str]:
        """Where each socket is bound: `commands`, `telemetry`, `workers`, `remote_…`."""
        return dict(self._addresses)

    def poll(self, timeout_s: float = 0.0) -> list[Request | WorkerMessage]:
        """What arrived; waits at most `timeout_s` for the first message.

        Malformed requests are answered here. Called at least twice a second, so that the
        workers know that the engine lives.
        """
        self._ping()
        found: list[Request | WorkerMessage] = []
        for socket, _ in self._poller.poll(max(0, math.ceil(timeout_s * 1000))):
            if self._doorkeeper and socket is self._doorkeeper.socket:
                self._doorkeeper.answer()
            elif socket is self._workers:
                found.extend(self._worker_messages())
            else:
                found.extend(self._requests(socket))
        return found

    def publish(
        self, topic: Literal["snapshot", "event", "result"], data: Mapping[str, Any]
    ) -> bool:
        """Tell all clients; False, and counted, when it was too big."""
        message = messages.Telemetry(type=topic, seq=self._seq[topic], data=dict(data))
        self._seq[topic] += 1
        try:
            body = messages.dump(message, messages.MAX_ANSWER_BYTES)
        except messages.TooBig:
            self.unsent += 1
            return False
        for socket in self._publishers:
            _send(socket, [topic.encode(), body])
        return True

    def tell(self, worker: str, kind: str, **fields: Any) -> None:
        """Send a message of type `kind` to the worker of that name; nothing happens if it is gone.

        Raises
        ------
        MessageRefused
            There is no such type, it has no such fields, or it is too big.
        """
        model = messages.TO_WORKER.get(kind)
        if model is None:
            raise MessageRefused(f"There is no message {kind!r} for a worker.")
        body = messages.dump(messages.make(model, **fields))  # type: ignore[arg-type]
        _send(self._workers, [worker.encode(), body])

    def last_heard(self, worker: str) -> float | None:
        """When the worker last said anything, `time.monotonic` seconds; None: never."""
        return self._heard.get(worker)

    def forget(self, worker: str) -> None:
        """The worker of that name is gone for good."""
        self._heard.pop(worker, None)

    def close(self) -> None:
        """Close all sockets and remove their files; further calls do nothing."""
        if self._context.closed:
            return
        for socket in self._sockets:
            socket.close()
        self._context.term()
        for endpoint in self._addresses.values():
            path = _path(endpoint)
            if path is not None:
                path.unlink(missing_ok=True)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ping(self) -> None:
        now = time.monotonic()
        if now < self._next_ping:
            return
        self._next_ping = now + PING_S
        for worker in self._heard:
            self.tell(worker, "ping")

    def _worker_messages(self) -> Iterator[WorkerMessage]:
        for identity, *frames in _received(self._workers):
            try:
                worker = identity.decode()
                message = messages.parse(b"".join(frames), messages.FROM_WORKER)
            except (UnicodeDecodeError, MessageRefused):
                self.malformed += 1
                continue
            self._heard[worker] = time.monotonic()
            if not isinstance(message, messages.Pong):
                yield WorkerMessage(worker, message)  # type: ignore[arg-type]

    def _requests(self, socket: zmq.Socket) -> Iterator[Request]:
        for identity, *frames in _received(socket):
            # REQ puts an empty frame before the body, DEALER does not; the reply does the same.
            envelope = [identity]
            if len(frames) > 1 and not frames[0]:
                envelope.append(frames.pop(0))
            try:
                if len(frames) != 1:
                    raise MessageRefused(f"A message is one frame; this one has {len(frames)}.")
                message = messages.parse(frames[0], messages.REQUESTS)
            except MessageRefused as error:
                self.malformed += 1
                wanted = messages.request_id(frames[0]) if frames else None
                _send(socket, [*envelope, _error(error, wanted)])
                continue
            request = self._new(message, frames[0], socket, envelope)  # type: ignore[arg-type]
            if request is not None:
                yield request

    def _new(
        self, message: messages.Request, body: bytes, socket: zmq.Socket, envelope: list[bytes]
    ) -> Request | None:
        """The request, unless it is one that was had already."""
        request = Request(message, socket, envelope)
        if message.id is None or message.type not in messages.CHANGING:
            return request
        now = time.monotonic()
        while self._memory and (
            len(self._memory) >= REMEMBERED
            or next(iter(self._memory.values()))[0] < now - REMEMBERED_S
        ):
            self._memory.popitem(last=False)
        key = hashlib.sha256(body).digest()
        if key in self._memory:
            self._memory[key][1].repeated(socket, envelope)
            return None
        self._memory[key] = now, request
        return request


def _received(socket: zmq.Socket) -> Iterator[list[bytes]]:
    with suppress(zmq.Again):
        for _ in range(AT_ONCE):
            yield socket.recv_multipart(zmq.NOBLOCK)


def _send(socket: zmq.Socket, frames: list[bytes]) -> None:
    # ROUTER and PUB drop what a peer does not take; neither ever waits.
    socket.send_multipart(frames, zmq.NOBLOCK)


def _error(error: RigError, wanted: str | None) -> bytes:
    def plain(text: str) -> str:  # paths may hold bytes that are no UTF-8
        return text[: messages.MAX_TEXT * 4].encode("utf-8", "replace").decode()

    return messages.dump(
        messages.Error(
            id=plain(wanted) if wanted else None,
            message=plain(error.message),
            remedy=plain(error.remedy),
            exit_code=error.exit_code,
            code=_name(error),
        ),
        messages.MAX_ANSWER_BYTES,
    )


def _name(error: RigError) -> str:
    """The error's class, as `tenmin.errors` knows it."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next(name for name in names if hasattr(errors, name))


def _path(endpoint: str) -> Path | None:
    """The file of a Unix socket."""
    kind, _, place = endpoint.partition("://")
    return Path(place) if kind == "ipc" else None


def _answers(context: zmq.Context, endpoint: str) -> bool:
    """Whether somebody listens there: libzmq would take the path away from him unasked."""
    probe = context.socket(zmq.DEALER)
    probe.linger = 0
    monitor = probe.get_monitor_socket(
        zmq.EVENT_CONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED
    )
    try:
        probe.connect(endpoint)
        if not monitor.poll(1000):
            return False
        return recv_monitor_message(monitor)["event"] == zmq.EVENT_CONNECTED
    finally:
        probe.disable_monitor()
        monitor.close(0)
        probe.close()
