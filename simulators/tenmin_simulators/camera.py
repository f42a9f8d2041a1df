"""A camera on eye and face: pupil, glints, lids, and a texture that moves (G10).

The left half of a frame is the eye: a dark disk with a smooth edge, its diameter known to a part
of a pixel, two glints on it, and a lid that covers it when the animal blinks. The right half is
the face: a texture that is shifted by a known step from frame to frame, so that motion energy
follows the animal's state. Frames come from a clock with jitter; those that were lost are missing
in the numbers and known. ::

    camera = Camera(np.random.default_rng(1), 36_000, behaviour=behaviour)
    frames = camera.frames(first, n)        # (n, height, width) uint8, ten times real time
    truth = camera.truth                    # one value a frame, and the frames lost
    kept = camera.kept()                    # numbers of the frames that were delivered

``tenmin sim camera`` sends the frames, one channel a pixel, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenmin_simulators.behaviour import PUPIL_MM, Behaviour, behave
from tenmin_simulators.blocks import Blocks, noise, wander
from tenmin_simulators.eyes import Lids
from tenmin_simulators.options import Fault, SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import lsl_device, source_id
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.truth import Event
from tenmin_simulators.wires import LslWire, OutletInfo

RATE_HZ = 60.0  # science E.1 G10
SIZE = (60, 120)  # height and width
FUR, IRIS, PUPIL, GLINT = 150.0, 105.0, 30.0, 250.0  # grey values at the usual exposure
TEXTURE_SD = 22.0
NOISE_SD = 2.0
PX_PER_MM = 14.0
GAZE_SD_PX = 1.0
STEP_PX = 0.4  # of the face in quiet wakefulness, from one frame to the next
REACH_PX = 8.0
BLINKS_PER_MIN = 1.5
BLOCK = 32
TRACES = ("pupil_mm", "closed", "step_px", "exposure")  # in the truth file, one a second
PLAYED_S = 3600.0  # after this a running camera begins anew


@dataclass(frozen=True)
class CameraTruth:
    """What each frame shows; arrays are (n_frames,), numbered as the camera numbers them.

    Attributes
    ----------
    time_s : ndarray
        When it was taken, jitter included.
    pupil_mm, pupil_px : ndarray
        Diameter.
    centre_px : ndarray, (n_frames, 2)
        Row and column of the pupil's centre.
    closed : ndarray
        How far the lids are shut, 0 to 1.
    step_px : ndarray
        How far the face has moved since the frame before.
    exposure : ndarray
        Brightness relative to the usual one.
    lost : ndarray of int
        Numbers of the frames that were never delivered.
    events : tuple of Event
        Blinks, steps of exposure (percent), runs of lost frames (frames).
    """

    time_s: np.ndarray
    pupil_mm: np.ndarray
    pupil_px: np.ndarray
    centre_px: np.ndarray
    closed: np.ndarray
    step_px: np.ndarray
    exposure: np.ndarray
    lost: np.ndarray
    events: tuple[Event, ...]


class Camera:
    """Frames of a camera, without end if need be: after `n_frames` the animal begins anew.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_frames : int
        Frames that the clock makes, the lost ones included.
    rate_hz : float
    behaviour : Behaviour, optional
        Drives pupil and face; without it both stay as in quiet wakefulness.
    lids : Lids, optional
        Shared with other streams of the rig; its own otherwise.
    drops : sequence of (int, int)
        (number, frames) that are lost.
    exposures : sequence of (float, float)
        (seconds, brightness from then on relative to the usual one).
    jitter : float
        SD of the frames' times, in periods.
    noise_sd : float
        Of the sensor, grey values.

    Attributes
    ----------
    truth : CameraTruth
    """

    def __init__(
        self,
        rng: np.random.Generator,
        n_frames: int,
        *,
        rate_hz: float = RATE_HZ,
        size: tuple[int, int] = SIZE,
        behaviour: Behaviour | None = None,
        lids: Lids | None = None,
        drops: Sequence[tuple[int, int]] = (),
        exposures: Sequence[tuple[float, float]] = (),
        jitter: float = 0.02,
        noise_sd: float = NOISE_SD,
    ) -> None:
        self.rate_hz, self.size, self.n_frames = rate_hz, size, n_frames
        self.lids = lids or Lids(np.random.default_rng(rng.integers(1 << 62)), BLINKS_PER_MIN)
        self._behaviour = behaviour
        self._drops, self._exposures = list(drops), sorted(exposures)
        clock = np.arange(n_frames) / rate_hz
        late = np.clip(jitter * rng.standard_normal(n_frames), -0.45, 0.45) / rate_hz
        self._time_s = clock + late
        self._signs = _turns(rng, n_frames)
        half = size[1] // 2
        middle = np.array([size[0] / 2.0, half / 2.0])
        self._centre = middle + wander(rng, n_frames, 1.0 / rate_hz, GAZE_SD_PX, 2.0, 2)
        self._texture = _texture(rng, size[0], size[1] - half + 2 * round(REACH_PX) + 4)
        self._grain = noise(rng, (size[0] * size[1],), BLOCK) if noise_sd else None
        self._noise_sd = noise_sd
        self._rows, self._columns = np.mgrid[0.0 : size[0], 0.0:half]
        self._blocks = Blocks(self._render, BLOCK)
        self._tell()

    def frames(self, first: int, n: int) -> np.ndarray:
        """Frames [first, first + n) by number, the lost ones included, (n, height, width) uint8."""
        return self._blocks.take(first, n)

    def kept(self) -> np.ndarray:
        """Numbers of the frames that were delivered."""
        return np.setdiff1d(np.arange(self.n_frames), self.truth.lost)

    def expose(self, at_s: float, brightness: float) -> None:
        """Let frames be brighter or darker from a time on, relative to the usual exposure."""
        self._exposures = sorted([*self._exposures, (at_s, brightness)])
        self.change()

    def change(self) -> None:
        """Look again at lids and behaviour, which were changed."""
        self._blocks.forget()
        self._tell()

    def _tell(self) -> None:
        t = np.arange(self.n_frames) / self.rate_hz
        pupil, motion = np.full(self.n_frames, 0.45), np.zeros(self.n_frames)
        if self._behaviour is not None:
            pupil, motion = self._behaviour.at("pupil", t), self._behaviour.at("motion", t)
        mm = PUPIL_MM[0] + (PUPIL_MM[1] - PUPIL_MM[0]) * pupil
        exposure = np.ones(self.n_frames)
        for at, brightness in self._exposures:
            exposure[t >= at] = brightness
        place = np.zeros(self.n_frames)
        steps = (STEP_PX * np.exp(0.5 * np.clip(motion, -2.0, 6.0))).tolist()
        for i, (step, sign) in enumerate(zip(steps[1:], self._signs[1:].tolist()), start=1):
            there = place[i - 1] + sign * step
            place[i] = there if abs(there) <= REACH_PX else place[i - 1] - sign * step
        self._place = np.clip(place, -REACH_PX, REACH_PX)
        lost = [np.arange(first, min(first + n, self.n_frames)) for first, n in self._drops]
        events = [*self.lids.events_until(self.n_frames / self.rate_hz)]
        events += [Event("exposure", (), at, at, 100.0 * (x - 1.0)) for at, x in self._exposures]
        events += [
            Event("drop", (), first / self.rate_hz, (first + n) / self.rate_hz, n)
            for first, n in self._drops
        ]
        self.truth = CameraTruth(
            time_s=self._time_s,
            pupil_mm=mm,
            pupil_px=PX_PER_MM * mm,
            centre_px=self._centre,
            closed=self.lids.closed(t),
            step_px=np.abs(np.diff(self._place, prepend=0.0)),
            exposure=exposure,
            lost=np.unique(np.concatenate([*lost, np.zeros(0)]).astype(np.int64)),
            events=tuple(sorted(events, key=lambda e: e.onset_s)),
        )

    def _render(self, block: int) -> np.ndarray:
        out = np.empty((BLOCK, *self.size), np.uint8)
        grain = None if self._grain is None else self._grain.block(block)
        half = self.size[1] // 2
        frame = np.empty(self.size)
        for k in range(BLOCK):
            i = (block * BLOCK + k) % self.n_frames
            frame[:, :half] = self._eye(i)
            frame[:, half:] = self._face(i)
            frame *= self.truth.exposure[i]
            if grain is not None:
                frame += self._noise_sd * grain[k].reshape(self.size)
            out[k] = np.clip(np.rint(frame), 0, 255)
        return out

    def _eye(self, i: int) -> np.ndarray:
        truth = self.truth
        row, column = truth.centre_px[i]
        distance = np.hypot(self._rows - row, self._columns - column)
        eye = self.size[0] * 0.46
        image = FUR + (IRIS - FUR) * _disk(distance, eye)
        image += (PUPIL - IRIS) * _disk(distance, truth.pupil_px[i] / 2.0)
        for shift in (-3.0, 3.0):
            spot = np.hypot(self._rows - row + 3.0, self._columns - column + shift)
            image += (GLINT - PUPIL) * _disk(spot, 1.2)
        if truth.closed[i] > 0:
            edge = self.size[0] / 2.0 + eye * (2.0 * truth.closed[i] - 1.0)
            lid = np.clip(edge - self._rows + 0.5, 0.0, 1.0)
            image += (FUR - image) * lid
        return np.minimum(image, 255.0)

    def _face(self, i: int) -> np.ndarray:
        width = self.size[1] - self.size[1] // 2
        start = self._place[i] + round(REACH_PX) + 1
        low = int(start)
        part = start - low
        left, right = self._texture[:, low : low + width], self._texture[:, low + 1 :][:, :width]
        return left + part * (right - left)


def _disk(distance: np.ndarray, radius: float) -> np.ndarray:
    """1 inside, 0 outside, straight over one pixel between."""
    return np.clip(radius - distance + 0.5, 0.0, 1.0)


def _turns(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.choice((-1.0, 1.0), n)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Grey hair: noise smoothed to a grain of two pixels."""
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij"))
    spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
    smooth = np.fft.irfft2(spectrum * np.exp(-0.5 * (f / 0.08) ** 2), (height, width))
    return 110.0 + TEXTURE_SD * (smooth - smooth.mean()) / smooth.std()


