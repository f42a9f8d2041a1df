"""The guards of a block's transitions (science.md A.1), each as a value."""

from __future__ import annotations

from collections.abc import Iterator

from tenmin.disk import speed_told
from tenmin.phases import Facts, Gate, Plan
from tenmin.protocol import Protocol
from tenmin.protocol_parts import Rule
from tenmin.verdict import FAIL, OK, UNKNOWN, Verdict, worst


def preflight(protocol: Protocol, plan: Plan, facts: Facts) -> tuple[Gate, ...]:
    """What must hold before the settling may begin; none of it can be overridden."""
    return (
        _metadata(facts),
        *_alive(plan, facts),
        *_integrity(protocol, facts),
        _sync(facts),
        _disk(protocol, facts),
    )


def settling(protocol: Protocol, plan: Plan, facts: Facts, settled_s: float) -> tuple[Gate, ...]:
    """What must hold before the recording may begin, `settled_s` after the settling began.

    All behind those of `preflight` can be overridden with a reason.
    """
    return (
        *preflight(protocol, plan, facts),
        _timer(plan, settled_s),
        _clock(plan, facts),
        _disk_speed(facts),
        *_stationarity(protocol, plan, facts, settled_s),
    )


def matches(rule: Rule, verdict: Verdict, facts: Facts, now: float) -> bool:
    """Whether a verdict is the failure that a rule is about."""
    if verdict.check != rule.check or verdict.level != FAIL or not _concerns(rule, verdict, facts):
        return False
    if rule.more_than is not None and not (verdict.value or 0.0) > rule.more_than:
        return False
    if rule.for_s:
        return verdict.onset_s is not None and now - verdict.onset_s >= rule.for_s
    return True


def describe(verdict: Verdict) -> str:
    """A verdict in a few words: ``gaps of probe is FAIL (0.4 s, limit 0.1 s)``."""
    text = f"{verdict.check}{' of ' + verdict.stream if verdict.stream else ''} is {verdict.level}"
    if verdict.value is None:
        return text
    limit = "" if verdict.limit is None else f", limit {verdict.limit:g} {verdict.unit}".rstrip()
    return f"{text} ({verdict.value:g} {verdict.unit}".rstrip() + f"{limit})"


def _concerns(rule: Rule, verdict: Verdict, facts: Facts) -> bool:
    if not verdict.stream:
        return True
    if rule.streams == "primary":
        return verdict.stream == facts.reference
    return verdict.stream in facts.alive_s


def _metadata(facts: Facts) -> Gate:
    missing = ", ".join(facts.missing_facts)
    text = f"missing facts: {missing}" if missing else "all required facts are there"
    return Gate("facts", FAIL if missing else OK, True, text, float(len(facts.missing_facts)), 0.0)


def _alive(plan: Plan, facts: Facts) -> Iterator[Gate]:
    if not facts.alive_s:
        yield Gate("alive", FAIL, True, "the streams are being opened")
    for name, alive_s in facts.alive_s.items():
        if alive_s is None:
            text = f"{name} has delivered nothing yet"
        else:
            text = f"{name} has delivered for {alive_s:.0f} s, {plan.alive_s:g} s are needed"
        level = OK if alive_s is not None and alive_s >= plan.alive_s else FAIL
        yield Gate("alive", level, True, text, alive_s, plan.alive_s, "s")


def _integrity(protocol: Protocol, facts: Facts) -> Iterator[Gate]:
    checks = {rule.check for rule in protocol.rules if rule.gate}
    failing = [
        verdict
        for verdict in facts.verdicts
        if verdict.check in checks
        and verdict.level == FAIL
        and (not verdict.stream or verdict.stream in facts.alive_s)
    ]
    for verdict in failing:
        text = describe(verdict)
        yield Gate("integrity", FAIL, True, text, verdict.value, verdict.limit, verdict.unit)
    if not failing:
        yield Gate("integrity", OK, True, "no check of integrity fails")


def _sync(facts: Facts) -> Gate:
    levels = [verdict.level for verdict in facts.verdicts if verdict.check == "sync"]
    if not levels:
        return Gate("sync", OK, True, "the rig declares no sync line")
    seen = UNKNOWN not in levels
    text = "the sync pulse is seen" if seen else "no pulse was seen on the sync line yet"
    return Gate("sync", OK if seen else FAIL, True, text)


def _disk(protocol: Protocol, facts: Facts) -> Gate:
    factor = protocol.gates.disk_factor
    need = factor * facts.disk_need_bytes
    enough = facts.disk_free_bytes >= need
    text = f"{facts.disk_free_bytes / 1e9:.1f} GB are free, {need / 1e9:.1f} GB are needed"
    level = OK if enough else FAIL
    return Gate("disk", level, True, text, float(facts.disk_free_bytes), need, "bytes")


def _disk_speed(facts: Facts) -> Gate:
    found, need = facts.disk_bytes_per_s, facts.disk_need_bytes_per_s
    if found is not None:
        level, text = OK if found >= need else FAIL, speed_told(found, need)
    elif facts.disk_measuring:
        level, text = FAIL, "the speed of the disk is being measured"
    else:
        level, text = UNKNOWN, "the speed of the disk is not known"
    return Gate("disk_speed", level, False, text, found, need, "bytes/s")


def _timer(plan: Plan, settled_s: float) -> Gate:
    left = plan.settle_s - settled_s
    text = f"settling, {left:.0f} s to go" if left > 0 else "settled"
    return Gate("settle", FAIL if left > 0 else OK, False, text, settled_s, plan.settle_s, "s")


def _clock(plan: Plan, facts: Facts) -> Gate:
    points = facts.clock_points_s
    text = f"{points:.0f} s of clock points, {plan.clock_s:g} s are needed"
    level = OK if points >= plan.clock_s else FAIL
    return Gate("clock", level, False, text, points, plan.clock_s, "s")


def _stationarity(protocol: Protocol, plan: Plan, facts: Facts, settled_s: float) -> Iterator[Gate]:
    names = ["stationarity"]
    if protocol.gates.brightness_pct_per_min is not None:
        names.append("brightness")
    if protocol.gates.vm_mv_per_min is not None:
        names.append("vm_slope")
    for name in names:
        found = [verdict for verdict in facts.verdicts if verdict.check == name]
        level = worst([verdict.level for verdict in found])
        if level == UNKNOWN:
            # Nothing tells: it cannot be waited for, and is written down as unknown.
            yield Gate(name, UNKNOWN, False, f"{name} is not known")
            continue
        steady = level == OK
        # A rehearsal waits no longer than it settles (design.md 4).
        lapsed = not steady and plan.rehearsal and settled_s >= plan.settle_s
        text = "; ".join(describe(verdict) for verdict in found)
        yield Gate(name, OK if steady else UNKNOWN if lapsed else FAIL, False, text)
