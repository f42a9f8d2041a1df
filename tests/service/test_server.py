from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.errors import PortInUse, RigBusy, UsageError
from tenmin.service import messages
from tenmin.service.server import Server

NOTE = b'{"v": 1, "id": "12345678", "type": "note", "text": "seen"}'
FAULTY = [
    b"",
    b"\x00\xff",
    b"{",
    b'{"v": 9, "type": "status"}',
    b'{"v": 1, "type": "nonsense"}',
    b'{"v": 1, "type": "note", "text": 1}',
    b" " * 70_000,
]


@pytest.fixture
def dial():
    """Plain sockets, as a client in another language has them."""
    context = zmq.Context()
    opened = []

    def connect(kind, address):
        opened.append(socket := context.socket(kind))
        socket.linger = 0
        socket.rcvtimeo = 10_000
        socket.connect(address)
        return socket

    yield connect
    for socket in opened:
        socket.close()
    context.term()


def answered(server, socket, data):
    """Requests that reached the engine, and what the client was told."""
    socket.send(data)
    found = server.poll(10.0)
    for request in found:
        request.reply({"done": True})
    return found, json.loads(socket.recv())


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER], ids=["REQ", "DEALER"])
def test_both_envelopes_are_served(server, dial, kind):
    socket = dial(kind, server.addresses["commands"])
    (request,), reply = answered(server, socket, NOTE)
    assert request.message.text == "seen"
    assert reply == {"v": 1, "type": "ok", "id": "12345678", "data": {"done": True}}


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER], ids=["REQ", "DEALER"])
@pytest.mark.parametrize("data", FAULTY, ids=range(len(FAULTY)))
def test_a_faulty_request_is_answered_and_goes_no_further(server, dial, kind, data):
    socket = dial(kind, server.addresses["commands"])
    found, reply = answered(server, socket, data)
    assert found == []
    assert (reply["type"], reply["code"], reply["exit_code"]) == ("error", "MessageRefused", 2)
    assert server.malformed == 1


def test_the_reply_to_a_faulty_request_carries_its_id(server, dial):
    socket = dial(zmq.DEALER, server.addresses["commands"])
    _, reply = answered(server, socket, b'{"v": 1, "id": "12345678", "type": "?"}')
    assert reply["id"] == "12345678"


@pytest.mark.parametrize("frames", [[b"a", b"b"], [b"", b"", NOTE], [b""] * 5])
def test_a_wrong_number_of_frames_is_answered(server, dial, frames):
    socket = dial(zmq.DEALER, server.addresses["commands"])
    socket.send_multipart(frames)
    assert server.poll(10.0) == []
    assert json.loads(socket.recv_multipart()[-1])["type"] == "error"


def test_a_flooding_frame_cuts_only_its_own_connection(server, dial):
    flood, other = (dial(zmq.DEALER, server.addresses["commands"]) for _ in range(2))
    monitor = flood.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    flood.send(b"x" * 5_000_000)
    assert monitor.poll(10_000)
    flood.disable_monitor()
    monitor.close(0)
    (request,), _ = answered(server, other, NOTE)
    assert request.message.type == "note"
    assert server.malformed == 0


def test_the_last_replies_leave_before_the_server_closes(runtime, dial):
    with Server(runtime) as server:
        socket = dial(zmq.DEALER, server.addresses["commands"])
        for _ in range(100):
            socket.send(b'{"v": 1, "type": "status"}')
        waiting = []
        while len(waiting) < 100:
            waiting.extend(server.poll(10.0))
        for request in waiting:
            request.reply({"text": "x" * 10_000})
    assert sum(json.loads(socket.recv())["type"] == "ok" for _ in range(100)) == 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = sorted({key for model in messages.REQUESTS.values() for key in model.model_fields})
NEARLY = st.builds(
    lambda kind, rest: json.dumps({"v": 1, **rest, "type": kind}).encode(),
    st.sampled_from([*messages.REQUESTS, "ok", "ping"]),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
)


def test_no_bytes_break_the_server(server, dial):
    socket = dial(zmq.DEALER, server.addresses["commands"])

    @settings(deadline=None)
    @given(st.binary(max_size=300) | NEARLY)
    def sent(data):
        found, reply = answered(server, socket, data)
        assert reply["type"] == ("ok" if found else "error")

    sent()


