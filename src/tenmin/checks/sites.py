"""Where the channels of a probe lie, as far as the device says so."""

from __future__ import annotations

import numpy as np

from tenmin.stream import Stream

DEPTHS = "depths_um"  # fact of a stream: a number per channel, distance from the tip, by spaces


def depths_of(stream: Stream) -> np.ndarray | None:
    """Distance of each channel from the probe's tip, micrometres; None where it is not known."""
    told = stream.facts.get(DEPTHS, "").replace(",", " ").split()
    if len(told) != stream.n_channels:
        return None
    try:
        depths = np.array([float(word) for word in told])
    except ValueError:
        return None
    return depths if np.isfinite(depths).all() else None
