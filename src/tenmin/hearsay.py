"""What clients may write into the log of a block: their codes, and when it happened."""

from __future__ import annotations

from tenmin.errors import MessageRefused
from tenmin.phases import Event
from tenmin.service import messages

# The engine's own words: a block's history is read from them after a crash.
RESERVED = frozenset(
    {"abort", "extension", "gate", "label", "override", "phase", "protocol", "start", "verdict"}
)
AHEAD_S = 5.0  # clocks of other programs are the same one; what lies further ahead is a mistake
ENGINE = "engine"


def event_of(message: messages.Note | messages.Event, now: float, since: float) -> Event:
    """The event that a client's message tells.

    Parameters
    ----------
    message : Note or Event
        As it came.
    now, since : float
        Host time, and when the block began, monotonic seconds.

    Raises
    ------
    MessageRefused
        The code is the engine's own, or the time lies outside the block.
    """
    if message.code in RESERVED:
        raise MessageRefused(
            f"The code {message.code!r} is the engine's own.",
            remedy="Use a code of the protocol's vocabulary, or comment.",
        )
    onset = now if message.onset_host_ns is None else message.onset_host_ns * 1e-9
    if not since <= onset <= now + AHEAD_S:
        raise MessageRefused(
            f"onset_host_ns lies {onset - now:.0f} s from now, outside this block.",
            remedy="Give the host's monotonic clock in nanoseconds, or leave it out.",
        )
    if isinstance(message, messages.Note):
        return Event(onset, message.code, message.text, "operator", "human")
    source = message.source if message.source not in ("", ENGINE) else "client"
    return Event(onset, message.code, message.value, source, message.latency, message.duration_s)