def build(options: SimOptions) -> Rig:
    """The camera, not plugged in yet."""
    origin, rate_hz = Origin(), options.rate_hz or RATE_HZ
    behaviour = behave(np.random.default_rng((options.seed, 2)), PLAYED_S)
    rng = np.random.default_rng((options.seed, 12))
    camera = Camera(rng, round(PLAYED_S * rate_hz), rate_hz=rate_hz, behaviour=behaviour)
    states = behaviour.takes()

    def make(first: int, n: int, t_s: float) -> np.ndarray:
        return camera.frames(first, n).reshape(n, -1).astype(np.int16)

    def take(fault: Fault, first: int, rig_s: float) -> None:
        onset = first / rate_hz % PLAYED_S
        if fault.kind == "blink":
            camera.lids.blink(onset)
        elif fault.kind == "eyes_closed":
            camera.lids.close(onset, onset + fault.value)
        elif fault.kind == "exposure":
            camera.expose(onset, 1.0 + fault.value / 100.0)
            return
        else:
            states[fault.kind](fault, first, onset)
        camera.change()

    def happened(t_s: float) -> list[Event]:
        return [e for e in camera.truth.events if e.onset_s < t_s]

    pixels = [f"{row}:{column}" for row in range(SIZE[0]) for column in range(SIZE[1])]
    info = OutletInfo(
        name="camera",
        type="VideoRaw",
        source_id=source_id("camera", "camera"),
        channels=pixels,
        rate_hz=rate_hz,
        dtype="int16",
        acquisition={"manufacturer": "tenmin", "model": "simulated camera"},
    )
    sender = Sender(
        name="camera",
        wire=LslWire(info),
        make=make,
        channels=pixels,
        clock=SampleClock(rate_hz),
        origin=origin,
        seed=options.seed,
        takes=dict.fromkeys(("blink", "eyes_closed", "exposure", *states), take),
        happened=happened,
    )
    shape = {"height": str(SIZE[0]), "width": str(SIZE[1])}
    table = lsl_device(sender) | {"primary": True, "facts": shape}
    name = f"lsl:{info.source_id}"

    def traces() -> dict[str, Any]:
        frames = np.arange(0, sender.next, round(rate_hz)) % camera.n_frames
        shown = {key: getattr(camera.truth, key)[frames].tolist() for key in TRACES}
        return {"traces": {"frame": frames.tolist(), **shown}}

    return Rig("camera", name, [sender], [table], origin, behaviour, more_truth=traces)


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)
