"""What talks to a running engine: the command line, the screen, hooks, other people's software.

A client belongs to one thread. Any client may be killed at any time; nothing is lost by it.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import zmq

from tenmin import __version__, errors
from tenmin.errors import EngineGone, RigError, UsageError
from tenmin.service import messages
from tenmin.service.keys import load_pair, load_public
from tenmin.system import FileLock, runtime_dir

TRY_S = 1.0  # then a request is sent again, from a new socket (zguide: lazy pirate)
SILENT_S = 2.0  # the engine publishes ten snapshots a second
QUEUE = 1000  # publications kept for a client that does not read

Addresses = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Keys:
    """For an engine on another machine: one's own secret key file, the engine's public one."""

    own: Path
    engine: Path


class Client:
    """A running engine, seen from outside.

    Parameters
    ----------
    addresses : mapping
        ``commands`` and ``telemetry``, as in ``engine.json``.
    name : str
        Who is calling; the engine writes it into its log.
    keys : Keys, optional
        For a TCP endpoint with CURVE.
    locate : callable, optional
        Gives the addresses anew when the engine does not answer: after a restart they may differ.
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        name: str = "",
        keys: Keys | None = None,
        locate: Callable[[], Addresses] | None = None,
    ) -> None:
        self.name = name
        self._addresses = dict(addresses)
        self._curve = None if keys is None else (*load_pair(keys.own), load_public(keys.engine))
        self._locate = locate
        self._context: zmq.Context = zmq.Context()
        self._commands: Any = None

    @classmethod
    def find(
        cls, rig_id: str | None = None, *, runtime: Path | None = None, name: str = ""
    ) -> Client:
        """A client of the engine of this rig, or of the only one that runs.

        Parameters
        ----------
        rig_id : str, optional
            Id of the rig, or what the engine was started with: ``sim:mouse``, a ``rig.toml``.
        runtime : Path, optional
            Runtime directory; default: this user's.

        Raises
        ------
        EngineGone
            No such engine runs.
        UsageError
            Several do.
        """
        found = find_engine(rig_id, runtime)
        ident = found["rig_id"]
        return cls(found, name=name, locate=lambda: find_engine(ident, runtime))

    def request(self, message: messages.Request, timeout_s: float = 5.0) -> dict[str, Any]:
        """Send a request and return the data of the reply.

        Lost replies are asked for again; the engine carries a repeated request out once.

        Raises
        ------
        EngineGone
            No answer within `timeout_s`.
        RigError
            The engine refused; the class, remedy and exit code are the engine's.
        """
        message = message.model_copy(update={"id": message.id or uuid.uuid4().hex})
        body = messages.dump(message)
        end = time.monotonic() + timeout_s
        while (left_s := end - time.monotonic()) > 0:
            answer = self._ask(body, str(message.id), min(TRY_S, left_s))
            if answer is not None:
                return _data(answer)
            self._reopen()
        raise EngineGone(f"The engine did not answer `{message.type}` within {timeout_s:g} s.")

    def hello(self, **options: float) -> dict[str, Any]:
        """Ask who the engine is."""
        hello = messages.make(messages.Hello, client=self.name, version=__version__)
        return self.request(hello, **options)

    def status(self, **options: float) -> dict[str, Any]:
        """The newest snapshot."""
        return self.request(messages.Status(), **options)

    def start(self, *, timeout_s: float = 5.0, **fields: Any) -> dict[str, Any]:
        """Start a block; `fields` are those of `messages.Start`."""
        plain = {k: fspath(v) if isinstance(v, PathLike) else v for k, v in fields.items()}
        plain.setdefault("client", self.name)
        return self.request(messages.make(messages.Start, **plain), timeout_s)

    def confirm_start(self, reason: str = "", **options: float) -> dict[str, Any]:
        """Press start; `reason` overrides soft gates that are not met."""
        return self.request(messages.make(messages.ConfirmStart, reason=reason), **options)

    def note(self, text: str, code: str = "comment", **options: float) -> dict[str, Any]:
        """Write down what was seen, as of now."""
        now = time.monotonic_ns()
        note = messages.make(messages.Note, text=text, code=code, onset_host_ns=now)
        return self.request(note, **options)

    def event(self, code: str, value: str = "", **fields: Any) -> dict[str, Any]:
        """Write down what other software did; `fields` are those of `messages.Event`."""
        fields.setdefault("source", self.name)
        return self.request(messages.make(messages.Event, code=code, value=value, **fields))

    def abort(self, reason: str = "", **options: float) -> dict[str, Any]:
        """End the block before its time; what was recorded is kept."""
        return self.request(messages.make(messages.Abort, reason=reason), **options)

    def result(self, **options: float) -> dict[str, Any]:
        """The result of the last block."""
        return self.request(messages.Result(), **options)

    def stop(self, **options: float) -> dict[str, Any]:
        """End the engine; it refuses while a block runs."""
        return self.request(messages.Stop(), **options)

    def telemetry(
        self, *topics: str, timeout_s: float = SILENT_S, give_up_s: float = math.inf
    ) -> Iterator[messages.Telemetry | None]:
        """What the engine publishes on these topics, or all; None after `timeout_s` of silence.

        Raises
        ------
        EngineGone
            Silent for `give_up_s`.
        """
        socket = self._subscribe(topics)
        heard = time.monotonic()
        try:
            while True:
                if socket.poll(math.ceil(timeout_s * 1000)):
                    heard = time.monotonic()
                    yield _published(socket)
                    continue
                silent_s = time.monotonic() - heard
                if silent_s >= give_up_s:
                    raise EngineGone(f"The engine has been silent for {silent_s:.1f} s.")
                if self._moved():
                    socket.close()
                    socket = self._subscribe(topics)
                yield None
        finally:
            socket.close()

    def snapshots(
        self, timeout_s: float = SILENT_S, give_up_s: float = math.inf
    ) -> Iterator[dict[str, Any] | None]:
        """Snapshots, ten a second; None after each `timeout_s` of silence, so that one can say so.

        Raises
        ------
        EngineGone
            Silent for `give_up_s`.
        """
        for message in self.telemetry("snapshot", timeout_s=timeout_s, give_up_s=give_up_s):
            yield None if message is None else message.data

    def events(
        self, timeout_s: float = SILENT_S, give_up_s: float = math.inf
    ) -> Iterator[dict[str, Any] | None]:
        """Events as they are logged; None after each `timeout_s` without one."""
        for message in self.telemetry("event", timeout_s=timeout_s, give_up_s=give_up_s):
            yield None if message is None else message.data

    def close(self) -> None:
        """Close all sockets; further calls do nothing."""
        if not self._context.closed:
            self._context.destroy(linger=0)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _socket(self, kind: int) -> Any:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = socket.sndhwm = QUEUE
        socket.maxmsgsize = messages.MAX_ANSWER_BYTES
        if self._curve is not None:
            socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = self._curve
        return socket

    def _subscribe(self, topics: tuple[str, ...]) -> Any:
        socket = self._socket(zmq.SUB)
        for topic in topics or ("",):
            socket.subscribe(topic)
        socket.connect(self._addresses["telemetry"])
        return socket

    def _ask(self, body: bytes, ident: str, timeout_s: float) -> messages.Reply | None:
        if self._commands is None:
            self._commands = self._socket(zmq.DEALER)
            self._commands.connect(self._addresses["commands"])
        self._commands.send(body)
        end = time.monotonic() + timeout_s
        while (left_s := end - time.monotonic()) > 0:
            if self._commands.poll(math.ceil(left_s * 1000)):
                reply = _reply(self._commands.recv_multipart())
                if reply.id == ident:
                    return reply
        return None

    def _reopen(self) -> None:
        self._commands.close()
        self._commands = None
        self._moved()

    def _moved(self) -> bool:
        """Look for the engine anew; whether it is elsewhere now."""
        if self._locate is None:
            return False
        try:
            found = dict(self._locate())
        except RigError:
            return False  # not back yet: the old addresses are as good as none
        moved = found["commands"] != self._addresses["commands"]
        self._addresses = found
        return moved


