"""What a client is told of a block."""

import json
from dataclasses import replace

import pytest

from tenmin.block import Block, Facts, Phase, Request, lights
from tenmin.protocol import load
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

ACUTE = load("head-fixed-acute")
T = 50.0


def block_in(phase):
    return replace(Block.new(ACUTE, Request(), T), phase=phase, since=T)


def told(phase, after=0.0, **known):
    return block_in(phase).snapshot(T + after, Facts(**known))


def test_settling_tells_what_is_left():
    seen = told(Phase.SETTLE, after=100.0)
    assert (seen.elapsed_s, seen.remaining_s, seen.projected_finish_s) == (100, 800, 800 + 660)


def test_the_pad_before_the_window_counts_as_left():
    seen = told(Phase.RECORDING, after=10.0)
    assert (seen.remaining_s, seen.projected_finish_s) == (620.0, 650.0)


def test_in_the_window_what_is_left_goes_by_samples():
    seen = told(Phase.RECORDING, after=10.0, window_s=400.0)
    assert (seen.remaining_s, seen.projected_finish_s) == (200.0, 230.0)


@pytest.mark.parametrize(
    ("clean_s", "finish_s"),
    [(400.0, 230.0), (360.0, 230.0), (359.0, 290.0), (300.0, 350.0), (10.0, 530.0)],
)
def test_the_projected_finish_follows_the_clean_time(clean_s, finish_s):
    seen = told(Phase.RECORDING, window_s=400.0, clean_s=clean_s)
    assert seen.projected_finish_s == finish_s


def test_closing_tells_the_rest_of_the_pad():
    assert told(Phase.CLOSING, after=10.0).remaining_s == 20.0


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.PREFLIGHT, Phase.READY, Phase.SUMMARISED])
def test_where_the_end_is_not_known_none_is_told(phase):
    assert told(phase).remaining_s is None


def test_a_snapshot_is_json_with_every_key():
    verdicts = (Verdict("gaps", "probe", WARN, 0.01, 0.0, "s", 3.0, "Check the cable."),)
    block = Block.new(ACUTE, Request(), T).step(T, Facts()).step(T, Facts(verdicts=verdicts))
    seen = block.snapshot(
        T, Facts(verdicts=verdicts), streams=({"name": "probe"},), dot="sub/x.dot", simulated=True
    ).as_dict()
    assert json.loads(json.dumps(seen)) == seen
    assert (seen["phase"], seen["simulated"], seen["dot"]) == ("PREFLIGHT", True, "sub/x.dot")
    assert seen["streams"] == [{"name": "probe"}]
    assert seen["verdicts"][0]["action"] == "Check the cable."
    assert seen["waiting"] == ["the streams are being opened"]
    assert seen["gates"][0]["id"] == "facts"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], (UNKNOWN, UNKNOWN, UNKNOWN)),
        ([("alive", OK)], (OK, UNKNOWN, UNKNOWN)),
        ([("alive", OK), ("gaps", FAIL)], (FAIL, UNKNOWN, UNKNOWN)),
        ([("alive", OK), ("gaps", UNKNOWN)], (UNKNOWN, UNKNOWN, UNKNOWN)),
        ([("saturation", WARN)], (UNKNOWN, WARN, UNKNOWN)),
        ([("a check of a stranger", OK)], (UNKNOWN, OK, UNKNOWN)),
        ([("arousal", OK), ("saturation", OK)], (UNKNOWN, OK, OK)),
    ],
)
def test_the_three_lights_show_the_worst_of_their_checks(verdicts, expected):
    seen = lights([Verdict(check, "probe", level) for check, level in verdicts])
    assert (seen["integrity"], seen["signal"], seen["subject"]) == expected
