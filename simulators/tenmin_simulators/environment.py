"""Light, sound and temperature of a room, with steps (G14).

``tenmin sim environment`` sends `Surroundings` once a second; as arrays::

    room = Surroundings(np.random.default_rng(1))
    room.scatter(np.random.default_rng(2), 600.0)
    samples = room.samples(first, n)        # (n, 3): lux, dB(A), degrees Celsius
    truth = room.events                     # types lux, sound, warm
"""

from __future__ import annotations

import numpy as np

from tenmin_simulators.blocks import noise, seed
from tenmin_simulators.options import Fault, SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import lsl_device, source_id
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.truth import Event
from tenmin_simulators.wires import LslWire, OutletInfo

RATE_HZ = 1.0  # science B.3 Q20d
CHANNELS = ("illuminance", "sound_level", "temperature")
UNITS = ("lux", "dB", "celsius")
LUX, SOUND_DB, TEMPERATURE_C = 120.0, 38.0, 21.5
LUX_SD, SOUND_SD_DB, TEMPERATURE_SD_C = 0.01, 0.7, 0.02  # of lux: relative
WARMING_S = 600.0  # a change of temperature takes this long
STEPS = {"lux": (20.0, 60.0), "sound": (20.0, 35.0), "warm": (0.8, 1.5)}  # %, dB, K
SOUND_S = (1.0, 5.0)


class Surroundings:
    """A room that keeps still, and what changes in it.

    Attributes
    ----------
    events : list of Event
        ``lux``: a step by so many percent; ``sound``: so many dB more for a while; ``warm``: so
        many kelvins within ten minutes, for good. In order of time.
    """

    def __init__(self, rng: np.random.Generator, rate_hz: float = RATE_HZ) -> None:
        self.rate_hz = rate_hz
        self.events: list[Event] = []
        self._noise = noise(np.random.default_rng(seed(rng)), (3,), 64)

    def scatter(self, rng: np.random.Generator, duration_s: float) -> list[Event]:
        """Place a step of each kind, in a random order, in equal parts of the duration."""
        slot = duration_s / len(STEPS)
        for k, kind in enumerate(rng.permutation(list(STEPS)).tolist()):
            onset = round((k + rng.uniform(0.2, 0.6)) * slot)
            amount = float(rng.uniform(*STEPS[kind]))
            if kind != "sound":
                amount *= float(rng.choice((-1.0, 1.0)))
            self.change(kind, onset, amount, float(rng.uniform(*SOUND_S)))
        return self.events

    def change(self, kind: str, onset_s: float, amount: float, sound_s: float = 2.0) -> Event:
        """One more step.

        Parameters
        ----------
        kind : str
            ``lux``, ``sound`` or ``warm``.
        amount : float
            Percent, dB or kelvins.
        sound_s : float
            How long a sound lasts.
        """
        lasting = {"lux": 0.0, "sound": sound_s, "warm": WARMING_S}[kind]
        event = Event(kind, (tuple(STEPS).index(kind),), onset_s, onset_s + lasting, amount)
        self.events = sorted([*self.events, event], key=lambda e: e.onset_s)
        return event

    def samples(self, first: int, n: int) -> np.ndarray:
        """Samples [first, first + n), (n, 3)."""
        t = (first + np.arange(n)) / self.rate_hz
        rough = self._noise.take(first, n)
        lux, sound = np.full(n, LUX), np.full(n, SOUND_DB)
        temperature = TEMPERATURE_C + TEMPERATURE_SD_C * rough[:, 2]
        for event in self.events:
            if event.type == "lux":
                lux[t >= event.onset_s] *= 1.0 + event.magnitude / 100.0
            elif event.type == "sound":
                sound[(t >= event.onset_s) & (t < event.offset_s)] += event.magnitude
            else:
                risen = np.clip((t - event.onset_s) / WARMING_S, 0.0, 1.0)
                temperature += event.magnitude * risen
        lux *= 1.0 + LUX_SD * rough[:, 0]
        sound += SOUND_SD_DB * rough[:, 1]
        return np.stack((np.maximum(lux, 0.0), sound, temperature), axis=1)


def build(options: SimOptions) -> Rig:
    """The sensor, not plugged in yet."""
    origin, rate_hz = Origin(), options.rate_hz or RATE_HZ
    room = Surroundings(np.random.default_rng((options.seed, 11)), rate_hz)

    def make(first: int, n: int, t_s: float) -> np.ndarray:
        return room.samples(first, n).astype(np.float32)

    def take(fault: Fault, first: int, rig_s: float) -> None:
        room.change(fault.kind, first / rate_hz, fault.value, fault.seconds)

    info = OutletInfo(
        name="environment",
        type="Environment",
        source_id=source_id("environment", "environment"),
        channels=CHANNELS,
        rate_hz=rate_hz,
        dtype="float32",
        units=UNITS,
        types=("Illuminance", "SoundLevel", "Temperature"),
        acquisition={"manufacturer": "tenmin", "model": "simulated room sensor"},
    )
    sensor = Sender(
        name="environment",
        wire=LslWire(info),
        make=make,
        channels=CHANNELS,
        clock=SampleClock(rate_hz),
        origin=origin,
        dtype="float32",
        seed=options.seed,
        takes=dict.fromkeys(STEPS, take),
    )
    table = lsl_device(sensor) | {"primary": True}
    return Rig("environment", f"lsl:{info.source_id}", [sensor], [table], origin)


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)
