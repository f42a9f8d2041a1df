"""Q31: how far a stream's rate is from nominal, from the lines of clocks; science.md B.4."""

from __future__ import annotations

import math
from dataclasses import dataclass

PPM = 1e6


@dataclass(frozen=True, slots=True)
class Clock:
    """The line of a stream's own seconds to the host's, as far as a rate needs it.

    Attributes
    ----------
    slope : float
        Host seconds for each of the stream's own.
    ppm_u95 : float
        Half width of its 95 % interval, ppm.
    """

    slope: float
    ppm_u95: float


def rate_ppm(own: Clock, reference: Clock | None = None) -> tuple[float, float]:
    """Samples for each second of the reference against the nominal rate.

    Parameters
    ----------
    own, reference : Clock
        None: the host's clock is the reference.

    Returns
    -------
    ppm, ppm_u95 : float
        Positive where more samples come than should; half width of the 95 % interval.
    """
    if reference is None:
        return (1.0 / own.slope - 1.0) * PPM, own.ppm_u95
    ppm = (reference.slope - own.slope) / own.slope * PPM
    return ppm, math.hypot(own.ppm_u95, reference.ppm_u95)
