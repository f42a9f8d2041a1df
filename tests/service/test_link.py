from __future__ import annotations

import threading

import pytest

from tenmin.errors import MessageRefused, UsageError
from tenmin.service.link import QUEUE, WorkerLink
from tenmin.service.server import Server


@pytest.fixture
def link(server):
    with WorkerLink(server.addresses["workers"], "acquirer-1") as made:
        yield made


def test_a_worker_is_heard_by_its_name(server, link):
    assert link.send("progress", data={"probe": {"samples": 5}})
    (heard,) = server.poll(10.0)
    assert heard.worker == "acquirer-1"
    assert heard.message.data == {"probe": {"samples": 5}}


def test_a_worker_is_told_by_its_name(server, link):
    link.send("ready", pid=5)
    server.poll(10.0)
    server.tell("acquirer-1", "stop_at", index=19_800_000)
    server.tell("acquirer-2", "quit")
    (told,) = link.receive(10.0)
    assert (told.type, told.index) == ("stop_at", 19_800_000)


def test_a_ping_is_answered_by_the_link_and_shown_to_nobody(server, link, until):
    link.send("ready")
    server.poll(10.0)
    first = server.last_heard("acquirer-1")
    opened = link.last_heard

    def ponged():
        assert server.poll(0.0) == []
        assert link.receive(0.0) == []
        return server.last_heard("acquirer-1") > first

    until(ponged)
    assert link.last_heard > opened
    assert link.engine_alive(within_s=60)
    assert not link.engine_alive(within_s=-1.0)


def test_a_worker_never_heard_has_no_time(server):
    assert server.last_heard("watcher-1") is None


def test_other_threads_hand_their_messages_over(server, link):
    thread = threading.Thread(target=link.post, args=("log",), kwargs={"line": {"t": "gap"}})
    thread.start()
    thread.join()
    assert link.receive(0.0) == []
    (heard,) = server.poll(10.0)
    assert heard.message.line == {"t": "gap"}


def test_what_is_handed_over_and_never_taken_is_counted(link):
    taken = [link.post("progress") for _ in range(QUEUE + 7)]
    assert taken.count(False) == link.dropped == 7


def test_messages_to_a_dead_engine_are_dropped_and_counted(runtime, until):
    server = Server(runtime)
    with WorkerLink(server.addresses["workers"], "watcher-1") as link:
        link.send("ready")
        assert len(server.poll(10.0)) == 1
        server.close()
        until(lambda: not link.send("progress"))
        before = link.dropped
        assert [link.send("progress") for _ in range(50)] == [False] * 50
        assert link.dropped == before + 50
        assert link.receive(0.0) == []


def test_a_new_engine_adopts_no_living_worker(runtime, until):
    server = Server(runtime)
    with WorkerLink(server.addresses["workers"], "acquirer-1") as link:
        link.send("ready")
        server.poll(10.0)
        server.close()
        with Server(runtime) as heir, WorkerLink(heir.addresses["workers"], "new") as other:
            other.send("ready")
            assert [heard.worker for heard in heir.poll(10.0)] == ["new"]
            first = heir.last_heard("new")

            def pinged():  # long enough for a connection to be made again
                link.send("progress")
                assert heir.poll(0.0) == []
                assert other.receive(0.0) == []
                return heir.last_heard("new") > first

            until(pinged)
            assert not link.send("progress")
            assert heir.last_heard("acquirer-1") is None


def test_a_restarted_worker_takes_the_name_over(server, link):
    link.send("ready", pid=1)
    server.poll(10.0)
    with WorkerLink(server.addresses["workers"], "acquirer-1") as second:
        second.send("ready", pid=2)
        (heard,) = server.poll(10.0)
        assert heard.message.pid == 2
        server.tell("acquirer-1", "quit")
        (told,) = second.receive(10.0)
        assert told.type == "quit"


def test_the_last_words_of_a_closing_link_arrive(server):
    with WorkerLink(server.addresses["workers"], "finaliser") as link:
        link.send("done", data={"nwb": "a.nwb"})
    (heard,) = server.poll(10.0)
    assert heard.message.data == {"nwb": "a.nwb"}


def test_what_is_too_big_is_counted_as_dropped(link):
    assert not link.send("progress", data={"a": "x" * 70_000})
    assert link.dropped == 1


@pytest.mark.parametrize("kind", ["progres", "go", "status"])
def test_a_type_that_is_no_workers_is_a_fault_of_the_caller(link, kind):
    with pytest.raises(MessageRefused, match=kind):
        link.send(kind)


def test_a_type_that_is_not_for_workers_is_a_fault_of_the_caller(server):
    with pytest.raises(MessageRefused, match="progress"):
        server.tell("acquirer-1", "progress")


def test_a_worker_needs_a_plain_name(server):
    with pytest.raises(UsageError, match="no name"):
        WorkerLink(server.addresses["workers"], "")
