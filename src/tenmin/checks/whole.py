"""Our checks of whole streams in a block: which apply where, each behind the watcher's interface.

What each looks at in a `Stream` is said in `OFFERS`; docs/reference/checks.md has it in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenmin.checks.contract import Check
from tenmin.checks.environment import Light, Sound, Temperature, channel_of
from tenmin.checks.frames import FrameDrops, FrameTriggers
from tenmin.checks.guard import Guarded, guarded
from tenmin.checks.parameters import ParameterSet
from tenmin.checks.patch import PatchNoise, potentials
from tenmin.checks.pictures import (
    axial,
    fading,
    has_stack,
    is_camera,
    is_microscope,
    motion,
    picture,
    saturation,
)
from tenmin.checks.pulses import Pulses as TestPulses
from tenmin.checks.pupil import PictureNumbers, PupilLost, PupilNoise
from tenmin.checks.setting import Setting
from tenmin.checks.single import Single
from tenmin.checks.sync import Paired, Pairs, Pulses, Sync, has_sync
from tenmin.checks.timing import Gaps, sync_checks
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict


class Whole(Check):
    """A check with ``feed(piece)`` and ``verdict(now_s)`` as the contract has it."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        self._made.feed(piece)

    def tick(self, now_s: float) -> Verdict:
        """Judge at `now_s`."""
        verdict: Verdict = self._made.verdict(now_s)
        return verdict

    def restart(self) -> None:
        """The recording begins."""
        if hasattr(self._made, "restart"):
            self._made.restart()

    def skipped(self, n: int) -> None:
        """The `n` samples before the next piece were not seen."""
        if hasattr(self._made, "skipped"):
            self._made.skipped(n)


class Counting(Whole):
    """A check whose index tells it what it did not see: such a second is as good as any."""

    needs_every_sample = False


class Tests(Counting):
    """Q21: what the last test pulses say, four verdicts of one test."""

    name = TestPulses.NAMES[0]

    def __init__(self, made: TestPulses) -> None:
        super().__init__(made)
        self.told: list[Verdict] = []

    def tick(self, now_s: float) -> Verdict:
        """The first of the four; `told` has all."""
        self.told = self._made.verdicts(now_s)
        return self.told[0]


class GuardedTests(Guarded):
    """`Tests`, whose exceptions make all of its verdicts UNKNOWN."""

    def verdicts(self, now_s: float) -> list[Verdict]:
        """Those of the last test."""
        first = self.tick(now_s)
        if self._row or not isinstance(self.check, Tests):
            return [replace(first, check=name) for name in TestPulses.NAMES]
        return self.check.told


