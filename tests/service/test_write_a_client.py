"""The how-to page is what a stranger has: its examples are held against the models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import zmq

from tenmin.service import messages

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-client.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
PROGRAM = next(
    code for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "def ask" in code
)


def kinds_of(example: str) -> dict:
    found = json.loads(example)
    if "seq" in found:
        return messages.TELEMETRY
    return messages.REPLIES if found["type"] in messages.REPLIES else messages.REQUESTS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: json.loads(e)["type"])
def test_an_example_of_the_page_is_a_message(example):
    message = messages.parse(example.encode(), kinds_of(example))
    assert message.model_dump(exclude_unset=True) == json.loads(example)


@pytest.mark.parametrize("kinds", [messages.REQUESTS, messages.REPLIES, messages.TELEMETRY])
def test_every_message_has_an_example_with_every_key(kinds):
    shown: dict[str, set[str]] = {}
    for example in EXAMPLES:
        if kinds_of(example) is kinds:
            shown[json.loads(example)["type"]] = set(json.loads(example))
    for name, model in kinds.items():
        assert set(model.model_fields) - {"id"} <= shown[name]


def test_the_program_of_the_page_talks_to_an_engine(engine):
    names: dict = {}
    exec(PROGRAM, names)
    address = json.loads((engine.folder / "engine.json").read_text("utf-8"))["commands"]
    reply = names["ask"](address, type="note", text="from the page")
    zmq.Context.instance().term()
    assert reply["type"] == "ok"
    assert engine.requests[0].text == "from the page"


def test_a_plain_subscriber_reads_the_telemetry(engine):
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.rcvtimeo = 10_000
    socket.subscribe("snapshot")
    socket.connect(engine.addresses["telemetry"])
    topic, body = socket.recv_multipart()
    context.destroy(linger=0)
    found = json.loads(body)
    assert topic == b"snapshot"
    assert found["data"] == {"n": found["seq"]}