def engines(runtime: Path | None = None) -> list[dict[str, Any]]:
    """The ``engine.json`` of every engine that runs, in the order of their rigs."""
    folder = runtime_dir() if runtime is None else runtime
    found = []
    for lock in sorted(folder.glob("*/engine.lock")):
        if FileLock.held(lock):
            found.extend(_described(lock.with_name("engine.json")))
    return found


def find_engine(rig_id: str | None = None, runtime: Path | None = None) -> dict[str, Any]:
    """The ``engine.json`` of this rig's engine, or of the only one that runs.

    Raises
    ------
    EngineGone
        No such engine runs.
    UsageError
        Several do.
    """
    running = engines(runtime)
    if rig_id is not None:
        running = [engine for engine in running if _is(engine, rig_id)]
    if not running:
        raise EngineGone(
            f"No engine of {rig_id} runs." if rig_id else "No engine runs.",
            remedy="Start one with `tenmin record` or `tenmin engine`.",
        )
    if len(running) > 1:
        names = ", ".join(engine["rig_id"] for engine in running)
        raise UsageError(f"Several engines run: {names}.", remedy="Name one of them.")
    return running[0]


def _described(path: Path) -> list[dict[str, Any]]:
    """Nothing while the engine is still starting: the file comes after the lock."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    needed = ("rig_id", "commands", "telemetry")
    whole = isinstance(content, dict) and all(isinstance(content.get(k), str) for k in needed)
    return [content] if whole else []


def _is(engine: dict[str, Any], rig: str) -> bool:
    known = engine.get("rig")
    if rig in (engine["rig_id"], known):
        return True
    return isinstance(known, str) and Path(rig).is_file() and Path(rig).absolute() == Path(known)


def _reply(frames: list[bytes]) -> messages.Reply:
    limit = messages.MAX_ANSWER_BYTES
    return messages.parse(b"".join(frames), messages.REPLIES, limit)  # type: ignore[return-value]


def _published(socket: zmq.Socket) -> messages.Telemetry:
    _, body = socket.recv_multipart()
    limit = messages.MAX_ANSWER_BYTES
    return messages.parse(body, messages.TELEMETRY, limit)  # type: ignore[return-value]


def _data(reply: messages.Reply) -> dict[str, Any]:
    if isinstance(reply, messages.Ok):
        return reply.data
    kind = getattr(errors, reply.code, None)
    if not (isinstance(kind, type) and issubclass(kind, RigError)):
        kind = RigError
    error = kind(reply.message, remedy=reply.remedy or None)
    error.exit_code = reply.exit_code
    raise error
