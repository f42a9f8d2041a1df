"""The features of science.md C.2, side by side at one tick."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

NAN = math.nan

# name: unit, what it is
FEATURES = {
    "speed": ("cm/s", "running speed, absolute, smoothed over 0.3 s"),
    "pupil": ("1", "pupil between its 5 % and 95 % quantiles, smoothed over 0.5 s"),
    "pupil_size": ("of the stream", "pupil as measured, blinks filled up to 1 s"),
    "pupil_rate": ("1/s", "derivative of the pupil smoothed over 1 s"),
    "motion": ("z", "log(1 + motion energy) against the still animal, smoothed over 0.4 s"),
    "delta": ("z", "log10 of power 1-4 Hz over 30-80 Hz against the settling, over 2 s"),
    "theta": ("1", "power 5-10 Hz over 2-20 Hz"),
    "emg_lfp": ("1", "mean correlation of distant channels at 300-600 Hz"),
    "emg": ("z", "log10 of the robust SD at 20-200 Hz against the settling, over 0.5 s"),
    "heart_rate": ("1/min", "heart rate over 60 s"),
    "rmssd": ("s", "root mean square of successive differences of R-R intervals over 60 s"),
    "slope": ("1", "slope of log power on log frequency, 2-40 Hz without 7-14 Hz, over 30 s"),
    "alpha_fraction": ("1", "occipital power 8-12 Hz over 1-20 Hz"),
    "theta_fraction": ("1", "frontal power 4-7 Hz over 1-20 Hz"),
    "delta_fraction": ("1", "central power 1-4 Hz over 1-20 Hz"),
    "alpha_power": ("uV^2", "occipital power 8-12 Hz"),
    "alpha_epoch": ("1", "occipital power 8-12 Hz over 1-20 Hz of the last 2 s"),
    "theta_epoch": ("1", "frontal power 4-7 Hz over 1-20 Hz of the last 2 s"),
    "spindle": ("1", "1 in a second that holds a spindle of 11-16 Hz"),
    "sem": ("1", "1 during slow eye movements"),
    "blink_rate": ("1/min", "blinks over 60 s"),
    "blink_s": ("s", "median duration of the blinks of 60 s"),
    "closed": ("1", "share of 60 s in which the eyes were closed"),
    "eyes_shut": ("1", "1 while the eyes are closed for more than 0.5 s"),
    "muscle": ("1", "1 in a bin with muscle or head movement"),
    "suppressed": ("1", "share of the 0.1-s bin in suppression"),
    "suppression_ratio": ("1", "share of 60 s in suppression"),
    "activity": ("1/s", "threshold crossings of all channels"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What is known at one tick; NaN where it is not. Names and units as in `FEATURES`."""

    speed: float = NAN
    pupil: float = NAN
    pupil_size: float = NAN
    pupil_rate: float = NAN
    motion: float = NAN
    delta: float = NAN
    theta: float = NAN
    emg_lfp: float = NAN
    emg: float = NAN
    heart_rate: float = NAN
    rmssd: float = NAN
    slope: float = NAN
    alpha_fraction: float = NAN
    theta_fraction: float = NAN
    delta_fraction: float = NAN
    alpha_power: float = NAN
    alpha_epoch: float = NAN
    theta_epoch: float = NAN
    spindle: float = NAN
    sem: float = NAN
    blink_rate: float = NAN
    blink_s: float = NAN
    closed: float = NAN
    eyes_shut: float = NAN
    muscle: float = NAN
    suppressed: float = NAN
    suppression_ratio: float = NAN
    activity: float = NAN


NAMES = tuple(field.name for field in fields(Features))


def known(value: float) -> bool:
    """Whether a feature is there."""
    return value == value
