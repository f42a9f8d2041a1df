"""A head-fixed mouse: a probe, a treadmill, a camera on the eye and face, a microscope's clock.

Every device has a sampling clock of its own; the truth file says how much each drifts.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tenmin_simulators import treadmill
from tenmin_simulators.behaviour import PUPIL_MM, Behaviour, behave
from tenmin_simulators.eyes import Lids
from tenmin_simulators.options import Fault, SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import lsl_device, probe_device, probe_sender, source_id
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.truth import Event
from tenmin_simulators.wires import LslWire, OutletInfo

CHANNELS, RATE_HZ = 384, 30_000.0
UNITS = 128  # science E.1 G4
EYE_HZ, EYE_PPM = 60.0, 41.0
BLINKS_PER_MIN, FIRST_BLINK_S = 1.5, 5.0
SEEN = 0.15  # a pupil that is covered by more than this is not found
NIDAQ_HZ, NIDAQ_PPM = 10_000.0, 37.0
FRAMES_HZ, FRAMES_PPM = 30.0, -12.0
FRAME_PULSE_S = 0.005
SYNC_HZ = 1.0
UV_PER_COUNT = 10e6 / 32768  # +-10 V in 16 bits
TTL_COUNTS = 16384  # 5 V
TTL_HIGH, TTL_LOW = 6554, 2621  # 2.0 V and 0.8 V, the input levels of TTL


class Microscope:
    """Its frame clock and the rig's sync square wave, as an analogue input card sees them."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._rate = FRAMES_HZ * (1.0 + FRAMES_PPM * 1e-6)
        self._dropped: list[tuple[int, int]] = []
        self.last_s = 0.0
        self.first_s = math.inf

    def make(self, first: int, n: int, t_s: float) -> np.ndarray:
        """Samples [first, first + n), (n, 2), int16."""
        t = t_s + np.arange(n) / (NIDAQ_HZ * (1.0 + NIDAQ_PPM * 1e-6))
        self.first_s, self.last_s = min(self.first_s, t_s), float(t[-1])
        frame, phase = np.divmod(t * self._rate, 1.0)
        high = phase < FRAME_PULSE_S * FRAMES_HZ
        for start, count in self._dropped:
            high &= (frame < start) | (frame >= start + count)
        out = np.zeros((n, 2), np.int16)
        out[:, 0] = high * np.int16(TTL_COUNTS)
        out[:, 1] = (np.mod(t * SYNC_HZ, 1.0) < 0.5) * np.int16(TTL_COUNTS)
        return out

    def drop(self, fault: Fault, at_ns: int) -> None:
        """Let `fault.value` frames be missing."""
        t = max(0.0, (at_ns - (self._origin.ns or at_ns)) * 1e-9)
        self._dropped.append((math.ceil(t * self._rate), round(fault.value)))

    def truth(self) -> dict[str, dict[str, float]]:
        """Its clock, and the pulses sent so far."""
        if self.first_s == math.inf:
            return {"frames": {"rate_hz": FRAMES_HZ, "ppm": FRAMES_PPM, "sent": 0}}
        whole = math.floor(self.last_s * self._rate) - math.ceil(self.first_s * self._rate) + 1
        begun = math.floor(self.last_s * self._rate)
        lost = sum(max(0, min(begun + 1, start + n) - start) for start, n in self._dropped)
        return {"frames": {"rate_hz": FRAMES_HZ, "ppm": FRAMES_PPM, "sent": whole - lost}}

    def gaps(self) -> dict[str, list[list[int]]]:
        """(frame, frames) that were dropped, the first frame of the rig's time being 0."""
        return {"dropped_frames": [[start, n] for start, n in self._dropped]}


