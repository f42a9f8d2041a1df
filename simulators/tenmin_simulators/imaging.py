"""Two-photon imaging: cells, bleaching, shot noise, motion in three axes, saturation (G11).

Cells and neuropil are Gaussian blobs at known places and depths, so a shift by any part of a
pixel is exact, and so is a change of focus: each blob dims with its distance from the focal
plane. Light bleaches as exp(-t / tau); a pixel's code is ``offset + gain * Poisson(photons)`` plus
noise of the amplifier, and ends at `MAX_CODE`. ::

    imaging = Imaging(np.random.default_rng(1), 18_000)
    frames = imaging.frames(first, n)       # (n, height, width) uint16, ten times real time
    truth = imaging.truth                   # x, y, z of each frame, tau, gain, spikes, events
    planes = imaging.stack(np.arange(-20.0, 21.0))      # reference stack, without noise

Positive x and y move the image to higher columns and rows. ``tenmin sim imaging`` sends the
frames, one channel a pixel, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenmin_simulators.blocks import Blocks, seed, wander
from tenmin_simulators.options import Fault, SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import lsl_device, source_id
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.truth import Event
from tenmin_simulators.wires import LslWire, OutletInfo

RATE_HZ = 30.0
SIZE = (64, 64)
UM_PER_PX = 2.0
TAU_S = 3000.0  # science E.1 G11
MOTION_UM = 1.0  # science E.1 G11
MOTION_TAU_S = 2.0
DRIFT_TAU_S = 120.0  # of the focus
CELLS, NEUROPIL = 24, 60
CELL_PX, NEUROPIL_PX = (1.6, 2.6), (4.0, 9.0)  # SDs of the blobs
DEPTH_UM = 15.0  # cells lie within this of the focal plane
AXIAL_UM = 8.0  # SD of the focus
DIM, CELL, BLOB = 8.0, (30.0, 90.0), (3.0, 10.0)  # photons a pixel and frame
GAIN, OFFSET, READ_SD = 12.0, 100.0, 2.0  # codes
MAX_CODE = 4095  # 12 bits
EVENTS_HZ, DECAY_S, RISE = 0.1, 1.0, 1.0  # calcium: transients a second, decay, dF/F of one
TRACES = ("x_um", "y_um", "z_um")  # in the truth file, one value a second
BRIGHT = 8.0  # an overexposed frame has this many times the light
BLOCK = 32
PLAYED_S = 3600.0  # after this the motion of a running microscope begins anew


@dataclass(frozen=True)
class ImagingTruth:
    """What was imaged; arrays over frames are (n_frames,).

    Attributes
    ----------
    tau_s, gain, offset, read_sd, um_per_px : float
    x_um, y_um, z_um : ndarray
        Where the image is, and the focus relative to the reference plane.
    places_px : ndarray, (n_cells, 2)
        Row and column of each cell in the unmoved image.
    depth_um : ndarray, (n_cells,)
    transients_s : tuple of ndarray
        Onsets of each cell's transients.
    light : ndarray
        Relative to the first frame: bleaching and overexposure.
    events : tuple of Event
        Steps of the image and of the focus (um), overexposure.
    """

    tau_s: float
    gain: float
    offset: float
    read_sd: float
    um_per_px: float
    x_um: np.ndarray
    y_um: np.ndarray
    z_um: np.ndarray
    places_px: np.ndarray
    depth_um: np.ndarray
    transients_s: tuple[np.ndarray, ...]
    light: np.ndarray
    events: tuple[Event, ...]

    def loss_at(self, t_s: float) -> float:
        """Percent of the light that is bleached by then."""
        return -100.0 * float(np.expm1(-t_s / self.tau_s))


class Imaging:
    """Frames of a microscope; after `n_frames` motion and cells begin anew, bleaching goes on.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_frames : int
    tau_s : float
        Of bleaching; infinite for none.
    motion_um, focus_um : float
        SDs of the lateral motion, each axis, and of the focus.
    activity : bool
        Whether cells have transients.
    shifts, focuses : sequence of (float, float)
        (seconds, micrometres): steps in x and in z, from then on.
    overexposed : sequence of (float, float)
        (onset, offset) of too much light.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        n_frames: int,
        *,
        rate_hz: float = RATE_HZ,
        size: tuple[int, int] = SIZE,
        um_per_px: float = UM_PER_PX,
        tau_s: float = TAU_S,
        motion_um: float = MOTION_UM,
        focus_um: float = MOTION_UM,
        activity: bool = True,
        shifts: Sequence[tuple[float, float]] = (),
        focuses: Sequence[tuple[float, float]] = (),
        overexposed: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.rate_hz, self.size, self.n_frames = rate_hz, size, n_frames
        self.um_per_px, self.tau_s = um_per_px, tau_s
        self._shifts, self._focuses = list(shifts), list(focuses)
        self._overexposed = list(overexposed)
        self._bleaching: list[tuple[float, float]] = []  # since when another time constant holds
        self._place_blobs(rng)
        step = 1.0 / rate_hz
        self._lateral = wander(rng, n_frames, step, motion_um, MOTION_TAU_S, 2)
        self._focus = wander(rng, n_frames, step, focus_um, DRIFT_TAU_S)[:, 0]
        self._transients = tuple(
            np.sort(rng.uniform(0, n_frames * step, rng.poisson(EVENTS_HZ * n_frames * step)))
            for _ in range(CELLS * activity)
        )
        self._activity = self._rises()
        self._key = seed(rng)
        self._blocks = Blocks(self._render, BLOCK)
        self._tell()

    def frames(self, first: int, n: int) -> np.ndarray:
        """Frames [first, first + n), (n, height, width) uint16."""
        return self._blocks.take(first, n)

    def photons(self, frames: np.ndarray) -> np.ndarray:
        """Expected photons of some frames by number, (n, height, width), noise left out."""
        i = np.asarray(frames) % self.n_frames
        brightness = self._brightness(self.truth.z_um[i])
        if len(self._transients):
            brightness[:, :CELLS] *= 1.0 + self._activity[i]
        light = self._light(np.asarray(frames))[:, None, None]
        return light * self._image(brightness, self.truth.x_um[i], self.truth.y_um[i])

    def stack(self, planes_um: np.ndarray) -> np.ndarray:
        """The reference stack, (n_planes, height, width): codes without noise or bleaching."""
        rest = np.zeros(len(planes_um))
        image = self._image(self._brightness(np.asarray(planes_um, np.float64)), rest, rest)
        return np.minimum(OFFSET + GAIN * image, MAX_CODE)

    def shift(self, at_s: float, um: float) -> None:
        """Let the image stand `um` further in x from a time on."""
        self._shifts.append((at_s, um))
        self._change()

    def focus(self, at_s: float, um: float) -> None:
        """Let the focus be `um` off from a time on."""
        self._focuses.append((at_s, um))
        self._change()

    def overexpose(self, onset_s: float, offset_s: float) -> None:
        """Too much light for a while: bright pixels end at the highest code."""
        self._overexposed.append((onset_s, offset_s))
        self._change()

    def bleach(self, at_s: float, tau_s: float) -> None:
        """Let the light fade with another time constant from a time on."""
        self._bleaching.append((at_s, tau_s))
        self._change()

    def _change(self) -> None:
        self._blocks.forget()
        self._tell()

    def _place_blobs(self, rng: np.random.Generator) -> None:
        n = CELLS + NEUROPIL
        height, width = self.size
        margin = np.array([-6.0, -6.0])
        self._at = rng.uniform(margin, np.array([height, width]) - margin, (n, 2))
        self._sd = np.concatenate(
            (rng.uniform(*CELL_PX, CELLS), rng.uniform(*NEUROPIL_PX, NEUROPIL))
        )
        self._peak = np.concatenate((rng.uniform(*CELL, CELLS), rng.uniform(*BLOB, NEUROPIL)))
        self._depth = rng.uniform(-DEPTH_UM, DEPTH_UM, n)
        # A broad blob is a deep one too: it stays in focus for longer.
        self._axial = AXIAL_UM * np.maximum(1.0, self._sd / CELL_PX[1])

    def _rises(self) -> np.ndarray:
        t = np.arange(self.n_frames) / self.rate_hz
        out = np.zeros((self.n_frames, max(1, len(self._transients))))
        for k, onsets in enumerate(self._transients):
            for onset in onsets.tolist():
                first = int(np.ceil(onset * self.rate_hz))
                part = slice(first, first + round(8 * DECAY_S * self.rate_hz))
                out[part, k] += RISE * np.exp(-(t[part] - onset) / DECAY_S)
        return out

    def _tell(self) -> None:
        t = np.arange(self.n_frames) / self.rate_hz
        x, y, z = *self._lateral.T, self._focus.copy()
        x = x.copy()
        events = []
        for axis, kind, steps in ((x, "shift", self._shifts), (z, "focus", self._focuses)):
            for at, um in steps:
                axis[t >= at] += um
                events.append(Event(kind, (), at, at, um))
        events += [Event("bleach", (), at, at, tau_s) for at, tau_s in self._bleaching]
        events += [Event("overexpose", (), on, off, BRIGHT) for on, off in self._overexposed]
        self.truth = ImagingTruth(
            tau_s=self.tau_s,
            gain=GAIN,
            offset=OFFSET,
            read_sd=READ_SD,
            um_per_px=self.um_per_px,
            x_um=x,
            y_um=y,
            z_um=z,
            places_px=self._at[:CELLS],
            depth_um=self._depth[:CELLS],
            transients_s=self._transients,
            light=self._light(np.arange(self.n_frames)),
            events=tuple(sorted(events, key=lambda e: e.onset_s)),
        )

    def _light(self, frames: np.ndarray) -> np.ndarray:
        t = frames / self.rate_hz
        faded, tau_s = t / self.tau_s, self.tau_s
        for at, after_s in sorted(self._bleaching):
            faded = faded + np.maximum(t - at, 0.0) * (1.0 / after_s - 1.0 / tau_s)
            tau_s = after_s
        light = np.exp(-faded)
        for onset, offset in self._overexposed:
            light[(t >= onset) & (t < offset)] *= BRIGHT
        return light

    def _brightness(self, z_um: np.ndarray) -> np.ndarray:
        away = (z_um[:, None] - self._depth) / self._axial
        return self._peak * np.exp(-0.5 * away**2)

    def _image(self, brightness: np.ndarray, x_um: np.ndarray, y_um: np.ndarray) -> np.ndarray:
        """Sum of the blobs: each is a Gaussian down times one across."""
        y, x = y_um / self.um_per_px, x_um / self.um_per_px
        down = self._profile(self.size[0], self._at[:, 0], y)
        across = self._profile(self.size[1], self._at[:, 1], x)
        return DIM + np.matmul((down * brightness[:, None]), across.transpose(0, 2, 1))

    def _profile(self, n: int, at: np.ndarray, shift: np.ndarray) -> np.ndarray:
        away = np.arange(n)[None, :, None] - at - shift[:, None, None]
        return np.exp(-0.5 * (away / self._sd) ** 2)

    def _render(self, block: int) -> np.ndarray:
        # Two sources: how often the first one is asked depends on the photons that are expected.
        shot, read = (np.random.default_rng((self._key, block, k)) for k in (0, 1))
        photons = self.photons(block * BLOCK + np.arange(BLOCK))
        codes = OFFSET + GAIN * shot.poisson(photons)
        codes += READ_SD * read.standard_normal(photons.shape)
        return np.clip(np.rint(codes), 0, MAX_CODE).astype(np.uint16)


