"""Every transition of the block and every refusal, in simulated time."""

import dataclasses
import json
from dataclasses import replace

import pytest

from tenmin.block import Block, Facts, Phase, Request
from tenmin.errors import MessageRefused, UsageError
from tenmin.protocol import load
from tenmin.protocol_parts import Extend, Gates, Rule, StateTarget
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

ACUTE = load("head-fixed-acute")
GOOD = Facts(
    alive_s={"probe": 60.0, "belt": 60.0},
    clock_points_s=120.0,
    disk_free_bytes=300,
    disk_need_bytes=100,
    disk_bytes_per_s=40.0,
    disk_need_bytes_per_s=20.0,
    reference="probe",
)
T = 1000.0


def facts(**changes):
    return replace(GOOD, **changes)


def block_in(phase, protocol=ACUTE, **asked):
    """A block that has just come to `phase` along the straight way."""
    block = Block.new(protocol, Request(**asked), T)
    now = T
    while block.phase is not phase:
        now += block.plan.settle_s
        window = block.target_s if block.phase.is_recording else None
        block = block.step(now, facts(window_s=window))
    return block, now


def recording(protocol=ACUTE, **asked):
    return block_in(Phase.RECORDING, protocol, **asked)[0]


def codes(block):
    return [event.code for event in block.log]


def gaps(seconds, stream="probe", level=FAIL):
    return Verdict("gaps", stream, level, seconds, 0.1, "s")


# --- IDLE and PREFLIGHT


def test_a_new_block_is_idle():
    assert Block.new(ACUTE, Request(), T).phase is Phase.IDLE


def test_without_a_subject_it_stays_idle():
    block = Block.new(ACUTE, Request(), T).step(T, facts(missing_facts=("subject.code",)))
    assert (block.phase, block.waiting) == (Phase.IDLE, ("no subject is chosen",))


def test_the_protocol_and_its_hash_are_logged_first():
    block = Block.new(ACUTE, Request(), T).step(T, GOOD)
    told = json.loads(block.log[0].value)
    assert block.phase is Phase.PREFLIGHT
    assert told == {"id": "head-fixed-acute", "version": "1", "sha256": ACUTE.sha256}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"missing_facts": ("env.lux_at_eye",)}, "missing facts: env.lux_at_eye"),
        ({"alive_s": {}}, "the streams are being opened"),
        ({"alive_s": {"probe": None}}, "probe has delivered nothing yet"),
        ({"alive_s": {"probe": 59.0}}, "probe has delivered for 59 s, 60 s are needed"),
        ({"disk_free_bytes": 299}, "0.0 GB are free"),
        ({"verdicts": (Verdict("alive", "belt", FAIL, 3.0, 2.0, "s"),)}, "alive of belt is FAIL"),
        ({"verdicts": (Verdict("sync", "belt", UNKNOWN),)}, "no pulse was seen"),
    ],
)
def test_preflight_waits_and_says_for_what(changes, word):
    block, now = block_in(Phase.PREFLIGHT)
    block = block.step(now, facts(**changes))
    assert block.phase is Phase.PREFLIGHT
    assert any(word in text for text in block.waiting)


def test_samples_missing_before_the_block_hold_nothing_up():
    block, now = block_in(Phase.PREFLIGHT)
    assert block.step(now, facts(verdicts=(gaps(9.0),))).phase is Phase.SETTLE


def test_a_check_of_a_stream_that_is_not_required_holds_nothing_up():
    block, now = block_in(Phase.PREFLIGHT)
    verdict = Verdict("alive", "camera", FAIL, 3.0, 2.0, "s")
    assert block.step(now, facts(verdicts=(verdict,))).phase is Phase.SETTLE


def test_the_gates_are_logged_with_their_numbers_when_the_settling_begins():
    block, _ = block_in(Phase.SETTLE)
    gates = [json.loads(event.value) for event in block.log if event.code == "gate"]
    assert {"id": "disk", "value": 300.0, "limit": 300.0}.items() <= gates[-1].items()


