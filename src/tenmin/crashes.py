"""How the process of a driver ended, in words for the operator; never about cables."""

from __future__ import annotations

import signal

from tenmin.errors import DeviceLost

EARLY_S = 1.0  # a process that hangs may end itself a little before it would have been killed


def code_text(code: int) -> str:
    """What a process ended with: "signal 11, SIGSEGV" for -11, else "exit code 1"."""
    if code >= 0:
        return f"exit code {code}"
    known = {int(one): one.name for one in signal.Signals}
    return f"signal {-code}" + (f", {known[-code]}" if -code in known else "")


def ended(name: str, code: int, silent_s: float = 0.0, patience_s: float = 0.0) -> DeviceLost:
    """Why the process of a device's driver ended unasked.

    Parameters
    ----------
    name : str
        The device.
    code : int
        What the process ended with; -n for signal n.
    silent_s, patience_s : float
        How long it said nothing before, and after how long it would have been killed for that.
    """
    if patience_s and silent_s > patience_s - EARLY_S:
        return hung(name, f"gave no sign of life for {patience_s:g} s")
    return DeviceLost(
        f"The driver of {name} crashed: its process ended ({code_text(code)}).",
        remedy=f"It is started again and the hole is counted as a gap. {_report(name)}",
    )


def hung(name: str, how: str) -> DeviceLost:
    """Its process was ended because `how`: "has not returned ..."."""
    return DeviceLost(
        f"The driver of {name} hangs: it {how}. Its process was ended.",
        remedy=f"It is started again and the hole is counted as a gap. {_report(name)}",
    )


def _report(name: str) -> str:
    return f"Report it to the driver's author, with isolated-{name}.log of the runtime folder."
