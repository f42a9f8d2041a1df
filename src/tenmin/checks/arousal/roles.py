"""Which stream gives which feature, from its kind, channel names and units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tenmin.checks.arousal.binning import Extractor
from tenmin.checks.arousal.body import Motion, Muscle, Speed
from tenmin.checks.arousal.brain import Brain
from tenmin.checks.arousal.eyes import Eyes
from tenmin.checks.arousal.field import Field, FieldMuscle
from tenmin.checks.arousal.heart import Heart
from tenmin.checks.arousal.pupil import Pupil
from tenmin.checks.arousal.ruleset import Ruleset
from tenmin.checks.arousal.session import ANAESTHESIA, HUMAN, IN_VITRO
from tenmin.checks.arousal.suppression import Suppression
from tenmin.stream import Stream

SPEED_UNITS = {"meters": 1.0, "meters/second": 1.0, "m/s": 1.0, "cm/s": 0.01, "mm/s": 0.001}
VOLTS_TO_UV = 1e6
POSITION, SPEED = "position", "speed"
PUPIL, MOTION, FIELD, FIELD_MUSCLE = "pupil", "motion", "field", "field_muscle"
EEG, EYES, EMG, ECG, SUPPRESSION = "eeg", "eyes", "emg", "ecg", "suppression"
SLOW_HZ = 2000.0  # what is faster is given to `Field` at about 1 kHz

MOVES = r"position|speed|velocity|treadmill|wheel|running|belt"
PUPILS = r"pupil(?!.*(x|y|position|confidence|likelihood)$)|diameter"
LIKELIHOODS = r"confidence|likelihood"
FACES = r"motion[_ ]?energy|face|whisk"
MUSCLES, HEARTS = r"emg|nuchal|chin", r"ecg|ekg"
VERTICALS, HORIZONTALS = r"veog", r"heog"


@dataclass(frozen=True)
class Role:
    """A feature's source.

    Attributes
    ----------
    stream : str
    what : str
        Which extractor.
    channels : tuple of int
        Columns of the stream, in the order that the extractor takes them.
    factor : float
        On top of the stream's own scaling: to metres, or to microvolts.
    rate_hz : float
        Of the samples; 0 for events.
    labels : tuple of str
        Of the columns.
    n_vertical : int
        How many of the columns of `EYES` are the vertical ones.
    """

    stream: str
    what: str
    channels: tuple[int, ...]
    factor: float
    rate_hz: float
    labels: tuple[str, ...]
    n_vertical: int = 0

    def extractor(self, origin_s: float, rules: Ruleset, is_human: bool = False) -> Extractor:
        """A new extractor for it; tick 0 begins at `origin_s`, seconds."""
        rate = self.rate_hz
        if self.what in (POSITION, SPEED):
            return Speed(origin_s, rules, self.what == POSITION, is_event=rate == 0)
        if self.what == PUPIL:
            return Pupil(origin_s, rules)
        if self.what == MOTION:
            return Motion(origin_s, rules, hold_s=max(0.2, 2.0 / rate) if rate else 0.5)
        if self.what == EEG:
            return Brain(origin_s, rules, rate, self.labels)
        if self.what == EYES:
            n = self.n_vertical
            return Eyes(origin_s, rules, rate, n, len(self.channels) > n)
        if self.what == ECG:
            return Heart(origin_s, rules, rate, is_human)
        makers = {
            FIELD: Field,
            FIELD_MUSCLE: FieldMuscle,
            EMG: Muscle,
            SUPPRESSION: Suppression,
        }
        return makers[self.what](origin_s, rules, rate)


def roles(streams: Iterable[Stream], family: str, rules: Ruleset) -> tuple[Role, ...]:
    """All roles of a rig's streams.

    Parameters
    ----------
    streams : iterable of Stream
    family : str
        As of `tenmin.checks.arousal.session.family`; a network in vitro has none.
    rules : Ruleset

    Returns
    -------
    tuple of Role
        One stream may have several; of features that two streams give, the first one's.
    """
    if family == IN_VITRO:
        return ()
    found: dict[str, Role] = {}
    for stream in streams:
        if stream.is_marker or stream.kind in ("frames", "marker"):
            continue
        for role in (*_measured(stream), *_electrical(stream, family, rules)):
            key = SPEED if role.what == POSITION else role.what
            found.setdefault(key, role)
    return tuple(found.values())


def _unit(stream: Stream, at: int) -> str:
    return stream.channel_units[at] if stream.channel_units else stream.unit


def _matching(stream: Stream, pattern: str) -> list[int]:
    return [i for i, name in enumerate(stream.channels) if re.search(pattern, name, re.IGNORECASE)]


def _role(stream: Stream, what: str, at: Sequence[int], factor: float, n_vertical: int = 0) -> Role:
    labels = tuple(stream.channels[i] for i in at)
    return Role(stream.name, what, tuple(at), factor, stream.rate_hz, labels, n_vertical)


def _measured(stream: Stream) -> list[Role]:
    """Roles of a stream of behaviour: positions, pupil, motion energy."""
    found: list[Role] = []
    if stream.is_electrical:
        return found
    named = re.search(MOVES, stream.name, re.IGNORECASE) is not None
    for i in _matching(stream, MOVES) or (range(stream.n_channels) if named else ()):
        unit = _unit(stream, i)
        pupil = re.search("pupil|eye|gaze", stream.channels[i] + stream.name, re.IGNORECASE)
        if unit in SPEED_UNITS and not pupil:
            what = POSITION if unit == "meters" else SPEED
            found.append(_role(stream, what, [i], SPEED_UNITS[unit]))
            break
    pupils = _matching(stream, PUPILS)
    if pupils:
        sure = [i for i in _matching(stream, LIKELIHOODS) if i not in pupils]
        found.append(_role(stream, PUPIL, [pupils[0], *sure[:1]], 1.0))
    faces = [i for i in _matching(stream, FACES) if i not in pupils]
    if faces:
        found.append(_role(stream, MOTION, faces, 1.0))
    return found


def _electrical(stream: Stream, family: str, rules: Ruleset) -> list[Role]:
    """Roles of potentials: muscle, heart, eyes by name, and the brain by the stream's kind."""
    volts = [i for i in range(stream.n_channels) if _unit(stream, i) == "volts"]
    if not volts or not stream.is_regular:
        return []
    emg, ecg = ([i for i in _matching(stream, p) if i in volts] for p in (MUSCLES, HEARTS))
    named = re.search(MUSCLES, stream.name, re.I), re.search(HEARTS, stream.name, re.I)
    if not stream.is_electrical and not emg and not ecg:
        emg, ecg = (volts if hit else [] for hit in named)
    found = [_role(stream, EMG, emg, VOLTS_TO_UV)] if emg else []
    found += [_role(stream, ECG, ecg[:1], VOLTS_TO_UV)] if ecg else []
    eyes = _eyes(stream, volts)
    others = {*emg, *ecg, *_matching(stream, r"eog")}
    brain = [i for i in volts if i not in others] if stream.is_electrical else []
    if family == HUMAN:
        found += [eyes] if eyes else []
        if brain and stream.kind == "eeg":
            found.append(_role(stream, EEG, brain, VOLTS_TO_UV))
    elif brain and stream.kind != "patch":
        some = spread(brain, round(rules["delta"]["n_channels"]))
        found.append(_role(stream, FIELD, some, VOLTS_TO_UV))
        if family == ANAESTHESIA:
            found.append(_role(stream, SUPPRESSION, some, VOLTS_TO_UV))
        if stream.rate_hz >= rules["emg_lfp"]["least_rate_hz"] and len(brain) > 1:
            far = spread(brain, round(rules["emg_lfp"]["n_channels"]))
            found.append(_role(stream, FIELD_MUSCLE, far, VOLTS_TO_UV))
    return found


def _eyes(stream: Stream, volts: Sequence[int]) -> Role | None:
    """Vertical and horizontal EOG by name, else Fp1 and Fp2, and F7 against F8."""

    def named(*names: str) -> list[int]:
        bare = [re.sub(r"^EEG\s*|[-_\s].*$|\.+$", "", c.strip()).lower() for c in stream.channels]
        return [bare.index(n) for n in names if n in bare and bare.index(n) in volts]

    vertical = _matching(stream, VERTICALS)[:1] or named("fp1", "fp2") or named("af7", "af8")
    sides = named("f7", "f8")
    horizontal = _matching(stream, HORIZONTALS)[:1] or (sides if len(sides) == 2 else [])
    if not vertical and not horizontal:
        return None
    return _role(stream, EYES, [*vertical, *horizontal], VOLTS_TO_UV, len(vertical))


def spread(columns: Sequence[int], n: int) -> list[int]:
    """At most `n` of the columns, evenly spread."""
    if len(columns) <= n:
        return list(columns)
    return [columns[round(k * (len(columns) - 1) / (n - 1))] for k in range(n)]