def test_a_stream_that_never_starts_ends_the_block_by_name():
    block, now = block_in(Phase.PREFLIGHT)
    dead = facts(alive_s={"probe": 5.0, "belt": None})
    block = block.step(now, dead).step(now + 14.9, dead)
    assert block.phase is Phase.PREFLIGHT
    block = block.step(now + 15.0, dead)
    assert (block.phase, block.cause, block.silent) == (Phase.ABORTED, "never_started", ("belt",))
    assert block.reason == "belt delivered nothing within 15 s"


def test_the_deadline_of_a_stream_counts_from_when_somebody_listens():
    block, now = block_in(Phase.PREFLIGHT)
    block = block.step(now, facts(alive_s={}))
    block = block.step(now + 60, facts(alive_s={"probe": None}))
    assert block.step(now + 74, facts(alive_s={"probe": None})).phase is Phase.PREFLIGHT


def test_a_stream_that_delivered_once_has_started():
    block, now = block_in(Phase.PREFLIGHT)
    block = block.step(now, facts(alive_s={"probe": 1.0}))
    assert block.step(now + 60, facts(alive_s={"probe": None})).phase is Phase.PREFLIGHT


# --- SETTLE and READY


def test_settling_lasts_as_long_as_the_protocol_says():
    block, now = block_in(Phase.SETTLE)
    assert block.step(now + 899.9, GOOD).phase is Phase.SETTLE
    assert block.step(now + 900.0, GOOD).phase is Phase.READY


@pytest.mark.parametrize(
    "changes",
    [
        {"clock_points_s": 119.0},
        {"alive_s": {"probe": 3.0}},
        {"verdicts": (Verdict("stationarity", "probe", WARN, 2.0, 1.0, "dB/min"),)},
        {"verdicts": (Verdict("rate", "probe", FAIL, 300.0, 200.0, "ppm"),)},
    ],
)
def test_settling_goes_on_while_a_gate_is_not_met(changes):
    block, now = block_in(Phase.SETTLE)
    assert block.step(now + 900, facts(**changes)).phase is Phase.SETTLE


def test_brightness_is_a_gate_of_imaging_only():
    verdict = Verdict("brightness", "frames", FAIL, 2.0, 1.0, "%/min")
    assert recording().step(T, facts(verdicts=(verdict,))).phase is Phase.RECORDING
    block, now = block_in(Phase.SETTLE, load("two-photon"))
    assert block.step(now + 600, facts(verdicts=(verdict,))).phase is Phase.SETTLE


def test_what_no_check_tells_holds_nothing_up_and_is_marked_unknown():
    assert "stationarity_unknown" in recording().labels


def test_a_steady_signal_is_not_marked_unknown():
    block, now = block_in(Phase.READY)
    block = block.step(now, facts(verdicts=(Verdict("stationarity", "probe", OK),)))
    assert (block.phase, block.labels) == (Phase.RECORDING, ())


def test_ready_starts_by_itself_when_told_so():
    block, now = block_in(Phase.READY)
    block = block.step(now + 1, GOOD)
    assert (block.phase, block.record_at) == (Phase.RECORDING, now + 1)


def test_ready_waits_for_the_operator_otherwise():
    block, now = block_in(Phase.READY, automatic=False)
    block = block.step(now + 500, GOOD)
    assert (block.phase, block.waiting) == (Phase.READY, ("the operator's start",))


def test_ready_does_not_start_while_a_stream_is_broken():
    block, now = block_in(Phase.READY)
    assert block.step(now, facts(alive_s={"probe": 0.0})).phase is Phase.READY


def test_the_operator_starts_a_ready_block():
    block, now = block_in(Phase.READY, automatic=False)
    block = block.step(now, GOOD).start(now + 3)
    assert block.phase is Phase.RECORDING
    assert "gate_override" not in block.labels


def test_the_operator_may_start_in_the_moment_the_block_gets_ready():
    block, now = block_in(Phase.READY, automatic=False)
    assert block.start(now).phase is Phase.RECORDING


