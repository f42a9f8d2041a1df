"""A person at rest: 64 EEG channels at 1 kHz in float32 microvolts, and markers.

The eyes are open: there are blinks, and little alpha rhythm. Closed eyes bring the rhythm out;
drowsiness brings slow eye movements, long blinks, theta, and some of the rhythm.
"""

from __future__ import annotations

import functools

import numpy as np

from tenmin_simulators import background as bg
from tenmin_simulators import montage
from tenmin_simulators.bank import eeg_bank
from tenmin_simulators.eyes import Eyes, Lids, gate
from tenmin_simulators.muscle import Muscle
from tenmin_simulators.options import Fault, SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import MAINS_HZ, lsl_device, marker_sender, source_id
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.truth import Event
from tenmin_simulators.wires import LslWire, OutletInfo

RATE_HZ = 1000.0
MARKERS_EVERY_S = (8.0, 12.0)
ALPHA_UV = 15.0  # RMS over the occiput, eyes closed
ALPHA_OPEN, ALPHA_SLEEPY = 0.3, 0.7  # of that, amplitude
THETA_HZ, THETA_UV = (4.5, 6.5), 14.0  # of a drowsy person, RMS
THETA_LOOP_S = 30.0
TURN_S = 1.0  # how long the rhythms take to come and go
FIRST_BLINK_S = 2.0
ALPHA_S = 900.0  # after this the alpha rhythm begins anew
RANGE_UV = 400_000.0  # +-0.4 V, an amplifier with 24 bits

# 64 sites of the 10-10 system, front to back.
SITES = (
    "Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 F7 F5 F3 F1 Fz F2 F4 F6 F8 FT9 FT7 FC5 FC3 FC1 FCz FC2 FC4 "
    "FC6 FT8 FT10 T7 C5 C3 C1 Cz C2 C4 C6 T8 TP9 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 TP10 P7 P5 "
    "P3 P1 Pz P2 P4 P6 P8 PO7 PO3 POz PO4 PO8 O1 O2"
)
LABELS = tuple(SITES.split())


class Person:
    """What a head shows beside its background: rhythms, lids, eyes, muscles.

    Parameters
    ----------
    seed : int
    labels : sequence of str
    rate_hz : float

    Attributes
    ----------
    alpha_truth : OscillationTruth
    eyes : Eyes
    muscle : Muscle or None
        None where no channel lies over one.
    drowsy : list of Event
    """

    def __init__(self, seed: int, labels: tuple[str, ...], rate_hz: float) -> None:
        self.rate_hz = rate_hz
        n = round(ALPHA_S * rate_hz)
        alpha, self.alpha_truth = bg.oscillation(np.random.default_rng((seed, 5)), n, rate_hz)
        self._alpha = alpha
        self._posterior = (montage.posterior(labels) * ALPHA_UV).astype(np.float32)
        rng = np.random.default_rng((seed, 7))
        theta = bg.band_loop(rng, round(THETA_LOOP_S * rate_hz), rate_hz, THETA_HZ)[:, 0]
        self._theta = (theta * THETA_UV).astype(np.float32)
        lids = Lids(np.random.default_rng((seed, 8)), from_s=FIRST_BLINK_S)
        unnamed = np.zeros(len(labels))
        unnamed[0] = 1.0  # a montage without names: the eyes are near the first channel
        named = montage.frontal(labels)
        self.eyes = Eyes(lids, labels, rate_hz, frontal=named if named.any() else unnamed)
        over = montage.temporal(labels).any()
        self.muscle = Muscle(np.random.default_rng((seed, 9)), labels, rate_hz) if over else None
        self.drowsy: list[Event] = []

    def add(self, samples: np.ndarray, first: int) -> None:
        """Add it to samples, (n, n_channels), the first of which has this number."""
        rows = first + np.arange(len(samples))
        t = rows / self.rate_hz
        asleep = gate(t, [(e.onset_s, e.offset_s) for e in self.drowsy], TURN_S)
        gain = ALPHA_OPEN + (ALPHA_SLEEPY - ALPHA_OPEN) * asleep
        closed = gate(t, self.eyes.lids.closures, TURN_S)
        gain = gain + (1.0 - gain) * closed
        alpha = gain.astype(np.float32) * self._alpha[rows % len(self._alpha)]
        samples += np.multiply.outer(alpha, self._posterior)
        if asleep.any():
            theta = asleep.astype(np.float32) * self._theta[rows % len(self._theta)]
            samples += theta[:, None]
        self.eyes.add(samples, first)
        if self.muscle is not None:
            self.muscle.add(samples, first)

    def take(self, fault: Fault, first: int, rig_s: float) -> None:
        """Do what a fault asks for, from a sample on."""
        onset = first / self.rate_hz
        offset = onset + fault.value
        if fault.kind == "blink":
            self.eyes.lids.blink(onset)
        elif fault.kind == "eyes_closed":
            self.eyes.lids.close(onset, offset)
        elif fault.kind == "sem":
            self.eyes.roll(onset, offset)
        elif fault.kind == "drowsy":
            self.drowsy.append(Event("drowsy", (), onset, offset))
            self.eyes.lids.drowse(onset, offset)
            self.eyes.roll(onset, offset)
        elif self.muscle is not None:
            self.muscle.place(onset, offset)

    def happened(self, t_s: float) -> list[Event]:
        """Everything that has begun by a time, in order."""
        found = [*self.eyes.events_until(t_s), *self.drowsy]
        found += [] if self.muscle is None else self.muscle.events
        return sorted((e for e in found if e.onset_s < t_s), key=lambda e: e.onset_s)