class Balance:
    """Q20c, Q46: frames against the triggers that another stream counts.

    Unknown before the recording: its streams may have been opened at different times.
    """

    def __init__(
        self, stream: Stream, triggers: str, setting: Setting, *, imaging: bool = False
    ) -> None:
        self.stream, self.triggers, self.setting, self.imaging = stream, triggers, setting, imaging
        table = "imaging_triggers" if imaging else "frame_triggers"
        self._unknown = Single(stream.name, setting.parameters[table])
        self._check: FrameTriggers | None = None

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the frames."""
        if self._check is not None:
            self._check.feed(piece)

    def restart(self) -> None:
        """The recording begins: both are counted from now on."""
        count = self.setting.peers.frames.get(self.triggers)
        if count is not None:
            parameters = self.setting.parameters
            self._check = FrameTriggers(self.stream, count, parameters, imaging=self.imaging)
            self._check.restart()

    def verdict(self, now_s: float) -> Verdict:
        """Judge the balance; one tick."""
        return self._unknown.verdict() if self._check is None else self._check.verdict(now_s)


@dataclass(frozen=True)
class Offer:
    """A check, where it applies, and how it is made."""

    name: str
    applies: Callable[[Stream], bool]
    make: Callable[[Stream, Setting], Any]
    counts: bool = False  # what was not seen does it no harm


def _by_parameters(kind: Callable[[Stream, ParameterSet], Any]) -> Callable[[Stream, Setting], Any]:
    return lambda stream, setting: kind(stream, setting.parameters)


def _gaps(stream: Stream, setting: Setting) -> Gaps:
    return Gaps(stream, setting.parameters, primary=stream.name == setting.peers.primary)


def _drops(stream: Stream, setting: Setting) -> FrameDrops:
    made = FrameDrops(stream, setting.parameters)
    if stream.kind == "frames":
        setting.peers.frames[stream.name] = made.count
    return made


def _noise(name: str) -> Offer:
    def make(stream: Stream, setting: Setting) -> PatchNoise:
        return PatchNoise(stream, setting.parameters[name])

    return Offer(name, _is_potential, make)


def _balance(fact: str, *, imaging: bool) -> Callable[[Stream, Setting], Balance]:
    return lambda stream, setting: Balance(stream, stream.facts[fact], setting, imaging=imaging)


def _sync(stream: Stream, setting: Setting) -> Sync:
    made = setting.peers.pulses[stream.name] = Pulses(stream)
    return Sync(made, setting.parameters, setting.facts.get("sync.pulse_period_s"))


def _is_regular(stream: Stream) -> bool:
    return stream.is_regular and not stream.is_marker


def _is_potential(stream: Stream) -> bool:
    return stream.kind == "patch" and bool(np.isfinite(potentials(stream)).any())


def _has_frames(stream: Stream) -> bool:
    """A frame clock, pictures, or a stream of which the rig says that its samples are frames."""
    if stream.kind == "frames" or is_camera(stream) or is_microscope(stream):
        return True
    told = any(key in stream.facts for key in ("fps", "triggers", "frame_clock"))
    return _is_regular(stream) and told


def _has_pupil(stream: Stream) -> bool:
    return _is_regular(stream) and any("pupil" in name.lower() for name in stream.channels)


def _senses(words: tuple[str, ...]) -> Callable[[Stream], bool]:
    def has(stream: Stream) -> bool:
        room = stream.kind in ("environment", "behavior") and not stream.is_marker
        return room and channel_of(stream, words) is not None

    return has


OFFERS = (
    Offer("gaps", _is_regular, _gaps, counts=True),
    Offer("frame_drops", _has_frames, _drops, counts=True),
    Offer("frame_triggers", lambda s: "triggers" in s.facts, _balance("triggers", imaging=False)),
    Offer(
        "imaging_triggers",
        lambda s: "frame_clock" in s.facts,
        _balance("frame_clock", imaging=True),
    ),
    Offer("pupil_lost", _has_pupil, _by_parameters(PupilLost)),
    Offer("pupil_snr", _has_pupil, _by_parameters(PupilNoise)),
    Offer("camera", is_camera, _by_parameters(picture)),
    Offer("camera", PictureNumbers.applies, _by_parameters(PictureNumbers)),
    Offer("pixel_saturation", is_microscope, _by_parameters(saturation)),
    Offer("motion", is_microscope, _by_parameters(motion)),
    Offer(
        "bleaching",
        lambda s: is_microscope(s) and "dark_offset" in s.facts,
        _by_parameters(fading),
    ),
    Offer("axial", has_stack, _by_parameters(axial)),
    Offer("light", _senses(Light.words), _by_parameters(Light)),
    Offer("sound", _senses(Sound.words), _by_parameters(Sound)),
    Offer("temperature", _senses(Temperature.words), _by_parameters(Temperature)),
    _noise("patch_noise_fast"),
    _noise("patch_noise_slow"),
    Offer("sync", has_sync, _sync),
)


def whole(stream: Stream, setting: Setting) -> Iterator[Guarded]:
    """The checks of whole streams that apply to one."""
    for offer in OFFERS:
        if offer.applies(stream):
            yield from guarded(offer.name, stream, _factory(offer, setting))
    if TestPulses.applies(stream):
        yield GuardedTests(Tests.name, stream, Tests(TestPulses(stream, setting)))
    if has_sync(stream) and stream.name != setting.peers.primary:
        yield from _by_pulses(stream, setting)


def _factory(offer: Offer, setting: Setting) -> Callable[[Stream], Check]:
    wrap = Counting if offer.counts else Whole
    return lambda stream: wrap(offer.make(stream, setting))


def _by_pulses(stream: Stream, setting: Setting) -> Iterator[Guarded]:
    """Q32-Q35 against the reference, whose pulses may come later."""
    pairs = Pairs(setting.peers.pulses[stream.name], setting.peers)
    for check in sync_checks(stream, setting.parameters, pairs.points):
        name, made = check.parameters.name, Whole(Paired(pairs, check))
        yield Guarded(name, stream, made)