def test_a_soft_gate_is_overridden_with_a_typed_reason():
    block, now = block_in(Phase.SETTLE)
    block = block.step(now + 10, GOOD).start(now + 11, "the animal is used to it")
    (override,) = [event for event in block.log if event.code == "override"]
    assert block.phase is Phase.RECORDING
    assert "gate_override" in block.labels
    assert override.source == "operator"
    assert json.loads(override.value)["id"] == "settle"
    assert json.loads(override.value)["reason"] == "the animal is used to it"


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_soft_gate_is_not_overridden_without_a_reason(reason):
    block, now = block_in(Phase.SETTLE)
    with pytest.raises(MessageRefused, match="settling, 890 s to go"):
        block.step(now + 10, GOOD).start(now + 10, reason)


def test_a_hard_gate_is_not_overridden_by_any_reason():
    block, now = block_in(Phase.SETTLE)
    with pytest.raises(MessageRefused, match="probe has delivered for 0 s"):
        block.step(now + 900, facts(alive_s={"probe": 0.0})).start(now + 900, "please")


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.PREFLIGHT, Phase.RECORDING, Phase.CLOSING])
def test_start_is_refused_where_there_is_nothing_to_start(phase):
    block, now = block_in(phase)
    with pytest.raises(MessageRefused, match=f"{phase} cannot be started"):
        block.start(now, "now")


# --- RECORDING and EXTENDING


def test_the_window_ends_when_its_samples_are_there_and_not_by_the_clock():
    block = recording()
    block = block.step(T + 9999, facts(window_s=599.999))
    assert block.phase is Phase.RECORDING
    assert block.step(T + 9999, facts(window_s=600.0)).phase is Phase.CLOSING


def test_enough_clean_time_ends_the_block_with_its_window():
    block = recording().step(T, facts(window_s=600.0, clean_s=540.0))
    assert (block.phase, block.target_s) == (Phase.CLOSING, 600.0)
    assert "clean_time_short" not in block.labels


def test_too_little_clean_time_extends_by_a_minute():
    block = recording().step(T, facts(window_s=600.0, clean_s=539.0))
    (event,) = [event for event in block.log if event.code == "extension"]
    assert (block.phase, block.target_s) == (Phase.EXTENDING, 660.0)
    assert json.loads(event.value) == {
        "rules": ["clean_time"],
        "deficits_s": {"clean_time": 1.0},
        "target_s": 660.0,
    }


def test_an_extension_is_recorded_to_its_end():
    block = recording().step(T, facts(window_s=600.0, clean_s=539.0))
    block = block.step(T, facts(window_s=630.0, clean_s=569.0))
    assert block.phase is Phase.EXTENDING
    assert block.step(T, facts(window_s=660.0, clean_s=599.0)).phase is Phase.CLOSING


def test_extensions_end_at_the_hard_maximum():
    block, targets = recording(), []
    while block.phase.is_recording:
        block = block.step(T, facts(window_s=block.target_s, clean_s=100.0))
        targets.append(block.target_s)
    assert targets == [660.0, 720.0, 780.0, 840.0, 900.0, 900.0]
    assert {"clean_time_short", "clean_below_300"} <= set(block.labels)


def test_unknown_clean_time_extends_nothing_and_is_said():
    block = recording().step(T, facts(window_s=600.0))
    assert block.phase is Phase.CLOSING
    assert "clean_time_unknown" in block.labels


def test_without_a_declared_rule_nothing_is_extended():
    block = recording(replace(ACUTE, extend=Extend()))
    block = block.step(T, facts(window_s=600.0, clean_s=100.0))
    assert block.phase is Phase.CLOSING
    assert "clean_time_short" in block.labels


def test_the_operator_may_declare_the_extension_beforehand():
    block = recording(replace(ACUTE, extend=Extend()), extend=True)
    assert block.step(T, facts(window_s=600.0, clean_s=100.0)).phase is Phase.EXTENDING


