"""One LSL outlet of any width, rate and format, its last channel a sample counter."""

from __future__ import annotations

import numpy as np

from tenmin.errors import UsageError
from tenmin_simulators.options import SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import COUNTER, lsl_device, source_id
from tenmin_simulators.rehearsal import Rehearsed, rehearsed
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.wires import FORMATS, LslWire, OutletInfo

CHANNELS, RATE_HZ, DTYPE = 8, 500.0, "float32"
# Width of the counter: what the format holds exactly (float32 up to 2**24).
COUNTER_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 63, "float32": 24, "float64": 53}
NOISE_COUNTS = {"int8": 20.0}
OTHERWISE_COUNTS = 100.0
LOOP = 4999  # samples after which the noise begins anew


def build(options: SimOptions) -> Rig:
    """The outlet, not plugged in yet.

    Raises
    ------
    UsageError
        LSL has no numbers of this format.
    """
    n = options.channels or CHANNELS
    rate_hz, dtype = options.rate_hz or RATE_HZ, options.dtype or DTYPE
    if dtype not in COUNTER_BITS:
        known = ", ".join(name for name in FORMATS if name in COUNTER_BITS)
        raise UsageError(f"LSL has no numbers {dtype!r}.", remedy=f"Choose one of {known}.")
    mask = (1 << COUNTER_BITS[dtype]) - 1
    rng = np.random.default_rng((options.seed, 6))
    loop = rng.standard_normal((LOOP, n + 1)) * NOISE_COUNTS.get(dtype, OTHERWISE_COUNTS)
    loop = loop.clip(-128, 127).astype(dtype) if dtype == "int8" else loop.astype(dtype)

    def make(first: int, count: int, t_s: float) -> np.ndarray:
        index = np.arange(first, first + count)
        out = loop[index % LOOP]
        out[:, -1] = (index & mask).astype(dtype)
        return out

    labels = [*(f"ch{k + 1}" for k in range(n)), COUNTER]
    info = OutletInfo(
        name="simulated",
        type="EEG",
        source_id=source_id("lsl", "simulated"),
        channels=labels,
        rate_hz=rate_hz,
        dtype=dtype,
        units=["microvolts"] * n + ["none"],
        types=["EEG"] * n + ["counter"],
        acquisition={
            "manufacturer": "tenmin",
            "model": "simulated outlet",
            "serial_number": f"SIM{options.seed:08d}",
        },
    )
    origin = Origin()
    full = float(np.iinfo(dtype).max) if dtype.startswith("int") else 1e6
    wire, clock = LslWire(info), SampleClock(rate_hz)
    outlet = Sender(
        "simulated",
        wire,
        make,
        labels,
        clock,
        origin,
        dtype,
        electrical=slice(0, n),
        full_scale=full,
        seed=options.seed,
    )
    table = lsl_device(outlet) | {"counter_channel": COUNTER, "primary": True}
    return Rig("lsl", f"lsl:{info.source_id}", [outlet], [table], origin)


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)


def rehearse(**options: object) -> Rehearsed:
    """An outlet in a process of its own, for a test to drive."""
    return rehearsed("lsl", **options)