def test_no_bytes_of_a_worker_break_the_server(server, dial):
    socket = dial(zmq.DEALER, server.addresses["workers"])

    @settings(deadline=None, max_examples=50)
    @given(st.binary(max_size=300) | NEARLY)
    def sent(data):
        before = server.malformed
        socket.send(data)
        assert server.poll(10.0) == []
        assert server.malformed == before + 1

    sent()


def test_a_repeated_request_is_carried_out_once(server, dial):
    first, second = (dial(zmq.REQ, server.addresses["commands"]) for _ in range(2))
    (request,), reply = answered(server, first, NOTE)
    found, again = answered(server, second, NOTE)
    assert request.answered
    assert found == []
    assert again == reply


def test_a_request_repeated_before_its_answer_is_answered_where_it_was_asked_last(server, dial):
    first, second = (dial(zmq.REQ, server.addresses["commands"]) for _ in range(2))
    first.send(NOTE)
    (request,) = server.poll(10.0)
    second.send(NOTE)
    assert server.poll(10.0) == []
    request.reply()
    assert json.loads(second.recv())["type"] == "ok"


def test_the_same_words_with_a_new_id_are_a_new_request(server, dial):
    socket = dial(zmq.REQ, server.addresses["commands"])
    answered(server, socket, NOTE)
    found, _ = answered(server, socket, NOTE.replace(b"12345678", b"87654321"))
    assert len(found) == 1


def test_a_refusal_names_the_error_and_its_remedy(server, dial):
    socket = dial(zmq.REQ, server.addresses["commands"])
    socket.send(NOTE)
    (request,) = server.poll(10.0)
    request.refuse(RigBusy("Busy with \udc80.", remedy="Wait."))
    reply = json.loads(socket.recv())
    assert (reply["message"], reply["remedy"]) == ("Busy with ?.", "Wait.")
    assert (reply["code"], reply["exit_code"]) == ("RigBusy", 2)


def test_the_first_answer_counts(server, dial):
    socket = dial(zmq.DEALER, server.addresses["commands"])
    socket.send(NOTE)
    (request,) = server.poll(10.0)
    request.reply({"n": 1})
    request.reply({"n": 2})
    request.refuse(RigBusy("too late"))
    assert json.loads(socket.recv())["data"] == {"n": 1}
    answered(server, socket, b"?")  # had the second one been sent, it would have come before


def test_an_answer_that_is_no_json_is_told_as_an_error(server, dial):
    socket = dial(zmq.REQ, server.addresses["commands"])
    socket.send(NOTE)
    (request,) = server.poll(10.0)
    request.reply({"socket": socket})
    assert "is no JSON" in json.loads(socket.recv())["message"]


def test_a_publication_that_is_too_big_is_counted(server):
    assert server.publish("snapshot", {"a": 1})
    assert not server.publish("snapshot", {"a": "x" * messages.MAX_ANSWER_BYTES})
    assert server.unsent == 1


def test_the_socket_files_are_gone_after_closing(runtime):
    with Server(runtime) as server:
        used = [Path(a.removeprefix("ipc://")) for a in server.addresses.values()]
        assert all(path.exists() for path in used if path.is_absolute())
    assert list(runtime.iterdir()) == []


def test_the_socket_files_of_a_dead_engine_are_replaced(runtime, dial):
    code = (
        "import sys, pathlib, tenmin.service.server as s\n"
        "s.Server(pathlib.Path(sys.argv[1])); print('up', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(runtime)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as dead:
        assert dead.stdout.readline().strip() == b"up"
        dead.kill()
    assert dead.returncode in (-getattr(signal, "SIGKILL", -1), 1)
    assert (runtime / "commands.sock").exists()
    with Server(runtime) as server:
        found, _ = answered(server, dial(zmq.REQ, server.addresses["commands"]), NOTE)
        assert len(found) == 1


def test_a_living_engine_keeps_its_sockets(server, runtime, dial):
    if not server.addresses["commands"].startswith("ipc"):
        pytest.skip("no Unix sockets here: each engine takes a free port")
    with pytest.raises(PortInUse, match=r"commands\.sock"):
        Server(runtime)
    found, _ = answered(server, dial(zmq.REQ, server.addresses["commands"]), NOTE)
    assert len(found) == 1


def test_a_path_too_long_for_a_socket_falls_back_to_loopback(tmp_path, dial):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with Server(folder) as server:
        assert server.addresses["commands"].startswith("tcp://127.0.0.1:")
        found, _ = answered(server, dial(zmq.REQ, server.addresses["commands"]), NOTE)
        assert len(found) == 1


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        Server(tmp_path / "missing")
