from __future__ import annotations

from pathlib import Path

import pytest
import zmq.auth

from tenmin.errors import EngineGone, PortInUse, UsageError
from tenmin.service.client import Client, Keys
from tenmin.service.keys import Remote, is_loopback
from tenmin.service.server import Server


@pytest.fixture
def keys(tmp_path):
    """Keys of an engine, of a client it knows and of one it does not."""
    folder = tmp_path / "keys"
    known = tmp_path / "known"
    folder.mkdir()
    known.mkdir()
    for name in ("engine", "friend", "stranger"):
        zmq.auth.create_certificates(folder, name)
    (folder / "friend.key").rename(known / "friend.key")
    return folder


def beyond(keys: Path, address: str = "tcp://127.0.0.1:*") -> Remote:
    return Remote(address, address, keys / "engine.key_secret", keys.parent / "known")


def far(engine) -> dict[str, str]:
    found = engine.addresses
    return {"commands": found["remote_commands"], "telemetry": found["remote_telemetry"]}


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("tcp://127.0.0.1:*", True),
        ("tcp://127.9.9.9:5570", True),
        ("tcp://localhost:5570", True),
        ("tcp://[::1]:5570", True),
        ("tcp://*:5570", False),
        ("tcp://0.0.0.0:5570", False),
        ("tcp://[::]:5570", False),
        ("tcp://192.168.1.2:5570", False),
        ("tcp://eth0:5570", False),
        ("tcp://127.0.0.1.evil.example:5570", False),
    ],
)
def test_loopback_is_told_from_the_rest(endpoint, expected):
    assert is_loopback(endpoint) is expected


@pytest.mark.parametrize("endpoint", ["tcp://*:*", "tcp://0.0.0.0:*", "tcp://[::]:*"])
def test_beyond_loopback_without_keys_is_refused(runtime, endpoint):
    with pytest.raises(UsageError, match="needs the engine's secret key"):
        Server(runtime, Remote("tcp://127.0.0.1:*", endpoint))
    assert list(runtime.iterdir()) == []


def test_one_key_without_the_other_is_refused(runtime, keys):
    with pytest.raises(UsageError, match="needs"):
        Server(runtime, Remote("tcp://*:*", "tcp://*:*", keys / "engine.key_secret"))


def test_a_public_key_for_a_secret_one_is_refused(runtime, keys):
    remote = Remote("tcp://*:*", "tcp://*:*", keys / "engine.key", keys.parent / "known")
    with pytest.raises(UsageError, match="holds no secret key"):
        Server(runtime, remote)


def test_a_key_file_that_is_missing_is_named(runtime, keys):
    remote = Remote("tcp://*:*", "tcp://*:*", keys / "no.key_secret", keys.parent / "known")
    with pytest.raises(UsageError, match=r"no\.key_secret"):
        Server(runtime, remote)


def test_no_authorised_client_at_all_is_refused(runtime, keys, tmp_path):
    remote = Remote("tcp://*:*", "tcp://*:*", keys / "engine.key_secret", tmp_path / "none")
    with pytest.raises(UsageError, match=r"No \*\.key file"):
        Server(runtime, remote)


def test_loopback_needs_no_keys(engine_of):
    engine = engine_of(remote=Remote("tcp://127.0.0.1:*", "tcp://127.0.0.1:*"))
    with Client(far(engine)) as client:
        assert client.status()["type"] == "status"
        assert next(client.snapshots()) is not None


def test_a_client_with_an_authorised_key_is_served(engine_of, keys):
    engine = engine_of(remote=beyond(keys))
    with Client(far(engine), keys=Keys(keys / "friend.key_secret", keys / "engine.key")) as client:
        assert client.status()["type"] == "status"
        assert next(client.snapshots()) is not None


def test_a_client_with_an_unknown_key_is_not_served(engine_of, keys):
    engine = engine_of(remote=beyond(keys))
    stranger = Keys(keys / "stranger.key_secret", keys / "engine.key")
    with Client(far(engine), keys=stranger) as client:
        with pytest.raises(EngineGone):
            client.status(timeout_s=0.5)
        assert next(client.snapshots(timeout_s=0.3)) is None
    assert engine.requests == []


def test_a_client_without_a_key_is_not_served(engine_of, keys):
    engine = engine_of(remote=beyond(keys))
    with Client(far(engine)) as client, pytest.raises(EngineGone):
        client.status(timeout_s=0.5)
    assert engine.requests == []


def test_local_clients_need_no_keys_beside_remote_ones(engine_of, keys):
    engine = engine_of(remote=beyond(keys))
    with Client(engine.addresses) as client:
        assert client.status()["type"] == "status"


def test_a_port_of_another_program_is_told(engine_of, tmp_path):
    taken = far(engine_of(remote=Remote("tcp://127.0.0.1:*", "tcp://127.0.0.1:*")))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(PortInUse, match=taken["commands"]):
        Server(other, Remote(taken["commands"], "tcp://127.0.0.1:*"))


@pytest.mark.parametrize("endpoint", ["ipc:///x", "5570", "udp://127.0.0.1:1"])
def test_a_remote_endpoint_is_tcp(runtime, endpoint):
    with pytest.raises(UsageError, match="no TCP endpoint"):
        Server(runtime, Remote(endpoint, endpoint))
