"""Whatever happens to a block, it keeps to its diagram and its window."""

import math
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.block import Block, Facts, Phase, Request, window_samples
from tenmin.errors import MessageRefused
from tenmin.protocol import load, protocol_ids
from tenmin.verdict import FAIL, LEVELS, Verdict

PROTOCOLS = [load(name) for name in protocol_ids()]
P = Phase
ARROWS = {  # science.md A.1; any phase may be aborted
    P.IDLE: {P.PREFLIGHT},
    P.PREFLIGHT: {P.SETTLE},
    P.SETTLE: {P.READY, P.RECORDING},  # the second by an override only
    P.READY: {P.RECORDING},
    P.RECORDING: {P.EXTENDING, P.CLOSING},
    P.EXTENDING: {P.CLOSING},
    P.CLOSING: {P.SUMMARISED},
    P.SUMMARISED: set(),
    P.ABORTED: set(),
}
SECONDS = st.floats(0, 2000)
VERDICTS = st.builds(
    Verdict,
    check=st.sampled_from(["alive", "gaps", "rate", "sync", "seal", "stationarity", "odd"]),
    stream=st.sampled_from(["probe", "belt", "other", ""]),
    level=st.sampled_from(LEVELS),
    value=st.none() | st.floats(0, 20),
)
ANY = st.builds(
    Facts,
    alive_s=st.sampled_from([{}, {"probe": None}, {"probe": 0.0}, {"probe": 99.0, "belt": 99.0}]),
    verdicts=st.lists(VERDICTS, max_size=2).map(tuple),
    missing_facts=st.sampled_from([(), (), (), ("subject.code",), ("env.lux_at_eye",)]),
    disk_free_bytes=st.sampled_from([300, 300, 300, 299]),
    disk_need_bytes=st.just(100),
    clock_points_s=st.sampled_from([200.0, 200.0, 1.0]),
    window_s=st.none() | SECONDS,
    clean_s=st.none() | SECONDS,
    states_s=st.none() | st.fixed_dictionaries({"awake": SECONDS, "asleep": SECONDS}),
    reference=st.just("probe"),
    pad_done=st.booleans(),
    closed=st.booleans(),
    finalised=st.booleans(),
    failed=st.sampled_from([None] * 20 + ["the disk is full"]),
)
FINE = st.builds(  # nothing in the way, so that walks come far
    Facts,
    alive_s=st.just({"probe": 99.0}),
    verdicts=st.sampled_from([(), (), (), (Verdict("seal", "probe", FAIL),)]),
    clock_points_s=st.just(200.0),
    window_s=st.none() | st.sampled_from([0.0, 130.0, 600.0, 660.0, 2000.0]),
    clean_s=st.none() | st.sampled_from([0.0, 500.0, 2000.0]),
    pad_done=st.just(True),
    closed=st.just(True),
    finalised=st.booleans(),
    reference=st.just("probe"),
)
FACTS = st.one_of(FINE, FINE, FINE, FINE, FINE, ANY)
DEEDS = st.sampled_from(["step"] * 40 + ["start", "override", "abort"])
TICKS = st.lists(
    st.tuples(st.sampled_from([0.1, 60.0, 1200.0]), FACTS, DEEDS), min_size=8, max_size=30
)
REQUESTS = st.builds(
    Request,
    seconds=st.sampled_from([None, 10.0, 60.0, 1200.0]),
    settle_s=st.sampled_from([None, 0.0, 5.0]),
    extend=st.booleans(),
    automatic=st.booleans(),
)


def walk(protocol, request, ticks):
    """The block after every tick, whatever the operator tries."""
    block, now = Block.new(protocol, request, 0.0), 0.0
    yield block
    for wait, facts, deed in ticks:
        now += wait
        try:
            if deed == "step":
                block = block.step(now, facts)
            elif deed == "abort":
                block = block.abort(now, "told so")
            else:
                block = block.start(now, "in a hurry" if deed == "override" else "")
        except MessageRefused:
            continue
        yield block


