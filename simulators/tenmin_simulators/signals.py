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
line        mains hum and harmonics, in episodes (G5)                `line`
electrodes  dead, flat, clip, pops, white, high impedance (G6)       `dead` … `bridged`
timing      drift, jitter, losses, doubles, swaps, wraps (G9)        `SampleClock`, `packets`
behaviour   semi-Markov states and what they drive (G12)             `behave`
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
    line,
    line_rms,
    mixing,
    oscillation,
)
from tenmin_simulators.behaviour import Behaviour, State, behave, states
from tenmin_simulators.electrodes import (
    bridged,
    clip,
    dead,
    flat_runs,
    high_impedance,
    pops,
    white,
)
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
    "Event",
    "Footprint",
    "OscillationTruth",
    "Packet",
    "PacketTruth",
    "SampleClock",
    "State",
    "Trains",
    "add_spikes",
    "background",
    "behave",
    "branching_trains",
    "bridged",
    "bursts",
    "clip",
    "coloured",
    "dead",
    "fgn",
    "flat_runs",
    "footprints",
    "high_impedance",
    "holes",
    "latent_trains",
    "line",
    "line_rms",
    "mixing",
    "oscillation",
    "packets",
    "poisson_trains",
    "pops",
    "states",
    "unit_rates",
    "white",
    "wrapped",
]
