"""Streams that several simulated rigs share: a probe with a counter channel, and markers."""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np

from tenmin_simulators import background as bg
from tenmin_simulators.bank import Bank, probe_bank
from tenmin_simulators.behaviour import Behaviour
from tenmin_simulators.markers import MarkerSender
from tenmin_simulators.options import SimOptions
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock, wrapped
from tenmin_simulators.wires import LslWire, OutletInfo

MICROVOLTS_PER_COUNT = 2.34375  # 1.2 V / 2**10 / gain 500, a Neuropixels 1.0 converter
COUNTER = "counter"
COUNTER_BITS = 16
DELTA_HZ = 2.3
DELTA_UV = 12.0  # RMS of the slow wave in quiet wakefulness
MAINS_HZ = 50.0


def source_id(rig: str, stream: str) -> str:
    """Name of an outlet that no other simulator on this computer has."""
    return f"tenmin-sim-{rig}-{stream}-{os.getpid()}"


class Probe:
    """Samples of a probe: two loops, a slow wave that follows the animal's state, a counter."""

    def __init__(
        self, bank: Bank, rate_hz: float, per_count: float, behaviour: Behaviour | None
    ) -> None:
        self._bank, self._rate, self._behaviour = bank, rate_hz, behaviour
        columns = bank.a.shape[1]
        depth = np.sin(np.linspace(0.3, 2.6, columns - 1))  # strongest in the middle of the shank
        self._delta = np.append(depth, 0.0).astype(np.float32) * (DELTA_UV / per_count)
        self._scratch = np.empty((8192, columns), np.int16)

    def make(self, first: int, n: int, t_s: float) -> np.ndarray:
        """Samples [first, first + n), (n, channels + 1), in an array that is used again."""
        out = self._scratch[:n]
        self._bank.fill(first, out)
        if self._behaviour is not None:
            t = t_s + np.arange(n) / self._rate
            z = self._behaviour.at("delta", t[[0, -1]])
            # The delta ratio is a log10 of power: one z is taken as 1 dB here.
            gain = np.sqrt(2.0) * 10.0 ** (np.linspace(z[0], z[1], n) / 20.0)
            wave = (gain * np.sin(2 * np.pi * DELTA_HZ * t)).astype(np.float32)
            out += np.multiply.outer(wave, self._delta).astype(np.int16)
        out[:, -1] = wrapped(np.arange(first, first + n), COUNTER_BITS)
        return out


def probe_sender(
    rig: str,
    origin: Origin,
    options: SimOptions,
    *,
    channels: int,
    rate_hz: float,
    n_units: int,
    seconds: tuple[float, float],
    per_count: float = MICROVOLTS_PER_COUNT,
    behaviour: Behaviour | None = None,
) -> Sender:
    """A probe on an LSL outlet called ``probe``, its last channel the counter."""
    bank, _ = probe_bank(
        np.random.default_rng((options.seed, 1)),
        channels,
        rate_hz,
        per_count=per_count,
        n_units=n_units,
        seconds=seconds,
    )
    labels = [f"AP{k}" for k in range(channels)]
    info = OutletInfo(
        name="probe",
        type="ecephys",
        source_id=source_id(rig, "probe"),
        channels=[*labels, COUNTER],
        rate_hz=rate_hz,
        dtype="int16",
        units=["microvolts"] * channels + ["none"],
        types=["ecephys"] * channels + ["counter"],
        acquisition={
            "manufacturer": "tenmin",
            "model": "simulated probe",
            "serial_number": f"SIM{options.seed:08d}",
            "uV_per_count": repr(per_count),
            "precision": "16",
        },
    )

    @functools.cache
    def hum(level_db: float) -> float:
        return bg.line_rms(bank.density(rate_hz, MAINS_HZ, 1.0), level_db)

    return Sender(
        name="probe",
        wire=LslWire(info),
        make=Probe(bank, rate_hz, per_count, behaviour).make,
        channels=info.channels,
        clock=SampleClock(rate_hz),
        origin=origin,
        electrical=slice(0, channels),
        hum=hum,
        mains_hz=MAINS_HZ,
        seed=options.seed,
    )


def probe_device(probe: Sender) -> dict[str, Any]:
    """Its table in a rig.toml."""
    return lsl_device(probe) | {
        "counter_channel": COUNTER,
        "primary": True,
        "kind": "ecephys",
    }


def lsl_device(sender: Sender | MarkerSender) -> dict[str, Any]:
    """The table of any outlet in a rig.toml."""
    wire = sender.wire
    assert isinstance(wire, LslWire)
    return {
        "name": sender.name,
        "driver": "lsl",
        "stream_name": wire.info.name,
        "source_id": wire.info.source_id,
    }


def marker_sender(
    rig: str, origin: Origin, options: SimOptions, every_s: tuple[float, float]
) -> tuple[MarkerSender, dict[str, Any]]:
    """A marker outlet called ``markers``, and its table."""
    info = OutletInfo(
        "markers", "Markers", source_id(rig, "markers"), ["marker"], 0.0, "str", types=["Marker"]
    )
    sender = MarkerSender("markers", LslWire(info), every_s, origin, options.seed)
    return sender, lsl_device(sender)
