"""Q10: impedances, measured by the device or entered by the operator; science.md B.2.

A measurement sends a current through the electrodes: it is made before the block and after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tenmin.checks.judge import FAIL_CODE, UNKNOWN_CODE, WARN_CODE, Judge
from tenmin.checks.parameters import Parameters, ParameterSet
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

NAME = "impedance"
FACT, TYPE, HISTORY = "ephys.impedance", "ephys.electrode_type", "own.impedance_history_kOhm"
ACTIVE = ("active", "dry", "high")
FAIL_SHARE, N_NAMED = 0.2, 4  # as of every check of channels
UNTOLD = f"Measure the impedances, or enter them: {FACT}, in kOhm, for each channel."


def numbers(told: object, n_channels: int) -> dict[str, float] | None:
    """Numbers by channel: of a table, or of a list in the order of the channels.

    None where they are not one for each channel; NaN for a channel of which nothing is known.
    """
    if isinstance(told, list | tuple):
        told = {str(number): value for number, value in enumerate(told)}
    if not isinstance(told, Mapping) or len(told) != n_channels:
        return None
    return {str(name): _number(value) for name, value in told.items()}


def _number(value: object) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else math.nan  # type: ignore[arg-type]


def impedance(
    stream: str,
    kind: str,
    n_channels: int,
    measured_ohm: object,
    facts: Mapping[str, Any],
    parameters: ParameterSet,
) -> Verdict | None:
    """The verdict on one stream's electrodes.

    Parameters
    ----------
    stream, kind : str
        Its name, and what `Stream.kind` says.
    n_channels : int
    measured_ohm : mapping or list, or None
        What the device has measured; None: what the facts say counts.
    facts : mapping
        ``ephys.impedance`` and ``ephys.electrode_type``; a lab's own
        ``own.impedance_history_kOhm``, of earlier days.
    parameters : ParameterSet

    Returns
    -------
    Verdict or None
        None where it does not apply: kinds other than electrodes of the brain, and probes of
        which nothing was measured or entered.
    """
    if kind not in ("eeg", "ieeg", "ecephys"):
        return None
    told = numbers(measured_ohm, n_channels)
    if told is not None:
        found = {name: ohm / 1e3 for name, ohm in told.items()}
    else:
        entered = numbers(facts.get(FACT), n_channels)
        if entered is None:
            return Verdict(NAME, stream, UNKNOWN, action=UNTOLD) if kind == "eeg" else None
        found = entered
    if kind == "ecephys":
        return _judged(stream, _of_history(found, facts), parameters["impedance_history"])
    words = str(facts.get(TYPE, "")).lower()
    active = any(word in words for word in ACTIVE)
    return _judged(stream, found, parameters["impedance_active" if active else "impedance"])


def _of_history(found: Mapping[str, float], facts: Mapping[str, Any]) -> dict[str, float]:
    """Impedances as multiples of what the same sites had on earlier days."""
    told = facts.get(HISTORY)
    if isinstance(told, int | float) and not isinstance(told, bool):
        told = dict.fromkeys(found, float(told))
    before = numbers(told, len(found))
    if before is None:
        return dict.fromkeys(found, math.nan)
    pairs = zip(found.items(), before.values(), strict=True)
    return {name: value / was if was > 0 else math.nan for (name, value), was in pairs}


def _judged(stream: str, found: Mapping[str, float], p: Parameters) -> Verdict:
    """One verdict of all channels, by the same rule as `tenmin.checks.unit.Unit`."""
    values, names = np.array(list(found.values())), list(found)
    codes = Judge(p.warn, p.fail, len(values)).step(values)
    level = UNKNOWN if (codes == UNKNOWN_CODE).any() else OK
    if (codes >= WARN_CODE).any():
        level = FAIL if (codes == FAIL_CODE).mean() > FAIL_SHARE else WARN
    limit = p.fail if level == FAIL else p.warn
    action = ""
    if level in (WARN, FAIL):
        on = [names[c] for c in np.flatnonzero(codes >= WARN_CODE)]
        more = f" and {len(on) - N_NAMED} more" if len(on) > N_NAMED else ""
        action = f"{', '.join(on[:N_NAMED])}{more}: {p.action}"
    elif level == UNKNOWN:
        action = "Some channels have no value."
    value = None if np.isnan(values).all() else float(np.nanmax(values))
    told = None if limit is None else limit.on
    return Verdict(NAME, stream, level, value, told, p.unit, action=action)
