"""Who may talk to an engine from another machine: CURVE keys, checked by the engine itself."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

import zmq
import zmq.auth
from zmq.utils import z85

from tenmin.errors import UsageError

MAKE_KEYS = (
    "Make a key pair for the engine and one for each client as docs/how-to/write-a-client.md "
    "shows, and name the engine's secret key and the folder of the clients' public keys."
)
DOMAIN = b"tenmin"


@dataclass(frozen=True, slots=True)
class Remote:
    """TCP endpoints beside the local ones.

    Attributes
    ----------
    commands, telemetry : str
        ``tcp://ADDRESS:PORT``; port ``*`` takes any free one.
    secret_key : Path, optional
        The engine's ``*.key_secret`` file. Needed beyond loopback.
    clients : Path, optional
        Folder of the authorised clients' public ``*.key`` files. Needed with `secret_key`.
    """

    commands: str
    telemetry: str
    secret_key: Path | None = None
    clients: Path | None = None


def is_loopback(endpoint: str) -> bool:
    """Whether `endpoint` can be reached from this machine only."""
    found = re.fullmatch(r"tcp://(?:\[(.+)\]|([^:]*)):(?:\d+|\*)", endpoint)
    host = (found[1] or found[2]) if found else ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # *, an interface or a host's name: reachable until shown otherwise


def load_pair(path: Path) -> tuple[bytes, bytes]:
    """Public and secret key of a ``*.key_secret`` file."""
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The key file {path} cannot be used: {error}.", remedy=MAKE_KEYS
        ) from None
    if secret is None:
        raise UsageError(f"The key file {path} holds no secret key.", remedy=MAKE_KEYS)
    return public, secret


def load_public(path: Path) -> bytes:
    """Public key of a ``*.key`` file."""
    try:
        return zmq.auth.load_certificate(path)[0]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The key file {path} cannot be used: {error}.", remedy=MAKE_KEYS
        ) from None


class Doorkeeper:
    """Answers libzmq's question whether a client's key is an authorised one (ZAP, RFC 27).

    Parameters
    ----------
    context : zmq.Context
        Of the sockets it guards.
    remote : Remote
        With both keys named.
    """

    def __init__(self, context: zmq.Context, remote: Remote) -> None:
        if remote.secret_key is None or remote.clients is None:
            raise UsageError(
                f"{remote.commands} needs the engine's secret key and the clients' public keys.",
                remedy=MAKE_KEYS,
            )
        self._pair = load_pair(remote.secret_key)
        files = sorted(remote.clients.glob("*.key"))
        if not files:
            raise UsageError(f"No *.key file in {remote.clients}.", remedy=MAKE_KEYS)
        self._clients = {load_public(file) for file in files}
        self.socket = context.socket(zmq.REP)
        self.socket.bind("inproc://zeromq.zap.01")

    def guard(self, socket: zmq.Socket) -> None:
        """Let only authorised clients in through `socket`; before it is bound."""
        socket.zap_domain = DOMAIN
        socket.curve_publickey, socket.curve_secretkey = self._pair
        socket.curve_server = True

    def answer(self) -> None:
        """Answer the question that is waiting."""
        version, sequence, domain, _, _, mechanism, *credentials = self.socket.recv_multipart()
        known = domain == DOMAIN and mechanism == b"CURVE" and len(credentials) == 1
        if known and z85.encode(credentials[0]) in self._clients:
            verdict = [b"200", b"OK"]
        else:
            verdict = [b"400", b"this key is not authorised"]
        self.socket.send_multipart([version, sequence, *verdict, b"", b""])