def build(options: SimOptions) -> Rig:
    """The microscope, not plugged in yet."""
    origin, rate_hz = Origin(), options.rate_hz or RATE_HZ
    rng = np.random.default_rng((options.seed, 13))
    imaging = Imaging(rng, round(PLAYED_S * rate_hz), rate_hz=rate_hz)

    def make(first: int, n: int, t_s: float) -> np.ndarray:
        return imaging.frames(first, n).reshape(n, -1).astype(np.int16)

    def take(fault: Fault, first: int, rig_s: float) -> None:
        at = first / rate_hz
        if fault.kind == "shift":
            imaging.shift(at % PLAYED_S, fault.value)
        elif fault.kind == "focus":
            imaging.focus(at % PLAYED_S, fault.value)
        elif fault.kind == "bleach":
            imaging.bleach(at, fault.value)
        else:
            imaging.overexpose(at, at + fault.value)

    pixels = [f"{row}:{column}" for row in range(SIZE[0]) for column in range(SIZE[1])]
    info = OutletInfo(
        name="imaging",
        type="Imaging",
        source_id=source_id("imaging", "imaging"),
        channels=pixels,
        rate_hz=rate_hz,
        dtype="int16",
        acquisition={"manufacturer": "tenmin", "model": "simulated microscope"},
    )
    sender = Sender(
        name="imaging",
        wire=LslWire(info),
        make=make,
        channels=pixels,
        clock=SampleClock(rate_hz),
        origin=origin,
        seed=options.seed,
        takes=dict.fromkeys(("shift", "focus", "overexpose", "bleach"), take),
        facts={"tau_s": TAU_S, "gain": GAIN, "offset": OFFSET, "um_per_px": UM_PER_PX},
    )
    shape = {
        "height": str(SIZE[0]),
        "width": str(SIZE[1]),
        "dark_offset": repr(OFFSET),
        "max_code": str(MAX_CODE),
        "um_per_px": repr(UM_PER_PX),
    }
    table = lsl_device(sender) | {"primary": True, "facts": shape}
    name = f"lsl:{info.source_id}"

    def traces() -> dict[str, Any]:
        frames = np.arange(0, sender.next, round(rate_hz)) % imaging.n_frames
        shown = {key: getattr(imaging.truth, key)[frames].tolist() for key in TRACES}
        return {"traces": {"frame": frames.tolist(), **shown}}

    return Rig("imaging", name, [sender], [table], origin, more_truth=traces)


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)
