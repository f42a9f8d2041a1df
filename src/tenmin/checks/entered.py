"""Q22 by what was typed in: seal, electrode offset, potential after withdrawal; science.md B.6."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tenmin.checks.parameters import ParameterSet
from tenmin.checks.single import Single
from tenmin.verdict import Verdict

FACTS = {  # check and fact
    "seal": "patch.seal_GOhm",
    "electrode_offset": "own.electrode_offset_pA",
    "withdrawal": "patch.offset_after_withdrawal_mV",
}


def entered(stream: str, parameters: ParameterSet, facts: Mapping[str, Any]) -> list[Verdict]:
    """Q22 by what was typed in: seal, electrode offset, potential after withdrawal.

    What was not told is UNKNOWN.
    """
    verdicts = []
    for name, fact in FACTS.items():
        told = facts.get(fact)
        known = isinstance(told, int | float) and not isinstance(told, bool)
        value = float(told) if known else math.nan  # type: ignore[arg-type]
        verdicts.append(Single(stream, parameters[name]).step(abs(value), value))
    return verdicts