def test_too_little_time_in_a_state_does_not_extend_unless_declared():
    seen = facts(window_s=600.0, clean_s=600.0, states_s={"awake": 100.0})
    eeg = load("human-eyes-open")
    assert recording(eeg).step(T, seen).phase is Phase.CLOSING
    assert "state_time_short" in recording(eeg).step(T, seen).labels
    assert recording(eeg, extend=True).step(T, seen).phase is Phase.EXTENDING


def test_a_recommended_state_never_extends():
    seen = facts(window_s=600.0, clean_s=600.0, states_s={"quiet_wake": 0.0})
    assert recording(extend=True).step(T, seen).phase is Phase.CLOSING


def test_times_of_the_states_of_one_target_add_up():
    target = StateTarget(("awake", "vigall_a"), at_least_s=300)
    closed = replace(load("human-eyes-closed"), states=(target,), extend=Extend(("state",)))
    seen = facts(window_s=600.0, states_s={"awake": 200.0, "vigall_a": 100.0})
    assert recording(closed).step(T, seen).phase is Phase.CLOSING


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"bad_share": 0.21}, "channels_poor"),
        ({"states_s": {"asleep": 301.0}}, "sleep_dominated"),
        ({"clean_s": 299.0}, "clean_below_300"),
    ],
)
def test_a_poor_block_is_finished_and_marked(changes, label):
    block = recording(replace(ACUTE, extend=Extend())).step(T, facts(window_s=600.0, **changes))
    assert block.phase is Phase.CLOSING
    assert label in block.labels


@pytest.mark.parametrize("changes", [{"bad_share": 0.2}, {"states_s": {"asleep": 300.0}}])
def test_a_block_at_the_limit_is_not_marked(changes):
    block = recording().step(T, facts(window_s=600.0, clean_s=540.0, **changes))
    assert not {"channels_poor", "sleep_dominated"} & set(block.labels)


# --- failing data


@pytest.mark.parametrize("window", [None, 0.0, 119.9])
def test_more_than_five_missing_seconds_early_end_the_block(window):
    block = recording().step(T, facts(window_s=window, verdicts=(gaps(5.1),)))
    assert (block.phase, block.cause) == (Phase.ABORTED, "integrity")
    assert block.reason == "gaps of probe is FAIL (5.1 s, limit 0.1 s)"


def test_later_they_mark_it_and_it_goes_on():
    block = recording().step(T, facts(window_s=120.0, verdicts=(gaps(5.1),)))
    assert block.phase is Phase.RECORDING
    assert "integrity_fail_late" in block.labels


def test_a_label_is_logged_once():
    late = facts(window_s=130.0, verdicts=(gaps(5.1),))
    block = recording().step(T, late)
    assert "label" in codes(block)
    assert codes(block.step(T, late)) == []


@pytest.mark.parametrize(
    "verdict", [gaps(5.0), gaps(9.0, "belt"), gaps(9.0, level=WARN), gaps(None)]
)
def test_fewer_or_other_missing_samples_end_nothing(verdict):
    block = recording().step(T, facts(window_s=10.0, verdicts=(verdict,)))
    assert (block.phase, block.log) == (Phase.RECORDING, ())


@pytest.mark.parametrize("check", ["rate", "sync", "condition"])
def test_other_failures_of_integrity_end_it_early_too(check):
    block = recording().step(T, facts(window_s=10.0, verdicts=(Verdict(check, "probe", FAIL),)))
    assert (block.phase, block.cause) == (Phase.ABORTED, "integrity")


def test_a_reference_that_is_silent_for_more_than_five_seconds_ends_it_early():
    silent = Verdict("alive", "probe", FAIL, 5.1, 2.0, "s")
    assert recording().step(T, facts(verdicts=(silent,))).phase is Phase.ABORTED


def test_another_silent_stream_only_marks_it():
    silent = Verdict("alive", "belt", FAIL, 60.0, 2.0, "s")
    block = recording().step(T, facts(window_s=10.0, verdicts=(silent,)))
    assert block.phase is Phase.RECORDING
    assert "stream_silent" in block.labels


