"""When waiting for a start makes no sense any more, and nobody is there to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenmin.block import Block
from tenmin.errors import DeviceError, DiskFull, DiskTooSlow, RigError
from tenmin.phases import Phase

PATIENCE_S = 60.0  # beyond what the gates themselves demand


def hopeless(
    block: Block, streams: Mapping[str, Any], reference: str, folder: str, now: float
) -> RigError | None:
    """Why a block that starts by itself will never start; None while it may.

    Parameters
    ----------
    block : Block
        Where it stands.
    streams : mapping
        The acquirer's numbers of each stream.
    reference : str
        Name of the primary stream.
    folder : str
        Where it would be recorded.
    now : float
        Host time, monotonic seconds.
    """
    if block.phase not in (Phase.PREFLIGHT, Phase.SETTLE):
        return None
    if streams.get(reference, {}).get("rate_hz") == 0:
        error: RigError = DeviceError(
            f"{reference} has no sampling rate, so it cannot be the clock of the block.",
            remedy="Make a stream with a rate the primary device in rig.toml.",
        )
        error.exit_code = 2
        return error
    if not block.request.automatic:
        return None
    for gate in block.gates:
        if gate.id == "disk" and gate.holds_up:
            return DiskFull(f"There is no room in {folder}: {gate.text}.")
        if gate.id == "disk_speed" and gate.holds_up and gate.value is not None:
            return DiskTooSlow(
                f"{folder} is too slow for this rig: {gate.text}.",
                remedy="Choose a faster disk with --out, end other programs that write to this "
                "one, or record fewer channels.",
            )
    asked = block.plan.alive_s if block.phase is Phase.PREFLIGHT else block.plan.settle_s
    if now - block.since > asked + block.plan.clock_s + PATIENCE_S and block.waiting:
        return DeviceError(
            f"The block could not start: {'; '.join(block.waiting)}.",
            remedy="Mend what is waited for, then start the block again.",
        )
    return None


def never_came(streams: Mapping[str, Any]) -> list[str]:
    """Streams that have not delivered anything though they should have a rhythm."""
    return [
        name
        for name, numbers in streams.items()
        if not numbers["received"] and numbers["state"] in ("lost", "waiting", "stalled")
    ]
