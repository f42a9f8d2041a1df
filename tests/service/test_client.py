from __future__ import annotations

import threading
import time

import pytest
import zmq

from tenmin.errors import EngineGone, MessageRefused, RigBusy, UsageError
from tenmin.service.client import Client, engines


@pytest.fixture
def client(engine):
    with Client.find(name="test") as found:
        yield found


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (Client.hello, "hello"),
        (Client.status, "status"),
        (lambda c: c.confirm_start("late animal"), "confirm_start"),
        (lambda c: c.note("grooming", "groom"), "note"),
        (lambda c: c.event("light_change", "off", latency="hardware"), "event"),
        (lambda c: c.abort("welfare"), "abort"),
        (Client.result, "result"),
        (Client.stop, "stop"),
    ],
)
def test_every_request_is_answered(client, ask, kind):
    assert ask(client)["type"] == kind


def test_a_note_carries_the_time_it_was_written(client, engine):
    before = time.monotonic_ns()
    client.note("cough")
    assert before <= engine.requests[0].onset_host_ns <= time.monotonic_ns()


def test_a_refusal_comes_out_as_the_engines_own_error(client):
    with pytest.raises(RigBusy, match="A block is running") as caught:
        client.start(seconds=60.0)
    assert (caught.value.remedy, caught.value.exit_code) == ("Wait for it.", 2)


def test_paths_are_sent_as_text(client, engine, tmp_path):
    with pytest.raises(RigBusy):
        client.start(out=tmp_path)
    assert engine.requests[0].out == str(tmp_path)
    assert engine.requests[0].client == "test"


def test_a_wrong_field_is_refused_before_it_is_sent(client, engine):
    with pytest.raises(MessageRefused, match="secnds"):
        client.start(secnds=60.0)
    assert engine.requests == []


def test_snapshots_come_in_order(client):
    seen = [next(iter_) for iter_ in [client.snapshots()] for _ in range(5)]
    numbers = [snapshot["n"] for snapshot in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 5))


def test_events_come_alone(client):
    assert next(client.events())["code"] == "comment"


def test_telemetry_says_what_was_missed(client):
    messages = client.telemetry("snapshot", "event")
    first, second = next(messages), next(messages)
    assert {first.type, second.type} == {"snapshot", "event"}
    assert first.seq == first.data["n"]


def test_a_silent_engine_is_told_as_none(client, engine):
    engine.mute = True
    snapshots = client.snapshots(timeout_s=0.1)
    while next(snapshots) is not None:
        pass
    assert next(snapshots) is None


def test_an_engine_silent_for_too_long_is_gone(client, engine):
    engine.close()
    with pytest.raises(EngineGone, match="silent for"):
        list(client.snapshots(timeout_s=0.05, give_up_s=0.2))


def test_a_dead_engine_does_not_answer(client, engine):
    engine.close()
    with pytest.raises(EngineGone, match=r"did not answer `status` within 0\.3 s") as caught:
        client.status(timeout_s=0.3)
    assert caught.value.exit_code == 3


def test_requests_survive_a_restart_of_the_engine(client, engine, engine_of):
    client.status()
    engine.close()
    engine_of()
    assert client.status()["count"] == 1


def test_a_request_to_a_busy_engine_is_carried_out_once(client, engine, monkeypatch):
    monkeypatch.setattr("tenmin.service.client.TRY_S", 0.05)
    engine.free.clear()
    release = threading.Timer(0.4, engine.free.set)
    release.start()
    assert client.note("once", timeout_s=20.0)["count"] == 1
    assert client.note("twice", timeout_s=20.0)["count"] == 2
    release.join()


def test_a_request_sent_while_the_engine_is_down_reaches_the_next_one(client, engine, engine_of):
    engine.close()
    restart = threading.Timer(0.3, engine_of)
    restart.start()
    assert client.note("still here", timeout_s=20.0)["type"] == "note"
    restart.join()


def test_snapshots_survive_a_restart_of_the_engine(client, engine, engine_of):
    snapshots = client.snapshots(timeout_s=0.1)
    assert next(snapshots) is not None
    engine.close()
    while next(snapshots) is not None:
        pass
    engine_of()
    while next(snapshots) is None:  # the suite's own timeout ends this
        pass


def test_a_new_address_of_the_engine_is_found(engine_of):
    old, new = engine_of("old"), engine_of("new")
    places = [new.addresses]
    with Client(old.addresses, locate=lambda: places[-1]) as client:
        client.status()
        old.close()
        assert client.status()["type"] == "status"
        assert next(client.snapshots()) is not None


def test_snapshots_move_to_the_new_address(engine_of):
    old, new = engine_of("old"), engine_of("new")
    with Client(old.addresses, locate=lambda: new.addresses) as client:
        snapshots = client.snapshots(timeout_s=0.1)
        next(snapshots)
        old.close()
        while next(snapshots) is not None:
            pass
        while next(snapshots) is None:  # the suite's own timeout ends this
            pass


def test_without_an_engine_there_is_a_remedy(runtime):
    with pytest.raises(EngineGone, match="No engine runs") as caught:
        Client.find()
    assert caught.value.exit_code == 3
    assert "tenmin engine" in caught.value.remedy


def test_several_engines_are_named(engine_of):
    engine_of("left")
    engine_of("right")
    with pytest.raises(UsageError, match="left, right"):
        Client.find()
    assert [found["rig_id"] for found in engines()] == ["left", "right"]


@pytest.mark.parametrize("name", ["right", "sim:right"])
def test_an_engine_is_found_by_its_rig(engine_of, name):
    engine_of("left")
    right = engine_of("right")
    with Client.find(name) as client:
        client.status()
    assert len(right.requests) == 1


def test_an_engine_is_found_by_its_rig_file(engine_of, tmp_path, monkeypatch):
    rig = tmp_path / "rig.toml"
    rig.touch()
    engine = engine_of("left")
    path = engine.folder / "engine.json"
    path.write_text(path.read_text("utf-8").replace("sim:left", rig.as_posix()), "utf-8")
    monkeypatch.chdir(tmp_path)
    with Client.find("rig.toml") as client:
        assert client.status()["type"] == "status"


def test_what_a_dead_engine_left_behind_is_no_engine(engine):
    engine.close()
    assert (engine.folder / "engine.json").exists()
    assert engines() == []


@pytest.mark.parametrize("content", ["", "[]", '{"rig_id": "rig"}', '{"rig_id": 1}'])
def test_an_engine_that_is_still_starting_is_not_listed(engine, content):
    (engine.folder / "engine.json").write_text(content, "utf-8")
    assert engines() == []


def test_a_reply_to_an_earlier_request_is_not_taken_for_this_ones(runtime):
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def serve():
        identity, body = router.recv_multipart()
        wanted = zmq.utils.jsonapi.loads(body)["id"]
        for ident, n in (("another one", 1), (wanted, 2)):
            ok = {"v": 1, "type": "ok", "id": ident, "data": {"n": n}}
            router.send_multipart([identity, zmq.utils.jsonapi.dumps(ok)])

    thread = threading.Thread(target=serve)
    thread.start()
    address = f"tcp://127.0.0.1:{port}"
    with Client({"commands": address, "telemetry": address}) as client:
        assert client.status() == {"n": 2}
    thread.join()
    context.destroy(linger=0)
