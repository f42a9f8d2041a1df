"""What a block still lacks, how long it will take, and what it will be marked with."""

from __future__ import annotations

import math

from tenmin.phases import Facts, Phase, Plan
from tenmin.protocol import Protocol

BAD_SHARE = 0.2  # science.md A.7: more bad channels make the block `channels_poor`
ASLEEP_SHARE = 0.5  # science.md A.7: more sleep makes it `sleep_dominated`
CLEAN_MIN_S = 300.0  # science.md A.7: with less it is not compared by default


def deficits(protocol: Protocol, plan: Plan, facts: Facts) -> dict[str, float]:
    """What is missing to the targets, seconds, by the extension rule they belong to.

    A rule is absent while nothing tells: what is unknown is never a reason to extend.
    """
    found: dict[str, float] = {}
    if facts.clean_s is not None:
        found["clean_time"] = max(0.0, plan.clean_target_s - facts.clean_s)
    if facts.states_s is not None:
        known = facts.states_s
        short = [
            target.at_least_s * plan.scale - sum(known.get(state, 0.0) for state in target.states)
            for target in protocol.states
            if target.enforced and target.at_least_s is not None
        ]
        found["state"] = max((0.0, *short))
    return found


def final_labels(protocol: Protocol, plan: Plan, facts: Facts) -> list[str]:
    """What a block whose window has ended is marked with (science.md A.7)."""
    missing, found = deficits(protocol, plan, facts), []
    if facts.clean_s is None:
        found.append("clean_time_unknown")
    elif facts.clean_s < CLEAN_MIN_S:
        found.append("clean_below_300")
    if missing.get("clean_time"):
        found.append("clean_time_short")
    if missing.get("state"):
        found.append("state_time_short")
    if facts.bad_share is not None and facts.bad_share > BAD_SHARE:
        found.append("channels_poor")
    asleep_s = (facts.states_s or {}).get("asleep", 0.0)
    if facts.window_s and asleep_s > ASLEEP_SHARE * facts.window_s:
        found.append("sleep_dominated")
    return found


def remaining(
    phase: Phase, plan: Plan, target_s: float, elapsed_s: float, facts: Facts
) -> float | None:
    """Seconds to the planned end of a phase; None where it has none.

    Parameters
    ----------
    phase, plan : Phase, Plan
        Of the block.
    target_s : float
        The window now planned, extensions included.
    elapsed_s : float
        In this phase.
    facts : Facts
        What is known now.
    """
    if phase is Phase.SETTLE:
        return max(0.0, plan.settle_s - elapsed_s)
    if phase.is_recording and facts.window_s is not None:
        return max(0.0, target_s - facts.window_s)
    if phase is Phase.RECORDING:
        return target_s + max(0.0, plan.pads_s - elapsed_s)
    if phase is Phase.CLOSING and not facts.pad_done:
        return max(0.0, plan.pads_s - elapsed_s)
    return None


def finish(
    phase: Phase, plan: Plan, target_s: float, elapsed_s: float, facts: Facts
) -> float | None:
    """Seconds until the second pad is over, as things stand; parameters as in `remaining`."""
    left = remaining(phase, plan, target_s, elapsed_s, facts)
    if left is None or phase is Phase.CLOSING:
        return left
    if phase is Phase.SETTLE:
        return left + plan.seconds + 2 * plan.pads_s
    return left + _extension(plan, target_s, facts) + plan.pads_s


def _extension(plan: Plan, target_s: float, facts: Facts) -> float:
    """How much longer than now planned, if clean time goes on coming as it has."""
    if "clean_time" not in plan.extend or not facts.clean_s or not facts.window_s:
        return 0.0
    needed = plan.clean_target_s * facts.window_s / facts.clean_s
    steps = math.ceil(max(0.0, needed - target_s) / plan.step_s)
    return max(0.0, min(target_s + steps * plan.step_s, plan.hard_max_s) - target_s)