def test_a_rehearsal_scales_how_long_early_is():
    block = recording(seconds=60)
    failing = facts(window_s=12.0, verdicts=(gaps(5.1),))
    assert block.step(T, failing).phase is Phase.RECORDING
    assert block.step(T, replace(failing, window_s=11.9)).phase is Phase.ABORTED


def test_nothing_is_aborted_by_data_while_it_is_extended():
    rule = Rule("r", "odd", "abort", "odd_late", within_s=10_000.0)
    block = recording(replace(ACUTE, rules=(rule,)))
    block = block.step(T, facts(window_s=600.0, clean_s=10.0))
    block = block.step(T, facts(window_s=601.0, verdicts=(Verdict("odd", "probe", FAIL),)))
    assert (block.phase, block.labels[-1]) == (Phase.EXTENDING, "odd_late")


def test_a_lost_cell_ends_the_window_there_and_then():
    lost = Verdict("seal", "probe", FAIL)
    block = recording(load("patch")).step(T, facts(window_s=321.5, verdicts=(lost,)))
    assert (block.phase, block.target_s) == (Phase.CLOSING, 321.5)
    assert {"seal_lost", "short"} <= set(block.labels)


@pytest.mark.parametrize("window", [None, 0.0])
def test_a_cell_lost_before_the_window_leaves_nothing_to_record(window):
    lost = Verdict("seal", "probe", FAIL)
    block = recording(load("patch")).step(T, facts(window_s=window, verdicts=(lost,)))
    assert (block.phase, block.cause) == (Phase.ABORTED, "integrity")


def test_a_depolarised_cell_is_given_thirty_seconds():
    high = Verdict("resting_potential", "probe", FAIL, onset_s=T)
    block = recording(load("patch"))
    assert block.step(T + 29.9, facts(window_s=200.0, verdicts=(high,))).phase is Phase.RECORDING
    assert block.step(T + 30.0, facts(window_s=200.0, verdicts=(high,))).phase is Phase.CLOSING


# --- the end


def test_the_block_is_done_when_pad_journal_and_file_are():
    block, now = block_in(Phase.CLOSING)
    for done in ("pad_done", "closed", "finalised"):
        rest = {"pad_done", "closed", "finalised"} - {done}
        waits = block.step(now, facts(**dict.fromkeys(rest, True)))
        assert (waits.phase, len(waits.waiting)) == (Phase.CLOSING, 1)
    end = block.step(now, facts(pad_done=True, closed=True, finalised=True))
    assert end.phase is Phase.SUMMARISED


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.is_final])
def test_the_operator_may_abort_in_any_phase(phase):
    if phase is Phase.EXTENDING:
        block = recording().step(T, facts(window_s=600.0, clean_s=0.0))
    else:
        block, _ = block_in(phase)
    block = block.abort(T, "the animal struggles")
    assert (block.phase, block.cause) == (Phase.ABORTED, "operator")
    assert block.reason == "the animal struggles"
    assert codes(block) == ["abort", "phase"]


@pytest.mark.parametrize("phase", [Phase.PREFLIGHT, Phase.READY, Phase.RECORDING, Phase.CLOSING])
def test_what_the_engine_cannot_mend_aborts_in_any_phase(phase):
    block, now = block_in(phase)
    block = block.step(now, facts(failed="the disk is full"))
    assert (block.phase, block.cause, block.reason) == (Phase.ABORTED, "failed", "the disk is full")


def test_a_block_that_has_ended_cannot_be_aborted():
    block = recording().abort(T, "x")
    with pytest.raises(MessageRefused, match="ended already"):
        block.abort(T, "again")


def test_a_block_that_has_ended_stays_as_it_is():
    block = recording().abort(T, "x")
    after = block.step(T + 1, facts(window_s=600.0, verdicts=(gaps(9.0),)))
    assert after == replace(block, log=())


