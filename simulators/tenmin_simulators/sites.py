"""A probe whose sites are good, dead, noisy or outside of the brain, as the IBL names them (G6).

Good sites share a field that hardly changes along the shank, both slow (LFP) and fast (the
reference's noise and distant spikes), beside noise of their own. A dead site sees neither; a noisy
one has far more noise of its own; sites outside of the brain, the run of the last channels, see
the slow field through the fluid but not the fast one. ::

    samples, labels, truth = probe_sites(rng, n, 30_000.0, 96, dead=(5,), noisy=(20,), outside=12)

References
----------
International Brain Laboratory 2022, doi:10.6084/m9.figshare.19705522; science.md B.2 Q06, Q07.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tenmin_simulators import background as bg
from tenmin_simulators.truth import Event

GOOD, DEAD, NOISY, OUTSIDE = 0, 1, 2, 3
NAMES = ("good", "dead", "noisy", "outside")
FIELD_UV = 80.0  # slow, shared
FAST_UV, FAST_HZ = 8.0, (300.0, 6000.0)  # fast, shared
OWN_UV = 6.0  # white, each site's own
DEAD_UV = 3.0
NOISY_UV = 60.0
FLUID_UV, FLUID = 5.0, 0.6  # noise in the fluid, and what it passes of the slow field


def probe_sites(
    rng: np.random.Generator,
    n: int,
    rate_hz: float,
    n_channels: int,
    *,
    dead: Sequence[int] = (),
    noisy: Sequence[int] = (),
    outside: int = 0,
) -> tuple[np.ndarray, np.ndarray, list[Event]]:
    """Samples of a probe, channel 0 the deepest.

    Parameters
    ----------
    dead, noisy : sequence of int
        Channels.
    outside : int
        How many of the last channels are outside of the brain.

    Returns
    -------
    ndarray, (n, n_channels), float32
        Microvolts.
    ndarray, (n_channels,), int
        `GOOD`, `DEAD`, `NOISY` or `OUTSIDE`.
    list of Event
        One for each channel that is not good; magnitude is the RMS of its own noise.
    """
    labels = np.full(n_channels, GOOD)
    labels[n_channels - outside :] = OUTSIDE
    labels[list(dead)], labels[list(noisy)] = DEAD, NOISY
    seconds = n / rate_hz
    matrix = bg.mixing(n_channels, 4, 3.0)
    field = bg.coloured(rng, n, rate_hz, 2.0, 4, low_hz=1.0) @ matrix.T.astype(np.float32)
    high = min(FAST_HZ[1], 0.45 * rate_hz)
    low = min(FAST_HZ[0], 0.5 * high)
    fast = bg.band_loop(rng, n, rate_hz, (low, high)).astype(np.float32)
    slow_gain = FIELD_UV * np.array([1.0, 0.0, 1.0, FLUID], np.float32)[labels]
    fast_gain = FAST_UV * np.array([1.0, 0.0, 1.0, 0.0], np.float32)[labels]
    own = np.array([OWN_UV, DEAD_UV, NOISY_UV, FLUID_UV], np.float32)[labels]
    samples = rng.standard_normal((n, n_channels), np.float32) * own
    samples += field * slow_gain
    samples += fast * fast_gain
    events = [
        Event(NAMES[label], (channel,), 0.0, seconds, float(own[channel]))
        for channel, label in enumerate(labels.tolist())
        if label != GOOD
    ]
    return samples, labels, events
