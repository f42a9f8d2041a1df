"""The generators of the simulators: signals whose truth is known, the same for the same seed.

Each takes a ``numpy.random.Generator`` and gives samples together with the truth about them:
events (type, channels, onset, offset, magnitude), states, or the parameters of a clock.

==========  =======================================================  =====================
generator   model                                                    functions
==========  =======================================================  =====================
background  1/f**chi noise, mixed in space (G1)                      `background`
oscillation  sine or band with log-normal amplitude of fGn(H) (G2)   `oscillation`, `fgn`
bursts      Hann-windowed sinusoids at Poisson times (G3)            `bursts`
spikes      Poisson, shared latent or branching units (G4)           `*_trains`, `add_spikes`
line        mains hum and harmonics, in episodes (G5)                `line`, `hum`
electrodes  dead, flat, clip, pops, white, high impedance (G6)       `dead` … `bridged`
sites       good, dead, noisy and outside sites of a probe           `probe_sites`
muscle      bursts of 20-200 Hz on temporal channels (G7)            `Muscle`
eyes        blinks, closed lids, slow eye movements (G8)             `Lids`, `Eyes`
timing      drift, jitter, losses, doubles, swaps, wraps (G9)        `SampleClock`, `packets`
camera      pupil, glints, lids, moving face, drops, exposure (G10)  `Camera`
imaging     cells, bleaching, shot noise, motion in x, y, z (G11)    `Imaging`
behaviour   semi-Markov states and what they drive (G12)             `behave`
patch       Rs, Rm, Cm and seal behind a Bessel filter (G13)         `Clamp`, `step_response`
environment  lux, sound and temperature with steps (G14)             `Surroundings`
==========  =======================================================  =====================
"""

from __future__ import annotations

from tenmin_simulators.background import (
    BackgroundTruth,
    OscillationTruth,
    background,
    bursts,
    coloured,
    fgn,
    hum,
    line,
    line_rms,
    mixing,
    oscillation,
)
from tenmin_simulators.behaviour import Behaviour, State, behave, states
from tenmin_simulators.camera import Camera, CameraTruth
from tenmin_simulators.electrodes import (
    bridged,
    clip,
    clip_runs,
    dead,
    flat_runs,
    high_impedance,
    pops,
    white,
)
from tenmin_simulators.environment import Surroundings
from tenmin_simulators.eyes import Blink, Eyes, Lids
from tenmin_simulators.imaging import Imaging, ImagingTruth
from tenmin_simulators.muscle import Muscle
from tenmin_simulators.patch import Cell, Clamp, ClampTruth, step_response
from tenmin_simulators.sites import probe_sites
from tenmin_simulators.spikes import (
    Footprint,
    Trains,
    add_spikes,
    branching_trains,
    footprints,
    latent_trains,
    poisson_trains,
    unit_rates,
)
from tenmin_simulators.timing import (
    Packet,
    PacketTruth,
    SampleClock,
    holes,
    packets,
    wrapped,
)
from tenmin_simulators.truth import Event

__all__ = [
    "BackgroundTruth",
    "Behaviour",
    "Blink",
    "Camera",
    "CameraTruth",
    "Cell",
    "Clamp",
    "ClampTruth",
    "Event",
    "Eyes",
    "Footprint",
    "Imaging",
    "ImagingTruth",
    "Lids",
    "Muscle",
    "OscillationTruth",
    "Packet",
    "PacketTruth",
    "SampleClock",
    "State",
    "Surroundings",
    "Trains",
    "add_spikes",
    "background",
    "behave",
    "branching_trains",
    "bridged",
    "bursts",
    "clip",
    "clip_runs",
    "coloured",
    "dead",
    "fgn",
    "flat_runs",
    "footprints",
    "high_impedance",
    "holes",
    "hum",
    "latent_trains",
    "line",
    "line_rms",
    "mixing",
    "oscillation",
    "packets",
    "poisson_trains",
    "pops",
    "probe_sites",
    "states",
    "step_response",
    "unit_rates",
    "white",
    "wrapped",
]
