"""A small rig for tests: 16 channels at 2 kHz with a counter, and markers."""

from __future__ import annotations

from tenmin_simulators.options import SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import MICROVOLTS_PER_COUNT, marker_sender, probe_device, probe_sender
from tenmin_simulators.sender import Origin

CHANNELS, RATE_HZ = 16, 2000.0
MARKERS_EVERY_S = (0.5, 1.5)
UNITS = 6


def build(options: SimOptions) -> Rig:
    """The rig, nothing plugged in yet."""
    origin = Origin()
    probe = probe_sender(
        "quick",
        origin,
        options,
        channels=options.channels or CHANNELS,
        rate_hz=options.rate_hz or RATE_HZ,
        n_units=UNITS,
        seconds=(1.0, 0.7),
        per_count=MICROVOLTS_PER_COUNT,
    )
    markers, marker_table = marker_sender("quick", origin, options, MARKERS_EVERY_S)
    return Rig(
        name="quick",
        endpoint=f"lsl:{probe.wire.info.source_id}",  # type: ignore[attr-defined]
        senders=[probe, markers],
        devices=[probe_device(probe), marker_table],
        origin=origin,
    )


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)
