"""Two faults in one block, the second as soon as the first has happened."""

from __future__ import annotations

import random

from tests.soak.faults import BlockFault
from tests.soak.stage import Outcome, Stage

BETWEEN_S = 1.0  # what the first one may take


class Unfit(Exception):
    """These two cannot happen in one block."""


def both(one: BlockFault, two: BlockFault) -> BlockFault:
    """The fault that is `one` and then `two`; what either may do, they may do together.

    Raises
    ------
    Unfit
        Each wants to end the block in its own way.
    """
    ends = {f.finish for f in (one, two)} - {Stage.outcome}
    if len(ends) > 1:
        raise Unfit(f"{one.name} and {two.name} each end the block in a way of their own")
    hurt = {f.hurt for f in (one, two) if f.most_holes}

    def prepare(stage: Stage) -> None:
        one.prepare(stage)
        two.prepare(stage)

    def inject(stage: Stage, chance: random.Random) -> str:
        return f"{one.inject(stage, chance)}, then {two.inject(stage, chance)}"

    def judge(stage: Stage, outcome: Outcome) -> list[str]:
        return [*one.judge(stage, outcome), *two.judge(stage, outcome)]

    return BlockFault(
        f"{one.name}+{two.name}",
        f"{one.about}; then {two.about}",
        inject,
        prepare=prepare,
        finish=ends.pop() if ends else Stage.outcome,
        most_holes=one.most_holes + two.most_holes,
        hurt=hurt.pop() if len(hurt) == 1 else "",
        longest_s=max(one.longest_s, two.longest_s),
        judge=judge,
        skip=lambda: one.skip() or two.skip(),
        codes=tuple(sorted({*one.codes, *two.codes})),
        latest_s=max(one.latest_s, two.latest_s) + BETWEEN_S,
        earliest_s=min(one.earliest_s, two.earliest_s) + BETWEEN_S,
        median_s=max(one.median_s, two.median_s),
    )
