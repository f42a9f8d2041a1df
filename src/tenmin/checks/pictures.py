"""Streams whose samples are pictures: their checks frame by frame, and their mean as a trace.

A stream of pictures has a channel for each pixel, row after row, and tells ``height`` and
``width`` in its facts. With ``dark_offset``, ``max_code`` or ``um_per_px`` it is a microscope's,
else a camera's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tenmin.checks.focus import Axial
from tenmin.checks.imaging import Fading, Motion, PixelSaturation, dark_offset
from tenmin.checks.judged import Judged
from tenmin.checks.parameters import ParameterSet
from tenmin.checks.pupil import Picture
from tenmin.checks.setting import Setting
from tenmin.checks.single import times_of
from tenmin.errors import FaultyFile
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

MICROSCOPE = ("dark_offset", "max_code", "um_per_px")
MEAN = "frame_mean"


def is_pictures(stream: Stream) -> bool:
    """Whether the samples of a regular stream are pictures."""
    told = stream.facts.get("height", ""), stream.facts.get("width", "")
    if not stream.is_regular or stream.is_marker or not all(text.isdigit() for text in told):
        return False
    return int(told[0]) * int(told[1]) == stream.n_channels


def is_microscope(stream: Stream) -> bool:
    """Whether they are a microscope's."""
    return is_pictures(stream) and any(fact in stream.facts for fact in MICROSCOPE)


def is_camera(stream: Stream) -> bool:
    """Whether they are a camera's."""
    return is_pictures(stream) and not is_microscope(stream)


class Frames:
    """A check that takes frames, fed with the pieces of their stream.

    Parameters
    ----------
    stream : Stream
    check : object
        With ``verdict(now_s)``.
    take : callable
        Takes frames, (n, height, width), counts, and their times, (n,), seconds.
    """

    def __init__(
        self, stream: Stream, check: Any, take: Callable[[np.ndarray, np.ndarray], None]
    ) -> None:
        self.stream, self._check, self._take = stream, check, take
        self._shape = int(stream.facts["height"]), int(stream.facts["width"])

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        frames = piece.samples.reshape(len(piece.samples), *self._shape)
        self._take(frames, times_of(self.stream, piece))

    def restart(self) -> None:
        """The block begins."""
        if hasattr(self._check, "restart"):
            self._check.restart()

    def verdict(self, now_s: float) -> Verdict:
        """Judge what came; one tick."""
        verdict: Verdict = self._check.verdict(now_s)
        return verdict


def saturation(stream: Stream, parameters: ParameterSet) -> Frames:
    """Q42; unknown without the fact ``max_code``."""
    highest = float(stream.facts.get("max_code", "nan"))
    check = PixelSaturation(stream.name, parameters, highest)
    known = highest == highest
    return Frames(stream, check, lambda frames, _: check.feed_frames(frames) if known else None)


def motion(stream: Stream, parameters: ParameterSet) -> Frames:
    """Q44; unknown without the fact ``um_per_px``."""
    told = stream.facts.get("um_per_px")
    um_per_px = None if told is None else float(told)
    return _one_by_one(stream, Motion(stream.name, parameters, um_per_px, dark_offset(stream)))


def fading(stream: Stream, parameters: ParameterSet) -> Frames:
    """Q41."""
    return _one_by_one(stream, Fading(stream.name, parameters, dark_offset(stream)))


def axial(stream: Stream, parameters: ParameterSet) -> Frames:
    """Q45, by the stack of the facts ``stack`` and ``stack_step_um``.

    Raises
    ------
    FaultyFile
        The stack cannot be read, or has frames of another size.
    """
    size = int(stream.facts["height"]), int(stream.facts["width"])
    path = stream.facts["stack"]
    try:
        stack = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FaultyFile(f"The reference stack {path} cannot be read: {error}") from error
    if stack.ndim != 3 or len(stack) < 3 or stack.shape[1:] != size:
        raise FaultyFile(f"The reference stack {path} is {stack.shape}, not (3 or more, {size}).")
    step_um = float(stream.facts["stack_step_um"])
    return _one_by_one(stream, Axial(stream.name, parameters, stack, step_um, dark_offset(stream)))


def has_stack(stream: Stream) -> bool:
    """Whether they are a microscope's whose field has a reference stack."""
    return is_microscope(stream) and {"stack", "stack_step_um"} <= set(stream.facts)


def _one_by_one(stream: Stream, check: Motion | Fading | Axial) -> Frames:
    def take(frames: np.ndarray, times: np.ndarray) -> None:
        for frame, at in zip(frames, times, strict=True):
            check.feed_frame(frame, float(at))

    return Frames(stream, check, take)


def picture(stream: Stream, parameters: ParameterSet) -> Frames:
    """Q20b; the fact ``white`` is the grey level of white, 255 by default."""
    white = float(stream.facts.get("white", "255"))
    check = Picture(stream.name, parameters, white)

    def take(frames: np.ndarray, times: np.ndarray) -> None:
        for frame in frames:
            check.feed_frame(frame)

    return Frames(stream, check, take)


def trace_of(stream: Stream) -> Stream:
    """The stream of the means of its frames."""
    return replace(stream, channels=(MEAN,), channel_scales=(), channel_units=(), dtype="float64")


class JudgedMean(Judged):
    """Checks of the trace of mean brightness of a stream of pictures (Q40)."""

    def __init__(self, stream: Stream, setting: Setting) -> None:
        super().__init__(trace_of(stream), setting)

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        means = piece.samples.mean(axis=1, dtype=np.float64, keepdims=True)
        super().feed(piece._replace(samples=means))
