"""What clients may write into a block's log, and what a new engine reads from it."""

import json

import pytest

from tenmin.errors import MessageRefused
from tenmin.hearsay import RESERVED, event_of
from tenmin.orphan import IN_PROGRESS, unfinished
from tenmin.outcome import latched
from tenmin.recorder.journal import JsonLog
from tenmin.service.messages import Event, Note

NOW, SINCE = 1000.0, 900.0


def test_a_note_is_the_operators_and_happens_now():
    event = event_of(Note(text="cough", code="cough"), NOW, SINCE)

    assert (event.onset_s, event.code, event.value) == (NOW, "cough", "cough")
    assert (event.source, event.latency) == ("operator", "human")


def test_an_event_keeps_its_own_time_and_source():
    message = Event(code="sync_pulse", source="camera", onset_host_ns=950_000_000_000)
    event = event_of(message, NOW, SINCE)

    assert event.onset_s == pytest.approx(950.0)
    assert event.source == "camera"


@pytest.mark.parametrize("code", sorted(RESERVED))
def test_the_engines_own_words_are_refused(code):
    with pytest.raises(MessageRefused, match="engine's own"):
        event_of(Event(code=code, value="ABORTED"), NOW, SINCE)


@pytest.mark.parametrize("onset_s", [0.0, 899.0, 1006.0, 2.0**33])
def test_a_time_outside_the_block_is_refused(onset_s):
    with pytest.raises(MessageRefused, match="outside this block"):
        event_of(Note(onset_host_ns=round(onset_s * 1e9)), NOW, SINCE)


def test_no_client_can_speak_as_the_engine():
    event = event_of(Event(code="noise_ext", source="engine"), NOW, SINCE)

    assert event.source == "client"


def _log(folder, *lines):
    log = JsonLog(folder / "events.jsonl")
    for line in lines:
        log.write({"source": "engine", **line})
    log.close()


def _verdict(level, source="engine"):
    value = json.dumps({"check": "gaps", "stream": "probe", "level": level})
    return {"code": "verdict", "value": value, "source": source}


def test_a_crash_leaves_the_worst_verdict_of_the_recording(tmp_path):
    _log(tmp_path, {"code": "phase", "value": "RECORDING"}, _verdict("FAIL"), _verdict("WARN"))

    assert [v.level for v in latched(tmp_path)] == ["FAIL"]


def test_what_was_fine_until_the_crash_is_unknown(tmp_path):
    _log(tmp_path, _verdict("OK"), {"code": "phase", "value": "RECORDING"})

    assert [v.level for v in latched(tmp_path)] == ["UNKNOWN"]


@pytest.mark.parametrize("value", ["not json", "[]", '{"check": 1}', "null"])
def test_a_line_that_is_no_verdict_stops_nobody(tmp_path, value):
    _log(tmp_path, {"code": "verdict", "value": value}, _verdict("FAIL", source="client"))

    assert latched(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_a_torn_pointer_to_a_journal_stops_no_engine(tmp_path, text):
    (tmp_path / IN_PROGRESS).write_text(text)

    assert unfinished(tmp_path) is None
    assert not (tmp_path / IN_PROGRESS).exists()
