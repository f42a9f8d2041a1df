"""A person at rest: 64 EEG channels at 1 kHz in float32 microvolts, and markers."""

from __future__ import annotations

import functools

import numpy as np

from tenmin_simulators import background as bg
from tenmin_simulators.bank import eeg_bank
from tenmin_simulators.options import SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import MAINS_HZ, lsl_device, marker_sender, source_id
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.wires import LslWire, OutletInfo

RATE_HZ = 1000.0
MARKERS_EVERY_S = (8.0, 12.0)
ALPHA_UV = 15.0  # RMS over the occiput
ALPHA_S = 900.0  # after this the alpha rhythm begins anew
RANGE_UV = 400_000.0  # +-0.4 V, an amplifier with 24 bits

# 64 sites of the 10-10 system, front to back.
SITES = (
    "Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 F7 F5 F3 F1 Fz F2 F4 F6 F8 FT9 FT7 FC5 FC3 FC1 FCz FC2 FC4 "
    "FC6 FT8 FT10 T7 C5 C3 C1 Cz C2 C4 C6 T8 TP9 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 TP10 P7 P5 "
    "P3 P1 Pz P2 P4 P6 P8 PO7 PO3 POz PO4 PO8 O1 O2"
)
LABELS = tuple(SITES.split())


def eeg_sender(origin: Origin, options: SimOptions) -> Sender:
    """EEG on an LSL outlet called ``eeg``: 1/f background and a posterior alpha rhythm."""
    n = options.channels or len(LABELS)
    rate_hz = options.rate_hz or RATE_HZ
    labels = LABELS[:n] + tuple(f"EX{k}" for k in range(1, n - len(LABELS) + 1))
    bank = eeg_bank(np.random.default_rng((options.seed, 4)), n, rate_hz)
    rng = np.random.default_rng((options.seed, 5))
    alpha, alpha_truth = bg.oscillation(rng, round(ALPHA_S * rate_hz), rate_hz)
    posterior = np.linspace(0.05, 1.0, n, dtype=np.float32) ** 2 * np.float32(ALPHA_UV)
    scratch = np.empty((8192, n), np.float32)

    def make(first: int, count: int, t_s: float) -> np.ndarray:
        out = scratch[:count]
        bank.fill(first, out)
        rows = np.arange(first, first + count) % len(alpha)
        out += np.multiply.outer(alpha[rows], posterior)
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
        facts={
            "alpha": {"f0_hz": alpha_truth.f0_hz, "hurst": alpha_truth.hurst, "cv": alpha_truth.cv}
        },
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
