"""The thread that writes: what ends it."""

from tenmin.errors import RigError
from tenmin.eventlog import EventLog
from tenmin.recording import Recording


def test_a_fault_of_the_recorder_itself_reaches_the_operator(tmp_path):
    log = EventLog()
    log.open(tmp_path / "acquirer.jsonl")
    recording = Recording(tmp_path, {"reference": "probe"}, {}, log)  # a block without pads
    recording.start()
    recording.finished.wait(30.0)
    log.close()

    assert type(recording.failure) is RigError
    assert "pad_s" in recording.failure.message
    assert recording.ended == "recorder failed"
