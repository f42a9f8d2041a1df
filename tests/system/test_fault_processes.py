"""The faults of `make soak`, each once: no sample is lost that nobody counts.

What is promised of a fault, and how every sample is accounted for, stands in ``tests/soak``.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.soak.faults import all_faults
from tests.soak.stage import Setup

pytestmark = pytest.mark.timeout(150)

SEED = 7
SHORT = Setup(seconds=3.0)
CHOSEN = (
    "sigstop:in-turn",
    "driver:raise",
    "driver:segfault",
    "sender:restart",
    "clock:back",
    "disk:abort",
)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_fault_does_what_is_promised_of_it_and_nothing_more(name: str) -> None:
    run = all_faults()[name].once(SHORT, SEED, random.Random(SEED))

    if run.skipped:
        pytest.skip(run.skipped)
    assert run.held, str(run)


def test_a_few_blocks_in_one_engine_leave_nothing_behind() -> None:
    run = replace(all_faults()["blocks"], n=3).once(SHORT, SEED, random.Random(SEED))

    assert run.held, str(run)