@settings(deadline=None)
@given(protocol=st.sampled_from(PROTOCOLS), request=REQUESTS, ticks=TICKS)
def test_a_block_never_leaves_its_diagram(protocol, request, ticks):
    blocks = list(walk(protocol, request, ticks))
    for before, after in pairwise(blocks):
        aborted = after.phase is P.ABORTED and not before.phase.is_final
        assert after.phase is before.phase or aborted or after.phase in ARROWS[before.phase]


@settings(deadline=None)
@given(protocol=st.sampled_from(PROTOCOLS), request=REQUESTS, ticks=TICKS)
def test_every_change_of_phase_is_logged(protocol, request, ticks):
    blocks = list(walk(protocol, request, ticks))
    for before, after in pairwise(blocks):
        logged = [event.value for event in after.log if event.code == "phase"]
        assert logged == ([str(after.phase)] if after.phase is not before.phase else [])


@settings(deadline=None)
@given(protocol=st.sampled_from(PROTOCOLS), request=REQUESTS, ticks=TICKS)
def test_the_plan_and_the_canonical_window_never_change(protocol, request, ticks):
    first, *rest = walk(protocol, request, ticks)
    for block in rest:
        assert block.plan == first.plan
        ended = {"access_drift", "seal_lost", "depolarised"} & set(block.labels)
        assert block.target_s >= first.plan.seconds or ended
        assert block.target_s <= first.plan.hard_max_s


@settings(deadline=None)
@given(protocol=st.sampled_from(PROTOCOLS), request=REQUESTS, ticks=TICKS)
def test_labels_are_only_ever_added(protocol, request, ticks):
    blocks = list(walk(protocol, request, ticks))
    for before, after in pairwise(blocks):
        assert after.labels[: len(before.labels)] == before.labels
        assert len(set(after.labels)) == len(after.labels)


@settings(deadline=None)
@given(protocol=st.sampled_from(PROTOCOLS), request=REQUESTS, ticks=TICKS)
def test_nothing_is_recorded_while_a_hard_gate_is_not_met(protocol, request, ticks):
    block, now = Block.new(protocol, request, 0.0), 0.0
    for wait, facts, _ in ticks:
        now += wait
        after = block.step(now, facts)
        if after.phase is P.RECORDING and block.phase is P.READY:
            assert not facts.missing_facts
            assert facts.disk_free_bytes >= 3 * facts.disk_need_bytes
            assert facts.alive_s
            assert min(facts.alive_s.values()) >= after.plan.alive_s
            assert not [v for v in facts.verdicts if v.check == "rate" and v.level == FAIL
                        and v.stream in ("", *facts.alive_s)]  # fmt: skip
        block = after


@settings(deadline=None)
@given(
    protocol=st.sampled_from(PROTOCOLS),
    seconds=st.sampled_from([None, 60.0, 333.3]),
    tick_s=st.floats(0.005, 25),
    rate=st.sampled_from([500.0, 1000.0, 2500.0, 29_999.954, 30_000.0]),
    clean_s=st.none() | st.floats(0, 1300),
)
def test_the_window_ends_at_the_same_sample_at_any_tick_rate(
    protocol, seconds, tick_s, rate, clean_s
):
    ready = Facts(alive_s={"probe": 1e6}, clock_points_s=1e6, clean_s=clean_s, reference="probe")
    block = Block.new(protocol, Request(seconds=seconds), 0.0)
    while block.phase is not P.RECORDING:
        block = block.step(block.since + block.plan.settle_s, ready)
    plan, t0 = block.plan, block.record_at + block.plan.pads_s
    now = block.record_at
    while block.phase is not P.CLOSING:
        # Ticks between now and the target change nothing: the last one before it stands for all.
        idle = max(0, math.floor((t0 + block.target_s - now) / tick_s) - 1)
        for ticks in (idle, 1, 1, 1):
            now += ticks * tick_s
            # The acquirer records one pad beyond the target and no further.
            window_s = min(now - t0, block.target_s + plan.pads_s)
            block = block.step(now, replace(ready, window_s=window_s if window_s >= 0 else None))
            if block.phase is P.CLOSING:
                break
    enough = clean_s is None or clean_s >= plan.clean_target_s
    assert block.target_s == (plan.seconds if enough else plan.hard_max_s)
    assert window_samples(plan.seconds, rate) == round((seconds or 600) * rate)