def eeg_sender(origin: Origin, options: SimOptions) -> Sender:
    """EEG on an LSL outlet called ``eeg``: 1/f background, and a `Person`."""
    n = options.channels or len(LABELS)
    rate_hz = options.rate_hz or RATE_HZ
    labels = LABELS[:n] + tuple(f"EX{k}" for k in range(1, n - len(LABELS) + 1))
    bank = eeg_bank(np.random.default_rng((options.seed, 4)), n, rate_hz)
    person = Person(options.seed, labels, rate_hz)
    kinds = ["blink", "eyes_closed", "sem", "drowsy", *(["muscle"] if person.muscle else [])]
    scratch = np.empty((8192, n), np.float32)

    def make(first: int, count: int, t_s: float) -> np.ndarray:
        out = scratch[:count]
        bank.fill(first, out)
        person.add(out, first)
        return out

    info = OutletInfo(
        name="eeg",
        type="EEG",
        source_id=source_id("human-eeg", "eeg"),
        channels=labels,
        rate_hz=rate_hz,
        dtype="float32",
        units=["microvolts"] * n,
        types=["EEG"] * n,
        acquisition={
            "manufacturer": "tenmin",
            "model": "simulated amplifier",
            "serial_number": f"SIM{options.seed:08d}",
            "precision": "24",
        },
    )

    @functools.cache
    def hum(level_db: float) -> float:
        return bg.line_rms(bank.density(rate_hz, MAINS_HZ, 1.0), level_db)

    truth = person.alpha_truth
    return Sender(
        name="eeg",
        wire=LslWire(info),
        make=make,
        channels=labels,
        clock=SampleClock(rate_hz),
        origin=origin,
        dtype="float32",
        electrical=slice(0, n),
        hum=hum,
        full_scale=RANGE_UV,
        mains_hz=MAINS_HZ,
        seed=options.seed,
        takes=dict.fromkeys(kinds, person.take),
        happened=person.happened,
        facts={"alpha": {"f0_hz": truth.f0_hz, "hurst": truth.hurst, "cv": truth.cv}},
    )


def build(options: SimOptions) -> Rig:
    """The rig, nothing plugged in yet."""
    origin = Origin()
    eeg = eeg_sender(origin, options)
    markers, marker_table = marker_sender("human-eeg", origin, options, MARKERS_EVERY_S)
    assert isinstance(eeg.wire, LslWire)
    return Rig(
        name="human-eeg",
        endpoint=f"lsl:{eeg.wire.info.source_id}",
        senders=[eeg, markers],
        devices=[lsl_device(eeg) | {"primary": True, "kind": "eeg"}, marker_table],
        origin=origin,
    )


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)