def eye_sender(origin: Origin, options: SimOptions, behaviour: Behaviour) -> Sender:
    """Pupil and face features, 60 a second, on an LSL outlet called ``eye``."""
    noise = np.random.default_rng((options.seed, 3)).standard_normal((6007, 2))
    small, large = PUPIL_MM
    lids = Lids(np.random.default_rng((options.seed, 10)), BLINKS_PER_MIN, from_s=FIRST_BLINK_S)

    def make(first: int, n: int, t_s: float) -> np.ndarray:
        t = t_s + np.arange(n) / EYE_HZ
        rough = noise[np.arange(first, first + n) % len(noise)]
        shut = lids.closed((first + np.arange(n)) / EYE_HZ)
        out = np.empty((n, 3), np.float32)
        pupil = small + (large - small) * behaviour.at("pupil", t)
        out[:, 0] = pupil * (1.0 - 0.7 * shut) + 0.005 * rough[:, 0]
        out[:, 1] = np.exp(0.5 * (behaviour.at("motion", t) + 0.1 * rough[:, 1]))
        out[:, 2] = np.where(shut > SEEN, 0.3, 1.0)
        return out

    def take(fault: Fault, first: int, rig_s: float) -> None:
        onset = first / EYE_HZ
        if fault.kind == "blink":
            lids.blink(onset, peak_uv=0.0)
        else:
            lids.close(onset, onset + fault.value)

    def happened(t_s: float) -> list[Event]:
        return [replace(event, magnitude=0.0) for event in lids.events_until(t_s)]

    info = OutletInfo(
        name="eye",
        type="Gaze",
        source_id=source_id("mouse", "eye"),
        channels=["pupil_diameter", "motion_energy", "confidence"],
        rate_hz=EYE_HZ,
        dtype="float32",
        units=["mm", "normalized", "normalized"],
        types=["Diameter", "MotionEnergy", "Confidence"],
        acquisition={"manufacturer": "tenmin", "model": "simulated camera"},
    )
    return Sender(
        name="eye",
        wire=LslWire(info),
        make=make,
        channels=info.channels,
        clock=SampleClock(EYE_HZ, EYE_PPM),
        origin=origin,
        dtype="float32",
        seed=options.seed,
        takes={"blink": take, "eyes_closed": take},
        happened=happened,
    )


def nidaq_sender(origin: Origin, options: SimOptions, microscope: Microscope) -> Sender:
    """Frame clock and sync at 10 kHz on an LSL outlet called ``nidaq``."""
    info = OutletInfo(
        name="nidaq",
        type="TTL",
        source_id=source_id("mouse", "nidaq"),
        channels=["frame_clock", "sync"],
        rate_hz=NIDAQ_HZ,
        dtype="int16",
        units=["microvolts", "microvolts"],
        types=["TTL", "TTL"],
        acquisition={
            "manufacturer": "tenmin",
            "model": "simulated analogue inputs",
            "uV_per_count": repr(UV_PER_COUNT),
        },
    )
    wire, clock = LslWire(info), SampleClock(NIDAQ_HZ, NIDAQ_PPM)
    return Sender("nidaq", wire, microscope.make, info.channels, clock, origin, seed=options.seed)


def build(options: SimOptions) -> Rig:
    """The rig, nothing plugged in yet."""
    origin = Origin()
    behaviour = behave(np.random.default_rng((options.seed, 2)))
    probe = probe_sender(
        "mouse",
        origin,
        options,
        channels=options.channels or CHANNELS,
        rate_hz=options.rate_hz or RATE_HZ,
        n_units=UNITS,
        seconds=(1.5, 1.1),
        behaviour=behaviour,
    )
    probe.takes = behaviour.takes()
    belt = treadmill.sender(origin, options, behaviour)
    eye = eye_sender(origin, options, behaviour)
    microscope = Microscope(origin)
    nidaq = nidaq_sender(origin, options, microscope)
    frames = {
        "name": "frames",
        "driver": "frame_trigger",
        "source": "nidaq:frame_clock",
        "rate_hz": FRAMES_HZ,
        "threshold_unit": "counts",
        "high": float(TTL_HIGH),
        "low": float(TTL_LOW),
    }
    assert isinstance(probe.wire, LslWire)
    return Rig(
        name="mouse",
        endpoint=f"lsl:{probe.wire.info.source_id}",
        senders=[probe, belt, eye, nidaq],
        devices=[
            probe_device(probe),
            treadmill.device(belt),
            lsl_device(eye) | {"kind": "behavior"},
            lsl_device(nidaq),
            frames,
        ],
        origin=origin,
        behaviour=behaviour,
        more_clocks=microscope.truth,
        more_truth=microscope.gaps,
        drop_frames=microscope.drop,
    )


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)