def test_starting_again_is_offered_once_after_the_data_failed():
    failing = facts(verdicts=(gaps(6.0),))
    block = recording(seconds=60).step(T, failing)
    again = block.again(T + 5)
    assert (again.phase, again.request.seconds) == (Phase.IDLE, 60)
    while again.phase is not Phase.ABORTED:
        again = again.step(again.since + 900, failing)
    assert not again.may_restart
    with pytest.raises(MessageRefused, match="cannot be started again"):
        again.again(T + 9)


def test_starting_again_is_not_offered_after_an_abort_by_the_operator():
    assert not recording().abort(T, "x").may_restart


# --- requests and plans


def test_a_standard_block_is_not_marked():
    block = Block.new(ACUTE, Request(seconds=600, settle_s=900, pads_s=30), T)
    assert (block.labels, block.plan.nonstandard) == ((), False)


@pytest.mark.parametrize("asked", [{"seconds": 60}, {"settle_s": 5}, {"pads_s": 2}])
def test_another_length_marks_the_block_nonstandard(asked):
    assert Block.new(ACUTE, Request(**asked), T).labels == ("nonstandard",)


def test_the_short_form_of_a_protocol_is_flagged_short_and_standard():
    assert Block.new(load("patch"), Request(seconds=300), T).labels == ("short",)


def test_a_rehearsal_scales_targets_maximum_and_step():
    plan = Block.new(ACUTE, Request(seconds=60), T).plan
    assert (plan.clean_target_s, plan.hard_max_s, plan.step_s) == (54.0, 90.0, 6.0)


def test_a_short_settling_caps_what_the_gates_wait_for():
    plan = Block.new(ACUTE, Request(settle_s=5), T).plan
    assert (plan.settle_s, plan.alive_s, plan.clock_s) == (5.0, 5.0, 5.0)


def test_settle_and_pads_never_shrink_below_a_second():
    plan = Block.new(ACUTE, Request(settle_s=0, pads_s=0.1), T).plan
    assert (plan.settle_s, plan.pads_s, plan.alive_s) == (1.0, 1.0, 1.0)


def test_a_rehearsal_waits_for_no_steady_signal():
    drifting = facts(verdicts=(Verdict("stationarity", "probe", FAIL, 3.0, 1.0, "dB/min"),))
    block, now = block_in(Phase.SETTLE, settle_s=5)
    assert block.step(now + 4.9, drifting).phase is Phase.SETTLE
    block = block.step(now + 5, drifting)
    assert block.phase is Phase.READY
    assert "stationarity_unknown" in block.step(now + 6, drifting).labels


@pytest.mark.parametrize(
    "asked",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"settle_s": -1},
        {"pads_s": float("inf")},
        {"position": "later"},
    ],
)
def test_an_impossible_request_is_refused(asked):
    with pytest.raises(UsageError):
        Request(**asked)


def test_the_gates_are_those_of_the_protocol():
    strict = replace(ACUTE, gates=Gates(disk_factor=4.0))
    block, now = block_in(Phase.PREFLIGHT)
    block = replace(block, protocol=strict).step(now, GOOD)
    assert block.phase is Phase.PREFLIGHT


def test_a_block_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Block.new(ACUTE, Request(), T).phase = Phase.RECORDING


def test_an_event_is_a_line_of_the_log():
    event = recording().abort(T + 2, "x").log[0]
    assert event.as_dict() == {
        "onset_s": T + 2, "code": "abort", "value": "x", "source": "operator",
        "latency": "human", "duration_s": 0.0,
    }  # fmt: skip


def test_every_code_of_the_log_is_in_the_vocabulary():
    block, seen = Block.new(ACUTE, Request(), T), set()
    now = T
    while block.phase is not Phase.SUMMARISED:
        now += 900
        window = block.target_s if block.phase.is_recording else None
        block = block.step(
            now, facts(window_s=window, clean_s=1.0, pad_done=True, closed=True, finalised=True)
        )
        seen |= set(codes(block))
    assert {"protocol", "phase", "gate", "start", "label", "extension"} <= seen
    assert seen <= {event.code for event in ACUTE.vocabulary}
