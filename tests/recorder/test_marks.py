"""What the operator marked is in ``invalid_times``, as wide as the protocol says."""

from __future__ import annotations

import pytest

from tenmin import protocol
from tenmin.recorder.finaliser import finalise
from tenmin.recorder.journal import JsonLog, write_block
from tests.recorder import journals
from tests.recorder.journals import Source, make, probe
from tests.recorder.reading import opened

START_S = 2.0  # of the recording, in the file's time; it ends at 27 s


@pytest.fixture
def marked(tmp_path):
    """A journal under a shipped protocol, and how to write events at seconds of the file."""
    made = make(tmp_path, [Source(probe())], seconds=23.0)
    made.block["protocol"] = protocol.load("head-fixed-acute").as_dict()
    write_block(made.folder, made.block)

    def marks(*events):
        log = JsonLog(made.folder / "events.jsonl")
        for at_s, code, more in events:
            onset_s = journals.SETTLE_NS * 1e-9 + at_s
            log.write({"onset_s": onset_s, "code": code, "source": "operator", **more})
        log.close()
        finalise(made.folder)
        with opened(made) as nwb:
            rows = nwb.invalid_times.to_dataframe()
        rows = rows[rows["reason"] != "pad"]
        return [
            (r.reason, r.stream, pytest.approx((r.start_time, r.stop_time), abs=1e-3))
            for r in rows.itertuples()
        ]

    return marks


@pytest.mark.parametrize(
    ("code", "span"),
    [
        ("prompt", (9.0, 20.0)),
        ("movement", (9.0, 11.0)),
        ("door", (8.0, 12.0)),
        ("test_pulse", (9.95, 10.05)),
    ],
)
def test_a_mark_reaches_as_far_as_its_code_says(marked, code, span):
    assert marked((10.0, code, {})) == [(code, "all", span)]


def test_a_mark_with_a_duration_is_that_much_longer(marked):
    assert marked((10.0, "cough", {"duration_s": 3.0})) == [("cough", "all", (9.0, 14.0))]


def test_a_mark_ends_where_the_recording_does(marked):
    found = marked((START_S + 0.25, "cough", {}), (26.0, "prompt", {}))
    assert found == [("cough", "all", (2.0, 3.25)), ("prompt", "all", (25.0, 27.0))]


def test_a_mark_before_the_recording_and_a_comment_spoil_nothing(marked):
    assert marked((0.5, "cough", {}), (10.0, "comment", {"value": "calm"})) == []
