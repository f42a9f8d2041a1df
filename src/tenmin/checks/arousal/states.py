"""States of arousal, the modalities they are told from, and one tick of a track."""

from __future__ import annotations

from dataclasses import dataclass

# science.md C.1
UNKNOWN, ASLEEP, DROWSY, QUIET_WAKE, ACTIVE_WAKE, LOCOMOTION = range(6)
SUPPRESSED, NETWORK_QUIESCENT, NETWORK_BURST = 6, 7, 8
LABELS = (
    "unknown",
    "asleep",
    "drowsy",
    "quiet_wake",
    "active_wake",
    "locomotion",
    "suppressed",
    "network_quiescent",
    "network_burst",
)
COARSE = ("unknown", "low", "low", "quiet", "active", "active", "anaes", "invitro", "invitro")
NOT_LOW = "not_low"  # what quiet_wake is called where nothing but the brain was recorded

# science.md C.5
SPEED, PUPIL, FACE, LFP, EMG, ECG, EOG = 1, 2, 4, 8, 16, 32, 64
MODALITIES = {
    "speed": SPEED,
    "pupil": PUPIL,
    "face": FACE,
    "lfp": LFP,
    "emg": EMG,
    "ecg": ECG,
    "eog": EOG,
}


@dataclass(frozen=True, slots=True)
class Tick:
    """One point of a track.

    Attributes
    ----------
    t : float
        End of its 0.1-s bin, seconds.
    state : int
        Index into `LABELS`.
    confidence : float
        0 to 1.
    modalities : int
        Bits of what the state was told from.
    """

    t: float
    state: int
    confidence: float
    modalities: int


def coarse(state: int, modalities: int) -> str:
    """The coarse name of a state; from the brain alone no more than low and not low."""
    if state == QUIET_WAKE and modalities == LFP:
        return NOT_LOW
    return COARSE[state]
